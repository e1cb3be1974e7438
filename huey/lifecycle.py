"""The fate of a task, decided and not carried out: facts go in, a decision comes out."""

from __future__ import annotations

import datetime
import enum
from typing import Final, NamedTuple

from huey.exceptions import (
    CancelExecution,
    RateLimitExceeded,
    RetryTask,
    TaskInterrupt,
    TaskLockedException,
    TaskTimeout,
)

_LONGEST_REASON = 500  # characters


class Admission(enum.Enum):
    """What becomes of a task that a worker has just claimed."""

    RUN = "run"
    SCHEDULE = "schedule"
    REVOKED = "revoked"
    EXPIRED = "expired"


def admit(
    eta: datetime.datetime | None,
    expires: datetime.datetime | None,
    now: datetime.datetime,
    revoked: bool,
) -> Admission:
    """Decide whether a claimed task runs now.

    A task that is not due yet goes to the schedule even when it is revoked, so that it can still
    be restored until then. All times are naive and of one kind.
    """
    if eta is not None and eta > now:
        return Admission.SCHEDULE
    if revoked:
        return Admission.REVOKED
    if expires is not None and expires < now:
        return Admission.EXPIRED
    return Admission.RUN


class Ending(enum.Enum):
    """How one try of a task ended."""

    COMPLETE = "complete"
    ERROR = "error"
    CANCELED = "canceled"
    LOCKED = "locked"
    RATE_LIMITED = "rate_limited"
    INTERRUPTED = "interrupted"
    TIMEOUT = "timeout"


class Outcome(NamedTuple):
    """How one try ended and whether there is another.

    :param retries: retries left for the next try, None if there is none.
    :param delay: seconds until the next try, None for the task's own ``retry_delay``.
    :param eta: time of the next try; beats ``delay``.
    """

    ending: Ending
    retries: int | None = None
    delay: float | None = None
    eta: datetime.datetime | None = None


COMPLETE: Final = Outcome(Ending.COMPLETE)


def judge(
    error: BaseException | None, retries: int, *, shutdown: bool = False, canceled: bool = False
) -> Outcome:
    """Decide what follows from what a task raised.

    :param error: what it raised, None if it returned.
    :param retries: how many retries it had left.
    :param shutdown: the worker was told to stop at once, so an interrupt is not the task's end.
    :param canceled: somebody asked the task to stop, so it is not tried again.
    """
    if error is None:
        return COMPLETE
    if isinstance(error, TaskInterrupt):
        return Outcome(Ending.INTERRUPTED if shutdown else Ending.CANCELED)
    failed = Ending.TIMEOUT if isinstance(error, TaskTimeout) else Ending.ERROR
    if canceled:
        asked = isinstance(error, (CancelExecution, RetryTask))
        return Outcome(Ending.CANCELED if asked else failed)
    if isinstance(error, RetryTask):
        return Outcome(Ending.ERROR, retries, error.delay, error.eta)
    if isinstance(error, RateLimitExceeded) and error.retry:
        return Outcome(Ending.RATE_LIMITED, retries, error.delay)
    left = retries - 1 if retries > 0 else None
    if isinstance(error, CancelExecution):
        if error.retry is False:
            left = None
        elif error.retry and left is None:
            left = 0
        return Outcome(Ending.CANCELED, left)
    if isinstance(error, TaskLockedException):
        return Outcome(Ending.LOCKED, left)
    return Outcome(failed, left)


def because(ending: str, why: str) -> str:
    """Return an ending as a storage keeps it, with a reason for whoever reads the result."""
    told = why[:_LONGEST_REASON].encode(errors="backslashreplace").decode()  # half a character
    return f"{ending}: {told}" if told else ending


def reasoned(ending: str) -> tuple[str, str]:
    """Return an ending and its reason, empty if none was given."""
    word, _, why = ending.partition(": ")
    return word, why
