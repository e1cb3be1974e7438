"""Measure how long a task takes from its call to its result, beside a thread pool.

All contestants run in this one process and take turns, round by round, so that a busy machine
slows all of them alike. What counts are the ratios; the microseconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from huey import Huey, MemoryHuey, SqliteHuey

POOL = "thread pool"
MEMORY = ("memory", "memory, events")
SQLITE = ("sqlite", "sqlite, events")
ALL = (POOL, *MEMORY, *SQLITE)

LATENCY_WORKERS = 2
DRAIN_WORKERS = 4
CALLS = {POOL: 200, **dict.fromkeys(MEMORY, 200), **dict.fromkeys(SQLITE, 50)}  # in a round
TASKS = {POOL: 5000, **dict.fromkeys(MEMORY, 5000), **dict.fromkeys(SQLITE, 2000)}  # to drain


class Rates(NamedTuple):
    """Tasks a second."""

    enqueue: float
    drain: float


def add(a: int, b: int) -> int:
    return a + b


def make_huey(kind: str, folder: str) -> Huey:
    events = kind.endswith("events")
    if kind in MEMORY:
        return MemoryHuey("bench", events=events)
    return SqliteHuey("bench", filename=os.path.join(folder, f"{kind}.db"), events=events)


# --- latency ---------------------------------------------------------------------------------


@contextmanager
def caller(kind: str, folder: str) -> Iterator[Callable[[], int | None]]:
    """Give a function that has `add(1, 2)` computed elsewhere and waits for the result."""
    if kind == POOL:
        with ThreadPoolExecutor(LATENCY_WORKERS) as pool:
            yield lambda: pool.submit(add, 1, 2).result()
        return
    huey = make_huey(kind, folder)
    task = huey.task()(add)
    with huey.create_consumer(workers=LATENCY_WORKERS):
        yield lambda: task(1, 2).get(blocking=True)
    huey.storage.close()


def measure_latency(rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each call by contestant."""
    seconds: dict[str, list[float]] = {kind: [] for kind in ALL}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        callers = {kind: stack.enter_context(caller(kind, folder)) for kind in ALL}
        for call in callers.values():  # once, to warm up
            assert call() == 3
        for _ in range(rounds):
            for kind, call in callers.items():
                seconds[kind] += timed(call, CALLS[kind])
    return seconds


def timed(call: Callable[[], Any], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


# --- throughput ------------------------------------------------------------------------------


class Countdown:
    """A function to call so many times; the last call opens a gate."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self.gate = threading.Event()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            if not self._left:
                self.gate.set()


def pool_rates(count: int) -> Rates:
    """Fill a thread pool whose threads are held up, then let them go."""
    tick, held_up = Countdown(count), threading.Event()
    with ThreadPoolExecutor(DRAIN_WORKERS) as pool:
        for _ in range(DRAIN_WORKERS):
            pool.submit(held_up.wait)
        filling = seconds_of(lambda: [pool.submit(tick) for _ in range(count)])
        held_up.set()
        draining = seconds_of(tick.gate.wait)
    return Rates(count / filling, count / draining)


def huey_rates(kind: str, count: int) -> Rates:
    """Fill a queue that nobody works on, then start a consumer."""
    tick = Countdown(count)
    with tempfile.TemporaryDirectory() as folder:
        huey = make_huey(kind, folder)
        task = huey.task(name="tick")(tick)
        filling = seconds_of(lambda: [task() for _ in range(count)])
        consumer = huey.create_consumer(workers=DRAIN_WORKERS)
        began = time.perf_counter()
        consumer.start()
        tick.gate.wait()
        draining = time.perf_counter() - began
        consumer.stop(graceful=True)
        huey.storage.close()
    return Rates(count / filling, count / draining)


def seconds_of(func: Callable[[], Any]) -> float:
    began = time.perf_counter()
    func()
    return time.perf_counter() - began


def measure_throughput(rounds: int) -> dict[str, Rates]:
    """Return the medians by contestant."""
    found: dict[str, list[Rates]] = {kind: [] for kind in ALL}
    for _ in range(rounds):
        for kind in ALL:
            count = TASKS[kind]
            found[kind].append(pool_rates(count) if kind == POOL else huey_rates(kind, count))
    return {
        kind: Rates(*(statistics.median(column) for column in zip(*rates, strict=True)))
        for kind, rates in found.items()
    }


# --- what came of it -------------------------------------------------------------------------


def summarize_latency(seconds: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return microseconds, and the ratio of the medians to the thread pool's."""
    pool = statistics.median(seconds[POOL])
    return {
        kind: {
            "p50_us": 1e6 * statistics.median(each),
            "p95_us": 1e6 * statistics.quantiles(each, n=20)[-1],
            "times_thread_pool": statistics.median(each) / pool,
        }
        for kind, each in seconds.items()
    }


def print_table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    print(f"\n{title}\n")
    for first, *rest in [head, *rows]:
        print(f"  {first:<16}" + "".join(f"{cell:>14}" for cell in rest))


def print_latency(found: dict[str, dict[str, float]]) -> None:
    rows = [
        (
            kind,
            f"{each['p50_us']:,.0f}",
            f"{each['p95_us']:,.0f}",
            f"{each['times_thread_pool']:.1f} x",
        )
        for kind, each in found.items()
    ]
    title = f"From call to result, one caller, {LATENCY_WORKERS} threads (microseconds)"
    print_table(title, ("", "p50", "p95", POOL), rows)


def print_throughput(found: dict[str, Rates]) -> None:
    rows = [(kind, f"{each.enqueue:,.0f}", f"{each.drain:,.0f}") for kind, each in found.items()]
    title = f"Tasks a second: one thread enqueues, then {DRAIN_WORKERS} threads drain"
    print_table(title, ("", "enqueue", "drain"), rows)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency",
        description="Measure how long add(1, 2) takes from call to result on each storage, and "
        "how many tasks a second it takes in and works off, beside a ThreadPoolExecutor in the "
        "same process. Takes less than a minute.",
    )
    parser.add_argument(
        "--rounds", type=int, default=30, help="rounds of the latency test (default 30)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the figures where they are wanted."""
    options = parse(arguments)
    latency = summarize_latency(measure_latency(options.rounds))
    print_latency(latency)
    throughput = measure_throughput(max(1, options.rounds // 10))
    print_throughput(throughput)
    if options.json:
        machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
        rates = {kind: each._asdict() for kind, each in throughput.items()}
        with open(options.json, "w") as file:
            json.dump({"machine": machine, "latency": latency, "throughput": rates}, file, indent=2)


if __name__ == "__main__":
    main()
