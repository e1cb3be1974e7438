"""Minutes that match, beside a plain reading of the fields minute by minute."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import pytest

from huey.crontab import crontab

MONDAY = datetime.datetime(2026, 11, 23, 9, 15)
MINUTE = datetime.timedelta(minutes=1)


def matching(test: Any, start: datetime.datetime, minutes: int) -> list[datetime.datetime]:
    return [when for n in range(minutes) if test(when := start + n * MINUTE)]


def test_a_crontab_with_no_field_matches_every_minute() -> None:
    assert len(matching(crontab(), MONDAY, 100)) == 100


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ("5", {5}),
        (5, {5}),
        ("*/20", {0, 20, 40}),
        ("10-12", {10, 11, 12}),
        ("58-1", {58, 59, 0, 1}),
        ("0-30/15", {0, 15, 30}),
        ("50/4", {50, 54, 58}),
        ("1,2, 40-41", {1, 2, 40, 41}),
        ("*", set(range(60))),
    ],
)
def test_a_minute_field_allows(value: Any, minutes: set[int]) -> None:
    found = matching(crontab(minute=value, strict=True), MONDAY, 24 * 60)

    assert {when.minute for when in found} == minutes
    assert len(found) == 24 * len(minutes)


def test_steps_of_days_and_months_count_from_one() -> None:
    year = datetime.datetime(2027, 1, 1)
    test = crontab(minute=0, hour=0, day="*/10", month="*/6", strict=True)

    found = matching(test, year, 365 * 24 * 60)

    assert [(when.month, when.day) for when in found] == [
        (month, day) for month in (1, 7) for day in (1, 11, 21, 31)
    ]


@pytest.mark.parametrize("sunday", [0, 7, "0", "7", "7-7"])
def test_sunday_is_zero_and_seven(sunday: Any) -> None:
    test = crontab(day_of_week=sunday, strict=True)

    assert test(datetime.datetime(2026, 11, 22))
    assert not test(MONDAY)


def test_a_range_of_days_may_end_on_sunday_or_go_round() -> None:
    week = [datetime.datetime(2026, 11, 22) + datetime.timedelta(days=n) for n in range(7)]

    assert [crontab(day_of_week="5-7")(day) for day in week] == [1, 0, 0, 0, 0, 1, 1]
    assert [crontab(day_of_week="6-1")(day) for day in week] == [1, 1, 0, 0, 0, 0, 1]


def test_office_hours_over_a_week() -> None:
    test = crontab(minute="*/15", hour="9-16", day_of_week="1-5", strict=True)

    found = matching(test, datetime.datetime(2026, 11, 22), 7 * 24 * 60)

    assert len(found) == 5 * 8 * 4
    assert all(when.weekday() < 5 and 9 <= when.hour < 17 for when in found)


def test_short_cuts() -> None:
    midnight = datetime.datetime(2026, 11, 23)

    assert matching(crontab.hourly(minute=30), midnight, 120) == [
        midnight + 30 * MINUTE,
        midnight + 90 * MINUTE,
    ]
    assert matching(crontab.daily(), midnight, 2 * 24 * 60) == [
        midnight,
        midnight + datetime.timedelta(days=1),
    ]


@pytest.mark.parametrize("value", ["60", "-1", "x", "", "1-", "*/0", "5-60", "1,,2", "1.5", "*/x"])
def test_a_wrong_field_is_named(value: str) -> None:
    with pytest.raises(ValueError, match="minute="):
        crontab(minute=value, strict=True)
    with pytest.warns(UserWarning, match="minute="):
        assert not matching(crontab(minute=value), MONDAY, 1)


def test_a_date_that_never_comes_is_named() -> None:
    with pytest.raises(ValueError, match="day='31' is in none of the months '2,4'"):
        crontab(day=31, month="2,4", strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crontab(day=29, month=2)


def test_fields_are_given_by_keyword() -> None:
    with pytest.raises(TypeError, match="by keyword: minute="):
        crontab("0", "2")


def test_a_crontab_says_what_it_is() -> None:
    assert repr(crontab(minute="*/5", hour=3)) == "crontab(minute='*/5', hour='3')"
