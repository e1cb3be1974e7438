"""Who came, waited, was served and left, as data: the fold of a queue's events.

Times are epoch seconds. Nothing here knows a kernel, a clock or a lock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

ENDS: Final = frozenset({"complete", "error", "canceled", "revoked", "expired", "locked", "lost"})


@dataclass
class Visit:
    """One task's way through the queue."""

    arrived: float
    started: float | None = None
    left: float | None = None

    @property
    def waited(self) -> float | None:
        """Seconds before a worker took it; None while it waits."""
        return None if self.started is None else max(0.0, self.started - self.arrived)

    @property
    def stayed(self) -> float | None:
        """Seconds from arrival to end; None before."""
        return None if self.left is None else max(0.0, self.left - self.arrived)


class Moment(NamedTuple):
    """How many had come, waited, were being served and had left, at a time."""

    at: float
    arrived: int
    waiting: int
    served: int
    left: int


class Little(NamedTuple):
    """Little's law as measured: how many were there, and how many had to be.

    :param L: mean number of tasks in the system, counted again and again; None if nobody counted.
    :param rate: arrivals a second.
    :param W: mean seconds from a task's arrival to its end.
    """

    L: float | None
    rate: float
    W: float

    @property
    def product(self) -> float:
        """What the law says that `L` must be."""
        return self.rate * self.W

    def __str__(self) -> str:
        counted = "not counted" if self.L is None else f"{self.L:.2f} counted"
        law = f"{self.rate:.1f} a second × {self.W:.3f} s = {self.product:.2f}"
        return f"L = {counted}; λ × W = {law}"

    @property
    def apart(self) -> float | None:
        """By what share of `L` the two differ; None if nobody was there."""
        return abs(self.L - self.product) / self.L if self.L else None


@dataclass
class Flow:
    """All visits, and what was counted at the queue itself.

    :param begin: when watching began.
    """

    begin: float
    visits: dict[str, Visit] = field(default_factory=dict)
    heads: float = 0.0  # of all counts together, times the seconds for which each stands
    counted: float = 0.0  # seconds

    def fold(self, event: Mapping[str, Any]) -> None:
        """Take in one event of a task."""
        kind, at, task = event["kind"], event["at"], event["task"]
        if kind == "enqueued":
            self.visits.setdefault(task, Visit(at))
        visit = self.visits.get(task)
        if visit is not None and kind == "executing" and visit.started is None:
            visit.started = at
        elif visit is not None and kind in ENDS:
            visit.left = at

    def count(self, heads: int, seconds: float) -> None:
        """Take note of how many are in the queue and at work, so many seconds after the last look.

        On a busy machine some looks come late; they stand for the time that has passed.
        """
        self.heads += heads * seconds
        self.counted += seconds

    @property
    def last(self) -> float:
        """When the last of those who have left did so."""
        return max((one.left for one in self.visits.values() if one.left), default=self.begin)

    @property
    def waits(self) -> list[float]:
        """The seconds that each has waited whom a worker has taken."""
        return [one.waited for one in self.visits.values() if one.waited is not None]

    def little(self, until: float) -> Little:
        """Return the two sides of Little's law over the time from the beginning."""
        stays = [one.stayed for one in self.visits.values() if one.stayed is not None]
        mean = self.heads / self.counted if self.counted else None
        rate = len(self.visits) / max(until - self.begin, 1e-9)
        return Little(mean, rate, sum(stays) / len(stays) if stays else 0.0)

    def moments(self, times: Iterable[float]) -> list[Moment]:
        """Return how things stood at each of the times."""
        visits = self.visits.values()
        arrived = sorted(one.arrived for one in visits)
        started = sorted(one.started for one in visits if one.started is not None)
        left = sorted(one.left for one in visits if one.left is not None)
        found = []
        for at in times:
            came, began, gone = (bisect_left(each, at) for each in (arrived, started, left))
            found.append(Moment(at, came, max(0, came - began), max(0, began - gone), gone))
        return found

    def utilisation(self, until: float, workers: int) -> float:
        """Return the share of the workers' time in which they were at work."""
        ends = ((one.started, one.left or until) for one in self.visits.values())
        busy = sum(end - start for start, end in ends if start is not None)
        return busy / (max(until - self.begin, 1e-9) * max(workers, 1))
