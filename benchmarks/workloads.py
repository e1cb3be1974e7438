"""What is measured: a workload for each row of the table of goals, and how much is a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.contenders import EVERYWHERE, MEMORY, OLD, OURS, POOL, RAW, REDIS, SQLITE, UPSTREAM

REST = "the others"


class Figure(NamedTuple):
    """A number that comes of a round.

    :param name: as players have it.
    :param label: as tables have it, with its unit.
    :param less_is_better: whether less is better.
    """

    name: str
    label: str
    less_is_better: bool = False


class Workload(NamedTuple):
    """One thing that is measured.

    :param name: as the command line has it.
    :param title: as tables and plots have it.
    :param figures: what comes of a round.
    :param counts: by storage and contender, how many tasks or calls make a round of 0.2 to 2 s.
    :param usual: whether it is played unless others are asked for.
    :param at_once: play all contenders side by side, one round alone.
    :param rounds: how many rounds, None for as many as the command line says.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    counts: Mapping[str, Mapping[str, int]]
    usual: bool = True
    at_once: bool = False
    rounds: int | None = None

    def count(self, storage: str, contender: str) -> int:
        """Return how many tasks or calls of a contender make a round."""
        counts = self.counts[storage]
        return counts.get(contender, counts[REST])


_RATE = (Figure("rate", "tasks a second"),)
_OLD_AND_NEW = (UPSTREAM, OLD)


def _slower(count: int, *names: str) -> dict[str, int]:
    return dict.fromkeys(names, count)


_ALL = (
    Workload(
        "latency",
        "From call to result, one caller",
        (
            Figure("p50", "p50, microseconds", True),
            Figure("p95", "p95, microseconds", True),
        ),
        {
            MEMORY: {REST: 2000, **_slower(20, *_OLD_AND_NEW)},
            SQLITE: {REST: 300, RAW: 1000, **_slower(10, *_OLD_AND_NEW)},
            REDIS: {REST: 300, RAW: 1000, **_slower(20, *_OLD_AND_NEW)},
        },
    ),
    Workload(
        "idle",
        "Four idle workers, and the first task after that",
        (
            Figure("cpu", "CPU milliseconds a second", True),
            Figure("first", "first task, milliseconds", True),
        ),
        {storage: {REST: 1} for storage in EVERYWHERE},
        at_once=True,
    ),
    Workload(
        "enqueue",
        "Enqueue, one thread",
        _RATE,
        {
            MEMORY: {REST: 50_000, POOL: 100_000, RAW: 500_000},
            SQLITE: {REST: 4000, RAW: 20_000, OLD: 20_000},
            REDIS: {REST: 5000},
        },
    ),
    Workload(
        "drain",
        "Drain, four threads in one process",
        _RATE,
        {
            MEMORY: {REST: 20_000, POOL: 100_000, RAW: 500_000},
            SQLITE: {REST: 4000, UPSTREAM: 2000, RAW: 20_000, OLD: 10_000},
            REDIS: {REST: 4000, UPSTREAM: 2000},
        },
    ),
    Workload(
        "drain-processes",
        "Drain, two worker processes",
        _RATE,
        {
            SQLITE: {REST: 5000, UPSTREAM: 2000, RAW: 20_000, OLD: 10_000},
            REDIS: {REST: 5000, RAW: 10_000},
        },
    ),
    Workload(
        "trips",
        "Round trips to Redis",
        (Figure("trips", "round trips a task", True),),
        {REDIS: {REST: 1000}},
    ),
    Workload(
        "map",
        "Map and gather all results, four threads in one process",
        _RATE,
        {
            MEMORY: {REST: 10_000, POOL: 50_000, RAW: 100_000},
            SQLITE: {REST: 10_000, **_slower(2000, *_OLD_AND_NEW), RAW: 50_000},
            REDIS: {REST: 10_000, **_slower(2000, *_OLD_AND_NEW), RAW: 50_000},
        },
    ),
    Workload(
        "due",
        "From schedule to queue, all due at once",
        _RATE,
        {SQLITE: {REST: 100_000, UPSTREAM: 10_000, OLD: 20_000, OURS: 100_000}},
    ),
)

WORKLOADS = {one.name: one for one in _ALL}
