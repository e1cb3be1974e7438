"""Threads and processes that a task starts, whose output is the task's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from huey.tasks import Run, running
from huey_jupyter.capture.forks import Forks
from huey_jupyter.capture.pipes import Pipe, Pipes, outside
from huey_jupyter.capture.replaced import Replaced
from huey_jupyter.capture.streams import Router, Which

_OWN = ("huey", "huey_jupyter")


class Offspring:
    """Has threads belong to the task that starts them, and programs print into it.

    :param which: tells the task.
    """

    def __init__(self, which: Which) -> None:
        self._which = which
        self._replaced = Replaced()
        self._pipes = Pipes()
        self._forks = Forks(which, self._pipes)
        self._pipes_of: weakref.WeakKeyDictionary[Any, list[Pipe]] = weakref.WeakKeyDictionary()

    def start(self) -> None:
        """Look after threads and programs from now on."""
        put, popen = self._replaced.put, subprocess.Popen
        put(threading.Thread, "start", _start_or(threading.Thread.start, self._which))
        put(ThreadPoolExecutor, "submit", _submit_or(ThreadPoolExecutor.submit, self._which))
        put(popen, "__init__", self._popen_or(popen.__init__))
        put(popen, "wait", self._wait_or(popen.wait))
        put(os, "system", self._system_or(os.system))
        self._forks.start()

    def stop(self) -> None:
        """Give them back."""
        self._forks.stop()
        self._replaced.give_back()
        self._pipes.close()

    def _popen_or(self, plain: Callable[..., None]) -> Callable[..., None]:
        def __init__(popen: Any, args: Any, *more: Any, **options: Any) -> None:
            run = self._which()
            if run is None or len(more) > 3:  # streams as positional arguments: none is left out
                plain(popen, args, *more, **options)
                return
            with self._opened(run, options) as pipes:
                plain(popen, args, *more, **options)
            self._pipes_of[popen] = pipes

        return __init__

    @contextlib.contextmanager
    def _opened(self, run: Run, options: dict[str, Any]) -> Iterator[list[Pipe]]:
        """Give a program pipes in the place of streams that it would share with this process."""
        pipes = {}
        for name in ("stdout", "stderr"):
            if options.get(name) is None or isinstance(options[name], Router):
                pipes[name] = Pipe(name, run.write)
                self._pipes.add(pipes[name])
        options |= {name: pipe.entry for name, pipe in pipes.items()}
        try:
            yield list(pipes.values())
        finally:
            for pipe in pipes.values():
                os.close(pipe.entry)

    def _wait_or(self, plain: Callable[..., int]) -> Callable[..., int]:
        def wait(popen: Any, timeout: float | None = None) -> int:
            code = plain(popen, timeout)
            for pipe in self._pipes_of.pop(popen, ()):
                pipe.drain()  # before what the task itself prints next
            return code

        return wait

    def _system_or(self, plain: Callable[[Any], int]) -> Callable[[Any], int]:
        def system(command: Any) -> int:
            if self._which() is None:
                return plain(command)
            code = subprocess.call(command, shell=True)  # noqa: S602 - what os.system means
            return code if os.name == "nt" else code << 8 if code >= 0 else -code

        return system


def _start_or(plain: Callable[..., None], which: Which) -> Callable[..., None]:
    def start(self: threading.Thread) -> None:
        run = which()
        if run is not None and not _is_own(sys._getframe(1).f_globals):
            _adopt(self, run)
        plain(self)

    return start


def _is_own(names: dict[str, Any]) -> bool:
    """Say whether it is the queue that starts a thread: that one serves other tasks too."""
    return str(names.get("__name__")).partition(".")[0] in _OWN


def _adopt(thread: threading.Thread, run: Run) -> None:
    """Have a thread that is about to start be part of a run, to its very end."""
    plain = thread.run

    def run_in_task() -> None:
        vars(thread).pop("run", None)
        running.set(run)
        plain()

    vars(thread)["run"] = run_in_task


def _submit_or(plain: Callable[..., Any], which: Which) -> Callable[..., Any]:
    """A pool's threads outlive the task that has them started; each call knows its own."""

    def submit(self: ThreadPoolExecutor, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = which()
        if run is None:
            return plain(self, fn, *args, **kwargs)
        with outside():
            return plain(self, _within, run, fn, *args, **kwargs)

    return submit


def _within(run: Run, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = running.set(run)
    try:
        return fn(*args, **kwargs)
    finally:
        running.reset(token)
