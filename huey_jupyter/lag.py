"""How late the interpreter lets a thread go on: what a person feels as a slow notebook."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from typing import NamedTuple

from huey_jupyter.beside import Beside

BEAT = 0.05  # seconds between two beats
RECENT = 1.0  # seconds of beats that count
REMEMBERED = 1200  # beats: a minute of them
PATIENCE = 5.0  # seconds that it has to end; C code may hold the interpreter for long


class Beat(NamedTuple):
    """One awakening.

    :param at: when it was, on the monotonic clock.
    :param late: seconds by which it came too late.
    :param lag: the lag at that time.
    """

    at: float
    late: float
    lag: float


class Heartbeat:
    """Sleeps 50 ms beside the cells and measures how late it wakes, again and again.

    ``lag`` and ``high_for`` may be read from any thread at any time; there is no lag before
    `start` and after `stop`.
    """

    def __init__(self) -> None:
        self._beats: deque[Beat] = deque(maxlen=REMEMBERED)
        self._due = 0.0  # when the next beat is to come
        self._lock = threading.Lock()
        self._beside: Beside | None = None

    def start(self) -> None:
        """Begin to measure, unless that has begun."""
        with self._lock:
            if self._beside is not None:
                return
            self._beats.clear()
            self._due = time.monotonic() + BEAT
            self._beside = beside = Beside("huey heartbeat", lambda: self._serve(beside))
            beside.start()

    def stop(self) -> None:
        """Measure no more."""
        with self._lock:
            beside, self._beside = self._beside, None
        if beside is not None:
            beside.stop(patience=PATIENCE)

    @property
    def lag(self) -> float:
        """Seconds by which a thread is late: the median of the last second's beats.

        A beat that is overdue counts as late as it is by now.
        """
        return 0.0 if self._beside is None else self._measure(time.monotonic())

    def high_for(self, threshold: float = 0.3) -> float:
        """Return for how many seconds on end the lag has been above a threshold, in seconds.

        At most for how long beats are remembered, a minute or so.
        """
        now = time.monotonic()
        if self._beside is None or self._measure(now) <= threshold:
            return 0.0
        since = now
        for beat in reversed(list(self._beats)):
            since = beat.at
            if beat.lag <= threshold:
                break
        return now - since

    async def _serve(self, beside: Beside) -> None:
        """Beat, until `stop`."""
        while True:
            await beside.rest(max(0.0, self._due - time.monotonic()))
            if beside.stopping:
                return
            now = time.monotonic()
            late, lag = now - self._due, self._measure(now)
            self._due = now + BEAT
            self._beats.append(Beat(now, max(0.0, late), lag))

    def _measure(self, now: float) -> float:
        late = [beat.late for beat in list(self._beats) if beat.at >= now - RECENT]
        overdue = now - self._due
        if overdue > 0:
            late.append(overdue)
        return statistics.median(late) if late else 0.0
