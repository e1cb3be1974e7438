"""Who calls the steps of workers and scheduler, and how a running task is interrupted."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from huey.exceptions import TaskInterrupt
from huey.executor import Tried
from huey.tasks import Run

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


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
        self._thrown = False

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
        """Raise `TaskInterrupt` inside ``run``, once; False if it is not running any more.

        It arrives when the thread next executes Python code: a call into C returns first.
        """
        with self._lock:
            if self._run is not run or self._thread is None:
                return False
            if not self._thrown:
                self._thrown = True
                _set_async_exc(ctypes.c_ulong(self._thread), ctypes.py_object(TaskInterrupt))
            return True

    def _open(self, run: Run) -> None:
        with self._lock:
            self._thread, self._run, self._thrown = threading.get_ident(), run, False

    def _close(self) -> None:
        with self._lock:
            if self._thrown and self._thread is not None:
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
