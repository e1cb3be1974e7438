"""File descriptors 1 and 2 of a worker process, which lead to the task while one runs."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from huey.tasks import Run, Task, current_run
from huey_jupyter.capture.pipes import Pipe, Pipes

if TYPE_CHECKING:
    from huey import Huey

logger = logging.getLogger("huey.jupyter")

STREAMS = {"stdout": 1, "stderr": 2}
_HOOK = "huey_jupyter descriptors"


class Descriptors:
    """Leads what C code and other programs write to the task that runs in this process.

    Only tasks in a main thread, of which a process runs one at a time. Started before a process
    forks it works in every child.

    :param huey: whose tasks.
    """

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self._pipes = Pipes()
        self._diverted: Diverted | None = None

    def start(self) -> None:
        """Look after the tasks that begin from now on."""
        self.huey.pre_execute(_HOOK)(self._begin)
        self.huey.post_execute(_HOOK)(self._end)

    def stop(self) -> None:
        """Look after no more tasks."""
        self.huey.unregister_pre_execute(_HOOK)
        self.huey.unregister_post_execute(_HOOK)
        self._end()
        self._pipes.close()

    def _begin(self, task: Task[Any]) -> None:
        run = current_run()
        if run is not None and threading.current_thread() is threading.main_thread():
            self._end()
            self._diverted = Diverted(run, self._pipes)

    def _end(self, *of_task: Any) -> None:
        diverted, self._diverted = self._diverted, None
        if diverted is not None:
            diverted.end()


class Diverted:
    """Both descriptors while they lead to a run.

    Before the run takes anything else, say a line that Python prints, it takes what is in the
    pipes: so both stay in order.

    :param run: the run.
    :param pipes: where to have pipes from.
    """

    def __init__(self, run: Run, pipes: Pipes) -> None:
        self._run = run
        flush()
        self._pipes = {fd: Pipe(name, run.write) for name, fd in STREAMS.items()}
        self._found = {fd: _divert(fd, pipe) for fd, pipe in self._pipes.items()}
        for pipe in self._pipes.values():
            pipes.add(pipe)
        vars(run)["write"] = self._before(run.write)

    def end(self) -> None:
        """Put the descriptors back, and hand on what is in the pipes.

        What the task has started and left running still writes to the task.
        """
        vars(self._run).pop("write", None)
        flush()
        for fd, found in self._found.items():
            _put_back(fd, found)
        for pipe in self._pipes.values():
            pipe.drain()

    def _before(self, write: Callable[[str, Any], None]) -> Callable[[str, Any], None]:
        def write_in_order(name: str, content: Any) -> None:
            _flush_c()
            for pipe in self._pipes.values():
                pipe.drain()
            write(name, content)

        return write_in_order


def flush() -> None:
    """Write out what Python and C hold back for the descriptors."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()  # type: ignore[union-attr]
    _flush_c()


def _flush_c() -> None:
    if _c is not None:
        _c.fflush(None)


def _load_c() -> Any:
    with contextlib.suppress(OSError, TypeError):  # no such thing on Windows
        return ctypes.CDLL(None)
    return None


_c = _load_c()


def _divert(fd: int, pipe: Pipe) -> int | None:
    """Have a descriptor lead into a pipe; return a copy of it, None if it was closed."""
    try:
        found = os.dup(fd)
    except OSError:
        found = None
    os.dup2(pipe.entry, fd)
    os.close(pipe.entry)
    return found


def _put_back(fd: int, found: int | None) -> None:
    try:
        if found is None:
            os.close(fd)
        else:
            os.dup2(found, fd)
            os.close(found)
    except OSError:
        logger.warning("file descriptor %d cannot be put back: the task closed it", fd)
