"""Cards, groups and the status line as plain text, for a terminal and for `text/plain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from huey_jupyter.cards import Card, Group, State
from huey_jupyter.log import Gap, Line, Rich
from huey_jupyter.views import words
from huey_jupyter.views.ansi import ansi_text
from huey_jupyter.views.bundles import text_of
from huey_jupyter.views.group import MAX_FAILURES, MAX_SQUARES

BAR: Final = 20
SQUARES_A_LINE: Final = 50
LAST_LINES: Final = 20
MAX_TEXT: Final = 4_000
MAX_NOTICE: Final = 200
INDENT: Final = "  "


def card_text(card: Card, now: float) -> str:
    """Return a card as lines of plain text."""
    return ansi_text("\n".join(_card(card, now)))


def group_text(group: Group, cards: list[Card], now: float) -> str:
    """Return a group as lines of plain text; `cards` are its cards, in order."""
    return ansi_text("\n".join(_group(group, cards, now)))


def card_notice(card: Card) -> str:
    """Return in one line how a task has ended."""
    line = f"{card.state.shape} {card.title}: {words.word(card)}"
    return _one_line(f"{line} · {words.why(card)}" if words.why(card) else line)


def group_notice(group: Group) -> str:
    """Return in one line how the tasks of a group have ended."""
    shape = State.failed.shape if group.failed else State.done.shape
    return _one_line(f"{shape} {words.group_title(group)}: {', '.join(words.group_counts(group))}")


def status_text(facts: Mapping[str, Any]) -> str:
    """Return the one line about the queue.

    :param facts: `workers` and `kind` (how many of what), `paused` (whether they claim nothing),
        `running`, `queued`, `scheduled`, `done`, `failed` and `cancelled` (counts), `lag` (the
        kernel's, in seconds), `storage` and `note` (texts). Each may be missing.
    """
    state = words.workers(facts)
    line = " · ".join([state, *words.status_counts(facts), *words.status_place(facts)])
    note = str(facts.get("note") or "")
    return ansi_text(f"{line}\n{INDENT}{note}" if note else line)


def _one_line(text: str) -> str:
    line = " ".join(ansi_text(text).split())
    return line if len(line) <= MAX_NOTICE else line[: MAX_NOTICE - 1] + "…"


def _card(card: Card, now: float) -> Iterator[str]:
    head = [f"{card.state.shape} {words.word(card)}", card.title, _meter(card)]
    times = " · ".join(map(str, words.timing(card, now, live=False)))
    yield "   ".join(filter(None, (*head, times)))
    if words.why(card):
        yield INDENT + words.why(card)
    yield INDENT + " · ".join(map(str, words.facts(card, now, live=False)))
    if card.note:
        yield INDENT + card.note
    if card.state is State.done and card.value is not None:
        yield from _indented(text_of(card.value.get("text/plain")))
    if card.state is not State.locked:
        yield from _indented(card.traceback)
    yield from _log(card)


def _meter(card: Card) -> str:
    if card.state is State.done or (card.fraction is None and not card.message):
        return ""
    bar = "" if card.fraction is None else f"{_bar(card.fraction)} {words.percent(card.fraction)}"
    return "  ".join(filter(None, (bar, card.message)))


def _bar(fraction: float) -> str:
    full = int(fraction * BAR)
    return "▓" * full + "░" * (BAR - full)


def _indented(text: str, indent: str = INDENT) -> Iterator[str]:
    if text:
        cut = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " …"
        yield from (indent + line for line in cut.rstrip("\n").split("\n"))


def _log(card: Card) -> Iterator[str]:
    entries = [entry for entry in card.log.entries() if not isinstance(entry, Gap)]
    last = entries[-LAST_LINES:]
    if not last:
        return
    lines = sum(isinstance(entry, Line) for entry in last)
    more = f", the last {lines}" if card.log.lines > lines else ""
    yield f"{INDENT}{words.plural(card.log.lines, 'line')} of output{more}:"
    for entry in last:
        yield from (f"{INDENT}│ {line}" for line in _texts(entry))


def _texts(entry: Line | Rich) -> list[str]:
    """Return a line, or a display as a terminal shows it."""
    if isinstance(entry, Line):
        return [entry.text]
    return list(_indented(text_of(entry.bundle.get("text/plain")), "")) or ["[a display]"]


def _group(group: Group, cards: list[Card], now: float) -> Iterator[str]:
    times = " · ".join(map(str, words.group_timing(group, now)))
    bar = f"{_bar(group.fraction)} {words.finished(group)}"
    yield "   ".join(filter(None, (words.group_title(group), bar, times)))
    ends = [*words.group_counts(group), group.prompt, group.id[:4]]
    yield INDENT + " · ".join(filter(None, ends))
    if group.note:
        yield INDENT + group.note
    if group.size <= MAX_SQUARES:
        shapes = iter([card.state.shape for card in cards])
        while line := "".join(islice(shapes, SQUARES_A_LINE)):
            yield INDENT + line
    else:
        yield from _spans(group)
    failures = group.failures(MAX_FAILURES)
    for number, card in failures:
        yield f"{INDENT}{card.state.shape} {number}  {card.title}  {words.why(card)}".rstrip()
    if group.failed > len(failures):
        yield f"{INDENT}and {group.failed - len(failures):,} more"


def _spans(group: Group) -> Iterator[str]:
    """Yield how many took how long, each with a bar."""
    spans = words.spans(group)
    most = max((count for _, count in spans), default=1)
    for word, count in spans:
        bar = "▓" * round(BAR * count / most)
        yield f"{INDENT}{word:>12}  {bar:<{BAR}}  {count:,}"
