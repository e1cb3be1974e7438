"""Tasks shown as one: how many are in which state, which of them failed, how long each took.

All of it is kept as cards move, so that a group of a hundred thousand is told without a look at
each.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Final

from huey_jupyter.card import Card
from huey_jupyter.states import FAILURES, FAILURES_FIRST, State

SPANS: Final = (
    0.01,
    0.1,
    1,
    10,
    60,
    600,
    3_600,
)  # seconds; where one length ends and the next begins


@dataclass(eq=False)
class Group:
    """Tasks shown as one; `expected` says how many, while they are still being made.

    Tasks are numbered from 1. `spans` counts what is over by how long it took: by how many of
    `SPANS` are not above that. `picked` is the number of the one that a reader has chosen.
    """

    id: str
    title: str = ""
    ids: list[str] = field(default_factory=list)
    expected: int = 0
    prompt: str = ""
    note: str = ""
    picked: int | None = None
    created: float | None = None
    ended: float | None = None
    tally: Counter[State] = field(default_factory=Counter, repr=False)
    spans: Counter[int] = field(default_factory=Counter, repr=False)
    gone: int = 0  # cards the board has let go of
    _numbers: dict[str, int] = field(default_factory=dict, repr=False)
    _failures: dict[int, Card] = field(default_factory=dict, repr=False)
    _spans: dict[str, int] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        return max(self.expected, len(self.ids))

    @property
    def counts(self) -> list[tuple[State, int]]:
        """How many tasks are in which state, failures first, none at zero."""
        return [(state, self.tally[state]) for state in FAILURES_FIRST if self.tally[state]]

    @property
    def finished(self) -> int:
        return sum(count for state, count in self.tally.items() if state.terminal)

    @property
    def failed(self) -> int:
        """How many ended in another way than they should."""
        return sum(self.tally[state] for state in FAILURES)

    @property
    def terminal(self) -> bool:
        return 0 < self.size <= self.finished

    @property
    def fraction(self) -> float:
        return self.finished / self.size if self.size else 0.0

    def failures(self, most: int) -> list[tuple[int, Card]]:
        """Return the first of those that failed and are still known, with their numbers."""
        return [(number, self._failures[number]) for number in nsmallest(most, self._failures)]

    # --- what the board tells ---

    def join(self, card: Card, state: State) -> None:
        """Take in a card, counted in that state."""
        self.ids.append(card.id)
        self._numbers[card.id] = len(self.ids)
        self.tally[state] += 1
        self._note(card)

    def moved(self, card: Card, before: State) -> None:
        """Count a card in another state."""
        self.tally[before] -= 1
        self.tally[card.state] += 1
        self._note(card)

    def let_go(self, task: str) -> None:
        """Forget a card that is over; it goes on to count."""
        self.gone += 1
        self._failures.pop(self._numbers[task], None)

    def _note(self, card: Card) -> None:
        number = self._numbers[card.id]
        if card.state in FAILURES:
            self._failures[number] = card
        else:
            self._failures.pop(number, None)
        if card.created is not None:
            self.created = min(card.created, self.created or card.created)
        if card.ended is not None:
            self.ended = max(card.ended, self.ended or 0.0)
        self._measure(card)

    def _measure(self, card: Card) -> None:
        before = self._spans.pop(card.id, None)
        if before is not None:
            self.spans[before] -= 1
        if card.terminal and card.seconds is not None:
            span = self._spans[card.id] = bisect(SPANS, card.seconds)
            self.spans[span] += 1
