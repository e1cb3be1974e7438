"""Who calls when a time has come: deadlines, in a thread that does nothing else."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("huey.consumer")

_FEW = 64  # timers called off that may stay in the heap


class Timer:
    """One call to come."""

    def __init__(self, func: Callable[[], Any]) -> None:
        self.func: Callable[[], Any] | None = func


class Timekeeper:
    """Calls functions when their time has come.

    Its thread is started with the first timer. A function should be short: the next one waits.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._called_off = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def call_after(self, seconds: float, func: Callable[[], Any]) -> Timer:
        """Have ``func`` called after so many seconds."""
        timer = Timer(func)
        entry = (time.monotonic() + seconds, next(self._order), timer)
        with self._condition:
            heapq.heappush(self._heap, entry)
            if self._thread is None and not self._closed:
                self._start()
            elif self._heap[0] is entry:
                self._condition.notify()
        return timer

    def call_off(self, timer: Timer) -> None:
        """Have a function not called after all, unless that has happened."""
        with self._condition:
            if timer.func is None:
                return
            timer.func = None
            self._called_off += 1
            if self._called_off > max(_FEW, len(self._heap) // 2):
                self._heap = [entry for entry in self._heap if entry[2].func is not None]
                heapq.heapify(self._heap)
                self._called_off = 0

    def close(self) -> None:
        """Call nothing any more; wait for the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._serve, name="huey timekeeper", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        """Call what is due, until `close`."""
        while True:
            with self._condition:
                while not self._closed and not self._is_due():
                    self._condition.wait(self._pause())
                if self._closed:
                    return
                timer = heapq.heappop(self._heap)[2]
                func, timer.func = timer.func, None
                self._called_off -= func is None
            try:
                if func is not None:
                    func()
            except Exception:
                logger.exception("a timer failed")

    def _is_due(self) -> bool:
        return bool(self._heap) and self._heap[0][0] <= time.monotonic()

    def _pause(self) -> float | None:
        if not self._heap:
            return None
        return min(threading.TIMEOUT_MAX, max(0.0, self._heap[0][0] - time.monotonic()))
