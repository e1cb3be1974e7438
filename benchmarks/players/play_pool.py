"""Plays the workloads with `concurrent.futures.ThreadPoolExecutor`: a queue without a storage."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bodies import COUNTDOWN, add, nap, tick
from fresh_start import imports
from stage import Figures, Settings, each_round, perform, seconds_of
from stage import latency as latency_of
from weights import weigh

WORKERS = 4
THREADS = (1, 2, 4, 8)
NAPS = 4  # there are so many times fewer tasks that sleep


@contextmanager
def held_up(workers: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Give a pool whose threads all wait for an event."""
    gate = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(workers):
            pool.submit(gate.wait)
        try:
            yield pool, gate
        finally:
            gate.set()


@each_round
def latency(settings: Settings) -> Figures:
    with ThreadPoolExecutor(2) as pool:
        pool.submit(add, 1, 2).result()
        return latency_of(lambda: pool.submit(add, 1, 2).result(), settings.count)


def idle(settings: Settings) -> Iterator[Figures]:
    with ThreadPoolExecutor(WORKERS) as pool:
        pool.submit(add, 1, 2).result()
        yield {}
        before = time.process_time()
        time.sleep(settings.seconds)
        cpu = 1000 * (time.process_time() - before) / settings.seconds
        yield {}
        took = seconds_of(lambda: pool.submit(add, 1, 2).result())
        yield {"cpu": cpu, "first": 1000 * took}


@each_round
def enqueue(settings: Settings) -> Figures:
    with held_up(WORKERS) as (pool, gate):
        took = seconds_of(lambda: [pool.submit(add, 1, 2) for _ in range(settings.count)] and None)
        gate.set()
    return {"rate": settings.count / took}


@each_round
def drain(settings: Settings) -> Figures:
    return {"rate": settings.count / seconds_to_drain(tick, settings.count, WORKERS)}


def seconds_to_drain(body: Callable[[int, int], int], count: int, workers: int) -> float:
    """Fill a pool whose threads are held up; return how long it takes to the last task."""
    COUNTDOWN.expect(count)
    with held_up(workers) as (pool, gate):
        futures = [pool.submit(body, 1, 2) for _ in range(count)]
        began = time.perf_counter()
        gate.set()
        COUNTDOWN.wait()
        took = time.perf_counter() - began
    assert futures[0].result() == 3
    return took


@each_round
def gather(settings: Settings) -> Figures:
    numbers, ones = list(range(settings.count)), [1] * settings.count
    with ThreadPoolExecutor(WORKERS) as pool:
        took = seconds_of(lambda: list(pool.map(add, numbers, ones)))
    return {"rate": settings.count / took}


@each_round
def memory(settings: Settings) -> Figures:
    with held_up(WORKERS) as (pool, _):
        return weigh(settings, lambda _, count: [pool.submit(add, 1, 2) for _ in range(count)])


@each_round
def workers(settings: Settings) -> Figures:
    return {
        f"{body.__name__} {threads}": count / seconds_to_drain(body, count, threads)
        for body, count in ((tick, settings.count), (nap, settings.count // NAPS))
        for threads in THREADS
    }


ACTS = {
    "latency": latency,
    "idle": idle,
    "enqueue": enqueue,
    "drain": drain,
    "map": gather,
    "import": imports("concurrent.futures"),
    "memory": memory,
    "workers": workers,
}

if __name__ == "__main__":
    perform(ACTS, f"concurrent.futures of Python {platform.python_version()}")
