"""Consumers in processes of their own, started from a notebook to be stopped and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import huey_jupyter
from huey.alone import sleep
from huey.exceptions import ConfigurationError
from huey_jupyter.beside import Beside
from huey_jupyter.outside import Outside
from huey_jupyter.teaching.ledger import Blow, Fate, Ledger, Run
from huey_jupyter.teaching.members import (
    CAN_LIMIT,
    DIED,
    Consumer,
    Worker,
    ending,
    limits,
    session_of,
)

if TYPE_CHECKING:
    from huey.results import Result
    from huey_jupyter.teaching.outcomes import Outcomes

LOOK_EVERY: Final = 0.1  # seconds between two looks who lives
PATIENCE: Final = 30.0  # seconds until a task that is to be hit must be running
TICK: Final = 0.02
LIMIT: Final = 6  # consumers at once

_last: Consumers | None = None


def latest() -> Consumers | None:
    """Return the consumers that were started last; None before."""
    return _last


class Consumers:
    """Consumers of the notebook's queue, each a process that starts worker processes.

    They are children of the kernel and end with it, however it ends. The queue must be in a file or
    on a server, and the kernel's own workers stop. A notebook has one such crew at a time.

    :param count: how many consumers.
    :param workers: how many worker processes each.
    """

    def __init__(self, count: int = 2, *, workers: int = 1) -> None:
        if not (1 <= count <= LIMIT and 1 <= workers <= LIMIT):
            raise ValueError(f"from 1 to {LIMIT} consumers with as many workers, no other number")
        self.session = huey_jupyter.current()
        self.count = count
        self.workers = workers
        self.lock = threading.RLock()
        self.crew: list[Consumer] = []
        self.is_over = False
        self._stopping = False
        self._ledger = Ledger()
        self._full: dict[int, tuple[int, int]] = {}  # limits of workers whose disk is full
        self._cursor = self.session.huey.storage.last_event()
        self._hiring = threading.Lock()
        self._watching = Beside("huey consumers", self._watch)

    # -- for the reader -------------------------------------------------------------------------

    def start(self) -> Consumers:
        """Start as many as are missing, or about to end; the first time, show them.

        :raises ConfigurationError: if the queue is in memory, which no other process sees.
        """
        from huey_jupyter.teaching.crew import CrewView

        global _last
        if not self.session.huey.durable:
            raise ConfigurationError(
                "other processes cannot see a queue in memory: write %huey use sqlite:chaos.db"
            )
        if _last is not self and _last is not None:
            _last.stop()
        is_new, _last = not self._watching.running, self
        self.is_over = False
        self.session.workers.stop()
        self._hire(self.count - sum(not one.asked for one in self.alive))
        if is_new:
            self._watching = Beside("huey consumers", self._watch)
            self._watching.start()
            view = CrewView(self)
            self.session.displays.show_view(view, key=view.key, listener=view.hear)
        return self

    def add(self) -> None:
        """Start one more consumer."""
        if not self.is_over and len(self.alive) < LIMIT:
            self._hire(1)

    def interrupt(self, whom: Result[Any] | int) -> None:
        """Send SIGINT to a consumer: it begins nothing more and ends when its tasks have.

        :param whom: its number, or a task: whoever runs that, as soon as somebody does; nobody if
            it is over.
        """
        self._strike("SIGINT", self._find(whom))

    def terminate(self, whom: Result[Any] | int) -> None:
        """Send SIGTERM to a consumer: it interrupts its tasks, gives them back and ends.

        :param whom: as for `interrupt`.
        """
        self._strike("SIGTERM", self._find(whom))

    def kill_worker(self, whom: Result[Any] | int) -> None:
        """Send SIGKILL to a worker process, which can do nothing about it.

        :param whom: as for `interrupt`; of a consumer, its first worker.
        """
        self._strike("SIGKILL", self._find(whom), alone=True)

    def kill(self, whom: Result[Any] | int) -> None:
        """Send SIGKILL to a consumer and all that it has started, as a loss of power would.

        :param whom: as for `interrupt`.
        """
        self._strike("SIGKILL", self._find(whom))

    def kill_process(self, pid: int) -> None:
        """Send SIGKILL to one of the worker processes, by its id; to no other."""
        for one in self.alive:
            if pid in one.workers:
                self._strike("SIGKILL", (one, one.workers[pid]), alone=True)

    def fill_disk(self, whom: Result[Any] | int) -> bool:
        """Have the system refuse every write to a file of a worker process, as a full disk does.

        By its limit on the size of files (``RLIMIT_FSIZE``), which needs no privilege.

        :param whom: as for `interrupt`.
        :returns: whether that was possible: not where a process has no say in another's limits, as
            on macOS, and not if the task is over.
        """
        found = self._find(whom) if CAN_LIMIT else None
        if found is None:
            return False
        worker = found[1] or found[0].alive[0]
        self._full[worker.pid] = before = limits(worker.pid)
        limits(worker.pid, (0, before[1]))
        return True

    def empty_disk(self) -> None:
        """Let the worker processes write again."""
        while self._full:
            pid, before = self._full.popitem()
            with contextlib.suppress(ProcessLookupError):
                limits(pid, before)

    def story(self, result: Result[Any]) -> str:
        """Return what became of a task, a line for each thing that happened."""
        with self.lock:
            self.catch_up()
            runs = self._ledger.of(result.id)
            told = [line for run in runs for line in _told(run, self._ledger.blows)]
        begin = runs[0].start if runs else 0.0
        told.sort(key=lambda line: line[0])
        return "\n".join(f"{at - begin:5.1f} s  {what}" for at, what in told)

    def outcomes(self, predicted: Mapping[str, object] | None = None) -> Outcomes:
        """Return a table of what came of each signal that hit a task.

        :param predicted: what you have expected, to stand beside it.
        """
        from huey_jupyter.teaching.outcomes import Outcomes

        return Outcomes(self, predicted or {})

    @property
    def ledger(self) -> Ledger:
        """What was begun, finished and cut off until now."""
        with self.lock:
            self.catch_up()
            return self._ledger

    @property
    def alive(self) -> list[Consumer]:
        """The consumers that live."""
        with self.lock:
            self._look()
            return [one for one in self.crew if one.died is None]

    def stop(self) -> None:
        """Stop all; what runs goes back to the queue."""
        self.empty_disk()
        with self._hiring:
            with self.lock:
                alive, self._stopping = self.alive, True
            _at_once(lambda one: one.outside.stop(), alive)
            with self.lock:
                self._look()
                self._stopping = False
                self.catch_up()
                self.is_over = True
        self._watching.stop(patience=0)
        self.session.displays.settle()

    def catch_up(self) -> None:
        """Fold what has happened since."""
        with self.lock:
            for cursor, event in self.session.huey.events.read(self._cursor):
                self._cursor = cursor
                self._ledger.fold(event)

    # -- within ---------------------------------------------------------------------------------

    def _hire(self, count: int) -> None:
        """Start so many, all at the same time."""
        with self._hiring:
            fresh = [Outside(self.session.huey, self.workers) for _ in range(count)]
            try:
                _at_once(Outside.start, fresh)
            except BaseException:
                _at_once(Outside.stop, fresh)
                raise
            with self.lock:
                for outside in fresh:
                    number = len(self.crew) + 1
                    consumer = Consumer(number, outside, outside.pid or 0, time.time())
                    self.crew.append(consumer)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not all(one.workers for one in self.alive):
            sleep(TICK, "look at the figure")

    def _find(self, whom: Result[Any] | int) -> tuple[Consumer, Worker | None] | None:
        """Return a living consumer, and the worker that runs the task if one was named.

        None if the task is over.

        :raises LookupError: if there is no such consumer, or nobody begins the task.
        """
        if isinstance(whom, int):
            for one in self.alive:
                if one.number == whom:
                    return one, next(iter(one.alive), None)
            numbers = ", ".join(str(one.number) for one in self.alive) or "none"
            raise LookupError(f"no consumer {whom} is alive: there is {numbers}")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ledger = self.ledger
            for one in self.alive:
                for worker in one.alive:
                    if any(run.task == whom.id for run in ledger.going([worker.pid])):
                        return one, worker
            if ledger.tasks.get(whom.id):
                return None
            sleep(TICK, "await the task")
        raise LookupError("nobody runs the task: is there a consumer left? crew.start()")

    def _strike(
        self, name: str, found: tuple[Consumer, Worker | None] | None, alone: bool = False
    ) -> None:
        """Send a signal to a consumer or, ``alone``, to its worker, if there is one."""
        consumer, worker = found or (None, None)
        if consumer is None or (alone and (worker is None or worker.died is not None)):
            return
        number = signal.Signals[name]
        with self.lock, contextlib.suppress(ProcessLookupError):
            if alone and worker is not None:
                self._note(name, consumer, "worker", worker.pid, [worker])
                worker.how = f"killed by {name}"
                os.kill(worker.pid, number)
                return
            self._note(name, consumer, "consumer", consumer.pid, consumer.alive)
            consumer.asked = name
            kill = os.killpg if name == "SIGKILL" else os.kill
            kill(consumer.pid, number)

    def _note(
        self, name: str, consumer: Consumer, target: str, pid: int, hit: Iterable[Worker]
    ) -> None:
        pids = frozenset(one.pid for one in hit)
        self._ledger.strike(Blow(time.time(), name, target, consumer.number, pid, pids))

    def _look(self) -> None:
        """See who has come and who is gone."""
        now = time.time()
        with self.lock:
            living = self._living()
            for one in self.crew:
                if one.died is not None:
                    continue
                for pid in living:
                    if pid not in one.workers and session_of(pid) == one.pid:
                        one.workers[pid] = Worker(pid, now)
                gone = not one.outside.running
                for worker in one.alive:
                    if gone or worker.pid not in living:
                        self._bury(one, worker, now)
                if gone:
                    one.died, one.how = now, ending(one.asked)
                    if not self._stopping:
                        one.outside.stop()  # lets go of what belonged to it

    def _living(self) -> set[int]:
        """Return the processes of all workers that the queue takes for alive."""
        storage = self.session.huey.storage
        try:
            return {int(facts.get("pid", 0)) for _, facts in storage.workers()}
        except Exception as error:
            if not storage.is_outage(error):
                raise
            return {worker.pid for one in self.crew for worker in one.alive}

    def _bury(self, consumer: Consumer, worker: Worker, now: float) -> None:
        self.catch_up()  # what it has told before
        fates = [run.fate for run in self._ledger.runs if run.pid == worker.pid]
        if not (worker.how or consumer.asked) and fates[-1:] in ([Fate.going], [Fate.cut_off]):
            worker.how = DIED
        worker.died, worker.how = now, worker.how or ending(consumer.asked)
        self._ledger.bury(worker.pid, now)

    async def _watch(self) -> None:
        """Look until `stop`, or until the session is not the notebook's any more."""
        while not self._watching.stopping:
            if huey_jupyter._current is not self.session:
                for one in self.crew:
                    one.outside.stop()
                self.is_over = True
                return
            with self.lock, contextlib.suppress(OSError):
                self._look()
                self.catch_up()
            await self._watching.rest(LOOK_EVERY)

    def __repr__(self) -> str:
        return f"<Consumers: {len(self.alive)} alive>"


def _told(run: Run, blows: Iterable[Blow]) -> Iterable[tuple[float, str]]:
    """Yield what happened in a run, with the time of each."""
    yield run.start, f"begun in process {run.pid}"
    for blow in blows:
        if run.pid in blow.pids and run.start <= blow.at <= (run.end or blow.at):
            whom = f"process {blow.pid}" if blow.target == "worker" else f"consumer {blow.number}"
            yield blow.at, f"{blow.signal} to {whom}"
    if run.end is not None:
        yield run.end, f"{run.fate.shape} {run.fate}"


def _at_once(do: Any, to: Iterable[Any]) -> None:
    """Do something to each at the same time, and wait until it is done."""
    with ThreadPoolExecutor(LIMIT) as pool:
        for _ in pool.map(do, to):
            pass
