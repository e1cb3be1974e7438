"""How a worker calls a task's function, plain or ``async def``, and reaches into it meanwhile."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from huey.coroutines import Loop, is_coroutine
from huey.drivers import window
from huey.drivers.window import Kind, Window
from huey.exceptions import TaskInterrupt
from huey.executor import Tried
from huey.tasks import Run

if TYPE_CHECKING:
    import asyncio


class Caller:
    """Calls the functions of one worker's tasks, one at a time.

    :param window: for what runs in the worker's own thread.
    :param loop: for coroutines.
    """

    def __init__(self, window: Window, loop: Loop) -> None:
        self._window = window
        self._loop = loop
        self._flight: Flight | None = None

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Call ``func``, await what it gives if that is a coroutine; say what came of it."""
        tried = self._window.call(run, func)
        if not is_coroutine(tried.value):
            return tried
        self._flight = Flight(run, tried.value)
        try:
            return self._flight.complete(self._loop)
        finally:
            self._flight = None

    async def call_awaiting(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Do what `call` does within the event loop that runs already."""
        import asyncio

        tried = self._window.call(run, func)
        if not is_coroutine(tried.value):
            return tried
        self._flight = Flight(run, tried.value)
        try:
            return await asyncio.create_task(self._flight.fly())  # one of its own, to be cancelled
        finally:
            self._flight = None

    def throw(self, run: Run, kind: Kind = TaskInterrupt) -> bool:
        """Raise an exception inside ``run``; False if it is not running any more."""
        flight = self._flight
        return self._window.throw(run, kind) or (flight is not None and flight.throw(run, kind))

    def close(self) -> None:
        """Give back the loop, in the worker's thread."""
        self._loop.close()


class Flight:
    """A coroutine on its way, which others may end early.

    It is told as coroutines are, by ``asyncio.CancelledError`` where it awaits; whoever asks what
    came of it hears the reason instead.
    """

    def __init__(self, run: Run, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._run = run
        self._coroutine = coroutine
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._reason: Kind | None = None
        self._asked_at = -math.inf

    def complete(self, loop: Loop) -> Tried:
        """Run to the end and say what came of it."""
        try:
            return loop.run(self.fly())
        except BaseException as error:  # the loop has ended, or could not be had
            self._coroutine.close()
            return Tried(error=error)

    def throw(self, run: Run, kind: Kind) -> bool:
        """End it early; False if it is over. Does nothing if that was done a moment ago."""
        with self._lock:
            if self._task is None or run is not self._run:
                return False
            now = time.monotonic()
            if kind is not self._reason or now >= self._asked_at + window.AGAIN:
                self._reason, self._asked_at = kind, now
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            return True

    async def fly(self) -> Tried:
        """Await the coroutine in a task of its own; say what came of it."""
        import asyncio

        with self._lock:
            self._task = asyncio.current_task()
        try:
            if self._run.canceled:  # before there was anything to end
                self._coroutine.close()
                return Tried(error=TaskInterrupt())
            return Tried(value=await self._coroutine)
        except asyncio.CancelledError as error:
            return Tried(error=error if self._reason is None else self._reason())
        except BaseException as error:
            return Tried(error=error)
        finally:
            if os.getpid() != self._pid:
                os._exit(0)  # a fork that the task made, with a loop and no worker
            with self._lock:
                self._task = None
