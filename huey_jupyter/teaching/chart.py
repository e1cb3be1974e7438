"""A line of tasks as a chart: HTML that moves or stays, a sentence, a table, plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from huey_jupyter.teaching.flow import Flow, Little, Moment
from huey_jupyter.teaching.picture import Picture
from huey_jupyter.views import words

if TYPE_CHECKING:
    from huey_jupyter.teaching.line import Line

COLUMNS: Final = 48
TALL: Final = 88  # pixels of the highest column
LOW: Final = 20
ROOM: Final = 10.0  # seconds that a chart shows from the beginning
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


class LineView(Picture["Facts"]):
    """A line of tasks, all of one kind."""

    template = "line.html.j2"

    def text(self) -> str:
        return "\n".join(_text(self._facts()))

    def _facts(self) -> Facts:
        line = self.line
        with line.lock:
            line.catch_up()
            return Facts.of(line.flow, line.until, line.seconds, line.workers, not line.is_over)

    def _shown(self, facts: Facts, live: bool) -> dict[str, Any]:
        return {
            "told": self._tell(sentence(facts), facts.going),
            "rows": list(_rows(facts)),
            "bins": _bins(facts.waits),
            "sides": _sides(facts.little),
            "apart": _apart(facts.little),
            "knobs": _knobs(self.line) if live and facts.going else [],
            "table": facts.table,
        }


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
        f"{most.waiting:,} waited at once, {duration(mean)} on average; {busy}."
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
        word = f"over {duration(lower)}" if upper > BINS[-1] else _under(lower, upper)
        bins.append(Bin(word, tasks, 0.0))
        lower = upper
    while len(bins) > 1 and not bins[-1].tasks:
        bins.pop()
    most = max(one.tasks for one in bins) or 1
    return [one._replace(width=50 * one.tasks / most) for one in bins]


def _under(lower: float, upper: float) -> str:
    return f"{duration(lower)} to {duration(upper)}" if lower else "under 5 ms"


def _sides(little: Little) -> list[Side]:
    counted = little.L or 0.0
    most = max(counted, little.product, 1e-9)
    law = f"{little.rate:.1f} a second × {duration(little.W)}"
    return [
        Side("L", "L, counted", f"{counted:.2f}", 50 * counted / most, "tasks in the system"),
        Side("W", "λ × W", f"{little.product:.2f}", 50 * little.product / most, law),
    ]


def duration(seconds: float) -> str:
    """Return a length of time, short."""
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
    yield f"  waiting   {spark(numbers, max([*numbers, 1]))}  at most {max([*numbers, 0])}"
    for side in _sides(facts.little):
        yield f"  {side.word:10} {side.number}  {side.told}"
    if facts.little.apart is not None:
        yield f"  {_apart(facts.little)}"


def spark(numbers: list[int], most: int) -> str:
    """Return numbers as a row of columns made of text, the highest for `most`."""
    return "".join(SPARKS[-(-number * 8 // most)] for number in numbers)
