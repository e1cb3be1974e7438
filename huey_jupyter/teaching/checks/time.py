"""Notebook 03, Later, again, never: moved, revoked, expired, periodic."""

from __future__ import annotations

import datetime
from typing import Any

from huey.results import Result, ResultGroup
from huey_jupyter.states import State
from huey_jupyter.teaching.exercises import exercise, expect
from huey_jupyter.teaching.facts import Facts
from huey_jupyter.teaching.week import all_minutes


@exercise(
    "03.1",
    "Sooner",
    praise="The reminder has come, and the old one will not come a second time.",
    hints=(
        "Handing over a second reminder is not enough: the first would still come.",
        "A handle can be moved: tea.reschedule(delay=...). It gives a new handle.",
        "sooner = tea.reschedule(delay=0.5)",
    ),
)
def a_task_is_moved(facts: Facts, tea: Any, sooner: Any) -> str:
    expect(isinstance(sooner, Result), "`sooner` should be the handle of the new reminder.")
    expect(sooner.id != tea.id, "`sooner` is the old handle. Moving a task gives a new one.")
    expect(
        facts.card(tea).state is State.canceled or tea.is_revoked(),
        "The old reminder is still scheduled: it will come, too.",
    )
    eta = sooner.task.eta
    expect(eta is not None, "The new reminder came at once and not half a second later.")
    expect(sooner.task.args == tea.task.args, "The new reminder reminds of something else.")
    ahead = _seconds_ahead(facts, sooner)
    expect(
        0.2 < ahead < 1,
        f"The new reminder was set {ahead:.1f} s ahead, and should be set half a second.",
    )
    [card] = facts.ended([sooner])
    expect(card.state is State.done, "The new reminder has not come.")
    expect("executing" not in facts.story(tea), "The old reminder came as well.")
    return f"Noted by the queue: {', '.join(dict.fromkeys(facts.story(sooner)))}."


def _seconds_ahead(facts: Facts, result: Result[Any]) -> float:
    """Return how long before its time a task was handed over."""
    eta, created = result.task.eta, facts.card(result).created
    return 0.0 if eta is None or created is None else result.huey.timestamp(eta) - created


@exercise(
    "03.2",
    "All but the next one",
    praise="One task was dropped, and the function is free again.",
    hints=(
        "Not a single handle is revoked here but the function, before the letters are handed over.",
        "revoke() alone holds until restore(). There is a way to say: once.",
        "post.revoke(revoke_once=True), then the three calls.",
    ),
)
def one_is_dropped(facts: Facts, post: Any, letters: Any) -> str:
    handles = list(letters) if isinstance(letters, list | tuple | ResultGroup) else []
    expect(
        len(handles) == 3 and all(isinstance(one, Result) for one in handles),
        "`letters` should be three handles.",
    )
    states = [card.state for card in facts.ended(handles)]
    expect(states[0] is State.canceled, "The first letter has gone out.")
    expect(
        states[1:] == [State.done, State.done],
        "Later letters were dropped, too. How long does your revocation hold?",
    )
    expect(not post.is_revoked(), "The function is still revoked.")
    return f"Noted by the queue: {', '.join(state.word for state in states)}."


@exercise(
    "03.3",
    "Yesterday's news",
    praise="No worker ran it: it was too old when its turn came.",
    hints=(
        "The decorator takes how many seconds a task may wait before it begins.",
        "The word for that is expires.",
        "@huey.task(expires=0.5)",
    ),
)
def the_news_expires(facts: Facts, news: Any) -> str:
    expect(isinstance(news, Result), "`news` should be the handle of the task.")
    [card] = facts.ended([news])
    story = facts.story(news)
    expect("executing" not in story, "A worker ran it, although it was old.")
    expect(card.state is State.expired, f"It was {card.state.word}, and should have expired.")
    return f"Noted by the queue: {', '.join(story)}."


@exercise(
    "03.4",
    "Office hours",
    praise="It is right in each of the 10,080 minutes of a week.",
    hints=(
        "Fields are texts: a range is 9-16, every fifteenth minute is */15.",
        "day_of_week counts from 0, which is Sunday. Monday to Friday is 1-5.",
        "The last quarter hour before five begins at 16:45, so the hours are 9-16.",
    ),
)
def the_hours_are_right(facts: Facts, rule: Any) -> str:
    expect(callable(rule), "`rule` should be what crontab gives.")
    for at in all_minutes():
        found, wanted = bool(rule(at)), _in_office(at)
        expect(found or not wanted, f"It does not run on {at:%A at %H:%M}, and should.")
        expect(wanted or not found, f"It runs on {at:%A at %H:%M}, and should not.")
    return "Asked: 10,080 minutes. It runs in 160 of them."


def _in_office(at: datetime.datetime) -> bool:
    return at.weekday() < 5 and 9 <= at.hour < 17 and at.minute % 15 == 0
