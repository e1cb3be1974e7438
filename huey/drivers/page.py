"""What a worker process has in hand, told to its parent without a word: in memory they share."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Any

from huey.coroutines import Loop
from huey.drivers.caller import Caller
from huey.drivers.window import Window
from huey.executor import Tried
from huey.tasks import Run

SIZE = 256  # bytes; an id that is longer is cut


class Page:
    """The id of the task that a process runs, readable by whoever has forked it.

    Also while the process does nothing but a call into C. It may be read in the very moment in
    which it is written, and then shows no id or one that is nobody's.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)

    def shows(self, task_id: str) -> bool:
        """Say whether this is the task."""
        return self._memory[:] == _bytes(task_id)

    @property
    def is_empty(self) -> bool:
        """Whether no task is running."""
        return not self._memory[0]

    def write(self, task_id: str) -> None:
        """Show that a task runs; none if the id is empty."""
        self._memory[:] = _bytes(task_id)


def _bytes(task_id: str) -> bytes:
    return task_id.encode()[:SIZE].ljust(SIZE, b"\0")


class ShownCaller(Caller):
    """Shows on a page what it calls."""

    def __init__(self, window: Window, loop: Loop, page: Page) -> None:
        super().__init__(window, loop)
        self._page = page
        self._pid = os.getpid()

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        self._page.write(run.task.id)
        tried = super().call(run, func)
        if os.getpid() == self._pid:  # not a fork that the task made
            self._page.write("")
        return tried
