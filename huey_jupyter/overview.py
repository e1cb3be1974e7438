"""The whole queue at a glance, as data: who runs what, what waits, what is over, how fast."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain, islice
from typing import Final, NamedTuple

from huey_jupyter.cards import Board, Card, State
from huey_jupyter.runs import MINUTE, Segment

SHOWN: Final = 6  # tasks of the queue, of the schedule, and of what is over
HIGH_LAG: Final = 0.3  # seconds; above, a cell is felt to wait


@dataclass(frozen=True)
class Facts:
    """What the board does not know.

    :param now: seconds since the epoch.
    :param workers: the names of the workers that are alive, as their events tell them.
    :param kind: thread, process, greenlet or asyncio.
    :param paused: whether they claim nothing for now.
    :param lag: seconds by which the kernel's own threads are late; None if nobody measures.
    :param place: where the queue is, without a password.
    :param queue: ids of waiting tasks in the order in which they will be taken, the first few of
        them; None for the order in which they came.
    :param note: a sentence on what is special just now.
    :param elsewhere: how many workers others have at this queue.
    """

    now: float
    workers: tuple[str, ...] = ()
    kind: str = "thread"
    paused: bool = False
    lag: float | None = None
    place: str = ""
    queue: tuple[str, ...] | None = None
    note: str = ""
    elsewhere: int = 0


class Lane(NamedTuple):
    """A worker's last minute: runs that are over, oldest first, and the tasks it is at now."""

    worker: str
    alive: bool
    over: list[Segment]
    running: list[Card]


@dataclass(frozen=True)
class Overview:
    """The whole queue at one moment.

    Its cards go on to change: make it and show it under the board's lock. `ends` counts the tasks
    that ended in each second of the last minute, the current one last.
    """

    facts: Facts
    counts: dict[State, int]
    lanes: list[Lane]
    queue: list[Card]
    scheduled: list[Card]
    finished: list[Card]
    ends: list[int]

    @property
    def waiting(self) -> int:
        return self.counts[State.queued]

    @property
    def later(self) -> int:
        """How many have a time that is to come: scheduled, or waiting for their next try."""
        return self.counts[State.scheduled] + self.counts[State.retry]

    @property
    def speed(self) -> float:
        """How many tasks have ended in a second, over the ten whole ones before this."""
        return sum(self.ends[-11:-1]) / 10

    def status(self) -> dict[str, object]:
        """Return the facts of the status line."""
        counts = self.counts
        return {
            "workers": len(self.facts.workers),
            "elsewhere": self.facts.elsewhere,
            "kind": self.facts.kind,
            "paused": self.facts.paused,
            "lag": self.facts.lag,
            "running": counts[State.running] + counts[State.stopping],
            "queued": counts[State.queued],
            "scheduled": counts[State.scheduled] + counts[State.retry],
            "done": counts[State.done],
            "failed": counts[State.failed] + counts[State.lost],
            "cancelled": counts[State.canceled],
            "storage": self.facts.place,
            "note": self.facts.note,
        }


def overview(board: Board, facts: Facts) -> Overview:
    """Return the whole queue at a glance; what it costs grows with the schedule alone."""
    ids = board.by_state[State.queued] if facts.queue is None else facts.queue
    return Overview(
        facts=facts,
        counts={state: len(tasks) for state, tasks in board.by_state.items()},
        lanes=list(_lanes(board, facts)),
        queue=_cards(board, ids),
        scheduled=_next(board),
        finished=list(islice(reversed(board.runs.latest), SHOWN)),
        ends=board.runs.ends(facts.now),
    )


def _cards(board: Board, ids: Iterable[str]) -> list[Card]:
    return list(islice((board.cards[task] for task in ids if task in board.cards), SHOWN))


def _next(board: Board) -> list[Card]:
    later = chain(board.by_state[State.scheduled], board.by_state[State.retry])
    cards = (board.cards[task] for task in later)
    return nsmallest(SHOWN, cards, key=lambda card: math.inf if card.eta is None else card.eta)


def _by_number(worker: str) -> tuple[str, int]:
    """Sort `thread 10` behind `thread 9`."""
    kind, _, number = worker.rpartition(" ")
    return (kind, int(number)) if number.isdecimal() else (worker, 0)


def _lanes(board: Board, facts: Facts) -> Iterator[Lane]:
    """Yield a lane for each worker that lives, then for each that did something of late."""
    since = facts.now - MINUTE
    running: dict[str, list[Card]] = {}
    for segment, card in board.runs.going.values():
        running.setdefault(segment.worker, []).append(card)
    alive = dict.fromkeys(facts.workers)
    others = sorted({*running, *board.runs.lanes}, key=_by_number)
    for worker in dict.fromkeys((*alive, *others)):
        segments = board.runs.lanes.get(worker, ())
        over = [s for s in segments if s.end is not None and s.end > since]
        if worker in alive or over or worker in running:
            yield Lane(worker, worker in alive, over, running.get(worker, []))
