"""Teach IPython to show the engine's objects, and tell what it would show of a task's value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from huey.exceptions import CancelExecution, TaskInterrupt
from huey.executor import format_traceback, own_frames
from huey.results import Result, ResultGroup
from huey.tasks import Task, current_run

LARGEST = 200_000  # characters of a value's representation that a card carries
LONGEST_TRACEBACK = 20_000  # characters

# IPython's formatters are made for one thread. Reentrant, since where there is only one a value's
# own representation may let others run.
_formatting = threading.RLock()


class Reprs:
    """Registers how results are shown, and takes that back.

    :param ip: the shell.
    :param show: shows the card of a result, or of a group.
    :param text: describes it in plain text.
    """

    def __init__(
        self,
        ip: Any,
        show: Callable[[Any], None],
        text: Callable[[Any], str],
    ) -> None:
        self.ip = ip
        self._show = show
        self._text = text

    def start(self) -> None:
        """Show results as cards from now on."""
        formatter = self.ip.display_formatter
        for kind in (Result, ResultGroup):
            formatter.ipython_display_formatter.for_type(kind, self._show)
            formatter.formatters["text/plain"].for_type(kind, self._print)

    def stop(self) -> None:
        """Show results as any other object again."""
        formatter = self.ip.display_formatter
        for kind in (Result, ResultGroup):
            formatter.ipython_display_formatter.pop(kind, None)
            formatter.formatters["text/plain"].pop(kind, None)

    def _print(self, result: Any, printer: Any, cycle: bool) -> None:
        printer.text(self._text(result))


class Storyteller:
    """A hook after each task that tells its card how to show the value or the error.

    :param ip: the shell, whose formatters are used.
    """

    def __init__(self, ip: Any) -> None:
        self.ip = ip

    def __call__(self, task: Task[Any], value: Any, error: BaseException | None) -> None:
        run = current_run()
        if run is None or isinstance(error, (CancelExecution, TaskInterrupt)):
            return
        if error is not None:
            run.write("traceback", self.traceback(error))
        elif value is not None:
            run.write("value", self.bundle(value))

    def bundle(self, value: Any) -> dict[str, Any]:
        """Return a value's own representations by mime type, those that a card can carry."""
        if isinstance(value, (int, float, str, bool)):
            return {"text/plain": repr(value)[:LARGEST]}
        with _formatting:
            data, _ = self.ip.display_formatter.format(value)
        kept = {
            mime: content
            for mime, content in data.items()
            if "widget" not in mime and len(content) <= LARGEST
        }
        why = "too large to show here" if data else "its representation failed"
        return kept or {"text/plain": f"<{type(value).__name__}: {why}>"}

    def traceback(self, error: BaseException) -> str:
        """Return an exception's traceback as IPython writes it, with the cell's own lines."""
        if isinstance(error, BaseExceptionGroup):  # of which IPython does not show the parts
            return shorten(format_traceback(error))
        formatter = self.ip.InteractiveTB
        with _formatting:
            lines = formatter.structured_traceback(
                type(error), error, own_frames(error), tb_offset=0
            )
            formatter.tb = None  # or it would keep the task's objects alive
        return shorten("\n".join(lines))


def shorten(text: str) -> str:
    """Return the head and the tail of a traceback that is too long for a card."""
    if len(text) <= LONGEST_TRACEBACK:
        return text
    half = LONGEST_TRACEBACK // 2
    head, tail = text[:half].rpartition("\n")[0], text[-half:].partition("\n")[2]
    return f"{head}\n\x1b[0m... left out: {text.count(chr(10))} lines in all ...\n{tail}"
