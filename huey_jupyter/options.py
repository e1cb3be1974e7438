"""How a cell is to be run: the options of ``%%huey_task`` and ``Session.run_cell``, checked."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from huey import crontab
from huey.results import Result, ResultGroup

RERUNS: Final = ("auto", "queue", "replace")
CENTURY: Final = 100 * 365 * 86400.0  # seconds; longer is a mistake, and no clock can tell it
CRON_FIELDS: Final = ("minute", "hour", "day", "month", "day_of_week")


@dataclass(frozen=True)
class CellOptions:
    """What one cell is run with.

    :param export: names that come back into the notebook when it is done; None for all that it
        binds.
    :param retries: how many times it is tried again after an error.
    :param retry_delay: seconds between tries.
    :param retry_backoff: factor by which these grow, 0 for none.
    :param delay: seconds before which it must not run.
    :param eta: naive local time before which it must not run.
    :param every: minutes of local time in which it runs by itself, like ``*/5 * * * *``.
    :param priority: the higher number runs first.
    :param timeout: seconds that one try may take.
    :param expires: seconds after which it is not worth running.
    :param lock: a lock that it takes; if another task has it, the cell is tried again if it has
        retries, and dropped otherwise.
    :param after: a result, or a group of them, that must be done before it starts.
    :param on_rerun: what to do if the cell's last run has not ended: ``auto`` shows it, or
        replaces it if the cell has changed; ``queue`` runs it besides; ``replace`` cancels it.
    :param share: run on the notebook's own names instead of a copy.
    :param process: only a worker process may run it.
    :param notify: tell the reader when it has ended, also on another page.
    :param quiet: show no card.
    """

    export: frozenset[str] | set[str] | None = None
    retries: int = 0
    retry_delay: float = 0
    retry_backoff: float = 0
    delay: float | None = None
    eta: datetime.datetime | None = None
    every: str = ""
    priority: float | None = None
    timeout: float | None = None
    expires: float | None = None
    lock: str = ""
    after: Result[Any] | ResultGroup[Any] | None = None
    on_rerun: str = "auto"
    share: bool = False
    process: bool = False
    notify: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        for name in ("retries", "retry_delay", "retry_backoff", "delay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < CENTURY:
                raise ValueError(f"{_flag(name)} takes a number that is not negative, nor huge")
        for name in ("timeout", "expires"):
            value = getattr(self, name)
            if value is not None and not 0 < value < CENTURY:
                raise ValueError(f"{_flag(name)} takes a number of seconds above 0, not huge")
        if self.priority is not None and not math.isfinite(self.priority):
            raise ValueError("--priority takes a number, such as 10")
        if self.on_rerun not in RERUNS:
            raise ValueError(f"--on-rerun takes {', '.join(RERUNS)}, not {self.on_rerun!r}")
        if self.every:
            parse_cron(self.every)
        self._refuse_pairs()

    def _refuse_pairs(self) -> None:
        """Refuse options that contradict each other."""
        for one, other in (
            *(("delay", "eta"), ("share", "process"), ("after", "delay"), ("after", "eta")),
            *(("every", "delay"), ("every", "eta"), ("every", "after"), ("every", "process")),
        ):
            if getattr(self, one) and getattr(self, other):
                raise ValueError(f"{_flag(one)} and {_flag(other)} cannot go together")

    @property
    def of_task(self) -> dict[str, Any]:
        """Those that the engine's tasks know."""
        known = ("retries", "retry_delay", "retry_backoff", "priority", "timeout", "expires")
        return {name: getattr(self, name) for name in known if getattr(self, name) is not None}


def parse_cron(text: str) -> Callable[[datetime.datetime], bool]:
    """Return the test that the five fields of a crontab line make.

    :raises ValueError: if there are not five, or one of them is no such field.
    """
    fields = text.split()
    if len(fields) != len(CRON_FIELDS):
        raise ValueError(
            f"--every takes five fields (minute, hour, day, month, day of the week), like "
            f"'*/5 * * * *', not {text!r}"
        )
    return crontab(strict=True, **dict(zip(CRON_FIELDS, fields, strict=True)))


def parse_when(text: str, now: datetime.datetime) -> datetime.datetime:
    """Return the naive local time that a text names: ``17:30``, or a date and a time.

    A time of day is the next one to come.

    :raises ValueError: if it is neither.
    """
    try:
        time_of_day = datetime.time.fromisoformat(f"0{text}" if text[1:2] == ":" else text)
    except ValueError:
        return _date_and_time(text)
    when = datetime.datetime.combine(now.date(), time_of_day)
    return when if when > now else when + datetime.timedelta(days=1)


def _date_and_time(text: str) -> datetime.datetime:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--eta takes a time like 17:30 or 2030-12-24T18:00, not {text!r}"
        ) from None
    return when.astimezone().replace(tzinfo=None) if when.tzinfo else when


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
