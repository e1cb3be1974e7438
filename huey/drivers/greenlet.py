"""Workers that are greenlets: many in one thread, each giving way where it waits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from huey.drivers.asyncio import AsyncioDriver, Lent
from huey.drivers.caller import Caller
from huey.drivers.window import AGAIN, Kind, Window
from huey.exceptions import ConfigurationError, TaskInterrupt
from huey.executor import Tried
from huey.tasks import Run

if TYPE_CHECKING:
    from huey.consumer import Consumer


def patch() -> None:
    """Make threads of this program greenlets; to be called before anything else is imported."""
    try:
        from gevent import monkey
    except ImportError as error:
        raise _no_gevent() from error
    monkey.patch_all()


def _no_gevent() -> ConfigurationError:
    return ConfigurationError("greenlet workers need gevent: pip install 'huey-jupyter[greenlet]'")


class GreenletDriver(AsyncioDriver):
    """Runs each worker in a greenlet, which in a patched program is what a thread is.

    Coroutines share one loop, in a greenlet too: a thread of the system has room for one loop.
    """

    def __init__(self, consumer: Consumer) -> None:
        try:
            from gevent import monkey
        except ImportError as error:
            raise _no_gevent() from error
        if not monkey.is_module_patched("threading"):
            raise ConfigurationError(
                "greenlet workers need a patched program: write "
                "'from gevent import monkey; monkey.patch_all()' as its first line, or start "
                "huey_consumer with -k greenlet, which does that"
            )
        super().__init__(consumer)

    def make_caller(self) -> Caller:
        return Caller(GreenletWindow(), Lent(self._loop))


class GreenletWindow(Window):
    """The window of a greenlet, which is thrown at where it has given way.

    All of them run in one thread of the system and take turns where they wait, so nothing here
    needs a lock; and one that never waits cannot be reached.
    """

    def __init__(self) -> None:
        super().__init__()
        self._greenlet: Any = None

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        import gevent

        self._greenlet, self._thrown, self._thrown_at = gevent.getcurrent(), None, -math.inf
        self._run = run
        try:
            if run.canceled:
                raise TaskInterrupt
            return Tried(value=func())
        except BaseException as error:
            return Tried(error=error)
        finally:
            self._run = None

    def throw(self, run: Run, kind: Kind = TaskInterrupt) -> bool:
        import gevent

        if self._run is not run:
            return False
        now = time.monotonic()
        if kind is not self._thrown or now >= self._thrown_at + AGAIN:
            self._thrown, self._thrown_at = kind, now
            gevent.get_hub().loop.run_callback(self._deliver, run, kind)
        return True

    def _deliver(self, run: Run, kind: Kind) -> None:
        """Throw, from the hub, unless the task has ended meanwhile."""
        if self._run is run:
            self._greenlet.throw(kind)
