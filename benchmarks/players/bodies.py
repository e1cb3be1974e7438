"""What the tasks do: next to nothing, and tell when all of them have run.

In one process a counter tells. Across processes each task appends its process and the time to a
file: one write of 16 bytes, the same for every contender.
"""

from __future__ import annotations

import itertools
import os
import struct
import threading
import time
from collections.abc import Iterator

from stage import PATIENCE, Figures, wait_until

MARKS = "BENCHMARK_MARKS"  # the environment variable that names the file of marks
MARK = struct.Struct("qd")  # a process, and when it ran a task
NAP = 0.001  # seconds


class Countdown:
    """Opens a gate with the last of so many calls. Threads may call it at the same time."""

    def __init__(self) -> None:
        self.expect(1)

    def expect(self, count: int) -> None:
        """Begin to count."""
        self.gate = threading.Event()
        self._last = count
        self._numbers: Iterator[int] = itertools.count(1)

    def tick(self) -> None:
        if next(self._numbers) == self._last:  # one step for the interpreter
            self.gate.set()

    def wait(self) -> None:
        """Wait for the last call."""
        if not self.gate.wait(PATIENCE):
            raise TimeoutError(f"fewer than {self._last} tasks have run within {PATIENCE} s")


COUNTDOWN = Countdown()
_files: dict[str, int] = {}


def add(a: int, b: int) -> int:
    """Add; what is called where only the result matters."""
    return a + b


def tick(a: int, b: int) -> int:
    """Add, and count the call."""
    COUNTDOWN.tick()
    return a + b


def nap(a: int, b: int) -> int:
    """Sleep for a moment, as one who waits for an answer, and count the call."""
    time.sleep(NAP)
    COUNTDOWN.tick()
    return a + b


def mark(a: int, b: int) -> int:
    """Add, and mark the time."""
    _mark()
    return a + b


def nap_and_mark(a: int, b: int) -> int:
    """Sleep for a moment, and mark the time."""
    time.sleep(NAP)
    _mark()
    return a + b


def _mark() -> None:
    path = os.environ[MARKS]
    file = _files.get(path)
    if file is None:
        file = _files[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, MARK.pack(os.getpid(), time.monotonic()))


class Marks:
    """The file of marks, for one who waits for them.

    :param folder: where it is made. The environment tells the processes started from now on.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.environ[MARKS] = os.path.join(folder, "marks")
        with open(self._path, "wb"):
            pass

    def wait(self, count: int) -> None:
        """Wait for so many marks."""
        wait_until(lambda: os.path.getsize(self._path) >= MARK.size * count)

    def rate(self, count: int) -> Figures:
        """Wait for so many marks; return how many a second.

        What counts is from the moment when every process has begun, unless there is too little
        left then.
        """
        self.wait(count)
        with open(self._path, "rb") as file:
            marks = list(MARK.iter_unpack(file.read()))
        first = {pid: moment for pid, moment in reversed(marks)}
        times = sorted(moment for _, moment in marks)
        counted = [moment for moment in times if moment >= max(first.values())]
        if len(counted) < count / 4:
            counted = times
        return {"rate": (len(counted) - 1) / (counted[-1] - counted[0])}
