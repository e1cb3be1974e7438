"""A cell that is run again while its last run goes on: shown, replaced, or run besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from huey.results import Result
from huey_jupyter.cards import Card
from huey_jupyter.handing import Source

if TYPE_CHECKING:
    from huey_jupyter.session import Session


class LastRun(NamedTuple):
    """What was last handed over from one cell: the source's key, and the task's id."""

    source: str
    task: str


class Reruns:
    """Hands cells over as their option ``on_rerun`` says.

    A cell is known again by the name that the front end has for it, else by its text.

    :param session: whose cells.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._last: dict[str, LastRun] = {}

    def hand_over(self, source: Source) -> Result[Any]:
        """Hand a cell over, or return the result of the run that goes on."""
        cell = self._cell_of(source)
        going_on = self._go_on(cell, source)
        if going_on is not None:
            return going_on
        result = self.session.handing.hand_over(source)
        if cell:
            self._last[cell] = LastRun(source.key, result.id)
        return result

    def _go_on(self, cell: str, source: Source) -> Result[Any] | None:
        """Return the result of the last run if that is to go on; cancel it if it is not."""
        last = self._last.get(cell)
        card = None if last is None else self._running(last.task)
        if last is None or card is None or source.options.on_rerun == "queue":
            return None
        if last.source == source.key and source.options.on_rerun == "auto":
            return self.session.control.result(card.id)
        self.session.control.cancel(card.id)
        text = f"the earlier run {card.short} of this cell was asked to stop"
        self.session.displays.say(text)
        return None

    def _running(self, task_id: str) -> Card | None:
        """Return the card of a task that is not over."""
        self.session.watcher.catch_up()
        with self.session.lock:
            card = self.session.board.cards.get(task_id)
            return None if card is None or card.terminal else card

    def _cell_of(self, source: Source) -> str:
        """Return by what a cell is known again; empty for a call that is no cell."""
        if not source.line:
            return ""
        ip = self.session.ip
        parent = ip.get_parent() if hasattr(ip, "get_parent") else None
        return (parent or {}).get("metadata", {}).get("cellId") or source.key
