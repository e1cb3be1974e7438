"""A line of tasks as a chart: HTML that moves or stays, a sentence, a table, plain text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from huey.utils import make_id
from huey_jupyter.teaching.flow import Flow, Little, Moment
from huey_jupyter.views import words
from huey_jupyter.views.offers import LINE_OFFERS
from huey_jupyter.views.render import render

if TYPE_CHECKING:
    from huey_jupyter.teaching.line import Line

COLUMNS: Final = 48
TALL: Final = 88  # pixels of the highest column
LOW: Final = 20
ROOM: Final = 10.0  # seconds that a chart shows from the beginning
TELL_EVERY: Final = 2.0  # seconds; whoever listens to the text is not told more often
SPARKS: Final = " ▁▂▃▄▅▆▇█"
BINS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Column(NamedTuple):
    """One stretch of time in a row of the chart."""

    key: str
    height: int
    title: str


class Bin(NamedTuple):
    """How many have waited so long."""

    word: str
    tasks: int
    width: float


class Side(NamedTuple):
    """One side of Little's law, as a bar."""

    key: str
    word: str
    number: str
    width: float
    told: str


class Knob(NamedTuple):
    """A slider."""

    name: str
    label: str
    least: int
    most: int
    value: int
    unit: str


class LineView:
    """A line as it is shown; the reader can pause the picture, and the line goes on.

    :param line: what is shown.
    """

    gone = False

    def __init__(self, line: Line) -> None:
        self.line = line
        self.key = f"line {make_id()}"
        self._told = ""
        self._told_at = 0.0
        self._held: Facts | None = None

    @property
    def terminal(self) -> bool:
        return self.line.is_over

    def hear(self, verb: str, what: str) -> None:
        """Do what a button or a slider asks for."""
        if verb == "hold":
            self._held = self._facts()
        elif verb == "go_on":
            self._held = None
        elif verb == "end":
            self.line.stop()
        elif verb == "set":
            name, _, value = what.partition("=")
            self.line.change(name, float(value))

    def html(self, *, live: bool) -> str:
        facts = self._held if live and self._held else self._facts()
        return render("line.html.j2", live, now=time.time(), **self._shown(facts, live))

    def text(self) -> str:
        return "\n".join(_text(self._facts()))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _facts(self) -> Facts:
        line = self.line
        with line.lock:
            line.catch_up()
            return Facts.of(line.flow, line.until, line.seconds, line.workers, not line.is_over)

    def _shown(self, facts: Facts, live: bool) -> dict[str, object]:
        return {
            "key": self.key,
            "facts": facts,
            "told": self._tell(facts),
            "rows": list(_rows(facts)),
            "bins": _bins(facts.waits),
            "sides": _sides(facts.little),
            "apart": _apart(facts.little),
            "knobs": _knobs(self.line) if live and facts.going else [],
            "offers": self._offers(facts) if live else [],
            "table": facts.table,
        }

    def _offers(self, facts: Facts) -> list[tuple[str, str]]:
        if not facts.going:
            return []
        hidden = "hold" if self._held else "go_on"
        return [offer for offer in LINE_OFFERS if offer[0] != hidden]

    def _tell(self, facts: Facts) -> str:
        """Return the sentence about it, a new one every two seconds at most."""
        now = time.monotonic()
        if not self._told or not facts.going or now - self._told_at >= TELL_EVERY:
            self._told, self._told_at = sentence(facts), now
        return self._told


class Facts(NamedTuple):
    """A line at one moment, all that a chart of it says."""

    columns: list[Moment]
    now: Moment
    table: list[tuple[str, int, int, int, int]]
    seconds: float
    span: float
    workers: int
    utilisation: float
    waits: list[float]
    little: Little
    going: bool

    @classmethod
    def of(cls, flow: Flow, until: float, planned: float, workers: int, going: bool) -> Facts:
        """Return them; `planned` are the seconds for which the chart has room at least."""
        seconds = max(until - flow.begin, 0.001)
        span = max(seconds, min(planned, ROOM)) if going else seconds
        ends = [flow.begin + span * (n + 1) / COLUMNS for n in range(COLUMNS)]
        step = max(1, round(seconds / 10))
        times = range(step, int(seconds) + 1, step)
        rows = flow.moments(flow.begin + second for second in times)
        return cls(
            columns=flow.moments(at for at in ends if at <= until + span / COLUMNS),
            now=flow.moments([until + 1e-6])[0],
            table=[(f"{s} s", *one[1:]) for s, one in zip(times, rows, strict=True)],
            seconds=seconds,
            span=span,
            workers=workers,
            utilisation=flow.utilisation(until, workers),
            waits=flow.waits,
            little=flow.little(until),
            going=going,
        )


def sentence(facts: Facts) -> str:
    """Return what a chart shows, in words."""
    most = max(facts.columns, key=lambda one: one.waiting, default=facts.now)
    backlog = f"{facts.now.waiting:,} waiting after {facts.seconds:.0f} s"
    if not facts.going:
        backlog = f"over after {facts.seconds:.1f} s"
    busy = f"workers busy {words.percent(min(facts.utilisation, 1))} of the time"
    mean = sum(facts.waits) / len(facts.waits) if facts.waits else 0.0
    return (
        f"{facts.now.arrived:,} arrived, {facts.now.left:,} done, {backlog}; at most "
        f"{most.waiting:,} waited at once, {_duration(mean)} on average; {busy}."
    )


# --- rows of columns ---


def _rows(facts: Facts) -> Iterator[dict[str, object]]:
    yield _row(facts, "waiting", "○ waiting", TALL, f"{facts.now.waiting:,} now")
    yield _row(facts, "served", "● at work", LOW, f"{facts.now.served} of {facts.workers}")


def _row(facts: Facts, name: str, title: str, tall: int, now: str) -> dict[str, object]:
    numbers = [getattr(one, name) for one in facts.columns]
    most = max([*numbers, 1])
    columns = [
        Column(f"{name} {n}", round(tall * number / most), f"{number:,} {title[2:]}")
        for n, number in enumerate(numbers)
    ]
    told = f"{title[2:]} over time: {now}, at most {most:,}"
    return {
        "name": name,
        "title": title,
        "columns": columns,
        "now": now,
        "told": told,
        "most": f"at most {max([*numbers, 0]):,}",
        "width": 100 / COLUMNS,
        "height": "tall" if tall == TALL else "low",
    }


# --- waiting times, Little's law, sliders ---


def _bins(waits: list[float]) -> list[Bin]:
    """Return how many have waited how long; nothing above the longest."""
    bins, lower = [], 0.0
    for upper in (*BINS, float("inf")):
        tasks = sum(lower <= wait < upper for wait in waits)
        word = f"over {_duration(lower)}" if upper > BINS[-1] else _under(lower, upper)
        bins.append(Bin(word, tasks, 0.0))
        lower = upper
    while len(bins) > 1 and not bins[-1].tasks:
        bins.pop()
    most = max(one.tasks for one in bins) or 1
    return [one._replace(width=50 * one.tasks / most) for one in bins]


def _under(lower: float, upper: float) -> str:
    return f"{_duration(lower)} to {_duration(upper)}" if lower else "under 5 ms"


def _sides(little: Little) -> list[Side]:
    counted = little.L or 0.0
    most = max(counted, little.product, 1e-9)
    law = f"{little.rate:.1f} a second × {_duration(little.W)}"
    return [
        Side("L", "L, counted", f"{counted:.2f}", 50 * counted / most, "tasks in the system"),
        Side("W", "λ × W", f"{little.product:.2f}", 50 * little.product / most, law),
    ]


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:.2g} s"


def _apart(little: Little) -> str:
    return "" if little.apart is None else f"{100 * little.apart:.1f} % apart"


def _knobs(line: Line) -> list[Knob]:
    from huey_jupyter.teaching.line import LIMITS

    values = {"rate": line.rate, "service": 1000 * line.service, "workers": line.workers}
    said = {
        "rate": ("arrivals", "a second"),
        "service": ("work each", "ms"),
        "workers": ("workers", ""),
    }
    return [
        Knob(name, said[name][0], *LIMITS[name], round(value), said[name][1])
        for name, value in values.items()
    ]


# --- plain text ---


def _text(facts: Facts) -> Iterator[str]:
    state = "● going on" if facts.going else "✓ over"
    yield f"{state}   {sentence(facts)}"
    numbers = [one.waiting for one in facts.columns]
    most = max([*numbers, 1])
    spark = "".join(SPARKS[-(-number * 8 // most)] for number in numbers)
    yield f"  waiting   {spark}  at most {max([*numbers, 0])}"
    for side in _sides(facts.little):
        yield f"  {side.word:10} {side.number}  {side.told}"
    if facts.little.apart is not None:
        yield f"  {_apart(facts.little)}"
