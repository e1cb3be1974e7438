"""Plays of the three hueys about how many there are: tasks that wait, threads, processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from bodies import Marks
from huey_app import Stand, stand
from huey_rates import fill, seconds_to_drain
from stage import Figures, Settings, each_round
from weights import weigh

THREADS = (1, 2, 4, 8)
PROCESSES = (1, 2, 4)
NAPS = 4  # there are so many times fewer tasks that sleep


@each_round
def memory(settings: Settings) -> Figures:
    """Weigh tasks that wait."""
    stands: dict[str, Stand] = {}

    def enqueue(place: str, count: int) -> Any:
        one = stands.setdefault(place, Stand(settings, place))
        fill(one.tasks.add, count)
        return one

    return weigh(settings, enqueue)


@each_round
def workers(settings: Settings) -> Figures:
    """Drain the queue by more and more threads, then by more and more processes."""
    found = dict(_by_threads(settings))
    if settings.storage != "memory":
        found.update(_by_processes(settings))
    return found


def _by_threads(settings: Settings) -> Iterator[tuple[str, float]]:
    for body, count in (("tick", settings.count), ("nap", settings.count // NAPS)):
        for threads in THREADS:
            with stand(settings) as one:
                fill(getattr(one.tasks, body), count)
                yield f"{body} {threads}", count / seconds_to_drain(one, count, threads)


def _by_processes(settings: Settings) -> Iterator[tuple[str, float]]:
    """Start consumers with one worker each."""
    for body, count in (("mark", settings.count), ("nap_and_mark", settings.count // NAPS)):
        for processes in PROCESSES:
            with stand(settings) as one, ExitStack() as stack:
                marks = Marks(one.place)
                fill(getattr(one.tasks, body), count)
                for _ in range(processes):
                    stack.enter_context(one.consumer_outside(workers=1))
                yield f"{body} {processes}", marks.rate(count)["rate"]
