"""A group as HTML: a bar by state, a square a task, what failed, what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from huey_jupyter.cards import Card, Group, State
from huey_jupyter.views import words
from huey_jupyter.views.bundles import text_of
from huey_jupyter.views.offers import DEFAULT_VERBS, GROUP_OFFERS, in_reach
from huey_jupyter.views.render import render

MAX_SQUARES: Final = 1_000
MAX_BOXES: Final = 100  # above, a saved grid is a line of shapes: each box takes 400 characters
MAX_FAILURES: Final = 20
MAX_VALUES: Final = 40
SHORT: Final = 80  # characters of a value that fits a row

FAILURES: Final = frozenset({State.failed, State.lost, State.expired, State.locked})


class Share(NamedTuple):
    state: str
    tone: str
    width: float


class Square(NamedTuple):
    """A task in the grid; `code` is all of it that travels to the widget, by the legend."""

    tone: str
    shape: str
    title: str
    code: str


CODES: Final = {state: chr(ord("a") + n) for n, state in enumerate(State)}
LEGEND: Final = json.dumps(
    {CODES[state]: (words.tone(state), state.shape, state.word) for state in State}
)


def group_html(
    group: Group,
    cards: list[Card],
    *,
    now: float,
    live: bool,
    verbs: frozenset[str] = DEFAULT_VERBS,
) -> str:
    """Return a group as HTML; `cards` are its cards, in order. The rest as in `card_html`."""
    failures = [(n, card) for n, card in enumerate(cards, 1) if card.state in FAILURES]
    squares = _squares(cards) if group.size <= MAX_SQUARES else []
    return render(
        "group.html.j2",
        live,
        now=now,
        group=group,
        title=words.group_title(group),
        finished=words.finished(group),
        counts=words.group_counts(group),
        timing=words.group_timing(group, cards, now),
        offers=[offer for offer in GROUP_OFFERS if offer[0] in verbs and in_reach(group, offer[0])],
        shares=list(_shares(group)),
        squares=squares,
        runs=list(_runs(squares)) if len(squares) > MAX_BOXES else [],
        legend=LEGEND,
        failures=failures[:MAX_FAILURES],
        more_failures=max(0, len(failures) - MAX_FAILURES),
        values=_values(group, cards),
        **_group_state(group),
    )


# --- what the template is given ---


def _group_state(group: Group) -> dict[str, str]:
    failed = any(group.tally[state] for state in FAILURES)
    if group.terminal:
        state = State.failed if failed else State.done
    else:
        begun = group.finished or group.tally[State.running] or group.tally[State.stopping]
        state = State.running if begun else State.queued
    return {"tone": words.tone(state), "shape": state.shape, "word": state.word}


def _shares(group: Group) -> Iterator[Share]:
    """Yield the parts of the stacked bar; what waits is the track itself."""
    for state, count in group.counts:
        if state not in (State.queued, State.scheduled):
            tone = words.tone(state) if state.terminal else "begun"
            yield Share(state, tone, 100 * count / group.size)


def _squares(cards: list[Card]) -> list[Square]:
    return [
        Square(
            words.tone(card.state),
            card.state.shape,
            " · ".join(filter(None, (f"task {n}", card.state.word, words.spent(card)))),
            CODES[card.state] + words.spent(card),
        )
        for n, card in enumerate(cards, 1)
    ]


def _runs(squares: list[Square]) -> Iterator[Square]:
    """Yield neighbours in the same state as one."""
    first = 1
    for shape, run in groupby(squares, key=lambda square: square.shape):
        same = list(run)
        last = first + len(same) - 1
        title = same[0].title if first == last else f"tasks {first} to {last}"
        yield Square(same[0].tone, shape * len(same), title, "")
        first = last + 1


def _values(group: Group, cards: list[Card]) -> list[tuple[str, str]]:
    """Return arguments and value of each task, when all are done and fit a row."""
    if not group.terminal or len(cards) > MAX_VALUES:
        return []
    rows = [(card.args, text_of((card.value or {}).get("text/plain"))) for card in cards]
    fits = all(value and "\n" not in value and len(value) <= SHORT for _, value in rows)
    return rows if fits else []
