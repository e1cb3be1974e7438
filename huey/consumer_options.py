"""What the command line of `huey_consumer` understands."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from huey.constants import WORKER_THREAD, WORKER_TYPES
from huey.logs import JSONFormatter

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="huey_consumer",
        description="Run the tasks of a Huey: some workers and a scheduler, until SIGINT "
        "(running tasks end first) or SIGTERM (running tasks go back to the queue).",
    )
    parser.add_argument("huey", metavar="MODULE.HUEY", help="import path, like demo.huey")
    parser.add_argument("-w", "--workers", type=int, default=1, help="how many tasks at once")
    parser.add_argument(
        "-k", "--worker-type", choices=WORKER_TYPES, default=WORKER_THREAD, help="kind of worker"
    )
    parser.add_argument(
        "-s",
        "--scheduler-interval",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="longest pause between two looks at the schedule",
    )
    parser.add_argument("-l", "--logfile", metavar="FILE", help="log to a file, not to stderr")
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="lines for people, or one JSON object per line",
    )
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="log every detail")
    loudness.add_argument("-q", "--quiet", action="store_true", help="log only what goes wrong")
    return parser


def consumer_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says as keyword arguments of `Huey.create_consumer`."""
    return {
        "workers": options.workers,
        "worker_type": options.worker_type,
        "scheduler_interval": options.scheduler_interval,
    }


def set_up_logging(options: argparse.Namespace) -> None:
    """Send the log where the command line says."""
    level = logging.INFO
    if options.verbose:
        level = logging.DEBUG
    elif options.quiet:
        level = logging.WARNING
    logging.basicConfig(level=level, filename=options.logfile, format=LOG_FORMAT)
    if options.log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JSONFormatter())
