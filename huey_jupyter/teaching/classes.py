"""How long the classes of a `Triage` wait, as a chart: a row a class, the queue itself, a table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from huey_jupyter.teaching.chart import COLUMNS, ROOM, Column, Knob, duration, spark
from huey_jupyter.teaching.flow import Flow, Moment
from huey_jupyter.teaching.line import LIMITS
from huey_jupyter.teaching.picture import Picture

if TYPE_CHECKING:
    from huey_jupyter.teaching.triage import Kind, Triage

TALL: Final = 44  # pixels of the highest column
FILLS: Final = ("served", "waiting", "law", "idle")  # colours, one a class


class Row(NamedTuple):
    """A class at one moment.

    :param columns: how things stood, over time.
    :param mean: seconds waited by those whom a worker has taken.
    :param longest: seconds waited by whoever has waited longest, perhaps still does.
    """

    kind: Kind
    columns: list[Moment]
    now: Moment
    mean: float
    longest: float

    @property
    def most(self) -> int:
        """How many were waiting at once, at most."""
        return max((one.waiting for one in self.columns), default=0)

    @property
    def told(self) -> str:
        """The class in words."""
        if not self.now.arrived:
            return f"{self.kind.name}: nobody yet"
        waited = f"waited {duration(self.mean)} on average, {duration(self.longest)} at most"
        return f"{self.kind.name}: {self.now.waiting:,} waiting, {waited}"


class Facts(NamedTuple):
    """A triage at one moment, all that a chart of it says."""

    rows: list[Row]
    now: Moment
    queue: list[Kind]
    table: list[tuple[str, list[int]]]
    span: float
    going: bool

    @classmethod
    def of(cls, triage: Triage) -> Facts:
        begin, until, going = triage.flow.begin, triage.until, not triage.is_over
        seconds = max(until - begin, 0.001)
        span = max(seconds, min(triage.seconds, ROOM)) if going else seconds
        step = max(1, round(seconds / 10))
        times = range(step, int(seconds) + 1, step)
        each = [flow.moments(begin + second for second in times) for flow in triage.flows]
        return cls(
            rows=[
                _row(kind, flow, until, span)
                for kind, flow in zip(triage.kinds, triage.flows, strict=True)
            ],
            now=triage.flow.moments([until + 1e-6])[0],
            queue=triage.queue() if going else [],
            table=[(f"{s} s", [one[n].waiting for one in each]) for n, s in enumerate(times)],
            span=span,
            going=going,
        )


def _row(kind: Kind, flow: Flow, until: float, span: float) -> Row:
    ends = [flow.begin + span * (n + 1) / COLUMNS for n in range(COLUMNS)]
    waits = flow.waits
    still = [until - one.arrived for one in flow.visits.values() if one.started is None]
    return Row(
        kind=kind,
        columns=flow.moments(at for at in ends if at <= until + span / COLUMNS),
        now=flow.moments([until + 1e-6])[0],
        mean=sum(waits) / len(waits) if waits else 0.0,
        longest=max([*waits, *still], default=0.0),
    )


def sentence(facts: Facts) -> str:
    """Return what a chart shows, in words."""
    return f"{'; '.join(row.told for row in facts.rows)}."


class ClassesView(Picture[Facts]):
    """A triage, class by class.

    :param triage: what is shown.
    """

    template = "classes.html.j2"

    def __init__(self, triage: Triage) -> None:
        super().__init__(triage)
        self.triage = triage

    def text(self) -> str:
        return "\n".join(_text(self._facts()))

    def _facts(self) -> Facts:
        with self.triage.lock:
            self.triage.catch_up()
            return Facts.of(self.triage)

    def _shown(self, facts: Facts, live: bool) -> dict[str, Any]:
        return {
            "told": self._tell(sentence(facts), facts.going),
            "rows": list(_rows(facts)),
            "queue": "".join(kind.shape for kind in facts.queue),
            "queue_told": f"in the queue, the next first: {_queue_told(facts.queue)}",
            "means": _bars(facts),
            "knobs": _knobs(self.triage) if live and facts.going else [],
            "names": [row.kind.name for row in facts.rows],
        }


def _rows(facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield a row of columns for each class, all of them to one scale."""
    most = max(1, *(row.most for row in facts.rows))
    for number, row in enumerate(facts.rows):
        yield {
            "kind": row.kind,
            "fill": FILLS[number],
            "columns": [
                Column(
                    f"{number} {n}",
                    round(TALL * one.waiting / most),
                    f"{one.waiting:,} waiting",
                )
                for n, one in enumerate(row.columns)
            ],
            "told": f"{row.kind.name} over time: {_waiting(row)}",
            "says": _waiting(row),
            "width": 100 / COLUMNS,
        }


def _waiting(row: Row) -> str:
    return f"{row.now.waiting:,} waiting, at most {row.most:,}"


def _bars(facts: Facts) -> list[dict[str, Any]]:
    """Return for each class how long it has waited, on average and the longest, as a bar."""
    most = max(1e-9, *(row.mean for row in facts.rows))
    return [
        {
            "kind": row.kind,
            "fill": FILLS[number],
            "came": row.now.arrived,
            "left": row.now.left,
            "mean": duration(row.mean),
            "longest": duration(row.longest),
            "width": 34 * row.mean / most,
        }
        for number, row in enumerate(facts.rows)
    ]


def _queue_told(queue: list[Kind]) -> str:
    groups = [(kind.name, len(list(same))) for kind, same in groupby(queue)]
    return ", then ".join(f"{count} {name}" for name, count in groups) or "nobody"


def _knobs(triage: Triage) -> list[Knob]:
    least, most = LIMITS["rate"]
    classes = [
        Knob(str(n), kind.name, least, most, round(rate), "a second")
        for n, (kind, rate) in enumerate(zip(triage.kinds, triage.rates, strict=True))
    ]
    return [*classes, Knob("workers", "workers", *LIMITS["workers"], triage.workers, "")]


def _text(facts: Facts) -> Iterator[str]:
    state = "● going on" if facts.going else "✓ over"
    yield f"{state}   {facts.now.arrived:,} came, {facts.now.left:,} done"
    most = max(1, *(row.most for row in facts.rows))
    wide = max(len(row.kind.name) for row in facts.rows)
    for row in facts.rows:
        columns = spark([one.waiting for one in row.columns], most)
        name = f"{row.kind.shape} {row.kind.name:{wide}}  priority {row.kind.priority:g}"
        yield f"  {name}   {columns}  at most {row.most:,}"
    yield from (f"  {row.told}" for row in facts.rows)
    if facts.queue:
        yield f"  next first: {''.join(kind.shape for kind in facts.queue)}"
