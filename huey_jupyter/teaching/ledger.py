"""What was begun, what was finished and what was cut off, as data: the fold of a queue's events.

Times are epoch seconds. Nothing here knows a kernel, a clock or a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from huey_jupyter.views.words import duration, plural


class Fate(StrEnum):
    """How a run ended, in a word; each with a shape of its own."""

    going = "under way"
    done = "finished"
    failed = "failed"
    put_back = "put back"
    cut_off = "cut off"

    __hash__ = str.__hash__

    @property
    def shape(self) -> str:
        return dict(zip(Fate, "●✓✗↩☠", strict=True))[self]


LOST: Final = "lost"  # what became of a task that will never be run again


ENDS: Final = {
    "complete": Fate.done,
    "interrupted": Fate.put_back,
    **dict.fromkeys(("error", "timeout", "canceled", "locked", "rate_limited"), Fate.failed),
}
OVER: Final = frozenset({"complete", "canceled", "revoked", "expired", "lost"})


@dataclass(eq=False)
class Run:
    """One task in the hands of one worker, once.

    :param pid: the process that ran it.
    """

    task: str
    pid: int
    worker: str
    start: float
    end: float | None = None
    fate: Fate = Fate.going


@dataclass(eq=False)
class Blow:
    """A signal that somebody sent.

    :param target: ``worker`` for one worker process, ``consumer`` for the whole.
    :param number: which consumer.
    :param pids: the worker processes that it was meant for, or that belong to whom it was.
    """

    at: float
    signal: str
    target: str
    number: int
    pid: int
    pids: frozenset[int]


class Counts(NamedTuple):
    """The ledger's sums. Of the runs: ``begun`` is the sum of the next four.

    :param handed_over: tasks.
    :param under_way: runs that have not ended.
    :param finished: runs that came to their own end, well or not.
    :param put_back: runs that a worker which was told to stop gave back to the queue.
    :param cut_off: runs whose process died.
    :param waiting: tasks that nobody runs just now and that are not over.
    :param lost: tasks that will never be run again and have not finished.
    """

    handed_over: int
    begun: int
    under_way: int
    finished: int
    put_back: int
    cut_off: int
    waiting: int
    lost: int

    @property
    def over(self) -> int:
        """Tasks that have ended and are not lost."""
        return self.handed_over - self.waiting - self.under_way - self.lost

    def __str__(self) -> str:
        return (
            f"{plural(self.handed_over, 'task')} handed over. {plural(self.begun, 'run')} begun: "
            f"{self.finished} finished, {self.put_back} put back, {self.cut_off} cut off, "
            f"{self.under_way} under way. {plural(self.lost, 'task')} lost."
        )


class Outcome(NamedTuple):
    """What a blow did to a run.

    :param run: the one that was hit, None if the worker had nothing in hand.
    :param then: the run of the same task after it, if there was one.
    """

    blow: Blow
    run: Run | None = None
    then: Run | None = None
    lost: bool = False

    @property
    def key(self) -> str:
        """The signal and, for SIGKILL, to whom: what somebody predicts about."""
        blow = self.blow
        return f"{blow.signal} {blow.target}" if blow.signal == "SIGKILL" else blow.signal

    @property
    def word(self) -> str:
        """What became of it, in a word; empty while nothing has."""
        if self.run is None or self.run.end is None:
            return ""
        return LOST if self.lost else str(self.run.fate)

    def __str__(self) -> str:
        if self.run is None:
            return "nothing was running"
        if self.run.end is None:
            return "still under way"
        if self.run.fate in (Fate.done, Fate.failed):
            return f"finished {duration(self.run.end - self.blow.at)} later, as if nothing was"
        if self.lost:
            return f"{self.run.fate}, lost, and its caller is told"
        if self.then is None:
            return f"{self.run.fate}, and waits for a worker"
        pause = duration(max(0.0, self.then.start - self.blow.at))
        end = "" if self.then.fate is Fate.going else f", {self.then.fate}"
        return f"{self.run.fate}, began again {pause} later in process {self.then.pid}{end}"


@dataclass
class Ledger:
    """Every run that was begun, every blow, and which tasks are over."""

    runs: list[Run] = field(default_factory=list)
    blows: list[Blow] = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)  # id, and how it is over; empty: it is not
    _open: dict[str, Run] = field(default_factory=dict)

    def fold(self, event: Mapping[str, Any]) -> None:
        """Take in one event of a task."""
        kind, at, task = event["kind"], event["at"], event["task"]
        if kind in ("enqueued", "executing", "scheduled"):
            self.tasks[task] = ""
        if kind == "executing":
            self._close(task, Fate.cut_off, at)  # it would not begin again if it had ended
            run = Run(task, int(event.get("pid") or 0), str(event.get("worker", "")), at)
            self.runs.append(run)
            self._open[task] = run
        elif kind in ENDS:
            self._close(task, ENDS[kind], at)
        elif kind == "lost":
            self._close(task, Fate.cut_off, at)
        if kind in OVER or (kind in ("error", "timeout") and not event.get("again")):
            self.tasks[task] = kind

    def bury(self, pid: int, at: float) -> None:
        """Take note that a process has died."""
        for run in [one for one in self._open.values() if one.pid == pid]:
            self._close(run.task, Fate.cut_off, at)

    def strike(self, blow: Blow) -> None:
        """Take note of a signal."""
        self.blows.append(blow)

    @property
    def counts(self) -> Counts:
        fates = [run.fate for run in self.runs]
        going = fates.count(Fate.going)
        over = [how for how in self.tasks.values() if how]
        return Counts(
            handed_over=len(self.tasks),
            begun=len(self.runs),
            under_way=going,
            finished=fates.count(Fate.done) + fates.count(Fate.failed),
            put_back=fates.count(Fate.put_back),
            cut_off=fates.count(Fate.cut_off),
            waiting=max(0, len(self.tasks) - len(over) - going),
            lost=over.count("lost"),
        )

    def of(self, task: str) -> list[Run]:
        """Return a task's runs, the first first."""
        return [run for run in self.runs if run.task == task]

    def going(self, pids: Iterable[int]) -> list[Run]:
        """Return what these processes run now."""
        wanted = set(pids)
        return [run for run in self._open.values() if run.pid in wanted]

    def outcomes(self) -> list[Outcome]:
        """Return what each blow did, one for each run that it hit."""
        return [outcome for blow in self.blows for outcome in self._outcomes(blow)]

    def _outcomes(self, blow: Blow) -> list[Outcome]:
        hit = [run for run in self.runs if run.pid in blow.pids and _was_going(run, blow.at)]
        return [self._outcome(blow, run) for run in hit] or [Outcome(blow)]

    def _outcome(self, blow: Blow, run: Run) -> Outcome:
        runs = self.of(run.task)
        behind = runs[runs.index(run) + 1 :]
        lost = not behind and self.tasks.get(run.task) == "lost"
        return Outcome(blow, run, behind[0] if behind else None, lost)

    def _close(self, task: str, fate: Fate, at: float) -> None:
        run = self._open.pop(task, None)
        if run is None:
            return
        if fate is Fate.cut_off:  # noticed later than it was
            kills = [b.at for b in self.blows if run.pid in b.pids and b.signal == "SIGKILL"]
            at = min([at, *(one for one in kills if one >= run.start)])
        run.end, run.fate = max(at, run.start), fate


def _was_going(run: Run, at: float) -> bool:
    return run.start <= at and (run.end is None or run.end >= at)
