"""A group as HTML: a bar by state, a square a task, what failed, what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from huey_jupyter.cards import Card, Group, State
from huey_jupyter.states import FAILURES
from huey_jupyter.views import words
from huey_jupyter.views.bundles import text_of
from huey_jupyter.views.offers import DEFAULT_VERBS, Offers, offers_of, offers_of_group
from huey_jupyter.views.render import render

MAX_SQUARES: Final = 1_000
MAX_BOXES: Final = 100  # above, a saved grid is a line of shapes: each box takes 400 characters
MAX_FAILURES: Final = 20
MAX_VALUES: Final = 40
SHORT: Final = 80  # characters of a value that fits a row


class Share(NamedTuple):
    state: str
    tone: str
    width: float


class Bar(NamedTuple):
    """A row of a histogram, with its length in percent of the longest."""

    tone: str
    shape: str
    word: str
    tasks: int
    width: float


class About(NamedTuple):
    """One of the tasks, told on a line."""

    number: int
    card: Card
    tone: str
    word: str
    why: str
    timing: list[words.Fact]
    offers: Offers


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
    failures = [_about(n, card, now, live) for n, card in group.failures(MAX_FAILURES)]
    squares = _squares(cards) if group.size <= MAX_SQUARES else []
    return render(
        "group.html.j2",
        live,
        now=now,
        group=group,
        title=words.group_title(group),
        finished=words.finished(group),
        counts=words.group_counts(group),
        timing=words.group_timing(group, now),
        offers=offers_of_group(group, verbs),
        shares=list(_shares(group)),
        squares=squares,
        runs=list(_runs(squares)) if len(squares) > MAX_BOXES else [],
        legend=LEGEND,
        states=[] if squares else list(_state_bars(group)),
        spans=[] if squares else list(_span_bars(group)),
        about=_picked(group, cards, now, verbs) if live and squares else None,
        failures=failures,
        more_failures=group.failed - len(failures),
        values=_values(group, cards),
        **_group_state(group),
    )


# --- what the template is given ---


def _about(
    number: int, card: Card, now: float, live: bool, verbs: frozenset[str] = frozenset()
) -> About:
    return About(
        number=number,
        card=card,
        tone=words.tone(card.state),
        word=words.word(card),
        why=words.why(card),
        timing=words.timing(card, now, live),
        offers=offers_of(card, verbs),
    )


def _picked(group: Group, cards: list[Card], now: float, verbs: frozenset[str]) -> About | None:
    """Return what is told of the task that the reader has chosen."""
    if group.picked is None:
        return None
    task = group.ids[group.picked - 1]
    card = next((card for card in cards if card.id == task), None)
    return None if card is None else _about(group.picked, card, now, True, verbs)


def _group_state(group: Group) -> dict[str, str]:
    if group.terminal:
        state = State.failed if group.failed else State.done
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


def _state_bars(group: Group) -> Iterator[Bar]:
    most = max(group.tally.values(), default=0) or 1
    for state, count in group.counts:
        yield Bar(words.tone(state), state.shape, state.word, count, 100 * count / most)


def _span_bars(group: Group) -> Iterator[Bar]:
    most = max(group.spans.values(), default=0) or 1
    for word, count in words.spans(group):
        yield Bar("begun", "", word, count, 100 * count / most)


def _squares(cards: list[Card]) -> list[Square]:
    return [
        Square(
            words.tone(card.state),
            card.state.shape,
            " · ".join(filter(None, (f"task {n}", *_told(card)))),
            CODES[card.state] + words.spent(card),
        )
        for n, card in enumerate(cards, 1)
    ]


def _told(card: Card) -> tuple[str, ...]:
    why = words.why(card)[:SHORT] if card.state in FAILURES else ""
    return card.state.word, words.spent(card), why


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
    if not group.terminal or group.size > MAX_VALUES:
        return []
    rows = [(card.args, text_of((card.value or {}).get("text/plain"))) for card in cards]
    fits = all(value and "\n" not in value and len(value) <= SHORT for _, value in rows)
    return rows if fits else []
