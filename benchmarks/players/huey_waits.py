"""Plays of the three hueys about waiting: for a result, and for a task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from clocks import cpu_seconds
from huey_app import Stand, stand
from stage import PATIENCE, Figures, Settings, each_round
from stage import latency as latency_of

SETTLING = 2.0  # seconds from the start of a consumer until it counts as idle


def call_and_get(one: Stand) -> Any:
    """Have `add(1, 2)` run elsewhere and wait for its result."""
    return one.tasks.add(1, 2).get(blocking=True, timeout=PATIENCE)


@each_round
def latency(settings: Settings) -> Figures:
    """Call and wait; the consumer's two threads are in this process only for memory."""
    with stand(settings) as one, ExitStack() as stack:
        start_consumer(one, 2, stack)
        call_and_get(one)
        return latency_of(partial(call_and_get, one), settings.count)


def start_consumer(one: Stand, workers: int, stack: ExitStack) -> Callable[[], float]:
    """Start a consumer where people would have it; return what tells its CPU seconds."""
    if one.settings.storage == "memory":
        stack.enter_context(one.consumer(workers))
        return time.process_time
    process = stack.enter_context(one.consumer_outside(workers=workers))
    return partial(cpu_seconds, process.pid)


def idle(settings: Settings) -> Iterator[Figures]:
    """Start a consumer; leave it alone and see what that costs; then give it a task."""
    with stand(settings) as one, ExitStack() as stack:
        spent = start_consumer(one, 4, stack)
        call_and_get(one)
        time.sleep(SETTLING)
        yield {}
        before = spent()
        time.sleep(settings.seconds)
        cpu = 1000 * (spent() - before) / settings.seconds
        yield {}
        began = time.perf_counter()
        call_and_get(one)
        yield {"cpu": cpu, "first": 1000 * (time.perf_counter() - began)}
