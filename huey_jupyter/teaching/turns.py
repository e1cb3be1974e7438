"""Which worker ran which task, and when: the fold of a queue's events, try by try.

Times are epoch seconds. Nothing here knows a kernel, a clock or a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from huey_jupyter.card import Card
from huey_jupyter.states import ENDINGS, State

BEGINNINGS: Final = frozenset({"enqueued", "scheduled", "executing"})
# How an event that ends a try says that it went.
HOW: Final[Mapping[str, State]] = {
    "complete": State.done,
    "error": State.failed,
    "interrupted": State.queued,
    **{kind: state for kind, (state, _) in ENDINGS.items()},
}


class Turn(NamedTuple):
    """One try at a task, by one worker; `end` is None while it goes on."""

    task: str
    title: str
    worker: str
    start: float
    end: float | None = None
    state: State = State.running

    def seconds(self, until: float) -> float:
        """Return how long it took, or has taken until then."""
        return max(0.0, (until if self.end is None else self.end) - self.start)


class Turns:
    """All turns, the one that began first at the beginning, and the card of each task."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.cards: dict[str, Card] = {}
        self.begin: float | None = None
        self._going: dict[str, int] = {}  # the turn's place by its task

    def fold(self, event: Mapping[str, Any]) -> None:
        """Take in one event; of a task that began before all others it is passed over."""
        kind, task, at = event["kind"], event["task"], event["at"]
        if task not in self.cards:
            if kind not in BEGINNINGS:
                return
            self.cards[task] = Card(task)
            self.begin = at if self.begin is None else min(self.begin, at)
        card = self.cards[task]
        card.fold(event)
        if kind == "executing":
            self._going[task] = len(self.turns)
            self.turns.append(Turn(task, card.title, card.worker, at))
        elif kind in HOW and task in self._going:
            place = self._going.pop(task)
            turn = self.turns[place]
            self.turns[place] = turn._replace(end=max(at, turn.start), state=HOW[kind])

    @property
    def workers(self) -> list[str]:
        """The names of all who ran something, `thread 10` behind `thread 9`."""
        names = {turn.worker for turn in self.turns}
        return sorted(names, key=lambda name: (len(name), name))

    @property
    def last(self) -> float:
        """When the last try ended of those that have."""
        ends = [turn.end for turn in self.turns if turn.end is not None]
        return max(ends, default=self.begin or 0.0)

    def are_over(self, later: float) -> bool:
        """Say whether all tasks have ended, save those whose time comes later than that."""
        return all(
            card.terminal or (card.eta is not None and card.eta > later)
            for card in self.cards.values()
        )
