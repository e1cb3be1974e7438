"""A task's output in the order in which it came: runs of text to fold, displays between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from markupsafe import Markup

from huey_jupyter.cards import Card
from huey_jupyter.log import Gap, Line, Log, Rich
from huey_jupyter.views.ansi import Painter
from huey_jupyter.views.bundles import Shown, pick
from huey_jupyter.views.looks import Look
from huey_jupyter.views.words import plural

LIVE_LINES: Final = 100  # while it runs the card shows the end of it, ten times a second
PAGE: Final = 50  # lines that stay one piece of the page, so that a selection in them survives


@dataclass
class Text:
    """A run of lines between two displays, and what was let go of it."""

    number: int
    entries: list[Line | Gap] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return sum(e.lines if isinstance(e, Gap) else 1 for e in self.entries)

    @property
    def summary(self) -> str:
        return f"{plural(self.lines, 'line')} of output"


def parts(card: Card, live: bool) -> Iterator[Text | Shown]:
    """Yield what the card shows of the output, oldest first."""
    text: Text | None = None
    for entry in _entries(card.log, live and not card.terminal):
        if isinstance(entry, Rich):
            shown = pick(entry.bundle, limit=entry.size + 1_000)
            if shown is not None:
                yield from [text] if text else []
                yield shown
                text = None
            continue
        text = text or Text(entry.number if isinstance(entry, Line) else 0)
        text.entries.append(entry)
    yield from [text] if text else []


def _entries(log: Log, moving: bool) -> Iterator[Line | Gap | Rich]:
    first = log.lines - LIVE_LINES
    if not moving or first <= 0:
        yield from log.entries()
        return
    first -= first % PAGE
    if first:
        yield Gap(first)
    yield from log.entries(last=first)


def text_html(text: Text, look: Look, live: bool) -> Markup:
    """Return the inside of a `<pre>`: in a widget pages with keys, elsewhere as few tags as go."""
    painter = Painter()
    pieces: list[Markup] = []
    for page, entries in groupby(text.entries, key=_page):
        inside = Markup("").join(_streams(list(entries), painter, look))
        tag = Markup('<span data-key="{}">{}</span>') if live else Markup("{1}")
        pieces.append(tag.format(page, inside))
    return Markup("").join(pieces)


def _page(entry: Line | Gap) -> str:
    return "gap" if isinstance(entry, Gap) else f"p{entry.number // PAGE}"


def _streams(entries: list[Line | Gap], painter: Painter, look: Look) -> Iterator[Markup]:
    span = Markup("<span{}>{}</span>")
    for stream, run in groupby(entries, key=lambda e: e.stream if isinstance(e, Line) else "gap"):
        if stream == "gap":
            left_out = sum(entry.lines for entry in run if isinstance(entry, Gap))
            yield span.format(look("gap"), f"… {plural(left_out, 'line')} left out …\n")
            continue
        text = painter.paint("".join(f"{entry.text}\n" for entry in run if isinstance(entry, Line)))
        yield span.format(look("stderr"), text) if stream == "stderr" else text
