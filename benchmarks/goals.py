"""The goals of the engine's speed, each a bound for a figure or for a ratio of two in one run."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.contenders import (
    CELERY,
    CONTENDERS,
    EVERYWHERE,
    FILE,
    MEMORY,
    OLD,
    OURS,
    POOL,
    REDIS,
    SQLITE,
    UPSTREAM,
)
from benchmarks.results import Results
from benchmarks.tables import number
from benchmarks.workloads import WORKLOADS


class Goal(NamedTuple):
    """A bound.

    :param at_least: what ours must come to at least, None if there is no such bound.
    :param at_most: what it may come to at most, likewise.
    :param of: the contender whose figure ours is divided by first, None for the figure itself.
    :param unit: of the figure.
    """

    workload: str
    storage: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None
    of: str | None = None
    unit: str = ""

    @property
    def words(self) -> str:
        """The bound in words."""
        way = "at least" if self.at_least is not None else "at most"
        bound = self.at_least if self.at_least is not None else self.at_most
        assert bound is not None
        if self.of is None:
            return f"{way} {number(bound)}{self.unit}"
        return f"{way} {number(bound)} x {CONTENDERS[self.of].label}"

    def is_reached(self, value: float) -> bool:
        """Say whether a value is within the bound."""
        enough = self.at_least is None or value >= self.at_least
        return enough and (self.at_most is None or value <= self.at_most)


class Verdict(NamedTuple):
    """A goal and what came of it, in words."""

    goal: str
    wanted: str
    ours: str
    word: str


GOALS = (
    Goal("latency", MEMORY, "p50", at_most=2, of=POOL),
    Goal("latency", SQLITE, "p50", at_most=1 / 200, of=UPSTREAM),
    Goal("latency", REDIS, "p50", at_most=1 / 100, of=UPSTREAM),
    Goal("latency", REDIS, "p50", at_most=1 / 8, of=CELERY),
    Goal("idle", MEMORY, "first", at_most=1, unit=" ms"),
    Goal("idle", SQLITE, "first", at_most=5, unit=" ms"),
    Goal("idle", MEMORY, "cpu", at_most=1, of=UPSTREAM),
    Goal("idle", SQLITE, "cpu", at_most=1, of=UPSTREAM),
    Goal("enqueue", MEMORY, "rate", at_least=4, of=UPSTREAM),
    Goal("enqueue", MEMORY, "rate", at_least=1, of=POOL),
    Goal("enqueue", SQLITE, "rate", at_least=5, of=UPSTREAM),
    Goal("enqueue", SQLITE, "rate", at_least=1, of=OLD),
    Goal("enqueue", REDIS, "rate", at_least=3, of=UPSTREAM),
    Goal("drain", MEMORY, "rate", at_least=8, of=UPSTREAM),
    Goal("drain", SQLITE, "rate", at_least=5, of=UPSTREAM),
    Goal("drain", SQLITE, "rate", at_least=1.5, of=OLD),
    Goal("drain", REDIS, "rate", at_least=8, of=UPSTREAM),
    Goal("drain-processes", SQLITE, "rate", at_least=5, of=UPSTREAM),
    Goal("drain-processes", REDIS, "rate", at_least=6, of=UPSTREAM),
    Goal("trips", REDIS, "trips", at_most=3.05),  # a consumer's start is a few trips of its own
    Goal("map", MEMORY, "rate", at_least=7, of=UPSTREAM),
    Goal("map", SQLITE, "rate", at_least=15, of=UPSTREAM),
    Goal("map", REDIS, "rate", at_least=15, of=UPSTREAM),
    Goal("due", SQLITE, "rate", at_least=50_000, unit=" a second"),  # 100,000 in 2 s
    Goal("import", MEMORY, "import", at_most=50, unit=" ms"),
    Goal("import", MEMORY, "first", at_most=10, unit=" ms"),
    *(
        Goal("events", storage, "kept", at_least=0.8, unit=" of without")
        for storage in (*EVERYWHERE, FILE)
    ),
)

SCALE = "scale"
MOST_GROWTH = 3  # a logarithm doubles from a thousand to a million; the rest is for caches


def verdicts(results: Results) -> list[Verdict]:
    """Return what came of each goal of which the figures are there."""
    return [*_bounds(results), *_growths(results)]


def _bounds(results: Results) -> list[Verdict]:
    found = []
    for goal in GOALS:
        value = _value(results, goal)
        if value is not None:
            word = "reached" if goal.is_reached(value) else "missed"
            found.append(Verdict(_name(goal), goal.words, _said(goal, value), word))
    return found


def _value(results: Results, goal: Goal) -> float | None:
    if goal.of is None:
        return results.median(goal.workload, goal.storage, OURS, goal.figure)
    return results.ratio(goal.workload, goal.storage, OURS, goal.of, goal.figure)


def _name(goal: Goal) -> str:
    figures = WORKLOADS[goal.workload].figures
    return f"{goal.workload}, {goal.storage}" + (f", {goal.figure}" if len(figures) > 1 else "")


def _said(goal: Goal, value: float) -> str:
    return f"{number(value)} x" if goal.of else f"{number(value)}{goal.unit}"


def _growths(results: Results) -> list[Verdict]:
    """Return, for each operation, how its cost grows on the storage where it grows most."""
    found = []
    for label in dict.fromkeys(figure.label for figure in WORKLOADS[SCALE].figures):
        growths = [
            (growth, storage)
            for storage in WORKLOADS[SCALE].counts
            if (growth := _growth(results, storage, label)) is not None
        ]
        if growths:
            worst, storage = max(growths)
            word = "reached" if worst <= MOST_GROWTH else "missed"
            wanted = f"at most {MOST_GROWTH} x, however many"
            found.append(Verdict(f"scale, {label}", wanted, f"{number(worst)} x, {storage}", word))
    return found


def _growth(results: Results, storage: str, label: str) -> float | None:
    """Return the cost among the most tasks, divided by the lowest of those among fewer."""
    costs = [
        cost
        for figure in WORKLOADS[SCALE].figures
        if figure.label == label
        and (cost := results.median(SCALE, storage, OURS, figure.name)) is not None
    ]
    return costs[-1] / min(costs[:-1]) if len(costs) > 1 else None
