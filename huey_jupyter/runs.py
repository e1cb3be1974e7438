"""Who ran what in the last minute, and how many tasks ended in each second of it.

Told by cards as they move. However many tasks there are, what is kept is small: runs that are too
short to be drawn are kept as one.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, NamedTuple

from huey_jupyter.card import Card
from huey_jupyter.states import FAILURES, State

MINUTE: Final = 60.0
GRAIN: Final = 0.5  # seconds; runs that begin and end within this are kept as one
LATEST: Final = 20  # tasks that ended last
MAX_LANES: Final = 200
GOING: Final = frozenset({State.running, State.stopping})


class Segment(NamedTuple):
    """A stretch of a worker's time: one run, or `runs` short ones. `end` is None while it runs."""

    worker: str
    title: str
    state: State
    start: float
    end: float | None = None
    runs: int = 1


class Runs:
    """The runs of all workers; `lanes` are those that are over, by worker, oldest first."""

    def __init__(self) -> None:
        self.lanes: dict[str, deque[Segment]] = {}
        self.going: dict[str, tuple[Segment, Card]] = {}
        self.latest: deque[Card] = deque(maxlen=LATEST)
        self._ends: Counter[int] = Counter()

    def moved(self, card: Card) -> None:
        """Take note that a card is in another state than before."""
        if card.state is State.running:
            start = card.updated if card.started is None else card.started
            segment = Segment(card.worker, card.title, State.running, start)
            self.going[card.id] = segment, card
        elif card.state is not State.stopping and card.id in self.going:
            segment, _ = self.going.pop(card.id)
            self._add(segment._replace(state=card.state, end=max(card.updated, segment.start)))
        if card.terminal:
            self.latest.append(card)
            self._count(int(card.updated if card.ended is None else card.ended))

    def ends(self, now: float) -> list[int]:
        """Return how many tasks ended in each second of the minute before now, oldest first."""
        last = int(now)
        return [self._ends[second] for second in range(last - int(MINUTE) + 1, last + 1)]

    def _add(self, segment: Segment) -> None:
        lane = self.lanes.setdefault(segment.worker, deque(maxlen=int(4 * MINUTE / GRAIN)))
        joined = joint(lane[-1], segment, GRAIN) if lane else None
        if joined is None:
            lane.append(segment)
        else:
            lane[-1] = joined
        if len(self.lanes) > MAX_LANES:
            del self.lanes[next(iter(self.lanes))]

    def _count(self, second: int) -> None:
        self._ends[second] += 1
        if len(self._ends) > 10 * MINUTE:
            newest = max(self._ends)
            self._ends = Counter(
                {s: n for s, n in self._ends.items() if s > newest - 2 * MINUTE},
            )


def joint(one: Segment, other: Segment, grain: float) -> Segment | None:
    """Return two runs of a worker as one, if together they are shorter than that; else None."""
    if one.end is None or other.end is None or other.end - one.start >= grain:
        return None
    worse = other.state if other.state in FAILURES else one.state
    return one._replace(
        state=worse,
        start=min(one.start, other.start),
        end=max(one.end, other.end),
        runs=one.runs + other.runs,
    )
