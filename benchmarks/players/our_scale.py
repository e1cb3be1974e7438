"""What one operation costs when more and more tasks wait, are scheduled, and have results."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bodies import add
from huey_app import Stand, stand, utc_now
from stage import Figures, Settings, each_round

from huey.storage import Batch
from huey.tasks import Task

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PIECE = 10_000  # written at once
TIMES = 200  # of each operation
LOOKS = 3  # of those that look through everything
LATER = datetime.timedelta(days=1)


@each_round
def scale(settings: Settings) -> Figures:
    """Fill up to one size after the other; at each, take the median time of each operation."""
    found = {}
    with stand(settings) as one:
        crowd = Crowd(one)
        for size in SIZES:
            if size <= settings.count:
                crowd.grow(size)
                for name, operation, times in crowd.operations():
                    found[f"{name} {size}"] = 1e6 * median(_timed(operation, times))
    return found


def _timed(operation: Callable[[], Any], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        operation()
        seconds.append(time.perf_counter() - began)
    return seconds


class Crowd:
    """A Huey with many tasks that wait, as many that are scheduled, and as many results."""

    def __init__(self, one: Stand) -> None:
        self.huey = one.huey
        self.storage = one.huey.storage
        self.task = one.tasks.add
        self.size = 0
        self.ids: list[str] = []  # of tasks that wait
        self.scheduled: list[Task[Any]] = []
        self._value = self.huey.serializer.serialize(add(1, 2))

    def grow(self, size: int) -> None:
        """Fill up to a size."""
        while self.size < size:
            count = min(PIECE, size - self.size)
            due = utc_now() + LATER
            waiting = [self.task.s(1, 2) for _ in range(count)]
            times = [due + datetime.timedelta(microseconds=n) for n in range(count)]
            self.scheduled = [self.task.s(1, 2) for _ in times]
            for task, when in zip(self.scheduled, times, strict=True):
                task.eta = when
            data = self.huey.serialize_task
            self.storage.write(
                Batch(
                    enqueue=[(data(task), None) for task in waiting],
                    schedule=[
                        (data(task), when, None)
                        for task, when in zip(self.scheduled, times, strict=True)
                    ],
                    results=[(f"r{n}", self._value) for n in range(self.size, self.size + count)],
                )
            )
            self.ids = [task.id for task in waiting]
            self.size += count

    def operations(self) -> list[tuple[str, Callable[[], Any], int]]:
        """Return what is timed: a name, a call, how many times."""
        keys = (f"r{n}" for n in range(self.size - TIMES, self.size))
        revoked, cancelled = iter(self.ids[-TIMES:]), iter(self.ids[:-TIMES][-LOOKS:])
        later = iter(self.scheduled[-LOOKS:])
        return [
            ("enqueue", lambda: self.task(1, 2), TIMES),
            ("run one", self._run_one, TIMES),
            ("count", self.huey.pending_count, TIMES),
            ("schedule", self._schedule, TIMES),
            ("read", lambda: self.storage.take_result(next(keys)), TIMES),
            ("tick", self._tick, TIMES),
            ("cancel", lambda: self.huey.cancel(next(cancelled)), LOOKS),
            ("cancel later", lambda: self.huey.cancel(next(later)), LOOKS),
            ("revoke", lambda: self.huey.revoke_by_id(next(revoked), revoke_once=True), TIMES),
        ]

    def _run_one(self) -> None:
        claim = self.storage.claim("1.1")
        task = self.huey.deserialize_task(claim.data)
        results = [(task.id, self.huey.serializer.serialize(add(*task.args)))]
        assert self.storage.finish("1.1", claim, Batch(results=results))

    def _schedule(self) -> None:
        due = utc_now() + LATER
        self.storage.add_to_schedule(self.huey.serialize_task(self.task.s(1, 2)), due)

    def _tick(self) -> None:
        """Look at the schedule, on which nothing is due."""
        self.storage.next_due()
        assert not self.huey.move_due()
