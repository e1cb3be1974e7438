"""Tasks and their times: when each is due, and the present, which moves towards them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import huey_jupyter
from huey.alone import sleep
from huey.results import Result
from huey.utils import make_id
from huey_jupyter.card import Card
from huey_jupyter.teaching.ladder import Piece
from huey_jupyter.teaching.picture import Told
from huey_jupyter.views import words
from huey_jupyter.views.render import render

TICK: Final = 0.02
SHORTEST: Final = 1.0  # seconds that the axis shows at least
FAR: Final = 60.0  # seconds; what is due later than that is beyond the edge
MARK: Final = 3.0  # percent of the axis that the mark of a moment takes
ROOM: Final = 24.0  # percent that a time of day needs
CELLS: Final = 40  # characters of the axis in plain text


class Entry(NamedTuple):
    """A task with its time, which a card forgets when the task begins; epoch seconds."""

    card: Card
    due: float | None

    @property
    def is_open(self) -> bool:
        return not self.card.terminal

    @property
    def came(self) -> float | None:
        return self.card.created

    @property
    def gone(self) -> float | None:
        """When it began, or ended without that."""
        return self.card.started if self.card.started is not None else self.card.ended


class Row(NamedTuple):
    """A line of the picture."""

    key: str
    label: str
    pieces: list[Piece]
    tone: str
    says: str


class Agenda(Told):
    """Shows when tasks are due and what becomes of them, with a line for the present.

    It goes on until the last has ended.

    :param results: the handles of the tasks.
    """

    gone = False

    def __init__(self, *results: Result[Any]) -> None:
        if not results or not all(isinstance(one, Result) for one in results):
            raise TypeError("Agenda shows tasks and their times: give it their handles")
        self.session = huey_jupyter.current()
        self.key = f"agenda {make_id()}"
        self.lock = threading.RLock()
        self._cards = {one.id: Card(one.id) for one in results}
        self._dues: dict[str, float] = {}
        self._cursor: int | None = None

    # -- for the reader -------------------------------------------------------------------------

    def wait(self) -> str:
        """Wait until all its tasks have ended; return the picture in a sentence."""
        while not self.terminal:
            sleep(TICK, "look at the agenda, which goes on by itself")
        self.session.displays.settle()
        return sentence(self.entries(), time.time())

    def entries(self) -> list[Entry]:
        """Return its tasks, as they are now."""
        with self.lock:
            self._catch_up()
            return [Entry(card, self._dues.get(card.id)) for card in self._cards.values()]

    def _ipython_display_(self) -> None:
        self.session.displays.show_view(self, key=self.key)

    def __repr__(self) -> str:
        return self.text()

    # -- as a view ------------------------------------------------------------------------------

    @property
    def terminal(self) -> bool:
        return not any(one.is_open for one in self.entries())

    def html(self, *, live: bool) -> str:
        entries, now = self.entries(), time.time()
        going = any(one.is_open for one in entries)
        _, span = axis(entries, now)
        shown = {
            "key": self.key,
            "going": going,
            "counts": [f"{state.shape} {n} {state.word}" for state, n in _counts(entries).items()],
            "told": self._tell(sentence(entries, now), going),
            "rows": list(rows(entries, now)),
            "span": span,
            "table": [(one.card.title, _clock(one.due), _says(one, now)) for one in entries],
        }
        return render("agenda.html.j2", live, now=now, **shown)

    def text(self) -> str:
        return "\n".join(lines(self.entries(), time.time()))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _catch_up(self) -> None:
        """Fold what has happened since."""
        for cursor, event in self.session.huey.events.read(self._cursor):
            self._cursor = cursor
            card = self._cards.get(event["task"])
            if card is not None:
                card.fold(event)
                if card.eta is not None:
                    self._dues[card.id] = card.eta


# --- in words ---


def sentence(entries: list[Entry], now: float) -> str:
    """Return what an agenda shows, in words."""
    counts = ", ".join(f"{n} {state.word}" for state, n in _counts(entries).items())
    waiting = [one for one in entries if one.is_open and one.due is not None and one.due > now]
    if not waiting:
        return f"{_tasks(len(entries))}: {counts}."
    first = min(waiting, key=lambda one: one.due or 0.0)
    left = words.duration((first.due or 0.0) - now)
    return f"{_tasks(len(entries))}: {counts}; next is {first.card.title}, in {left}."


def lines(entries: list[Entry], now: float) -> Iterator[str]:
    """Yield an agenda as plain text: a bar at the present, a shape at each task's moment."""
    begin, span = axis(entries, now)
    going = any(one.is_open for one in entries)
    yield f"{'● going on' if going else '✓ over'}   {sentence(entries, now)}"
    here = _cell(now, begin, span)
    for one in entries:
        cells = ["│" if place == here and going else " " for place in range(CELLS)]
        at = one.gone if one.gone is not None else one.due
        if at is not None:
            cells[_cell(at, begin, span)] = one.card.state.shape
        yield f"  {''.join(cells)}  {one.card.title}: {_says(one, now)}"


def _cell(at: float, begin: float, span: float) -> int:
    return min(CELLS - 1, max(0, int(CELLS * (at - begin) / span)))


def _says(one: Entry, now: float) -> str:
    """Return how it stands with a task and its time."""
    word = f"{one.card.state.shape} {one.card.state.word}"
    if one.due is None:
        return word
    if one.card.started is not None:
        return f"{word}, {words.duration(max(0.0, one.card.started - one.due))} after its time"
    if one.is_open and one.due - now > FAR:
        return f"{word} for {_clock(one.due)}"
    if one.is_open and one.due > now:
        return f"{word}, in {words.duration(one.due - now)}"
    return word


def _tasks(number: int) -> str:
    return f"{number:,} task{'s' if number != 1 else ''}"


def _clock(at: float | None) -> str:
    return "" if at is None else time.strftime("%H:%M:%S", time.localtime(at))


def _counts(entries: list[Entry]) -> Counter[Any]:
    return Counter(one.card.state for one in entries)


# --- as a picture ---


def axis(entries: list[Entry], now: float) -> tuple[float, float]:
    """Return where the axis begins and how many seconds it shows: up to the last time not far."""
    begin = min((one.came for one in entries if one.came is not None), default=now)
    ends = [one.card.ended for one in entries if one.card.ended is not None]
    dues = [one.due for one in entries if one.due is not None and one.due - begin <= FAR]
    if any(one.is_open for one in entries):
        ends.append(min(now, begin + FAR))
    last = max([*ends, *dues], default=now)
    return begin, max(1.05 * (last - begin), SHORTEST)


def rows(entries: list[Entry], now: float) -> Iterator[Row]:
    """Yield the present, while it matters, and each task."""
    begin, span = axis(entries, now)
    if any(one.is_open for one in entries):
        width = min(100.0, 100 * (now - begin) / span)
        piece = Piece("now", 0.0, width, "run", "", f"now, {_clock(now)}")
        yield Row("now", "now", [piece], "run", f"▸ {_clock(now)}")
    for number, one in enumerate(entries):
        pieces = list(_pieces(one, begin, span, now))
        tone = words.tone(one.card.state)
        yield Row(f"task {number}", one.card.title, pieces, tone, _says(one, now))


def _pieces(one: Entry, begin: float, span: float, now: float) -> Iterator[Piece]:
    """Yield the wait of a task and the moment that ends it, in percent of the axis."""
    came = one.came if one.came is not None else now
    at = one.gone if one.gone is not None else one.due if one.due is not None else now
    left = min(max(0.0, 100 * (came - begin) / span), 100 - MARK)
    mark = min(max(left, 100 * (at - begin) / span), 100 - MARK)
    if mark > left:
        text = _clock(one.due) if mark - left >= ROOM else ""
        yield Piece("wait", left, mark - left, "", text, f"waits until {_clock(one.due)}")
    end = one.card.ended if one.card.ended is not None else now
    ran = 100 * (end - at) / span if one.card.started is not None else 0.0
    width = min(max(ran, MARK), 100 - mark)
    shape, tone = one.card.state.shape, words.tone(one.card.state)
    gap = 0.0 if mark > left else left
    yield Piece("moment", gap, width, tone, shape, _says(one, now))
