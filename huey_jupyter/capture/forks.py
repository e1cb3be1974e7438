"""Copies of this process that a task forks, say by `multiprocessing`, which report to the task."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from huey.tasks import Run
from huey_jupyter.capture.pipes import Pipes, Records
from huey_jupyter.capture.streams import Which


class Forks:
    """Has what a forked child prints, displays and reports sent to the task in its parent.

    :param which: tells the task.
    :param pipes: reads what children send.
    """

    def __init__(self, which: Which, pipes: Pipes) -> None:
        self._which = which
        self._pipes = pipes
        self._being_forked = threading.local()

    def start(self) -> None:
        """Look after forks from now on."""
        _looking.add(self)
        _register()

    def stop(self) -> None:
        """Look after none."""
        _looking.discard(self)

    def before(self) -> None:
        """Make the way that the child will report by."""
        run = self._which()
        records = None
        if run is not None:
            records = Records(lambda record: _do(run, *record))
        self._being_forked.link = run, records

    def in_parent(self) -> None:
        """Listen to the child, and once more when the task ends."""
        run, records = self._being_forked.link
        if run is not None:
            os.close(records.entry)
            self._pipes.add(records)
            run.at_end.append(records.drain)

    def in_child(self) -> None:
        """Send what would be kept here, where nobody asks for it."""
        run, records = self._being_forked.link
        if run is not None:
            vars(run)["write"] = lambda *content: records.send("write", *content)
            vars(run)["report"] = lambda *progress: records.send("report", *progress)


def _do(run: Run, what: str, *facts: Any) -> None:
    if what == "write":
        run.write(*facts)
    elif not run.canceled:
        run.report(*facts)


# What is registered with the system stays for the life of the process; it asks who is looking.
_looking: weakref.WeakSet[Forks] = weakref.WeakSet()
_registered = False


def _register() -> None:
    global _registered
    if _registered or not hasattr(os, "register_at_fork"):
        return
    _registered = True
    before, in_parent, in_child = (
        partial(_each, part) for part in (Forks.before, Forks.in_parent, Forks.in_child)
    )
    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def _each(part: Callable[[Forks], None]) -> None:
    for one in list(_looking):
        part(one)
