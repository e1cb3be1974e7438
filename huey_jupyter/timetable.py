"""Periodic tasks of a notebook, while its workers are outside and know nothing of them."""

from __future__ import annotations

import threading

from huey import Huey

TICK = 0.05  # seconds between two attempts to wake the thread


class Timetable:
    """Enqueues the periodic tasks that the notebook has defined, which no other process knows.

    :param huey: whose.
    """

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread."""
        self._stop = threading.Event()
        consumer = self.huey.create_consumer()  # never started: it is its scheduler that works
        self._thread = threading.Thread(
            target=consumer.schedule, args=(self._stop,), name="huey timetable", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        thread, self._thread = self._thread, None
        self._stop.set()
        while thread is not None and thread.is_alive():
            self.huey.storage.wake_schedule()
            thread.join(TICK)
