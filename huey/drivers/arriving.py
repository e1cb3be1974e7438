"""How a running task is interrupted in the one thread there is: when it goes on after a rest."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

from huey.alone import complete
from huey.drivers.window import AGAIN, Kind, Window
from huey.exceptions import TaskInterrupt
from huey.executor import Tried
from huey.tasks import Run, current_run


class SingleWindow(Window):
    """The window of a plain function, which can be reached only while its stack is laid aside.

    What is thrown arrives when it goes on: out of the `time.sleep`, the blocking `get` or the
    report of progress in which it rests.
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
    """Exceptions on their way into runs; the interpreter tells when one comes out of its rest.

    That is one of its tools for debuggers. An exception set from outside would hit whoever runs
    next in this thread. Before Python 3.12 there is no such tool: nothing arrives.

    Only the two functions in which runs rest are watched. To watch all code, or to give the tool
    back, the interpreter goes through the frames of all stacks. Of one that Pyodide has laid aside
    they are partly overwritten, and the page crashes (https://github.com/pyodide/pyodide/issues/6464).
    """

    _TOOL: Final = 4  # of six, of which debuggers, coverage and profilers have others

    def __init__(self) -> None:
        self._expected: dict[Run, Kind] = {}
        self._monitoring: Any = getattr(sys, "monitoring", None)
        # Where a stack can be laid aside, `time.sleep` is a function in Python that does it.
        codes = [getattr(rest, "__code__", None) for rest in (time.sleep, complete)]
        self._rests: list[CodeType] = [code for code in codes if code is not None]

    def expect(self, run: Run, kind: Kind) -> None:
        """Raise an exception in a run as soon as it goes on."""
        known = self._monitoring
        if known is None or known.get_tool(self._TOOL) not in (None, "huey"):
            return
        if known.get_tool(self._TOOL) is None:
            known.use_tool_id(self._TOOL, "huey")
            known.register_callback(self._TOOL, known.events.PY_RETURN, self._look)
        self._expected[run] = kind
        self._watch()

    def forget(self, run: Run) -> None:
        """Raise nothing in a run that is over."""
        if self._expected.pop(run, None) is not None:
            self._watch()

    def _watch(self) -> None:
        """Have the interpreter tell of the ends of rests, if anything is expected."""
        events = self._monitoring.events.PY_RETURN if self._expected else 0
        for code in self._rests:
            self._monitoring.set_local_events(self._TOOL, code, events)

    def _look(self, *rest: Any) -> None:
        run = current_run()
        kind = None if run is None else self._expected.get(run)
        if run is None or kind is None or not _is_within(run, sys._getframe(1)):
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
