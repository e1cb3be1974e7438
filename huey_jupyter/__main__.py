"""The command line ``huey_jupyter``: worker, doctor, lab."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from huey.bin.huey_consumer import check_health
from huey.consumer_options import add_limits, add_logging, set_up_logging
from huey.exceptions import ConfigurationError, StorageError

logger = logging.getLogger("huey.consumer")

URL = "HUEY_URL"  # the variable that may hold a URL which must not stand in a list of processes

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.command(options)
    except ConfigurationError as error:
        options.parser.exit(2, f"huey_jupyter: {error}\n")
    except StorageError as error:
        logger.critical("stopping: %s", error)
        return 1
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="huey_jupyter", description="A task queue for notebooks, outside of them."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_worker(commands)
    doctor = commands.add_parser("doctor", help="say what works here")
    doctor.set_defaults(command=_doctor, parser=doctor)
    lab = commands.add_parser("lab", help="open JupyterLab on the notebooks that come with this")
    lab.set_defaults(command=_lab, parser=lab)
    return parser


def _add_worker(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "worker",
        help="run the tasks of notebooks, on this machine",
        description="Run the tasks that notebooks put on a queue, until SIGINT (running tasks end "
        "first) or SIGTERM (running tasks go back to the queue).",
        epilog="A URL with a password is safer in the variable HUEY_URL: everybody on a machine "
        "sees the arguments of a command.",
    )
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="where the queue is: redis://HOST/0, sqlite:PATH or file:FOLDER (default: HUEY_URL)",
    )
    parser.add_argument(
        "--name", default="notebook", help="name of the queue there (default: notebook)"
    )
    parser.add_argument(
        *("-w", "--workers"),
        type=int,
        default=os.cpu_count() or 1,
        metavar="COUNT",
        help="how many tasks at once (default: as many as there are processors)",
    )
    parser.add_argument(
        *("-k", "--worker-type"),
        choices=("process", "thread"),
        default="process",
        help="kind of worker (default: process)",
    )
    parser.add_argument(
        "--healthcheck",
        action="store_true",
        help="run nothing: exit 0 if the storage answers and has a living worker, else 1",
    )
    parser.add_argument("--kernel", type=int, help=argparse.SUPPRESS)
    limits = parser.add_argument_group("limits")
    add_limits(limits)
    limits.add_argument(
        *("-t", "--shutdown-timeout"),
        type=float,
        metavar="SECONDS",
        help="how long running tasks may take to end after SIGINT (default: for ever)",
    )
    add_logging(parser.add_argument_group("logging"))
    parser.set_defaults(command=_worker, parser=parser)


def _worker(options: argparse.Namespace) -> int:
    set_up_logging(options)
    if options.kernel is not None:
        from huey_jupyter.tied import serve_kernel

        return serve_kernel(options.kernel)
    from huey_jupyter.worker import open_huey, run_worker

    url = options.url or os.environ.pop(URL, "")  # popped, lest tasks show it
    if not url:
        raise ConfigurationError(f"say where the queue is, as an argument or in {URL}")
    if options.healthcheck:
        return check_health(open_huey(url, options.name))
    return run_worker(
        url,
        options.name,
        options.workers,
        options.worker_type,
        most_deliveries=options.most_deliveries,
        max_tasks=options.max_tasks,
        shutdown_timeout=options.shutdown_timeout,
        tell=_say,
    )


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _doctor(options: argparse.Namespace) -> int:
    from huey_jupyter import doctor

    code: int = doctor.main()
    return code


def _lab(options: argparse.Namespace) -> int:
    """Become JupyterLab, on the notebooks if they are here."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise ConfigurationError("JupyterLab is not installed: pip install 'huey-jupyter[lab]'")
    where = [str(NOTEBOOKS)] if NOTEBOOKS.is_dir() else []
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *where])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
