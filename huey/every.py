"""A period told in seconds, for periodic tasks that a crontab cannot express."""

from __future__ import annotations

import math
from typing import Final

SHORTEST: Final = 0.1  # seconds


class Every:
    """A period, for ``Huey.periodic_task()`` in place of a test of minutes.

    :param seconds: its length.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"every(seconds={self.seconds:g})"

    def moment(self, now: float) -> int:
        """Return when the period that goes on began, in milliseconds since the epoch.

        Periods are counted from the epoch, so that all consumers agree.
        """
        return round(1000 * self.seconds * math.floor(now / self.seconds))

    def next(self, now: float) -> float:
        """Return when the next period begins, in seconds since the epoch."""
        return self.seconds * (math.floor(now / self.seconds) + 1)


def every(*, seconds: float = 0, minutes: float = 0, hours: float = 0) -> Every:
    """Return a period for ``Huey.periodic_task()``, of any length from a tenth of a second on.

    The task runs once per period however many consumers there are; the first time when a
    consumer starts, then at the multiples of the period in epoch time: ``every(seconds=15)`` at
    seconds 0, 15, 30 and 45 of each minute. Periods that no consumer saw are not made up for.

    >>> from huey import every
    >>> every(minutes=1, seconds=30)
    every(seconds=90)

    :raises ValueError: if all of it comes to less than a tenth of a second.
    """
    length = seconds + 60 * minutes + 3600 * hours
    if not SHORTEST <= length < math.inf:
        raise ValueError(
            f"every() needs a period of {SHORTEST} seconds or more, not {length:g}: "
            f"say every(seconds=10) or every(minutes=5)"
        )
    return Every(length)
