"""The whole queue at a glance, as HTML and as text: a lane a worker, time runs to the right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from huey_jupyter.cards import Card
from huey_jupyter.overview import HIGH_LAG, Lane, Overview
from huey_jupyter.runs import MINUTE, Segment, joint
from huey_jupyter.views import words
from huey_jupyter.views.ansi import ansi_text
from huey_jupyter.views.card import queue_state
from huey_jupyter.views.offers import DASHBOARD, DASHBOARD_VERBS, offers_of_dashboard
from huey_jupyter.views.render import render

ROOM: Final = 7.0  # percent of a lane from which a stretch says what it is
LEAST: Final = 0.6  # percent of a lane: what is shorter is drawn so long
GRAIN: Final = {True: 1.5, False: 2.5}  # seconds that are drawn as one; coarser in what is saved
BAR_SECONDS: Final = 2
HEIGHT: Final = 40  # pixels of the highest bar
SPARKS: Final = "▁▂▃▄▅▆▇█"
CELLS: Final = 40  # characters of a lane in plain text
INDENT: Final = "  "


class Stretch(NamedTuple):
    """A run on a lane, or several drawn as one; `gap` before it and `width` are in percent."""

    key: str
    gap: float
    width: float
    tone: str
    text: str
    title: str


class Row(NamedTuple):
    """A lane as it is drawn; `now` says what its worker is at, `told` the minute in words."""

    worker: str
    stretches: list[Stretch]
    now: str
    tone: str
    told: str


class Entry(NamedTuple):
    """A task in one of the lists."""

    tone: str
    shape: str
    card: Card
    timing: list[words.Fact]


def dashboard_html(
    overview: Overview, *, live: bool, verbs: frozenset[str] = DASHBOARD_VERBS
) -> str:
    """Return the queue at a glance as HTML; `live` and `verbs` as in `card_html`."""
    status, now = overview.status(), overview.facts.now
    bars = _bars(overview.ends)
    return render(
        "dashboard.html.j2",
        live,
        now=now,
        key=DASHBOARD,
        **queue_state(status),
        counts=words.status_counts(status),
        place=overview.facts.place,
        late=words.lag(overview.facts.lag),
        high=(overview.facts.lag or 0) >= HIGH_LAG,
        note=overview.facts.note,
        offers=offers_of_dashboard(overview, verbs),
        rows=[_row(lane, now, live) for lane in overview.lanes],
        throughput=throughput(overview),
        bars=[(n, _height(count, max(bars)), count) for n, count in enumerate(bars)],
        lists=[
            ("queue", f"{overview.waiting:,} in the queue", _entries(overview.queue, now, live)),
            ("later", f"{overview.later:,} scheduled", _entries(overview.scheduled, now, live)),
            ("over", "finished last", _entries(overview.finished, now, live)),
        ],
    )


def dashboard_text(overview: Overview) -> str:
    """Return the queue at a glance as lines of plain text."""
    return ansi_text("\n".join(_text(overview)))


def throughput(overview: Overview) -> str:
    """Return how fast it goes, in words.

    Slower than a task in ten seconds, only the minute is counted.
    """
    minute = f"{sum(overview.ends):,} in the last minute"
    return f"{overview.speed:,.1f} a second · {minute}" if overview.speed >= 0.1 else minute


# --- lanes ---


def _row(lane: Lane, now: float, live: bool) -> Row:
    running = lane.running[-1] if lane.running else None
    return Row(
        worker=lane.worker or "worker",
        stretches=list(_stretches(lane, now, live)),
        now=_now(lane, now),
        tone=words.tone(running.state) if running else "idle",
        told=_told(lane, now),
    )


def _stretches(lane: Lane, now: float, live: bool) -> Iterator[Stretch]:
    """Yield a lane from left to right; what two of them would both cover, the first one keeps."""
    place = 0.0
    for segment in (*_coarse(lane.over, GRAIN[live]), *_going(lane, now)):
        left = min(max(100 * (1 - (now - segment.start) / MINUTE), place), 100 - LEAST)
        end = now if segment.end is None else segment.end
        right = min(100 * (1 - (now - end) / MINUTE), 100.0)
        width = max(right - left, LEAST)
        yield _stretch(left - place, width, segment, end)
        place = left + width
        if place >= 100:
            return


def _stretch(gap: float, width: float, segment: Segment, end: float) -> Stretch:
    what = segment.title if segment.runs == 1 else f"{segment.runs:,} tasks"
    title = f"{what} · {segment.state.word} · {words.duration(end - segment.start)}"
    text = what if width >= ROOM else ""
    return Stretch(f"{segment.start:.6f}", gap, width, words.tone(segment.state), text, title)


def _coarse(segments: list[Segment], grain: float) -> Iterator[Segment]:
    last: Segment | None = None
    for segment in segments:
        both = joint(last, segment, grain) if last else None
        if both is None and last is not None:
            yield last
        last = both or segment
    if last is not None:
        yield last


def _going(lane: Lane, now: float) -> Iterator[Segment]:
    """Yield what runs now, where many share a lane as one."""
    started = [card.started for card in lane.running if card.started is not None]
    if started:
        card = lane.running[-1]
        many = len(lane.running)
        yield Segment(lane.worker, card.title, card.state, min(started), None, many)


def _now(lane: Lane, now: float) -> str:
    """Return what a worker is at."""
    if not lane.running:
        return "idle" if lane.alive else "gone"
    card = lane.running[-1]
    far = words.clock(card.elapsed(now) or 0.0)
    if card.fraction is not None:
        far = words.percent(card.fraction)
    more = f"and {len(lane.running) - 1} more" if len(lane.running) > 1 else ""
    return " ".join(filter(None, (card.state.shape, far, card.title, more)))


def _told(lane: Lane, now: float) -> str:
    over = sum(segment.runs for segment in lane.over)
    ended = words.plural(over, "task")
    return f"{lane.worker}: {_now(lane, now)}; {ended} ended in the last minute"


# --- what is beside them ---


def _bars(ends: list[int]) -> list[int]:
    return [sum(ends[n : n + BAR_SECONDS]) for n in range(0, len(ends), BAR_SECONDS)]


def _height(count: int, most: int) -> int:
    return max(1, round(HEIGHT * count / most)) if most else 1


def _entries(cards: list[Card], now: float, live: bool) -> list[Entry]:
    return [
        Entry(words.tone(card.state), card.state.shape, card, words.timing(card, now, live))
        for card in cards
    ]


# --- plain text ---


def _text(overview: Overview) -> Iterator[str]:
    status, facts = overview.status(), overview.facts
    yield "   ".join((words.workers(status), " · ".join(words.status_counts(status))))
    place = " · ".join([throughput(overview), *words.status_place(status)])
    yield f"{INDENT}{_spark(overview.ends)}  {place}"
    if facts.note:
        yield INDENT + facts.note
    wide = max((len(lane.worker) for lane in overview.lanes), default=0)
    for lane in overview.lanes:
        cells = _cells(lane, facts.now)
        yield f"{INDENT}{lane.worker:<{wide}}  {cells}  {_now(lane, facts.now)}"
    yield from _list(f"{overview.waiting:,} in the queue", overview.queue, facts.now)
    yield from _list(f"{overview.later:,} scheduled", overview.scheduled, facts.now)
    yield from _list("finished last", overview.finished, facts.now)


def _spark(ends: list[int]) -> str:
    bars = _bars(ends)
    most = max(bars) or 1
    return "".join(SPARKS[-(-count * (len(SPARKS) - 1) // most)] for count in bars)


def _cells(lane: Lane, now: float) -> str:
    """Return a lane as shapes, one for each stretch of time, the latest state in it."""
    cells = ["·"] * CELLS
    for segment in (*lane.over, *_going(lane, now)):
        end = now if segment.end is None else segment.end
        first = int(CELLS * (1 - (now - segment.start) / MINUTE))
        last = int(CELLS * (1 - (now - end) / MINUTE))
        for n in range(max(first, 0), min(last + 1, CELLS)):
            cells[n] = segment.state.shape
    return "".join(cells)


def _list(title: str, cards: Iterable[Card], now: float) -> Iterator[str]:
    rows = [
        " ".join((card.state.shape, card.title, *map(str, words.timing(card, now, False))))
        for card in cards
    ]
    if rows:
        yield f"{INDENT}{title}: " + ", ".join(rows)
