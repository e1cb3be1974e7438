"""The command line ``huey_consumer MODULE.HUEY``."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from huey.api import Huey
from huey.constants import WORKER_GREENLET
from huey.consumer_options import consumer_options, make_parser, set_up_logging
from huey.exceptions import ConfigurationError, StorageError

logger = logging.getLogger("huey.consumer")


def load_huey(path: str) -> Huey:
    """Import the Huey that ``path`` names, like ``demo.huey``.

    :raises ConfigurationError: if there is none; the message says what to look at.
    """
    module_name, _, attribute = path.rpartition(".")
    if not all(part.isidentifier() for part in path.split(".")) or not module_name:
        raise ConfigurationError(
            f"{path!r} names no Huey: write MODULE.HUEY, like demo.huey for huey = MemoryHuey() "
            f"in demo.py"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"no module named {error.name!r} in {os.getcwd()} or on the Python path: "
            f"start where it can be imported"
        ) from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Huey):
        raise ConfigurationError(f"{module_name} has no Huey named {attribute!r}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a consumer until it is told to stop; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        if options.worker_type == WORKER_GREENLET:
            _patch()
        set_up_logging(options)
        sys.path.insert(0, os.getcwd())
        huey = load_huey(options.huey)
        if options.healthcheck:
            return check_health(huey)
        renew = _renew if arguments is None else None
        return huey.create_consumer(**consumer_options(options)).run(renew)
    except StorageError as error:
        logger.critical("stopping: %s", error)
        return 1
    except ConfigurationError as error:
        parser.error(str(error))


def check_health(huey: Huey, say: Callable[[str], None] = print) -> int:
    """Say whether the storage answers and a worker lives; return the exit code."""
    try:
        waiting, workers = huey.pending_count(), len(huey.storage.workers())
    except Exception as error:
        say(f"unhealthy: the storage does not answer: {type(error).__name__}: {error}")
        return 1
    if not workers:
        say(f"unhealthy: no worker is alive, {waiting} tasks are waiting")
        return 1
    say(f"healthy: {workers} workers, {waiting} tasks are waiting")
    return 0


def _patch() -> None:
    """Make threads greenlets before anything of the application is imported."""
    from huey.drivers.greenlet import patch

    patch()


def _renew() -> None:
    """Become the same command again, with what has changed in the application.

    Another SIGHUP has to wait until that command can hear it, or it would be its end.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
