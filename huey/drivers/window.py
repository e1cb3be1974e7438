"""How a running task is interrupted: an exception raised inside a thread from outside."""

from __future__ import annotations

import ctypes
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from huey.exceptions import TaskInterrupt, TaskTimeout
from huey.executor import Tried
from huey.tasks import Run

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc

Kind = type[TaskInterrupt] | type[TaskTimeout]
"""What is raised inside a task: that it was stopped, or that its time is over."""

KINDS = (TaskInterrupt, TaskTimeout)

TRIES = 200  # looks for a harmless moment, a millisecond apart
AGAIN = 1.0  # seconds before a run that goes on, as if nothing had been thrown, is thrown at again

# An exception that arrives in one of these leaves a lock locked for ever, or is swallowed.
_FRAGILE_FUNCTIONS = ("acquire", "release", "__enter__", "__exit__", "__del__")
_FRAGILE_PACKAGES = ("huey", "huey_jupyter", "weakref", "_weakrefset")


def _is_harmless(thread: int) -> bool:
    """Say whether an exception may arrive where a thread is just now."""
    return is_harmless_in(sys._current_frames().get(thread))


def is_harmless_in(frame: FrameType | None) -> bool:
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
        self._thrown: Kind | None = None
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
        except KINDS as late:
            self._close()
            tried = tried or Tried(error=late)
        return tried

    def throw(self, run: Run, kind: Kind = TaskInterrupt) -> bool:
        """Raise an exception inside ``run``; False if it is not running any more.

        Does nothing if that was done less than a second ago: the run may be cleaning up. It
        arrives when the thread next executes Python code: a call into C returns first. Where it
        would do harm, say leave a lock locked, a better moment is waited for, but not for long.
        """
        for tries_left in reversed(range(TRIES)):
            with self._lock:
                if self._run is not run or self._thread is None:
                    return False
                if kind is self._thrown and time.monotonic() < self._thrown_at + AGAIN:
                    return True
                if self._thrown_now(self._thread, kind, insist=not tries_left):
                    self._thrown, self._thrown_at = kind, time.monotonic()
                    return True
            time.sleep(0.001)
        return False

    def _thrown_now(self, thread: int, kind: Kind, insist: bool) -> bool:
        """Raise the exception unless it would do harm; say whether it was raised."""
        if not insist and not _is_harmless(thread):
            return False
        self._tried = True
        _set_async_exc(ctypes.c_ulong(thread), ctypes.py_object(kind))
        if insist or _is_harmless(thread):
            return True
        _set_async_exc(ctypes.c_ulong(thread), None)  # it had gone on between look and throw
        return False

    def _open(self, run: Run) -> None:
        with self._lock:
            self._thread, self._run = threading.get_ident(), run
            self._tried, self._thrown = False, None
            self._thrown_at = -math.inf

    def _close(self) -> None:
        with self._lock:
            if self._tried and self._thread is not None:
                _set_async_exc(ctypes.c_ulong(self._thread), None)
            self._thread = self._run = None


class MainWindow(Window):
    """The window of a process's main thread, into which a signal carries the exception.

    A signal also reaches a thread that sleeps or waits for a socket, and its handler sees where
    the thread is, so that nothing can change between look and throw. The number is one that is
    ignored where nobody asks for it. Made in the main thread.
    """

    _NUMBER = getattr(signal, "SIGURG", None)

    def __init__(self) -> None:
        super().__init__()
        self._wanted: Kind | None = None
        self._insist = False
        if self._NUMBER is not None:
            signal.signal(self._NUMBER, self._arrive)

    def _thrown_now(self, thread: int, kind: Kind, insist: bool) -> bool:
        if self._NUMBER is None or signal.getsignal(self._NUMBER) != self._arrive:
            return super()._thrown_now(thread, kind, insist)
        self._wanted, self._insist = kind, insist
        signal.pthread_kill(thread, self._NUMBER)
        if insist:
            return True
        deadline = time.monotonic() + 0.001
        while self._wanted is not None and time.monotonic() < deadline:
            time.sleep(0.0001)
        return self._wanted is None

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        """Raise what was wanted, in the main thread, unless it would do harm just now."""
        kind = self._wanted
        if kind is not None and self._run is not None and (self._insist or is_harmless_in(frame)):
            self._wanted = None
            raise kind

    def _open(self, run: Run) -> None:
        self._wanted = None
        super()._open(run)

    def _close(self) -> None:
        self._wanted = None
        super()._close()
