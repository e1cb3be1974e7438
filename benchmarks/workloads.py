"""What is measured: a workload for each row of the table of goals, and how much is a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.contenders import (
    EVERYWHERE,
    FILE,
    MEMORY,
    OLD,
    PEERS,
    POOL,
    PRIORITY_REDIS,
    RAW,
    REDIS,
    SQLITE,
    UPSTREAM,
)

REST = "the others"


class Figure(NamedTuple):
    """A number that comes of a round.

    :param name: as players have it.
    :param label: as tables have it, with its unit.
    :param less_is_better: whether less is better.
    :param place: where it stands on its line, if it is one of several that make a line.
    :param drawn: whether plots show it.
    """

    name: str
    label: str
    less_is_better: bool = False
    place: int = 0
    drawn: bool = True


class Workload(NamedTuple):
    """One thing that is measured.

    :param name: as the command line has it.
    :param title: as tables and plots have it.
    :param figures: what comes of a round.
    :param counts: by storage and contender, how many tasks or calls make a round of 0.2 to 2 s.
    :param along: of workloads with lines, what goes along them.
    :param unit: of all its figures, where their labels do not say.
    :param ours_alone: whether nobody else plays it.
    :param usual: whether it is played unless others are asked for.
    :param at_once: play all contenders side by side, one round alone.
    :param rounds: how many rounds, None for as many as the command line says.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    counts: Mapping[str, Mapping[str, int]]
    along: str = ""
    unit: str = ""
    ours_alone: bool = False
    usual: bool = True
    at_once: bool = False
    rounds: int | None = None

    @property
    def drawn(self) -> tuple[Figure, ...]:
        """The figures that plots show."""
        return tuple(figure for figure in self.figures if figure.drawn)

    def count(self, storage: str, contender: str) -> int:
        """Return how many tasks or calls of a contender make a round."""
        counts = self.counts[storage]
        return counts.get(contender, counts[REST])


_RATE = (Figure("rate", "tasks a second"),)
_OLD_AND_NEW = (UPSTREAM, OLD)
_SIZES = (1_000, 10_000, 100_000, 1_000_000)


def _lines(
    labels: Mapping[str, str], places: tuple[int, ...], *, less_is_better: bool = False
) -> tuple[Figure, ...]:
    """Return figures that make lines.

    :param labels: by the beginning of the figures' names.
    :param places: along each line; they end the names.
    """
    return tuple(
        Figure(f"{name} {place}", label, less_is_better, place)
        for name, label in labels.items()
        for place in places
    )


def _slower(count: int, *names: str) -> dict[str, int]:
    return dict.fromkeys(names, count)


_ALL = (
    Workload(
        "latency",
        "From call to result, one caller",
        (
            Figure("p50", "p50, microseconds", True),
            Figure("p95", "p95, microseconds", True, drawn=False),
        ),
        {
            MEMORY: {REST: 2000, **_slower(20, *_OLD_AND_NEW)},
            SQLITE: {REST: 300, RAW: 1000, **_slower(10, *_OLD_AND_NEW)},
            REDIS: {REST: 300, RAW: 1000, **_slower(20, *_OLD_AND_NEW), **_slower(100, *PEERS)},
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
            REDIS: {REST: 5000, **_slower(2000, *PEERS)},
        },
    ),
    Workload(
        "drain",
        "Drain, four threads in one process",
        _RATE,
        {
            MEMORY: {REST: 20_000, POOL: 100_000, RAW: 500_000},
            SQLITE: {REST: 4000, UPSTREAM: 2000, RAW: 20_000, OLD: 10_000},
            REDIS: {REST: 4000, UPSTREAM: 2000, **_slower(1000, *PEERS)},
        },
    ),
    Workload(
        "drain-processes",
        "Drain, two worker processes",
        _RATE,
        {
            SQLITE: {REST: 5000, UPSTREAM: 2000, RAW: 20_000, OLD: 10_000},
            REDIS: {REST: 5000, RAW: 10_000, **_slower(1000, *PEERS)},
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
            REDIS: {
                REST: 10_000,
                RAW: 50_000,
                **_slower(2000, *_OLD_AND_NEW),
                **_slower(500, *PEERS),
            },
        },
    ),
    Workload(
        "due",
        "From schedule to queue, all due at once",
        _RATE,
        {SQLITE: {REST: 100_000, UPSTREAM: 10_000, OLD: 20_000}},
    ),
    Workload(
        "import",
        "A fresh interpreter",
        (
            Figure("import", "import, milliseconds", True),
            Figure("first", "from there to the first result, milliseconds", True),
        ),
        {MEMORY: {REST: 5}},
    ),
    Workload(
        "memory",
        "What a waiting task takes",
        (Figure("bytes", "bytes", True),),
        {MEMORY: {REST: 50_000}, SQLITE: {REST: 20_000, UPSTREAM: 5000}, REDIS: {REST: 20_000}},
    ),
    Workload(
        "events",
        "Enqueue and drain with events",
        (
            Figure("off", "without events"),
            Figure("on", "with events"),
            Figure("read", "with events and a reader"),
            Figure("kept", "with, of without", drawn=False),
            Figure("kept-read", "with a reader, of without", drawn=False),
        ),
        {MEMORY: {REST: 10_000}, SQLITE: {REST: 3000}, REDIS: {REST: 3000}, FILE: {REST: 1000}},
        unit="tasks a second",
        ours_alone=True,
    ),
    Workload(
        "workers",
        "Drain by more and more workers",
        (
            *_lines({"tick": "no-op, threads", "nap": "1 ms sleep, threads"}, (1, 2, 4, 8)),
            *_lines(
                {"mark": "no-op, processes", "nap_and_mark": "1 ms sleep, processes"}, (1, 2, 4)
            ),
        ),
        {
            MEMORY: {REST: 10_000, POOL: 40_000},
            SQLITE: {REST: 6000, UPSTREAM: 3000},
            REDIS: {REST: 6000, UPSTREAM: 6000},
        },
        along="workers",
        unit="tasks a second",
        usual=False,
    ),
    Workload(
        "scale",
        "One operation while ever more tasks wait",
        _lines(
            {
                "enqueue": "enqueue",
                "run one": "claim and finish one",
                "count": "pending_count",
                "schedule": "schedule one",
                "read": "read one result",
                "tick": "look at the schedule",
                "revoke": "revoke one",
                "cancel": "cancel one",
                "cancel later": "cancel one that is scheduled",
            },
            _SIZES,
            less_is_better=True,
        ),
        {
            **{place: {REST: 1_000_000} for place in (*EVERYWHERE, PRIORITY_REDIS)},
            FILE: {REST: 100_000},
        },
        along="tasks",
        unit="microseconds",
        ours_alone=True,
        usual=False,
        rounds=1,
    ),
)

WORKLOADS = {one.name: one for one in _ALL}
