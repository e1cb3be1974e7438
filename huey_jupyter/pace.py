"""How fast a task gets on, from its own reports of progress."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

RECENT: Final = 2.5  # seconds; "of late" means the last one or two of these


class Progress(NamedTuple):
    """So much was done at that moment."""

    at: float
    done: float


class Pace:
    """How fast a task gets on, from the reports it made since this try began."""

    def __init__(self) -> None:
        self.first: Progress | None = None
        self.previous: Progress | None = None
        self.latest: Progress | None = None
        self._mark: Progress | None = None

    def add(self, at: float, done: float) -> None:
        """Take in a report; one that goes backwards starts the measure anew."""
        now = Progress(at, done)
        if self.first is None or self.latest is None or done < self.latest.done:
            self.first = self.previous = self._mark = now
        elif self._mark is not None and at - self._mark.at >= RECENT:
            self.previous, self._mark = self._mark, now
        self.latest = now

    def ready_at(self, total: float, started: float | None) -> float | None:
        """Return when it will be done at this pace; None while nothing can be said."""
        speed = self.speed(started)
        if speed is None or self.latest is None:
            return None
        ready = self.latest.at + (total - self.latest.done) / speed
        return ready if math.isfinite(ready) else None

    def speed(self, started: float | None) -> float | None:
        """Return steps per second, half of all the way and half of late; None at first."""
        if self.first is None or self.previous is None or self.latest is None:
            return None
        start = self.first
        if start == self.latest and started is not None:
            start = Progress(started, 0.0)
        speeds = [
            (self.latest.done - since.done) / (self.latest.at - since.at)
            for since in (start, self.previous)
            if self.latest.at > since.at
        ]
        mean = sum(speeds) / len(speeds) if speeds else 0.0
        return mean if mean > 0 else None
