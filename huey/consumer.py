"""Workers and scheduler, kept going."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from huey.constants import WORKER_THREAD
from huey.consumer_options import Options
from huey.coroutines import OwnLoop
from huey.drivers import make_driver
from huey.drivers.base import Driver
from huey.drivers.caller import Caller
from huey.drivers.keeper import Timekeeper
from huey.drivers.loop import Outage, repeat
from huey.drivers.window import AGAIN, Window
from huey.exceptions import ConfigurationError, StorageError, TaskTimeout
from huey.executor import MOST_DELIVERIES, Tried, one_line
from huey.storage.base import Batch, Claim, Ended, never
from huey.tasks import Run

if TYPE_CHECKING:
    from huey.api import Huey
    from huey.drivers.noted import Noted

logger = logging.getLogger("huey.consumer")

CLAIM_TIMEOUT = 10.0  # seconds that a worker waits for a message before it looks around
CALM = 5.0  # seconds between two looks whether a clock was set, where nothing else can come unseen
MOVE_AT_ONCE = 1000  # due messages moved to the queue in one step
FINISH_PATIENCE = 60.0  # seconds that a result is kept while the storage cannot be written
PAUSE = 0.05  # seconds between two looks whether a pause is over
CANCEL_PATIENCE = 0.5  # seconds a cancelled task has to notice, before it is interrupted
JUST_NOW = 0.01  # seconds for which a worker takes for true what a claim has told it
STOP_PATIENCE = 5.0  # seconds an interrupted task has to end, before its worker is left behind

_consumer_numbers = itertools.count(1)


class Worker:
    """Takes messages off the queue and runs them, one at a time.

    :param huey: whose queue.
    :param name: what people see, like ``thread 1``.
    :param slot: what the storage calls it, unique in this process.
    :param caller: calls the tasks' functions, by default in the thread that steps.
    :param keeper: calls when a task's time is over; without one, tasks have to look themselves.
    """

    def __init__(
        self,
        huey: Huey,
        name: str,
        slot: str,
        caller: Caller | None = None,
        keeper: Timekeeper | None = None,
    ) -> None:
        self.huey = huey
        self.name = name
        self.slot = slot
        self.done = 0
        self.stopping = False
        self.leaving = False  # after what it runs: there are too many of them
        self.is_paused: Callable[[], bool] = never
        self.goes_on: Callable[[], bool] = never  # says whether there is a next step, at once
        self.ended: Ended = never  # says whether there is nothing to wait for
        self.most_deliveries = MOST_DELIVERIES
        self.run: Run | None = None
        self.pid = os.getpid()
        self._caller = caller or Caller(Window(), OwnLoop())
        self._keeper = keeper
        self._lock = threading.Lock()
        self._claim: Claim | None = None
        self._following: Claim | None = None  # came with the acknowledgement of the one before
        self._known = object()  # the latest revocation here before that claim
        self.later: Coroutine[Any, Any, Any] | None = None  # the rest of a step that is awaited

    def step(self, timeout: float = CLAIM_TIMEOUT) -> bool:
        """Claim one message and see it to its end; False if there was none."""
        if self._claim is not None:
            self.release()  # what could not be given back the last time
        claim = self._take_up(timeout)
        if claim is None:
            return False
        try:
            if self._may_run():
                self.huey.executor.receive(claim, self)
        finally:
            self.run = None
            self.done += 1
            if self._claim is not None:
                self.release()  # what is still in hand was not finished, so somebody has to
        return True

    async def step_awaiting(self) -> bool:
        """Do what `step` does with no wait for a message, and await the task's end."""
        if self._claim is not None:
            self.release()
        claim = self._take_up(0)
        if claim is None:
            return False
        try:
            if self._may_run():
                self.huey.executor.receive(claim, self)
                later, self.later = self.later, None
                if later is not None:
                    await later
        finally:
            self.run = None
            self.done += 1
            if self._claim is not None:
                self.release()
        return True

    def _take_up(self, timeout: float) -> Claim | None:
        """Have the next message in hand and return it; None if there is none."""
        with self._lock:
            self._claim, self._following = self._following, None
        if self._claim is None:
            self._known = self.huey.revocations.latest
            self._claim = self.huey.storage.claim(self.slot, timeout, self.ended)
        return self._claim

    def _may_run(self) -> bool:
        """Say whether what was claimed is to be run: a word may have come while it waited."""
        return not (self.stopping or self.leaving or self.is_paused())

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Call a task's function; `interrupt` reaches it meanwhile."""
        if self.stopping:
            run.cancel()
        call_off = self._set_timer(run)
        tried = self._caller.call(run, func)
        if os.getpid() != self.pid:
            os._exit(0)  # a fork that the task made and that came back: one worker is enough
        call_off()
        return tried

    async def call_awaiting(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Do what `call` does in an event loop, which goes on while a coroutine waits."""
        if self.stopping:
            run.cancel()
        call_off = self._set_timer(run)
        try:
            return await self._caller.call_awaiting(run, func)
        finally:
            call_off()

    def interrupt(self, run: Run) -> bool:
        """Raise an exception inside a running task; False if it is over."""
        return self._caller.throw(run)

    def cancel(self, task_id: str) -> bool:
        """Ask a task to end, and interrupt it if it does not; False if it is not running here."""
        self.huey.revocations.note()  # before the look: it may be about to begin
        run = self.run
        if run is None or run.task.id != task_id:
            return False
        run.cancel()
        self.huey.events.note("canceling", run)
        if self._keeper is not None:
            self._keeper.call_after(CANCEL_PATIENCE, partial(self.interrupt, run))
        return True

    def stop(self) -> None:
        """Interrupt what runs, to go back to the queue, and run nothing more."""
        self.stopping = True
        run = self.run
        if run is not None:
            run.cancel()
            self.interrupt(run)

    def close(self) -> None:
        """Give back what the worker's thread has, from within that thread."""
        self._caller.close()

    def _set_timer(self, run: Run) -> Callable[[], None]:
        """Have a task interrupted when its time is over; return what calls that off."""
        seconds, keeper = run.task.time_remaining, self._keeper
        if seconds is None or keeper is None:
            return _nothing
        timer = keeper.call_after(seconds, partial(self._time_is_over, run, keeper))
        return partial(keeper.call_off, timer)

    def _time_is_over(self, run: Run, keeper: Timekeeper) -> None:
        """Raise `TaskTimeout` in a task, and again each second while it goes on."""
        if self._caller.throw(run, TaskTimeout):
            keeper.call_after(AGAIN, partial(self._time_is_over, run, keeper))

    def knows_absent(self, keys: Sequence[str]) -> bool:
        """Say that the message in hand was claimed just now, when these keys had no values."""
        claim = self._claim
        if claim is None or not claim.absent or time.monotonic() > claim.asked + JUST_NOW:
            return False
        nothing_since = self._known is self.huey.revocations.latest
        return nothing_since and all(key in claim.absent for key in keys)

    def finish(self, batch: Batch) -> None:
        """Acknowledge the message in hand and write what follows, in one step."""
        claim = self._let_go()
        if claim is None:
            return
        self._known = self.huey.revocations.latest
        try:
            ours, self._following = self._finish(claim, batch)
        except BaseException:
            self._claim = claim  # in hand again, to be given back
            raise
        if not ours:
            logger.warning("worker %s: its message had been given to another one", self.name)

    def _finish(self, claim: Claim, batch: Batch) -> tuple[bool, Claim | None]:
        """Write a batch; during an outage again and again, while the claim is kept.

        After a minute, or when the worker is told to stop, the outage's error is raised: the
        message is given back when that works again, and its task runs once more.
        """
        storage, deadline, pause = self.huey.storage, time.monotonic() + FINISH_PATIENCE, 0.0
        while True:
            try:
                # Somebody who is told of signals may take a while; another worker is quicker then.
                if not self.huey.signals and self.goes_on():
                    return storage.finish_and_claim(self.slot, claim, batch)
                return storage.finish(self.slot, claim, batch), None
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
        facts = {"name": self.name, "host": _host(), "pid": self.pid}
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
        with self._lock:  # there is one of them at most
            claim, self._claim, self._following = self._claim or self._following, None, None
        return claim


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket  # which takes its time, so not for its name alone

    return socket.gethostname()


def _nothing() -> None:
    """Do nothing."""


class Scheduler:
    """Makes scheduled tasks due, enqueues periodic ones, and finds dead workers.

    :param huey: whose schedule.
    :param interval: seconds between two turns at most, for what others do without a word: they
        schedule something, or die. Where there are no others it may be longer.
    :param periodic: whether to enqueue periodic tasks.
    """

    def __init__(self, huey: Huey, interval: float = 1.0, periodic: bool = True) -> None:
        self.huey = huey
        self.interval = interval
        self.periodic = periodic
        self._next_recovery = 0.0
        self._minute = 0
        self._moments: dict[str, int] = {}  # of each task that runs `every` so often, its latest

    def step(self) -> float:
        """Do what is due now; return how many seconds there is nothing to do."""
        self._recover()
        self._run_periodic()
        self._run_every()
        while self.huey.move_due(MOVE_AT_ONCE) == MOVE_AT_ONCE:
            continue
        return self._pause()

    def wait(self, seconds: float) -> None:
        """Wait until there may be something to do, at most so many seconds."""
        self.huey.storage.wait_schedule(seconds)

    def recover_soon(self) -> None:
        """Look for dead workers at once: one was seen to die."""
        self._next_recovery = 0.0
        self.huey.storage.wake_schedule()

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
        if minute == self._minute or not self.periodic or not self.huey.registry.periodic:
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
        now, storage = time.time(), self.huey.storage
        periods = list(self.huey.registry.every.values())
        longest = max(CALM, self.interval) if storage.belongs_to_process else self.interval
        pauses = [longest, *(period.next(now) - now for period in periods)]
        if self.periodic and self.huey.registry.periodic:
            pauses.append(60 - now % 60)
        due = storage.next_due()
        if due is not None:
            pauses.append(due - time.time())
        return max(0.0, min(pauses))


class Consumer:
    """Runs the tasks of one Huey: some workers and a scheduler.

    ``start()`` returns at once and touches no signal handlers, so it serves inside a notebook or
    a web server; ``run()`` is for a process of its own and stops on SIGINT and SIGTERM. Also a
    context manager.

    :param huey: whose tasks.
    :param workers: how many at once.
    :param worker_type: ``thread``, ``process``, ``greenlet`` or ``asyncio``.
    :param options: the other fields of `Options`.
    """

    def __init__(
        self, huey: Huey, workers: int = 1, worker_type: str = WORKER_THREAD, **options: Any
    ) -> None:
        self.huey = huey
        self.options = Options(workers=workers, worker_type=worker_type, **options)
        self.failure: StorageError | None = None
        self.paused = False
        self._steps = 0  # tasks that may be begun all the same
        self._steps_lock = threading.Lock()
        self._tell_failure: Callable[[StorageError], None] = self._stop_for_failure
        self._noted: Noted | None = None
        self._make_anew(here=False)

    def _make_anew(self, here: bool) -> None:
        """Make what serves once: a worker left behind by a stop must not come back with a start."""
        self._number = next(_consumer_numbers)
        self.outage = Outage()
        self.scheduler = Scheduler(
            self.huey, self.options.scheduler_interval, self.options.periodic
        )
        self.places = {n: self._make_worker(n) for n in range(self.options.workers)}
        self._driver = make_driver(self, here)

    def _make_worker(
        self, n: int, caller: Caller | None = None, keeper: Timekeeper | None = None
    ) -> Worker:
        name, slot = f"{self.worker_type} {n + 1}", f"{self._number}.{n + 1}"
        worker = Worker(self.huey, name, slot, caller, keeper)
        worker.most_deliveries = self.options.most_deliveries
        worker.is_paused = self._is_paused
        return worker

    def _is_paused(self) -> bool:
        """Say whether what was claimed must wait; a step is used up by what may run."""
        with self._steps_lock:
            if self.paused and self._steps:
                self._steps -= 1
                return False
            return self.paused

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
    def worker_type(self) -> str:
        """The kind of its workers."""
        return self.options.worker_type

    @property
    def workers(self) -> list[Worker]:
        """Its workers, those included that leave as soon as they have ended what they run."""
        return list(self.places.values())

    @property
    def running(self) -> bool:
        """Whether the consumer was started and not stopped."""
        return self in self.huey.consumers

    def start(self) -> None:
        """Start workers and scheduler; return at once."""
        self._start(here=False)

    def stop(self, graceful: bool = False, timeout: float | None = None) -> bool:
        """Stop; what is not finished goes back to the queue.

        :param graceful: let running tasks end first; otherwise interrupt them.
        :param timeout: seconds to let them end, None for the option ``shutdown_timeout``.
        :returns: whether all workers have ended. One that is deep inside a C call is left behind;
            its message is back on the queue.
        """
        if not self.running:
            return True
        self._driver.finish()
        timeout = self.options.shutdown_timeout if timeout is None else timeout
        return self._end(graceful and self._driver.join(timeout))

    def restart(self, graceful: bool = True) -> None:
        """Stop and start anew, with fresh workers."""
        self.stop(graceful)
        self.start()

    def cancel(self, task_id: str) -> bool:
        """Ask a task to end that a worker of this consumer is running.

        It is asked at its next report of progress and, half a second later, by an exception
        raised inside it.

        :returns: whether one of them is running it.
        """
        return self._driver.cancel(task_id)

    def kill(self, task_id: str) -> bool:
        """End the worker process that runs a task; another one takes its place.

        The task would run again, unless it was cancelled: then that is how it ends.

        :returns: whether a process of this consumer was running it. Threads cannot be killed.
        """
        return self._driver.kill(task_id)

    def pause(self) -> None:
        """Have no task begun any more, until `resume`; what runs goes on.

        Tasks still become due meanwhile. A consumer that is started anew is still paused.
        """
        self.paused = True
        if self.running:
            self._driver.pause()

    def resume(self) -> None:
        """Have tasks begun again."""
        self.paused = False
        self._steps = 0
        if self.running:
            self._driver.resume()

    def step(self) -> None:
        """Have one more task begun during a pause, the next one; only for workers that are threads.

        :raises ConfigurationError: if they are not.
        """
        if self.worker_type != WORKER_THREAD:
            raise ConfigurationError("only thread workers go on step by step")
        with self._steps_lock:
            self._steps += 1

    def resize(self, workers: int) -> None:
        """Have so many workers from now on; one that is too many ends what it runs first."""
        self.options = replace(self.options, workers=workers)
        if self.running:
            self._driver.resize(workers)

    def run(self, renew: Callable[[], None] | None = None) -> int:
        """Run until a signal: SIGINT lets running tasks end, SIGTERM interrupts them.

        The option ``graceful_signal`` swaps the two. A second signal interrupts them too. SIGHUP
        lets them end and starts anew. The handlers found are put back afterwards. A storage that
        cannot be reached at the start is waited for.

        :param renew: called when SIGHUP has ended the workers, to start anew in another way.
        :returns: the exit code for the process.
        """
        from huey.drivers.noted import Noted  # and sockets, which a consumer elsewhere does without

        with Noted(_signals()) as self._noted:
            if renew is not None:
                _hear_hang_ups()
            try:
                while self._run_once(self._noted):
                    if renew is not None:
                        renew()
            finally:
                self._noted = None
        return 0 if self.failure is None else 1

    # -- for drivers --------------------------------------------------------------------------

    def hire(
        self, n: int, caller: Caller | None = None, keeper: Timekeeper | None = None
    ) -> Worker:
        """Put a fresh worker into place ``n`` and return it."""
        worker = self.places[n] = self._make_worker(n, caller, keeper)
        return worker

    def work(self, worker: Worker, stop: threading.Event) -> None:
        """Step until ``stop`` is set, the worker has to leave, or has done its share."""
        is_over = self.begin(worker, stop)

        def step() -> None:
            if self.holds_back:
                worker.release()
                stop.wait(PAUSE)
            else:
                worker.step()

        repeat(step, is_over, stop.wait, self.outage, self.fail)
        self.end(worker)

    def begin(self, worker: Worker, stop: threading.Event) -> Callable[[], bool]:
        """Have a worker come online; return what says whether its steps are over."""
        with contextlib.suppress(Exception):  # in an outage; the steps tell of it
            worker.register()
        self.huey.hooks["on_startup"].run()
        most = self.options.max_tasks or math.inf

        def is_over(done: int = 0) -> bool:
            return worker.done + done >= most or worker.leaving or stop.is_set()

        worker.goes_on = lambda: not (self.paused or is_over(1))
        worker.ended = lambda: self.holds_back or is_over()
        return is_over

    def end(self, worker: Worker) -> None:
        """Have a worker go that steps no more."""
        with contextlib.suppress(Exception):  # in an outage; the driver tries again
            worker.release()
        self.huey.hooks["on_shutdown"].run()
        with contextlib.suppress(Exception):
            worker.unregister()
        worker.close()

    def schedule(self, stop: threading.Event) -> None:
        """Step until ``stop`` is set."""

        def step() -> None:
            self.scheduler.wait(self.scheduler.step())

        repeat(step, stop.is_set, stop.wait, self.outage, self.fail)

    @property
    def holds_back(self) -> bool:
        """Whether no task may be begun, as the consumer is paused and goes no step on."""
        return self.paused and not self._steps

    def fail(self, error: StorageError) -> None:
        """Stop, as the storage cannot be used; return at once."""
        if self.failure is None:
            self.failure = error
            self._driver.finish()
            self._tell_failure(error)

    def become(self, driver: Driver, tell_failure: Callable[[StorageError], None]) -> None:
        """Be one part of this consumer, in a process of its own."""
        self._driver, self._tell_failure = driver, tell_failure
        self._noted = None
        self.huey.consumers = [self]

    # -- within -------------------------------------------------------------------------------

    def _start(self, here: bool) -> None:
        if self.running:
            raise ConfigurationError("this consumer is running already")
        self.huey.pending_count()  # a storage that cannot be used says so here
        self._prepare_storage()
        self.failure = None
        self._make_anew(here)
        self.huey.consumers.append(self)
        try:
            self._driver.start()
        except BaseException:
            self.huey.consumers.remove(self)
            raise
        logger.info("started with %s %s workers", len(self.places), self.worker_type)

    def _prepare_storage(self) -> None:
        """Do with the storage what the options say, before there is a worker."""
        options = self.options
        huey: Any = self.huey
        if options.flush_locks or options.extra_locks:
            huey.flush_locks(*options.extra_locks)
        huey.storage.poll(options.initial_delay, options.backoff, options.max_delay)

    def _end(self, ended: bool) -> bool:
        """Interrupt the workers unless they have ended, and let go; say whether they ended."""
        if not ended:
            self._driver.interrupt()
            ended = self._driver.join(STOP_PATIENCE)
        self._driver.close()
        with contextlib.suppress(ValueError):  # stopped twice at the same time
            self.huey.consumers.remove(self)
        if not self.huey.consumers:
            self.huey.storage.leave()
        logger.info("stopped")
        return ended

    def _stop_for_failure(self, error: StorageError) -> None:
        logger.critical("stopping: %s", error)
        if self._noted is not None:
            self._noted.wake()
        else:
            self._driver.call_soon(self.stop)

    def _run_once(self, noted: Noted) -> bool:
        """Run until a signal, and stop; say whether it was the one to start anew."""
        number, ended = self._await_storage(noted), False
        if number is not None:
            return number == _HANGUP
        self._start(here=True)
        try:
            while number is None and self.failure is None:
                self._driver.watch(noted)
                number = noted.take()
            self._driver.finish()
            if number is not None and number in (self._graceful_number, _HANGUP):
                logger.info("running tasks may end first; a second signal interrupts them")
                ended = self._join_until(noted)
        finally:
            self._end(ended)
        return number is not None and number == _HANGUP and not noted and self.failure is None

    def _await_storage(self, noted: Noted) -> int | None:
        """Wait until the storage answers; return the signal that ended the wait, if one did."""
        number, pause = noted.take(), 0.0
        while number is None:
            try:
                self.huey.pending_count()
            except Exception as error:
                if not self.huey.storage.is_outage(error):
                    raise
                if not pause:
                    logger.warning("waiting for the storage to answer: %s", one_line(error))
            else:
                return None
            pause = min(max(0.1, 2 * pause), 2.0)
            noted.wait(pause * random.uniform(0.5, 1))  # noqa: S311 - only to spread retries
            number = noted.take()
        return number

    @property
    def _graceful_number(self) -> int:
        return _NUMBERS[self.options.graceful_signal]

    def _join_until(self, noted: Noted) -> bool:
        """Wait for the workers until a signal, or for as long as the options say."""
        timeout = self.options.shutdown_timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._driver.join(0.1):
            if noted or (deadline is not None and time.monotonic() >= deadline):
                return False
        return True


_HANGUP = getattr(signal, "SIGHUP", None)
_NUMBERS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM}


def _signals() -> list[int]:
    """Return the signals to heed; a hang-up that is ignored, as by nohup, stays ignored."""
    numbers: list[int] = list(_NUMBERS.values())
    if _HANGUP is not None and signal.getsignal(_HANGUP) != signal.SIG_IGN:
        numbers.append(_HANGUP)
    return numbers


def _hear_hang_ups() -> None:
    """Let in a hang-up that was kept waiting while the command became itself anew."""
    if _HANGUP is not None and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [_HANGUP])
