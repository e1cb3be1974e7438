"""Many tasks as a table, failures first; and all that one of them wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from typing import Final, NamedTuple

from huey_jupyter.cards import Card
from huey_jupyter.log import Gap, Line
from huey_jupyter.states import FAILURES_FIRST
from huey_jupyter.views import words
from huey_jupyter.views.ansi import ansi_text
from huey_jupyter.views.bundles import text_of
from huey_jupyter.views.render import render

MAX_ROWS: Final = 200
ORDER: Final = {state: n for n, state in enumerate(FAILURES_FIRST)}


class Row(NamedTuple):
    """One task of the table."""

    card: Card
    tone: str
    word: str
    timing: list[words.Fact]
    why: str


def tasks_html(cards: Iterable[Card], *, now: float) -> str:
    """Return a table of tasks as HTML that stays as it is: up to 200, then how many more."""
    rows, more = _rows(cards, now)
    return render("tasks.html.j2", False, now=now, rows=rows, more=more)


def tasks_text(cards: Iterable[Card], now: float) -> str:
    """Return the same table as lines of plain text."""
    rows, more = _rows(cards, now)
    return ansi_text("\n".join(_lines(rows, more)))


def log_text(card: Card) -> str:
    """Return all that is kept of a task's output, as plain text."""
    return ansi_text("\n".join(_log(card)))


def _rows(cards: Iterable[Card], now: float) -> tuple[list[Row], int]:
    every = list(cards)
    first = nsmallest(MAX_ROWS, every, key=lambda card: (ORDER[card.state], -card.updated))
    rows = [
        Row(
            card,
            words.tone(card.state),
            words.word(card),
            words.timing(card, now, live=False),
            words.why(card),
        )
        for card in first
    ]
    return rows, len(every) - len(rows)


def _lines(rows: list[Row], more: int) -> Iterator[str]:
    if not rows:
        yield "no tasks"
        return
    cells = [
        (
            f"{row.card.state.shape} {row.word}",
            row.card.title,
            row.card.worker,
            " · ".join(map(str, row.timing)),
            row.card.short,
            row.why,
        )
        for row in rows
    ]
    wide = [min(max(map(len, column)), 50) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(line, wide, strict=True)).rstrip()
    if more:
        yield f"and {more:,} more"


def _log(card: Card) -> Iterator[str]:
    if not card.log:
        yield f"{card.title} has written nothing"
    for entry in card.log.entries():
        match entry:
            case Line():
                yield entry.text
            case Gap():
                yield f"… {words.plural(entry.lines, 'line')} left out …"
            case _:
                yield text_of(entry.bundle.get("text/plain")) or "[a display]"
