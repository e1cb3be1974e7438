"""Where the microseconds of one task go: ``python -m benchmarks.where``.

One thread enqueues, then the same thread is the worker; a timer looks a thousand times a second
at what it is doing. What waits for a disk or a server counts as what it waits in.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import huey as door
from benchmarks.server import NoServer, redis_server
from benchmarks.tables import print_table
from huey import Huey
from huey.consumer import Worker

LOOK_EVERY = 0.001  # seconds

STORAGES = ("memory", "sqlite", "redis", "priority-redis", "file")
COUNTS = {"memory": 40_000, "file": 4_000}  # tasks; of the others:
COUNT = 10_000

REST = "everything around it"

# What counts for which part: functions by name, the outermost on the stack first.
CALLER = {
    "s": "make the task",
    "serialize_task": "its message, as bytes",
    "enqueued": "events",
    "enqueue": "write it",
    "enqueue_and_tell": "write it",
    "write": "write it",
    "__init__": "the result to hold",
}
WORKER = {
    "deserialize_task": "read the message",
    "heed_revocation": "see whether it is revoked",
    "_try": "call the function",
    "begin": "events",
    "collect": "events",
    "complete": "events",
    "_follow_up": "the value, and what follows",
    "finish_and_claim": "acknowledge, keep the value, claim the next",
    "claim": "acknowledge, keep the value, claim the next",
}

Parts = dict[str, float]
"""Microseconds a task, by part."""

Row = tuple[str, ...]

Table = tuple[str, Row, list[Row]]
"""Title, head and rows."""


class Looks:
    """Counts in which part a thread is found.

    :param parts: by the names of functions.
    """

    def __init__(self, parts: dict[str, str]) -> None:
        self.parts = parts
        self.counts: Counter[str] = Counter()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.counts[self._part(frame)] += 1

    def _part(self, frame: FrameType | None) -> str:
        found = REST
        while frame is not None:  # outwards, so that the outermost that counts is left
            code = frame.f_code
            if code.co_name in self.parts and not _is_of_huey(frame):
                found = self.parts[code.co_name]
            frame = frame.f_back
        return found


def _is_of_huey(frame: FrameType) -> bool:
    """Say whether a function is the verb `Huey.enqueue`, within which are all parts."""
    return frame.f_code.co_name == "enqueue" and isinstance(frame.f_locals.get("self"), Huey)


@contextmanager
def looking(parts: dict[str, str]) -> Iterator[Looks]:
    """Look at this thread, the main one, all the time."""
    looks = Looks(parts)
    before = signal.signal(signal.SIGALRM, looks)
    signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY, LOOK_EVERY)
    try:
        yield looks
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measure(act: Callable[[], object], parts: dict[str, str], times: int) -> Parts:
    """Return where the time of an act goes that is done so many times."""
    began = time.perf_counter()
    with looking(parts) as looks:
        for _ in range(times):
            act()
    microseconds = 1e6 * (time.perf_counter() - began) / times
    whole = max(1, sum(looks.counts.values()))
    names = [*dict.fromkeys(parts.values()), REST]
    return {name: microseconds * looks.counts[name] / whole for name in names}


def caller_and_worker(huey: Huey, count: int) -> tuple[Parts, Parts]:
    """Return where the time goes of a call, and of its task."""

    @huey.task()
    def add(a: int, b: int) -> int:
        return a + b

    worker = Worker(huey, "one", "1")
    worker.goes_on = lambda: True
    for _ in range(100):  # to warm up
        add(1, 2)
        worker.step(0)
    calling = measure(lambda: add(1, 2), CALLER, count)
    working = measure(lambda: worker.step(0), WORKER, count)
    worker.release()
    return calling, working


def on(storage: str, folder: Path, url: str, *, events: bool) -> tuple[Parts, Parts]:
    """Return that for a storage."""
    kind, options = {
        "memory": (door.MemoryHuey, {}),
        "sqlite": (door.SqliteHuey, {"filename": folder / "huey.db"}),
        "file": (door.FileHuey, {"path": folder / "queue"}),
        "redis": (door.RedisHuey, {"url": url}),
        "priority-redis": (door.PriorityRedisHuey, {"url": url}),
    }[storage]
    huey = kind(f"where{events:d}", events=events, **options)
    try:
        return caller_and_worker(huey, COUNTS.get(storage, COUNT))
    finally:
        huey.storage.close()


# --- what came of it -------------------------------------------------------------------------


def rows_of(found: Sequence[Parts]) -> list[Row]:
    """Return a row for each part, with the microseconds on each storage, and one for the sum."""
    names = dict.fromkeys(name for parts in found for name in parts)
    rows = [(name, *(f"{parts[name]:.1f}" for parts in found)) for name in names]
    return [*rows, ("in all", *(f"{sum(parts.values()):.1f}" for parts in found))]


def write_page(tables: Sequence[Table], path: Path) -> None:
    """Write the tables for the manual to include."""
    lines = [".. Written by `python -m benchmarks.where --rst`; do not edit."]
    for title, head, rows in tables:
        lines += ["", f".. list-table:: {title}", "    :header-rows: 1", ""]
        for row in (head, *rows):
            lines += [f"    {' ' if n else '*'} - {cell}".rstrip() for n, cell in enumerate(row)]
    path.write_text("\n".join(lines) + "\n")


def measure_all(*, events: bool) -> list[Table]:
    """Return a table of the caller and one of the worker."""
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name), 1) as socket:
        found = [on(each, Path(name), f"unix://{socket}", events=events) for each in STORAGES]
    word = ", with events" if events else ""
    return [
        (f"The caller{word}", ("", *STORAGES), rows_of([calling for calling, _ in found])),
        (f"The worker{word}", ("", *STORAGES), rows_of([working for _, working in found])),
    ]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.where",
        description="Measure where the microseconds of one task go, on each storage, with and "
        "without events. One thread, so nothing waits for another. Takes about half a minute.",
    )
    parser.add_argument(
        "--rst", type=Path, metavar="FILE", help="write the tables for the manual, too"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the tables where they are wanted."""
    options = parse(arguments)
    try:
        tables = [table for events in (False, True) for table in measure_all(events=events)]
    except NoServer as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    for title, head, rows in tables:
        print_table(f"{title} (microseconds a task)", head, rows)
    if options.rst:
        write_page(tables, options.rst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
