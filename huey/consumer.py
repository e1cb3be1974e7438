"""Workers and scheduler, kept going."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from huey.constants import WORKER_THREAD, WORKER_TYPES
from huey.drivers import ThreadDriver, Window
from huey.exceptions import ConfigurationError
from huey.executor import MOST_DELIVERIES, Tried, one_line
from huey.storage.base import Batch, Claim
from huey.tasks import Run

if TYPE_CHECKING:
    from huey.api import Huey

logger = logging.getLogger("huey.consumer")

CLAIM_TIMEOUT = 1.0  # seconds that a worker waits for a message before it looks around
MOVE_AT_ONCE = 1000  # due messages moved to the queue in one step
FINISH_PATIENCE = 60.0  # seconds that a result is kept while the storage cannot be written
CANCEL_PATIENCE = 0.5  # seconds a cancelled task has to notice, before it is interrupted
STOP_PATIENCE = 5.0  # seconds an interrupted task has to end, before its worker is left behind

_consumer_numbers = itertools.count(1)


class Worker:
    """Takes messages off the queue and runs them, one at a time.

    :param huey: whose queue.
    :param name: what people see, like ``thread 1``.
    :param slot: what the storage calls it, unique in this process.
    """

    def __init__(self, huey: Huey, name: str, slot: str) -> None:
        self.huey = huey
        self.name = name
        self.slot = slot
        self.stopping = False
        self.most_deliveries = MOST_DELIVERIES
        self.run: Run | None = None
        self._window = Window()
        self._lock = threading.Lock()
        self._claim: Claim | None = None

    def step(self, timeout: float = CLAIM_TIMEOUT) -> bool:
        """Claim one message and see it to its end; False if there was none."""
        self.release()  # what could not be given back the last time
        claim = self.huey.storage.claim(self.slot, timeout)
        if claim is None:
            return False
        self._claim = claim
        try:
            if not self.stopping:
                self.huey.executor.receive(claim, self)
        finally:
            self.run = None
            self.release()  # what is still in hand was not finished, so somebody has to
        return True

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Call a task's function; `interrupt` reaches it meanwhile."""
        if self.stopping:
            run.cancel()
        return self._window.call(run, func)

    def interrupt(self, run: Run) -> bool:
        """Raise an exception inside a running task; False if it is over."""
        return self._window.throw(run)

    def finish(self, batch: Batch) -> None:
        """Acknowledge the message in hand and write what follows, in one step."""
        claim = self._let_go()
        if claim is None:
            return
        try:
            ours = self._finish(claim, batch)
        except BaseException:
            self._claim = claim  # in hand again, to be given back
            raise
        if not ours:
            logger.warning("worker %s: its message had been given to another one", self.name)

    def _finish(self, claim: Claim, batch: Batch) -> bool:
        """Write a batch; during an outage again and again, while the claim is kept.

        After a minute, or when the worker is told to stop, the outage's error is raised: the
        message is given back when that works again, and its task runs once more.
        """
        storage, deadline, pause = self.huey.storage, time.monotonic() + FINISH_PATIENCE, 0.0
        while True:
            try:
                return storage.finish(self.slot, claim, batch)
            except Exception as error:
                waited = time.monotonic() > deadline or self.stopping
                if waited or not storage.is_outage(error):
                    raise
                if not pause:
                    logger.warning("worker %s keeps a result: %s", self.name, one_line(error))
            pause = min(max(0.05, 2 * pause), 2.0)
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - only to spread retries

    def register(self) -> None:
        """Say in the storage that this worker has come online."""
        facts = {"name": self.name, "host": socket.gethostname(), "pid": os.getpid()}
        self.huey.storage.register(self.slot, {**facts, "started": time.time()})

    def unregister(self) -> None:
        """Say in the storage that this worker has ended."""
        self.huey.storage.unregister(self.slot)

    def release(self) -> None:
        """Give the message in hand, if any, back to the queue as the next one."""
        claim = self._let_go()
        if claim is None:
            return
        try:
            self.huey.storage.release(self.slot, claim)
        except BaseException:
            self._claim = claim  # in hand still, for another attempt
            raise

    def _let_go(self) -> Claim | None:
        with self._lock:
            claim, self._claim = self._claim, None
        return claim


class Scheduler:
    """Makes scheduled tasks due, finds dead workers, and interrupts tasks whose time is over.

    :param huey: whose schedule.
    :param interval: seconds between two turns at most.
    """

    def __init__(self, huey: Huey, interval: float = 1.0) -> None:
        self.huey = huey
        self.interval = interval
        self._lock = threading.Lock()
        self._deadlines: list[tuple[float, Callable[[], Any]]] = []
        self._next_recovery = 0.0
        self._minute = 0
        self._moments: dict[str, int] = {}  # of each task that runs `every` so often, its latest

    def step(self) -> float:
        """Do what is due now; return how many seconds there is nothing to do."""
        self._meet_deadlines()
        self._recover()
        self._run_periodic()
        self._run_every()
        while self.huey.move_due(MOVE_AT_ONCE) == MOVE_AT_ONCE:
            continue
        return self._pause()

    def wait(self, seconds: float) -> None:
        """Wait until there may be something to do, at most so many seconds."""
        self.huey.storage.wait_schedule(seconds)

    def call_after(self, seconds: float, func: Callable[[], Any]) -> None:
        """Have ``func`` called by the step after so many seconds."""
        with self._lock:
            self._deadlines.append((time.monotonic() + seconds, func))
        self.huey.storage.wake_schedule()

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = [func for when, func in self._deadlines if when <= now]
            self._deadlines = [item for item in self._deadlines if item[0] > now]
        for func in due:
            func()

    def _recover(self) -> None:
        if time.monotonic() < self._next_recovery:
            return
        self._next_recovery = time.monotonic() + 1.0
        released = self.huey.storage.recover()
        if released:
            logger.warning("back on the queue, as their worker died: %s", released)

    def _run_periodic(self) -> None:
        """Enqueue what is due in this minute, once; the first time at the start."""
        minute = int(time.time() // 60)
        if minute == self._minute or not self.huey.registry.periodic:
            return
        if 0 < self._minute < minute - 1:
            logger.warning("periodic tasks: %s minutes were missed", minute - self._minute - 1)
        self._minute = minute
        self.huey.enqueue_periodic(minute)

    def _run_every(self) -> None:
        """Enqueue what has a period of its own, once in each; the first time at the start."""
        now = time.time()
        for name, period in list(self.huey.registry.every.items()):
            moment = period.moment(now)
            if self._moments.get(name) != moment:
                self._moments[name] = moment
                self.huey.enqueue_every(name, moment)

    def _pause(self) -> float:
        now = time.time()
        periods = list(self.huey.registry.every.values())
        pauses = [self.interval, *(period.next(now) - now for period in periods)]
        due = self.huey.storage.next_due()
        if due is not None:
            pauses.append(due - time.time())
        with self._lock:
            pauses += [when - time.monotonic() for when, _ in self._deadlines]
        return max(0.0, min(pauses))


class Consumer:
    """Runs the tasks of one Huey: some workers and a scheduler.

    ``start()`` returns at once and touches no signal handlers, so it serves inside a notebook or
    a web server; ``run()`` is for a process of its own and stops on SIGINT and SIGTERM. Also a
    context manager.

    :param huey: whose tasks.
    :param workers: how many at once.
    :param worker_type: ``thread``.
    :param scheduler_interval: seconds between two looks at the schedule at most.
    """

    def __init__(
        self,
        huey: Huey,
        workers: int = 1,
        worker_type: str = WORKER_THREAD,
        scheduler_interval: float = 1.0,
    ) -> None:
        if workers < 1:
            raise ConfigurationError(f"a consumer needs at least 1 worker, not {workers}")
        if worker_type not in WORKER_TYPES:
            raise ConfigurationError(
                f"worker_type is one of {', '.join(WORKER_TYPES)}, not {worker_type!r}"
            )
        if worker_type != WORKER_THREAD:
            raise ConfigurationError(
                f"{worker_type} workers are not built yet: use worker_type='thread'"
            )
        self.huey = huey
        self.worker_type = worker_type
        self.scheduler = Scheduler(huey, scheduler_interval)
        self._make_anew(workers)

    def _make_anew(self, workers: int) -> None:
        """Make what serves once: a worker left behind by a stop must not come back with a start."""
        number = next(_consumer_numbers)
        self.workers = [
            Worker(self.huey, f"{self.worker_type} {n}", f"{number}.{n}")
            for n in range(1, workers + 1)
        ]
        self._crew, self._helpers = ThreadDriver(), ThreadDriver()
        self._stop, self._stop_helpers = threading.Event(), threading.Event()

    def __enter__(self) -> Consumer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(graceful=error is None)

    @property
    def running(self) -> bool:
        """Whether the consumer was started and not stopped."""
        return self in self.huey.consumers

    def start(self) -> None:
        """Start workers and scheduler; return at once."""
        if self.running:
            raise ConfigurationError("this consumer is running already")
        self.huey.pending_count()  # a storage that cannot be used says so here
        self._make_anew(len(self.workers))
        self.huey.consumers.append(self)
        if self.huey.events.enabled:
            self._helpers.start(partial(self.huey.events.serve, self._stop_helpers), "events")
        self._helpers.start(partial(self._schedule, self._stop_helpers), "scheduler")
        for worker in self.workers:
            self._crew.start(partial(self._work, worker, self._stop), worker.name)
        logger.info("started with %s %s workers", len(self.workers), self.worker_type)

    def stop(self, graceful: bool = False, timeout: float | None = None) -> bool:
        """Stop; what is not finished goes back to the queue.

        :param graceful: let running tasks end first; otherwise interrupt them.
        :param timeout: seconds to let them end, None for as long as it takes.
        :returns: whether all workers have ended. One that is deep inside a C call is left behind;
            its message is back on the queue.
        """
        if not self.running:
            return True
        self._stop.set()
        ended = graceful and self._crew.join(timeout, self._wake)
        if not ended:
            for worker in self.workers:
                self._interrupt_for_stop(worker)
            ended = self._crew.join(STOP_PATIENCE, self._wake)
        self._stop_helpers.set()
        self._helpers.join(STOP_PATIENCE, self._wake)
        for worker in self.workers:
            worker.release()
        with contextlib.suppress(ValueError):  # stopped twice at the same time
            self.huey.consumers.remove(self)
        if not self.huey.consumers:
            self.huey.storage.leave()
        logger.info("stopped")
        return ended

    def cancel(self, task_id: str) -> bool:
        """Ask a task to end that a worker of this consumer is running.

        It is asked at its next report of progress and, half a second later, by an exception
        raised inside it.

        :returns: whether one of them is running it.
        """
        for worker in self.workers:
            run = worker.run
            if run is not None and run.task.id == task_id:
                run.cancel()
                self.huey.events.note("canceling", run)
                self.scheduler.call_after(CANCEL_PATIENCE, partial(worker.interrupt, run))
                return True
        return False

    def run(self) -> int:
        """Run until a signal: SIGINT lets running tasks end, SIGTERM interrupts them.

        A second signal interrupts them too. The handlers found are put back afterwards.

        :returns: the exit code for the process.
        """
        noted: queue.SimpleQueue[int] = queue.SimpleQueue()  # a handler may put into this one

        def note(number: int, frame: FrameType | None) -> None:
            noted.put(number)

        found = {number: signal.signal(number, note) for number in _STOP_SIGNALS}
        try:
            self.start()
            graceful = _next(noted) == signal.SIGINT
            self._stop.set()
            if graceful:
                logger.info("running tasks may end first; a second signal interrupts them")
            while graceful and not self._crew.join(0.2, self._wake):
                graceful = noted.empty()
            self.stop(graceful)
        finally:
            for number, handler in found.items():
                signal.signal(number, handler)
        return 0

    def _wake(self) -> None:
        self.huey.storage.wake_claims()
        self.huey.storage.wake_schedule()
        self.huey.events.wake()

    def _interrupt_for_stop(self, worker: Worker) -> None:
        worker.stopping = True
        run = worker.run
        if run is not None:
            run.cancel()
            worker.interrupt(run)

    def _work(self, worker: Worker, stop: threading.Event) -> None:
        """Step until ``stop`` is set."""
        with contextlib.suppress(Exception):  # in an outage; the steps tell of it
            worker.register()
        self.huey.hooks["on_startup"].run()
        self._repeat(worker.step, stop)
        self.huey.hooks["on_shutdown"].run()
        with contextlib.suppress(Exception):
            worker.unregister()

    def _schedule(self, stop: threading.Event) -> None:
        """Step until ``stop`` is set."""

        def step() -> None:
            self.scheduler.wait(self.scheduler.step())

        self._repeat(step, stop)

    def _repeat(self, step: Callable[[], Any], stop: threading.Event) -> None:
        """Call a step until ``stop`` is set; an error costs one turn."""
        pause = 0.1
        while not stop.is_set():
            try:
                step()
                pause = 0.1
            except (Exception, SystemExit):
                logger.exception("a step failed; going on in %.1f s", pause)
                stop.wait(pause)
                pause = min(2 * pause, 5.0)


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _next(noted: queue.SimpleQueue[int]) -> int:
    """Wait for a signal; in pieces, since on some systems a signal does not end a wait."""
    while True:
        with contextlib.suppress(queue.Empty):
            return noted.get(timeout=1.0)
