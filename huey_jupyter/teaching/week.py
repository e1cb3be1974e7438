"""A week of a crontab, as a table: how often it runs in each hour of each day."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Final

from huey_jupyter.views.render import render

Rule = Callable[[datetime.datetime], bool]

MONDAY: Final = datetime.datetime(2026, 11, 23)
MINUTES: Final = 7 * 24 * 60
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Week:
    """Asks a rule about each minute of a week; nothing is run and nobody waits.

    :param rule: what `crontab` gives, or any function of a datetime.
    """

    def __init__(self, rule: Rule) -> None:
        self.minutes = [at for at in all_minutes() if rule(at)]
        self.counts = [[0] * 24 for _ in DAYS]
        for at in self.minutes:
            self.counts[at.weekday()][at.hour] += 1

    @property
    def summary(self) -> str:
        """The week in a sentence."""
        if not self.minutes:
            return "It never runs in this week."
        first = [f"{at:%a %H:%M}" for at in self.minutes[:3]]
        times = f"{len(self.minutes):,} times" if len(self.minutes) > 1 else "once"
        return f"It runs {times} in a week, first on {', '.join(first)}."

    def __repr__(self) -> str:
        rows = [
            f"{day}  {' '.join(f'{count or chr(183):>2}' for count in hours)}"
            for day, hours in zip(DAYS, self.counts, strict=True)
        ]
        hours = " ".join(f"{hour:2}" for hour in range(24))
        return "\n".join([self.summary, f"     {hours}", *rows])

    def _repr_html_(self) -> str:
        rows = list(zip(DAYS, self.counts, strict=True))
        return render("week.html.j2", False, now=0.0, summary=self.summary, rows=rows)


def all_minutes() -> list[datetime.datetime]:
    """Return the minutes of a week, from Monday 0:00."""
    return [MONDAY + datetime.timedelta(minutes=minute) for minute in range(MINUTES)]
