"""Does a minute match? A test function made from five fields, as in a crontab."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Iterator
from typing import Final, NamedTuple

Value = str | int


class Field(NamedTuple):
    """One field: its name, its lowest and its highest value."""

    name: str
    low: int
    high: int


FIELDS: Final = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day", 1, 31),
    Field("month", 1, 12),
    Field("day_of_week", 0, 6),
)
"""The fields of a crontab in their order."""

_LONGEST_MONTHS: Final = dict(enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1))
_PART: Final = re.compile(r"(?:(\*)|(\d+)(?:-(\d+))?)(?:/(\d+))?")


class Crontab:
    """A test function: called with a datetime, it says whether that minute matches.

    All five fields have to match. In the hour that comes twice when clocks go back, a crontab
    that names hours matches the first time only; one with ``hour='*'`` matches both times. An
    hour that is left out when clocks go forward is left out here too.

    :param values: the text of each field, in the order of `FIELDS`.
    """

    def __init__(self, values: tuple[str, ...], strict: bool) -> None:
        self.values = values
        self._sets = tuple(
            _parse(field, value, strict) for field, value in zip(FIELDS, values, strict=True)
        )
        _, _, days, months, _ = self._sets
        if days and months and not any(min(days) <= _LONGEST_MONTHS[month] for month in months):
            _complain(f"day={values[2]!r} is in none of the months {values[3]!r}", strict)

    def __call__(self, when: datetime.datetime) -> bool:
        if when.fold and self.values[1] != "*":
            return False
        now = (when.minute, when.hour, when.day, when.month, when.isoweekday() % 7)
        return all(number in numbers for number, numbers in zip(now, self._sets, strict=True))

    def __repr__(self) -> str:
        named = zip(FIELDS, self.values, strict=True)
        shown = ", ".join(f"{field.name}={value!r}" for field, value in named if value != "*")
        return f"crontab({shown})"


class CrontabMaker:
    """What `crontab` is: a function with two short cuts."""

    def __call__(
        self,
        *positional: Value,
        minute: Value = "*",
        hour: Value = "*",
        day: Value = "*",
        month: Value = "*",
        day_of_week: Value = "*",
        strict: bool = False,
    ) -> Crontab:
        """Return a test function for minutes that match all five fields.

        A field is a number, ``*`` (any), ``a-b`` (a range; ``22-2`` goes round), any of these
        with ``/n`` (each n-th of it), or several with commas between. ``*/n`` counts from 0 for
        minutes, hours and days of the week, from 1 for days and months.

        :param minute: 0 to 59.
        :param hour: 0 to 23.
        :param day: day of the month, 1 to 31.
        :param month: 1 to 12.
        :param day_of_week: 0 to 6 from Sunday on; 7 is Sunday too.
        :param strict: raise for a field that is wrong or matches nothing, instead of warning.
        :raises ValueError: if ``strict`` and a field is wrong or can match nothing.
        """
        if positional:
            names = ", ".join(f"{field.name}=" for field in FIELDS)
            raise TypeError(f"crontab takes its fields by keyword: {names}")
        values = (minute, hour, day, month, day_of_week)
        return Crontab(tuple(str(value).replace(" ", "") for value in values), strict)

    def hourly(self, minute: Value = 0) -> Crontab:
        """Return a test function for one minute of every hour."""
        return self(minute=minute, strict=True)

    def daily(self, hour: Value = 0, minute: Value = 0) -> Crontab:
        """Return a test function for one minute of every day."""
        return self(hour=hour, minute=minute, strict=True)


crontab = CrontabMaker()


def _parse(field: Field, value: str, strict: bool) -> frozenset[int]:
    """Return the numbers that a field allows; what it says wrong allows none."""
    numbers: set[int] = set()
    for part in value.split(","):
        found = set(_numbers(field, part))
        if not found:
            _complain(
                f"{field.name}={value!r}: {part!r} is not *, a number from {field.low} to "
                f"{field.high}, a range a-b, or one of these with /n",
                strict,
            )
        numbers |= found
    return frozenset(numbers)


def _numbers(field: Field, part: str) -> Iterator[int]:
    match = _PART.fullmatch(part)
    if match is None:
        return
    star, first, last, step = match.groups()
    span = field.high - field.low + 1
    low, high = (field.low, field.high) if star else (int(first), int(last or first))
    if first and step and not last:  # "5/15": from 5 on
        high = field.high
    highest = 7 if field.name == "day_of_week" else field.high
    if not (field.low <= low <= highest and field.low <= high <= highest and step != "0"):
        return
    if high < low:
        high += span
    for number in range(low, high + 1, int(step or 1)):
        yield (number - field.low) % span + field.low


def _complain(problem: str, strict: bool) -> None:
    if strict:
        raise ValueError(f"crontab: {problem}")
    warnings.warn(f"crontab: {problem}; it matches no minute", stacklevel=5)
