"""A crontab's week: asked minute by minute, shown as a table."""

from __future__ import annotations

from huey import crontab
from huey_jupyter.teaching import Week


def test_every_minute_of_a_week_is_asked_once() -> None:
    asked = []
    Week(lambda at: bool(asked.append(at)))  # type: ignore[func-returns-value]

    assert len(set(asked)) == len(asked) == 7 * 24 * 60
    assert f"{asked[0]:%A %H:%M}" == "Monday 00:00"


def test_a_week_says_how_often_and_when_first() -> None:
    week = Week(crontab(minute="*/30", hour="8-9", day_of_week="0"))

    assert week.summary == "It runs 4 times in a week, first on Sun 08:00, Sun 08:30, Sun 09:00."
    assert week.counts[6][8:10] == [2, 2]
    assert repr(week).splitlines()[-1].split()[9:11] == ["2", "2"]


def test_a_week_in_which_nothing_runs_says_so() -> None:
    assert Week(lambda at: False).summary == "It never runs in this week."


def test_a_week_is_a_table_with_headers_for_rows_and_columns() -> None:
    html = Week(crontab(minute="0"))._repr_html_()

    assert html.count('scope="col"') == 25
    assert html.count('scope="row"') == 7
    assert html.count(">1</td>") == 168
