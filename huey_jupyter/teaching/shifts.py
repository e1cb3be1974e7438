"""Who has run a batch of tasks, and how fast: a chart, a sentence, a table, plain text."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from huey.utils import make_id
from huey_jupyter.teaching.machines import Done, joined, left, runs
from huey_jupyter.views.render import render

if TYPE_CHECKING:
    from huey_jupyter.teaching.machines import Machines

STEP: Final = 0.5  # seconds of a column, about
COLUMNS: Final = 24  # at most
TALL: Final = 38  # pixels of the highest column
SHORTEST: Final = 0.3  # seconds; a stretch that is shorter tells nothing of speed
TELL_EVERY: Final = 2.0  # seconds; whoever listens to the text is not told more often
SPARKS: Final = " ▁▂▃▄▅▆▇█"
ALL: Final = "together"


class Shift(NamedTuple):
    """What a machine was there for: from when till when, in epoch seconds, and what it has run.

    :param till: None while it is there.
    """

    name: str
    since: float
    till: float | None
    done: Sequence[Done]


class Stretch(NamedTuple):
    """A time during which the same machines were there."""

    names: tuple[str, ...]
    seconds: float
    tasks: int

    @property
    def pace(self) -> float:
        """Tasks a second."""
        return self.tasks / self.seconds

    @property
    def who(self) -> str:
        return " and ".join(self.names)


class Row(NamedTuple):
    """One line of the chart: how many were done in each column, as its key says."""

    name: str
    counts: tuple[int, ...]
    note: str


class Facts(NamedTuple):
    """A batch at one moment, all that its chart says.

    :param step: seconds of a column.
    """

    rows: list[Row]
    step: float
    seconds: float
    stretches: list[Stretch]
    tasks: int
    done: int

    @classmethod
    def of(cls, shifts: Sequence[Shift], tasks: int, now: float) -> Facts:
        """Return them; `shifts` have no other tasks than those of the batch."""
        all_done = [one for shift in shifts for one in shift.done]
        begin = min((one.start for one in all_done), default=now)
        going = len(all_done) < tasks
        end = now if going or not all_done else max(one.end for one in all_done)
        seconds = max(end - begin, STEP)
        columns = min(COLUMNS, round(seconds / STEP))
        step = seconds / columns  # so that the last one is no shorter than the others
        there = [one for one in shifts if one.since < end and (one.till or end) > begin]
        rows = [_row(one, begin, step, columns) for one in there]
        together = [sum(each) for each in zip(*(row.counts for row in rows), strict=True)]
        if len(rows) > 1:
            rows.append(Row(ALL, tuple(together), f"{len(all_done)} done"))
        stretches = list(_stretches(there, begin, end))
        return cls(rows, step, seconds, stretches, tasks, len(all_done))

    @property
    def going(self) -> bool:
        return self.done < self.tasks


def sentence(facts: Facts) -> str:
    """Return what the chart shows, in words."""
    if not facts.done:
        return f"{facts.tasks} tasks wait; no machine has done one yet."
    paces = "; ".join(f"{one.who}: {one.pace:.1f} tasks a second" for one in facts.stretches)
    done = f"{facts.done} of {facts.tasks} tasks done in {facts.seconds:.1f} s"
    return f"{done}. {paces[:1].upper()}{paces[1:]}." if paces else f"{done}."


class ShiftView:
    """A batch as it is shown.

    :param machines: who runs it.
    :param ids: of its tasks.
    """

    gone = False

    def __init__(self, machines: Machines, ids: Collection[str]) -> None:
        self.machines = machines
        self.ids = frozenset(ids)
        self.key = f"shifts {make_id()}"
        self._told = ""
        self._told_at = 0.0
        self._last: Facts | None = None

    @property
    def terminal(self) -> bool:
        return not self._facts().going

    def html(self, *, live: bool) -> str:
        facts = self._facts()
        shown = {"facts": facts, "told": self._tell(facts), "columns": _columns(facts)}
        return render("shifts.html.j2", live, now=time.time(), **shown)

    def text(self) -> str:
        return "\n".join(_text(self._facts()))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _facts(self) -> Facts:
        """Return them; once the batch is over they stay as they are."""
        if self._last is None or self._last.going:
            shifts = [shift for shift in map(self._shift, [*self.machines.all]) if shift]
            self._last = Facts.of(shifts, len(self.ids), time.time())
        return self._last

    def _shift(self, name: str) -> Shift | None:
        log = self.machines.read_log(name)
        since = joined(log)
        done = [one for one in runs(log) if one.task in self.ids]
        return None if since is None else Shift(name, since, left(log), done)

    def _tell(self, facts: Facts) -> str:
        """Return the sentence about it, a new one every two seconds at most."""
        now = time.monotonic()
        if not self._told or not facts.going or now - self._told_at >= TELL_EVERY:
            self._told, self._told_at = sentence(facts), now
        return self._told


def _row(shift: Shift, begin: float, step: float, columns: int) -> Row:
    counts = [0] * columns
    for one in shift.done:
        counts[min(int((one.end - begin) / step), columns - 1)] += 1
    done = len(shift.done)
    note = f"{done} from {shift.since - begin:.1f} s on" if shift.since > begin else f"{done} done"
    return Row(shift.name, tuple(counts), note)


def _stretches(shifts: Sequence[Shift], begin: float, end: float) -> Iterator[Stretch]:
    """Yield the stretches between two changes of who is there."""
    changes = {begin, end, *(one.since for one in shifts), *(one.till or end for one in shifts)}
    times = sorted(at for at in changes if begin <= at <= end)
    for since, till in pairwise(times):
        names = tuple(
            one.name for one in shifts if one.since <= since and (one.till or end) >= till
        )
        if names and till - since >= SHORTEST:
            done = sum(since < one.end <= till for shift in shifts for one in shift.done)
            yield Stretch(names, till - since, done)


def _columns(facts: Facts) -> Mapping[str, list[tuple[int, str]]]:
    """Return height and title of each column, by row; all rows have one scale."""
    most = max((count for row in facts.rows for count in row.counts), default=0) or 1
    return {
        row.name: [
            (round(TALL * count / most), f"{count} done from {n * facts.step:.1f} s on")
            for n, count in enumerate(row.counts)
        ]
        for row in facts.rows
    }


def _text(facts: Facts) -> Iterator[str]:
    yield f"{'● going on' if facts.going else '✓ over'}   {sentence(facts)}"
    most = max((count for row in facts.rows for count in row.counts), default=0) or 1
    for row in facts.rows:
        spark = "".join(SPARKS[-(-count * 8 // most)] for count in row.counts)
        yield f"  {row.name:10} {spark}  {row.note}"
