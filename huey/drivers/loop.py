"""A step called again and again, and what is said when it fails."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from huey.exceptions import StorageError

logger = logging.getLogger("huey.consumer")

FIRST_PAUSE = 0.1  # seconds after the first failure in a row, about; each pause is twice as long
LONGEST_PAUSE = 5.0


class Outage:
    """Says once that steps fail, and once that they work again, however many keep trying."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[type[BaseException]] = set()

    def failed(self, error: BaseException) -> None:
        """Log an error with its traceback if it is the first of its kind in this outage."""
        with self._lock:
            first = type(error) not in self._known
            self._known.add(type(error))
        if first:
            logger.error("a step failed; trying again until it works", exc_info=error)
        else:
            logger.debug("a step failed again: %r", error)

    def worked(self) -> None:
        """Log that it works again."""
        with self._lock:
            known, self._known = self._known, set()
        if known:
            logger.warning("going on: it works again")


def repeat(
    step: Callable[[], Any],
    is_over: Callable[[], bool],
    pause: Callable[[float], Any],
    outage: Outage,
    give_up: Callable[[StorageError], None],
) -> None:
    """Call a step until it is over, or until the storage cannot be used; an error costs one turn.

    :param is_over: asked before each step.
    :param pause: sleeps so many seconds, or less if it is over.
    :param give_up: called with the error when the storage cannot be used.
    """
    failures = 0
    while not is_over():
        try:
            step()
        except StorageError as error:
            give_up(error)
            return
        except BaseException as error:
            outage.failed(error)
            pause(_length(failures))
            failures += 1
        else:
            if failures:
                outage.worked()
            failures = 0


async def repeat_awaiting(
    step: Callable[[], Awaitable[Any]],
    is_over: Callable[[], bool],
    pause: Callable[[float], Awaitable[Any]],
    outage: Outage,
    give_up: Callable[[StorageError], None],
) -> None:
    """Do what `repeat` does in an event loop, whose cancellation ends it."""
    failures = 0
    while not is_over():
        try:
            await step()
        except StorageError as error:
            give_up(error)
            return
        except Exception as error:
            outage.failed(error)
            await pause(_length(failures))
            failures += 1
        else:
            if failures:
                outage.worked()
            failures = 0


def _length(failures: int) -> float:
    """Return the seconds to pause after so many failures before this one, not all the same."""
    longest = min(FIRST_PAUSE * 2.0 ** min(failures, 10), LONGEST_PAUSE)
    return random.uniform(0.5, 1.0) * longest  # noqa: S311 - so that not all try at once
