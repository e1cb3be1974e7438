"""How a running task is interrupted in the one thread there is: when it goes on after a rest."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from huey.drivers.window import AGAIN, Kind, Window, is_harmless_in
from huey.exceptions import TaskInterrupt
from huey.executor import Tried
from huey.tasks import Run, current_run


class SingleWindow(Window):
    """The window of a plain function, which can be reached only while its stack is laid aside.

    What is thrown arrives when it goes on: at its next line, or its next call.
    """

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        self._run, self._thrown, self._thrown_at = run, None, -math.inf
        try:
            if run.canceled:
                raise TaskInterrupt
            return Tried(value=func())
        except BaseException as error:
            return Tried(error=error)
        finally:
            self._run = None
            _arrivals.forget(run)

    def throw(self, run: Run, kind: Kind = TaskInterrupt) -> bool:
        if self._run is not run:
            return False
        now = time.monotonic()
        if kind is not self._thrown or now >= self._thrown_at + AGAIN:
            self._thrown, self._thrown_at = kind, now
            _arrivals.expect(run, kind)
        return True


class Arrivals:
    """Exceptions on their way into runs; the interpreter tells of lines and calls meanwhile.

    That is one of its tools for debuggers. An exception set from outside would hit whoever runs
    next in this thread. Before Python 3.12 there is no such tool: nothing arrives.
    """

    _TOOL: Final = 4  # of six, of which debuggers, coverage and profilers have others

    def __init__(self) -> None:
        self._expected: dict[Run, Kind] = {}
        self._monitoring: Any = getattr(sys, "monitoring", None)

    def expect(self, run: Run, kind: Kind) -> None:
        """Raise an exception in a run as soon as it goes on."""
        known = self._monitoring
        if known is None or known.get_tool(self._TOOL) not in (None, "huey"):
            return
        if not self._expected:
            known.use_tool_id(self._TOOL, "huey")
            for event in (known.events.LINE, known.events.CALL):
                known.register_callback(self._TOOL, event, self._look)
            known.set_events(self._TOOL, known.events.LINE | known.events.CALL)
        self._expected[run] = kind

    def forget(self, run: Run) -> None:
        """Raise nothing in a run that is over."""
        if self._expected.pop(run, None) is not None and not self._expected:
            self._monitoring.set_events(self._TOOL, 0)
            self._monitoring.free_tool_id(self._TOOL)

    def _look(self, *place: Any) -> None:
        run = current_run()
        kind = None if run is None else self._expected.get(run)
        frame = sys._getframe(1)
        if run is None or kind is None or not is_harmless_in(frame) or not _is_within(run, frame):
            return
        self.forget(run)
        raise kind


def _is_within(run: Run, frame: FrameType | None) -> bool:
    """Say whether a frame is of a run's own stack, and not of a callback that has its context."""
    while frame is not None:
        if frame.f_code is SingleWindow.call.__code__:
            return frame.f_locals.get("run") is run
        frame = frame.f_back
    return False


_arrivals = Arrivals()
