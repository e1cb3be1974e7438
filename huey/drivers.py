"""Who calls the steps of workers and scheduler, and how a running task is interrupted."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from huey.exceptions import TaskInterrupt
from huey.executor import Tried
from huey.tasks import Run

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
_INTERRUPT = ctypes.py_object(TaskInterrupt)

TRIES = 200  # looks for a harmless moment, a millisecond apart
AGAIN = 1.0  # seconds before a run that goes on, as if nothing had been thrown, is thrown at again

# An exception that arrives in one of these leaves a lock locked for ever, or is swallowed.
_FRAGILE_FUNCTIONS = ("acquire", "release", "__enter__", "__exit__", "__del__")
_FRAGILE_PACKAGES = ("huey", "huey_jupyter", "weakref", "_weakrefset")


def _is_harmless(thread: int) -> bool:
    """Say whether an exception may arrive where a thread is just now."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return True
    name = frame.f_code.co_name
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    fragile = any(part in name for part in _FRAGILE_FUNCTIONS)
    return not fragile and package not in _FRAGILE_PACKAGES


class Window:
    """The stretch of a thread's life in which an exception may be raised inside it from outside.

    It is open exactly while a task's own code runs. What is raised in it never gets out of it:
    on closing, an exception that was not delivered is taken back, and one that comes late is
    absorbed, so that no worker is hit by what was meant for its task.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._run: Run | None = None
        self._tried = False
        self._thrown_at = -math.inf

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Call ``func`` with the window open for ``run``, and say what came of it."""
        tried = None
        try:
            self._open(run)
            try:
                if run.canceled:  # before there was anything to interrupt
                    raise TaskInterrupt
                value = func()
            except BaseException as error:
                tried = Tried(error=error)
            else:
                tried = Tried(value=value)
            self._close()
        except TaskInterrupt as late:
            self._close()
            tried = tried or Tried(error=late)
        return tried

    def throw(self, run: Run) -> bool:
        """Raise `TaskInterrupt` inside ``run``; False if it is not running any more.

        Does nothing if that was done less than a second ago: the run may be cleaning up. It
        arrives when the thread next executes Python code: a call into C returns first. Where it
        would do harm, say leave a lock locked, a better moment is waited for, but not for long.
        """
        for tries_left in reversed(range(TRIES)):
            with self._lock:
                if self._run is not run or self._thread is None:
                    return False
                if time.monotonic() < self._thrown_at + AGAIN:
                    return True
                if self._thrown_now(self._thread, insist=not tries_left):
                    self._thrown_at = time.monotonic()
                    return True
            time.sleep(0.001)
        return False

    def _thrown_now(self, thread: int, insist: bool) -> bool:
        """Raise the exception unless it would do harm; say whether it was raised."""
        if not insist and not _is_harmless(thread):
            return False
        self._tried = True
        _set_async_exc(ctypes.c_ulong(thread), _INTERRUPT)
        if insist or _is_harmless(thread):
            return True
        _set_async_exc(ctypes.c_ulong(thread), None)  # it had gone on between look and throw
        return False

    def _open(self, run: Run) -> None:
        with self._lock:
            self._thread, self._run = threading.get_ident(), run
            self._tried = False
            self._thrown_at = -math.inf

    def _close(self) -> None:
        with self._lock:
            if self._tried and self._thread is not None:
                _set_async_exc(ctypes.c_ulong(self._thread), None)
            self._thread = self._run = None


class ThreadDriver:
    """Runs each loop in a daemon thread of this process."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def start(self, loop: Callable[[], None], name: str) -> None:
        """Run ``loop`` until it ends by itself."""
        thread = threading.Thread(target=loop, name=f"huey {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, timeout: float | None, wake: Callable[[], None]) -> bool:
        """Wait until all loops have ended; say whether they have.

        :param timeout: seconds to wait in all, None for as long as it takes.
        :param wake: called again and again, to end what the loops wait for.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            while thread.is_alive() and thread is not threading.current_thread():
                if time.monotonic() >= deadline:
                    return False
                wake()
                thread.join(0.02)
        return True
