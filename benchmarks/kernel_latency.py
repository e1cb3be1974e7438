"""Measure how quick a notebook stays while tasks are busy: a trivial cell, from request to reply.

One kernel, whose states take turns, round by round, so that a busy machine slows all of them alike.
What counts are the ratios; the milliseconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from benchmarks.tables import print_table

IDLE = "idle"
OURS = "2 busy threads"
DEFAULT = "2 busy threads, default interval"
OUTSIDE = "2 busy processes"

GOAL = 80.0  # milliseconds, for the median of OURS

PATIENCE = 60.0  # seconds for an answer of the kernel

SETUP = """
import sys, time
from huey import MemoryHuey
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.outside import Outside
from huey_jupyter.workers import Threads

inside, outside = MemoryHuey("bench"), NotebookHuey("bench", "sqlite:{folder}/bench.db")
threads, processes = Threads(inside, 2), Outside(outside, 2)

def spin():
    while True:
        sum(n * n for n in range(1000))

spin_inside, spin_outside = inside.task()(spin), outside.task()(spin)

def busy(huey, workers, task):
    workers.start()
    task(), task()
    deadline = time.monotonic() + 20
    while len(huey.storage.claims()) < 2:
        assert time.monotonic() < deadline, workers.failure
        time.sleep(0.01)

def calm(huey, workers):
    workers.stop()
    huey.storage.flush_queue()
"""

# By state: what brings it about, and what ends it.
STATES = {
    IDLE: ("pass", "pass"),
    OURS: ("busy(inside, threads, spin_inside)", "calm(inside, threads)"),
    DEFAULT: (
        "busy(inside, threads, spin_inside); sys.setswitchinterval(0.005)",
        "calm(inside, threads)",
    ),
    OUTSIDE: ("busy(outside, processes, spin_outside)", "calm(outside, processes)"),
}


class Kernel:
    """A kernel and a front end of it.

    :param client: of jupyter_client, blocking.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    def run(self, code: str) -> float:
        """Run a cell; return the seconds from the request to the reply."""
        began = time.perf_counter()
        request = self.client.execute(code, store_history=False)
        while (reply := self.client.get_shell_msg(timeout=PATIENCE))["parent_header"].get(
            "msg_id"
        ) != request:
            continue
        took = time.perf_counter() - began
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"].get("traceback", [])))
        with suppress(queue.Empty):
            while True:  # what is published is not looked at
                self.client.get_iopub_msg(timeout=0)
        return took


@contextmanager
def kernel() -> Iterator[Kernel]:
    """Start a kernel; it is gone when the block ends."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def measure(rounds: int, cells: int) -> dict[str, list[float]]:
    """Return the milliseconds of each cell by state."""
    found: dict[str, list[float]] = {state: [] for state in STATES}
    with tempfile.TemporaryDirectory() as folder, kernel() as one:
        one.run(SETUP.replace("{folder}", folder))
        for _ in range(rounds):
            for state, (begin, end) in STATES.items():
                one.run(begin)
                one.run("1+1")
                found[state] += [1000 * one.run("1+1") for _ in range(cells)]
                one.run(end)
    return found


def summarize(found: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return milliseconds, and the ratio of the medians to the idle kernel's."""
    idle = statistics.median(found[IDLE])
    return {
        state: {
            "p50_ms": statistics.median(each),
            "p95_ms": statistics.quantiles(each, n=20)[-1],
            "times_idle": statistics.median(each) / idle,
        }
        for state, each in found.items()
    }


def print_summary(summary: dict[str, dict[str, float]]) -> None:
    rows = [
        (
            state,
            f"{each['p50_ms']:,.0f}",
            f"{each['p95_ms']:,.0f}",
            f"{each['times_idle']:.1f} x",
        )
        for state, each in summary.items()
    ]
    title = "A trivial cell, from request to reply (milliseconds)"
    print_table(title, ("", "p50", "p95", IDLE), rows)
    ours, default = summary[OURS]["p50_ms"], summary[DEFAULT]["p50_ms"]
    verdict = "reached" if ours < GOAL else "missed"
    print(f"\n  Busy threads: {default / ours:.1f} times as quick as with the default interval;")
    print(f"  the goal, a median below {GOAL:.0f} ms, is {verdict}.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernel_latency",
        description="Measure how long the cell 1+1 takes in a kernel that is idle, that runs two "
        "busy tasks in threads, with this package's switch interval and with Python's, and that "
        "has them run in two processes. Takes about a minute.",
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each state (default 5)")
    parser.add_argument("--cells", type=int, default=30, help="cells in a turn (default 30)")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file, too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the figures where they are wanted."""
    options = parse(arguments)
    summary = summarize(measure(options.rounds, options.cells))
    print_summary(summary)
    if options.json:
        machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
        with open(options.json, "w") as file:
            json.dump({"machine": machine, "kernel_latency": summary}, file, indent=2)


if __name__ == "__main__":
    main()
