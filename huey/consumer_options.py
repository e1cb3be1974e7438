"""What can be said about a consumer, and the command line of `huey_consumer` that says it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from huey.constants import WORKER_THREAD, WORKER_TYPES
from huey.exceptions import ConfigurationError
from huey.logs import JSONFormatter

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from argparse import _ArgumentGroup as _Group

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SIMPLE_FORMAT = "%(asctime)s %(message)s"

GRACEFUL_SIGNALS = ("INT", "TERM")

_ABOVE_0 = (
    *("scheduler_interval", "initial_delay", "max_delay", "health_check_interval", "max_tasks"),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be said about a consumer; the keyword arguments of `Huey.create_consumer`.

    :param workers: how many tasks at once.
    :param worker_type: ``thread``, ``process``, ``greenlet`` or ``asyncio``.
    :param scheduler_interval: seconds between two looks at the schedule at most, where others
        than this process may have changed it.
    :param periodic: whether to enqueue periodic tasks.
    :param initial_delay: seconds between two looks at the queue at first, on storages that
        cannot wake an idle worker; None for the storage's own.
    :param max_delay: longest such pause.
    :param backoff: factor by which it grows.
    :param check_worker_health: replace workers that die, and the scheduler.
    :param health_check_interval: seconds between two looks at threads. A process that dies is
        noticed at once.
    :param max_tasks: messages after which a worker makes way for a fresh one, None for never.
    :param most_deliveries: how many workers may die of a message before it is set aside.
    :param shutdown_timeout: seconds that a graceful stop waits before it interrupts, None for as
        long as it takes.
    :param graceful_signal: ``INT`` or ``TERM``, which lets running tasks end; the other does not.
    :param flush_locks: free all locks at the start.
    :param extra_locks: names of more locks to free.
    :param import_path: where the Huey is, like ``demo.huey``; needed where a process cannot fork.
    """

    workers: int = 1
    worker_type: str = WORKER_THREAD
    scheduler_interval: float = 1.0
    periodic: bool = True
    initial_delay: float | None = None
    max_delay: float | None = None
    backoff: float | None = None
    check_worker_health: bool = True
    health_check_interval: float = 10.0
    max_tasks: int | None = None
    most_deliveries: int = 3
    shutdown_timeout: float | None = None
    graceful_signal: str = "INT"
    flush_locks: bool = False
    extra_locks: Sequence[str] = ()
    import_path: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.workers, int) or self.workers < 1:
            raise ConfigurationError(f"a consumer needs at least 1 worker, not {self.workers!r}")
        if not isinstance(self.most_deliveries, int) or self.most_deliveries < 1:
            raise ConfigurationError(
                f"most_deliveries is a whole number of 1 or more, not {self.most_deliveries!r}"
            )
        _one_of("worker_type", self.worker_type, WORKER_TYPES)
        _one_of("graceful_signal", self.graceful_signal, GRACEFUL_SIGNALS)
        if self.backoff is not None and self.backoff < 1:
            raise ConfigurationError(f"backoff is a factor of 1 or more, not {self.backoff:g}")
        for name in _ABOVE_0:
            _above_0(name, getattr(self, name))
        if self.shutdown_timeout is not None and not self.shutdown_timeout >= 0:
            raise ConfigurationError(
                f"shutdown_timeout is a number of 0 or more, not {self.shutdown_timeout!r}"
            )


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name} is one of {', '.join(known)}, not {value!r}")


def _above_0(name: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise ConfigurationError(f"{name} is a number above 0, not {value!r}")


def make_parser() -> ArgumentParser:
    """Return the parser of the command line."""
    import argparse  # which takes its time, and only a command line needs it

    parser = argparse.ArgumentParser(
        prog="huey_consumer",
        description="Run the tasks of a Huey: some workers and a scheduler, until SIGINT "
        "(running tasks end first) or SIGTERM (running tasks go back to the queue). SIGHUP lets "
        "running tasks end and starts anew.",
    )
    parser.add_argument("huey", metavar="MODULE.HUEY", help="import path, like demo.huey")
    parser.add_argument(
        "--healthcheck",
        action="store_true",
        help="run nothing: exit 0 if the storage answers and has a living worker, else 1",
    )
    add_logging(parser.add_argument_group("logging"))
    _add_workers(parser.add_argument_group("workers"))
    _add_polling(parser.add_argument_group("polling, on storages that cannot wake a worker"))
    _add_scheduler(parser.add_argument_group("scheduler"))
    _add_stopping(parser.add_argument_group("locks and stopping"))
    return parser


def add_logging(group: _Group) -> None:
    """Add what `set_up_logging` understands."""
    group.add_argument("-l", "--logfile", metavar="FILE", help="log to a file, not to stderr")
    group.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="lines for people, or one JSON object per line",
    )
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="log every detail")
    loudness.add_argument("-q", "--quiet", action="store_true", help="log only what goes wrong")
    group.add_argument("-S", "--simple", action="store_true", help="log time and message alone")


def _add_workers(group: _Group) -> None:
    group.add_argument("-w", "--workers", type=int, default=1, help="how many tasks at once")
    group.add_argument(
        *("-k", "--worker-type"), choices=WORKER_TYPES, default=WORKER_THREAD, help="kind of worker"
    )
    group.add_argument(
        *("-c", "--health-check-interval"),
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="pause between two looks whether all workers live (default: 10)",
    )
    group.add_argument(
        *("-C", "--disable-health-check"),
        action="store_true",
        help="do not replace a worker that dies",
    )
    add_limits(group)


def add_limits(group: _Group) -> None:
    """Add when a worker is replaced, and when a task is given up."""
    group.add_argument(
        *("-M", "--max-tasks"),
        type=int,
        metavar="COUNT",
        help="replace a worker by a fresh one after so many tasks",
    )
    group.add_argument(
        *("-D", "--most-deliveries"),
        type=int,
        default=3,
        metavar="COUNT",
        help="set a task aside of which so many workers have died (default: 3)",
    )


def _add_polling(group: _Group) -> None:
    group.add_argument("-d", "--delay", type=float, metavar="SECONDS", help="first pause")
    group.add_argument("-m", "--max-delay", type=float, metavar="SECONDS", help="longest pause")
    group.add_argument(
        "-b", "--backoff", type=float, metavar="FACTOR", help="by which a pause grows, 1 or more"
    )


def _add_scheduler(group: _Group) -> None:
    group.add_argument(
        *("-s", "--scheduler-interval"),
        type=_interval,
        default=1.0,
        metavar="SECONDS",
        help="longest pause between two looks at the schedule, 1 to 60 (default: 1)",
    )
    group.add_argument(
        "-n", "--no-periodic", action="store_true", help="do not enqueue periodic tasks"
    )


def _add_stopping(group: _Group) -> None:
    group.add_argument(
        "-f", "--flush-locks", action="store_true", help="free all locks at the start"
    )
    group.add_argument(
        *("-L", "--extra-locks"),
        type=_names,
        default=(),
        metavar="NAMES",
        help="more locks to free, separated by commas",
    )
    group.add_argument(
        *("-t", "--shutdown-timeout"),
        type=float,
        metavar="SECONDS",
        help="how long a graceful stop waits before it interrupts (default: for ever)",
    )
    group.add_argument(
        *("-g", "--graceful-signal"),
        choices=GRACEFUL_SIGNALS,
        default="INT",
        help="which of the two signals lets running tasks end (default: INT)",
    )


def _interval(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 60:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text} is not between 1 and 60")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def consumer_options(options: Namespace) -> dict[str, Any]:
    """Return what the command line says as keyword arguments of `Huey.create_consumer`."""
    return {
        "workers": options.workers,
        "worker_type": options.worker_type,
        "scheduler_interval": options.scheduler_interval,
        "periodic": not options.no_periodic,
        "initial_delay": options.delay,
        "max_delay": options.max_delay,
        "backoff": options.backoff,
        "check_worker_health": not options.disable_health_check,
        "health_check_interval": options.health_check_interval,
        "max_tasks": options.max_tasks,
        "most_deliveries": options.most_deliveries,
        "shutdown_timeout": options.shutdown_timeout,
        "graceful_signal": options.graceful_signal,
        "flush_locks": options.flush_locks,
        "extra_locks": options.extra_locks,
        "import_path": options.huey,
    }


def set_up_logging(options: Namespace) -> None:
    """Send the log where the command line says."""
    level = logging.INFO
    if options.verbose:
        level = logging.DEBUG
    elif options.quiet:
        level = logging.WARNING
    form = SIMPLE_FORMAT if options.simple else LOG_FORMAT
    try:
        logging.basicConfig(level=level, filename=options.logfile, format=form)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the log to {options.logfile}: {error.strerror}. Check that the folder "
            f"exists and can be written to, or name another file"
        ) from error
    if options.log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JSONFormatter())
