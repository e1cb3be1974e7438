"""How much may be sent to the front end, and when.

A server between kernel and browser drops messages above its limit, the end of the running cell
among them; and whoever makes messages takes the interpreter from that cell. Data only: clocks stay
outside.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MESSAGES: Final = 10  # in any second
BYTES: Final = 500_000  # a second
SHARE: Final = 0.1  # of the interpreter's time, for making them
LONGEST: Final = 2.0  # seconds of rest, however much was sent or made at once


class Budget:
    """What was sent of late. Moments are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque(maxlen=MESSAGES)
        self._rest_until = 0.0

    def free(self, now: float) -> int:
        """Return how many messages may be sent now."""
        if now < self._rest_until:
            return 0
        return MESSAGES - sum(now - at < 1.0 for at in self._sent)

    def wait(self, now: float) -> float:
        """Return in how many seconds there is something free."""
        full = len(self._sent) == MESSAGES and self._sent[0] + 1.0 - now
        return max(0.0, self._rest_until - now, full)

    def sent(self, now: float, size: int = 0) -> None:
        """Note a message of about so many bytes that was sent just before."""
        self._sent.append(now)
        self._rest(now, size / BYTES)

    def worked(self, now: float, seconds: float) -> None:
        """Note that the interpreter was busy for so long, just before."""
        self._rest(now, seconds / SHARE)

    def _rest(self, now: float, seconds: float) -> None:
        self._rest_until = max(self._rest_until, now + min(LONGEST, seconds))
