"""Consumer processes as a figure: a lane for each worker, the ledger, what each signal did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from huey.utils import make_id
from huey_jupyter.teaching.ledger import LOST, Fate, Ledger, Run
from huey_jupyter.teaching.outcomes import TITLES, WIDTHS, row
from huey_jupyter.views import words
from huey_jupyter.views.offers import CONSUMER_OFFERS, CREW_OFFERS, WORKER_OFFERS
from huey_jupyter.views.render import render

if TYPE_CHECKING:
    from huey_jupyter.teaching.consumers import Consumers
    from huey_jupyter.teaching.members import Consumer, Worker

SPAN: Final = 24.0  # seconds that a lane shows
TELL_EVERY: Final = 2.0  # seconds; whoever listens to the text is not told more often
ROOM: Final = 6.0  # percent of a lane from which a stretch says what it is
LEAST: Final = 1.0  # percent of a lane: what is shorter is drawn so long
MARK: Final = 4.5  # percent that the mark of a death takes
KILLED: Final = "☠"
ENDED: Final = "◼"
TONES: Final = {
    Fate.going: "run",
    Fate.done: "good",
    Fate.failed: "bad",
    Fate.put_back: "wait",
    Fate.cut_off: "bad",
}


class Stretch(NamedTuple):
    """A run on a lane, or the mark of a death; `gap` before it and `width` are in percent."""

    key: str
    gap: float
    width: float
    tone: str
    text: str
    title: str


class Lane(NamedTuple):
    """A worker process as it is drawn; `now` says what it is at, `told` the lane in words."""

    pid: int
    stretches: list[Stretch]
    now: str
    tone: str
    told: str
    offers: tuple[tuple[str, str], ...]


class Group(NamedTuple):
    """A consumer and its lanes."""

    number: int
    pid: int
    tone: str
    shape: str
    word: str
    lanes: list[Lane]
    offers: tuple[tuple[str, str], ...]


class Sum(NamedTuple):
    """A line of the ledger, as a bar."""

    word: str
    shape: str
    number: int
    width: float
    fill: str


class CrewView:
    """Consumers as they are shown.

    :param crew: whose.
    """

    gone = False

    def __init__(self, crew: Consumers) -> None:
        self.crew = crew
        self.key = f"consumers {make_id()}"
        self._told = ""
        self._told_at = 0.0

    @property
    def terminal(self) -> bool:
        return self.crew.is_over

    def hear(self, verb: str, what: str) -> None:
        """Do what a button asks for; what it names is one of ours, or nothing happens."""
        crew = self.crew
        if verb == "add_consumer":
            crew.add()
            return
        deeds = {"sigint": crew.interrupt, "sigterm": crew.terminate, "sigkill": crew.kill}
        for consumer in crew.alive:
            if verb in deeds and what == str(consumer.pid):
                deeds[verb](consumer.number)
            for worker in consumer.alive:
                if verb == "sigkill_worker" and what == str(worker.pid):
                    crew.kill_process(worker.pid)

    def html(self, *, live: bool) -> str:
        with self.crew.lock:
            if not self.terminal:
                self.crew.catch_up()
            return render("consumers.html.j2", live, now=time.time(), **self._shown(live))

    def text(self) -> str:
        with self.crew.lock:
            return "\n".join(self._text())

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _shown(self, live: bool) -> dict[str, Any]:
        ledger = self.crew._ledger
        return {
            "key": self.key,
            "going": not self.terminal,
            "state": state(self.crew),
            "told": self._tell(),
            "groups": list(self._groups(live)),
            "sums": sums(ledger),
            "titles": zip(TITLES, WIDTHS, strict=True),
            "rows": [row(outcome, self._title) for outcome in ledger.outcomes()],
            "offers": CREW_OFFERS if live and not self.terminal else (),
            "span": SPAN,
        }

    def _title(self, task: str) -> str:
        return title_of(self.crew, task)

    def _tell(self) -> str:
        """Return the sums in words, new ones every two seconds at most."""
        now = time.monotonic()
        if not self._told or self.terminal or now - self._told_at >= TELL_EVERY:
            self._told, self._told_at = str(self.crew._ledger.counts), now
        return self._told

    # -- lanes ----------------------------------------------------------------------------------

    def _now(self) -> float:
        """Return the end of the lanes: the present or, when it is over, the last that happened."""
        if not self.terminal:
            return time.time()
        ends = [run.end or run.start for run in self.crew._ledger.runs]
        ends += [one.died for one in self.crew.crew if one.died is not None]
        return max(ends, default=time.time())

    def _groups(self, live: bool) -> Iterator[Group]:
        now = self._now()
        for one in self.crew.crew:
            if one.died is not None and one.died < now - SPAN:
                continue
            lanes = [
                self._lane(worker, now, live)
                for worker in one.workers.values()
                if worker.died is None or worker.died >= now - SPAN
            ]
            tone, shape, word = health(one)
            offers = CONSUMER_OFFERS if live and one.died is None else ()
            yield Group(one.number, one.pid, tone, shape, word, lanes, offers)

    def _lane(self, worker: Worker, now: float, live: bool) -> Lane:
        runs = [run for run in self.crew._ledger.runs if run.pid == worker.pid]
        doing, tone = self._doing(worker, runs, now)
        over = [run for run in runs if run.end is not None]
        return Lane(
            pid=worker.pid,
            stretches=list(self._stretches(worker, runs, now)),
            now=doing,
            tone=tone,
            told=f"worker process {worker.pid}: {doing}; {words.plural(len(over), 'run')} over",
            offers=WORKER_OFFERS if live and worker.died is None else (),
        )

    def _doing(self, worker: Worker, runs: list[Run], now: float) -> tuple[str, str]:
        if worker.died is not None:
            if worker.was_killed:
                return f"{KILLED} {worker.how}", "bad"
            return f"{ENDED} {worker.how}", "idle"
        if runs and runs[-1].end is None:
            clock = words.clock(now - runs[-1].start)
            return f"{Fate.going.shape} {clock} {self._title(runs[-1].task)}", "run"
        return "idle", "idle"

    def _stretches(self, worker: Worker, runs: list[Run], now: float) -> Iterator[Stretch]:
        place = 0.0
        for run in runs:
            left = max(percent(run.start, now), place)
            right = percent(now if run.end is None else run.end, now)
            if right <= 0 or left > 100 - LEAST:
                continue
            width = max(right - left, LEAST)
            name = f"{run.fate.shape} {self._title(run.task)}"
            title = f"{name} · {run.fate}"
            text = name if width >= ROOM else ""
            key = f"{run.start:.6f}"
            yield Stretch(key, left - place, width, TONES[run.fate], text, title)
            place = left + width
        if worker.died is not None:
            left = max(min(percent(worker.died, now), 100 - MARK), place)
            tone, text = ("bad", KILLED) if worker.was_killed else ("idle", ENDED)
            if left <= 100 - MARK:
                yield Stretch("death", left - place, MARK, tone, text, worker.how)

    # -- plain text -----------------------------------------------------------------------------

    def _text(self) -> Iterator[str]:
        shape, word = state(self.crew)[1:]
        yield f"{shape} {word}   {self.crew._ledger.counts}"
        for group in self._groups(False):
            yield f"  consumer {group.number} (process {group.pid})  {group.shape} {group.word}"
            for lane in group.lanes:
                yield f"    worker {lane.pid}  {lane.now}"
        for one in self.crew._ledger.outcomes():
            yield "  " + ": ".join(filter(None, row(one, self._title)))


def state(crew: Consumers) -> tuple[str, str, str]:
    """Return colour, shape and words for the crew as a whole."""
    if crew.is_over:
        return "good", "✓", "stopped"
    alive = sum(one.died is None for one in crew.crew)
    if not alive:
        return "bad", "○", "no consumer is alive"
    return "run", "●", f"{words.plural(alive, 'consumer')} alive"


def health(consumer: Consumer) -> tuple[str, str, str]:
    """Return colour, shape and words for a consumer."""
    if consumer.died is not None:
        killed = "killed" in consumer.how
        return ("bad", KILLED, consumer.how) if killed else ("idle", ENDED, consumer.how)
    if consumer.asked:
        return "wait", "◌", f"ends, after {consumer.asked}"
    return "run", "●", "alive"


def percent(at: float, now: float) -> float:
    """Return where on a lane a time is."""
    return max(0.0, min(100.0, 100 * (1 - (now - at) / SPAN)))


def title_of(crew: Consumers, task: str) -> str:
    """Return what the card calls a task."""
    card = crew.session.board.cards.get(task)
    return task[:4] if card is None else card.title


def sums(ledger: Ledger) -> list[tuple[str, list[Sum]]]:
    """Return both sides of the ledger, runs and tasks, as bars."""
    counts = ledger.counts
    runs = [
        ("○", "begun", counts.begun, "served"),
        (Fate.done.shape, Fate.done, counts.finished, "good"),
        (Fate.put_back.shape, Fate.put_back, counts.put_back, "wait"),
        (Fate.cut_off.shape, Fate.cut_off, counts.cut_off, "bad"),
        (Fate.going.shape, Fate.going, counts.under_way, "run"),
    ]
    tasks = [
        ("○", "handed over", counts.handed_over, "served"),
        (Fate.done.shape, "over", counts.over, "good"),
        (Fate.going.shape, "under way", counts.under_way, "run"),
        ("◷", "waiting", counts.waiting, "wait"),
        ("?", LOST, counts.lost, "bad"),
    ]
    return [("Runs", _bars(runs)), ("Tasks", _bars(tasks))]


def _bars(lines: list[tuple[str, str, int, str]]) -> list[Sum]:
    most = max(lines[0][2], 1)
    return [Sum(str(word), shape, n, 50 * n / most, fill) for shape, word, n, fill in lines]
