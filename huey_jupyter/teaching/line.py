"""A line of tasks that arrive at random at the real queue, and what is measured of it."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import huey_jupyter
from huey.alone import sleep
from huey_jupyter.beside import Beside
from huey_jupyter.teaching.flow import Flow, Little
from huey_jupyter.teaching.labour import speed

if TYPE_CHECKING:
    from huey.tasks import Task, TaskWrapper
    from huey_jupyter.teaching.picture import Picture

COUNT_EVERY: Final = 0.01  # seconds between two looks at the queue
TICK: Final = 0.05
FASTEST: Final = 2.0  # so many times shorter at most: of fewer arrivals nothing can be told
LIMITS: Final = {"rate": (1, 100), "service": (5, 500), "workers": (1, 8)}
SPREADS: Final = ("exponential", "constant")


class Line:
    """Hands tasks over at random moments, at so many a second on average.

    Everything may be changed while it goes on.

    :param task: a task function that takes the seconds it has to work.
    :param rate: arrivals a second.
    :param service: mean seconds of work.
    :param seconds: how long tasks arrive. Lessons that run faster (``HUEY_TUTORIAL_SPEED``) have so
        many times fewer arrivals; rate and service stay as they are.
    :param workers: have so many workers; by default as many as there are.
    :param spread: ``exponential``, where most jobs are short and a few are long, or ``constant``.
    :param seed: makes the same arrivals and jobs again.
    """

    def __init__(
        self,
        task: TaskWrapper[..., Any],
        rate: float,
        service: float,
        *,
        seconds: float = 10.0,
        workers: int | None = None,
        spread: str = "exponential",
        seed: int | None = None,
    ) -> None:
        if spread not in SPREADS:
            raise ValueError(f"spread is {' or '.join(SPREADS)}, not {spread!r}")
        self.session = huey_jupyter.current()
        self.task = task
        self.rate = rate
        self.service = service
        self.spread = spread
        self.workers = workers or self.session.workers.count
        self.seconds = seconds / min(speed(), FASTEST)
        self.flow = Flow(time.time())
        self.lock = threading.RLock()
        self._random = random.Random(seed)  # noqa: S311 - no secret depends on it
        self._mine: set[str] = set()
        self._cursor = self.session.huey.storage.last_event()
        self.is_started = False
        self._enough = threading.Event()
        self._over = threading.Event()
        self._arriving = Beside("huey line arrivals", self._arrive)
        self._counting = Beside("huey line count", self._count)

    # -- for the reader -------------------------------------------------------------------------

    def start(self) -> Line:
        """Let tasks arrive from now on, and show the chart.

        A line that is still open in this queue is closed first, and its last task awaited: what is
        counted at the queue would be of both.
        """
        global _latest
        self.change("workers", self.workers)
        if _latest is not None and _latest is not self:
            _latest._make_room(self)
        _latest = self
        self.is_started = True
        view = self._view()
        self.session.displays.show_view(view, key=view.key, listener=view.hear)
        with self.lock:
            self._begin(time.time())  # not before: to draw for the first time takes a while
        self._arriving.start()
        self._counting.start()
        return self

    def stop(self) -> None:
        """Let no more tasks arrive."""
        self._enough.set()
        self._arriving.stop(patience=0)

    def wait(self) -> Little:
        """Wait until the last task has left; return what was measured, as `little` does.

        :raises RuntimeError: if it was not started.
        """
        if not self.is_started:
            raise RuntimeError("nothing arrives at a line before its start()")
        while not self.is_over:
            sleep(TICK, "look at the chart, which goes on by itself")
        self.session.displays.settle()
        return self.little()

    @property
    def is_over(self) -> bool:
        """Whether no more tasks arrive and the last one has left."""
        return self._over.is_set()

    def little(self) -> Little:
        """Return Little's law as measured until now."""
        with self.lock:
            self.catch_up()
            return self.flow.little(self.until)

    @property
    def until(self) -> float:
        """The present, or when the last task left."""
        return self.flow.last if self.is_over else time.time()

    def catch_up(self) -> None:
        """Fold what has happened since."""
        with self.lock:
            for cursor, event in self.session.huey.events.read(self._cursor):
                self._cursor = cursor
                if event["task"] in self._mine:
                    self._fold(event)

    def change(self, what: str, value: float) -> None:
        """Change the rate (a second), the service (ms) or the number of workers."""
        least, most = LIMITS[what]
        value = min(max(value, least), most)
        if what == "workers":
            self.workers = int(value)
            self.session.workers.set_count(self.workers)
        elif what == "service":
            self.service = value / 1000
        else:
            self.rate = value

    # -- what another kind of line has differently ----------------------------------------------

    def _view(self) -> Picture[Any]:
        """Return what shows it."""
        from huey_jupyter.teaching.chart import LineView

        return LineView(self)

    def _begin(self, now: float) -> None:
        """Have all that is measured begin."""
        self.flow.begin = now

    def _make(self, seconds: float) -> Task[Any]:
        """Return the next task, which works for so long."""
        return self.task.s(seconds)

    def _fold(self, event: dict[str, Any]) -> None:
        """Take in one event of a task of ours."""
        self.flow.fold(event)

    def _make_room(self, other: Line) -> None:
        """Close before another line begins, if both are in one queue."""
        if self.is_over or self.session is not other.session:
            return
        self.stop()
        storage = self.session.huey.storage
        heads = storage.queue_size() + storage.inflight()
        print(f"The line before this one is closed first; {heads} are still in it.")
        # Whoever empties the queue has tasks vanish: that line is never over, and in nobody's way.
        while not self.is_over and storage.queue_size() + storage.inflight():
            sleep(TICK, "wait until its chart says that it is over, and run this cell again")

    # -- beside the cells -----------------------------------------------------------------------

    async def _arrive(self) -> None:
        """Hand tasks over until the time is up or `stop`."""
        due = self.flow.begin
        while True:
            due += self._random.expovariate(self.rate)
            if due > self.flow.begin + self.seconds:
                self._enough.set()
                return
            await self._arriving.rest(max(0.0, due - time.time()))
            if self._enough.is_set():
                return
            one = self._random.expovariate if self.spread == "exponential" else _mean
            task = self._make(one(1 / self.service))
            self._mine.add(task.id)
            self.session.huey.enqueue(task)

    async def _count(self) -> None:
        """Count heads in the queue until the last task has left."""
        storage, last_fold, before = self.session.huey.storage, 0.0, self.flow.begin
        while True:
            now = time.time()
            heads = storage.queue_size() + storage.inflight()
            # An empty queue may be the end, and what is counted after that is no part of it.
            if not heads or now - last_fold > TICK:
                self.catch_up()
                last_fold = now
                with self.lock:
                    gone = all(one.left for one in self.flow.visits.values())
                    if self._enough.is_set() and gone and len(self.flow.visits) == len(self._mine):
                        self._over.set()
                        return
            with self.lock:
                self.flow.count(heads, now - before)
            before = now
            await self._counting.rest(COUNT_EVERY)

    def __repr__(self) -> str:
        return f"<Line: {self.rate:g} a second, {1000 * self.service:g} ms each>"


_latest: Line | None = None  # that was started


def _mean(rate: float) -> float:
    return 1 / rate
