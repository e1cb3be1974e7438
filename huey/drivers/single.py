"""Workers where no thread can be started: coroutines on the loop of the one thread there is."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from huey import signals as S
from huey.alone import LOOK_AGAIN, Breath, can_wait, complete
from huey.coroutines import OwnLoop
from huey.drivers.caller import Caller
from huey.drivers.keeper import Timekeeper, Timer
from huey.drivers.loop import repeat_awaiting
from huey.drivers.thread import ThreadDriver
from huey.drivers.window import AGAIN, Kind, Window, is_harmless_in
from huey.exceptions import CancelExecution, ConfigurationError, TaskInterrupt, TaskTimeout
from huey.executor import Executor, Host, Inline, Tried
from huey.lifecycle import judge
from huey.tasks import Run, Task, current_run, running

if TYPE_CHECKING:
    from huey.consumer import Consumer, Worker
    from huey.drivers.noted import Noted

logger = logging.getLogger("huey.consumer")

TICK: Final = 0.1  # seconds between two looks at the schedule, and at what tasks report
PAUSE: Final = 0.05  # seconds between two looks whether a pause is over
LONGEST_WAIT: Final = 10.0  # seconds that a worker waits for a message before it looks around


class SingleDriver(ThreadDriver):
    """Runs workers, scheduler and the writer of events as coroutines, side by side.

    A task that is ``async def`` gives way where it awaits. A plain function gives way where the
    interpreter can lay its stack aside, see `huey.alone`: in `time.sleep`, in a blocking `get` and
    at its reports of progress; elsewhere the others wait for its end.

    :param here: whether this thread has nothing to do but to `watch`, so that the loop is ours.
    """

    def __init__(self, consumer: Consumer, here: bool) -> None:
        super().__init__(consumer)
        self._here = here
        self._strands: dict[asyncio.Task[None], None] = {}  # of workers
        self._on_duty: set[Worker] = set()
        self._beside: dict[asyncio.Task[None], None] = {}

    def start(self) -> None:
        self._loop = _find_loop(self._here)
        self.keeper = LoopKeeper(self._loop)
        self.huey.executor = AwaitingExecutor(self.huey)
        if self.huey.events.enabled:
            self._spawn(self._beside, self._write_events())
        self._spawn(self._beside, self._schedule())
        for n in list(self.consumer.places):
            self._hire(n)

    def watch(self, noted: Noted) -> None:
        self._loop.run_until_complete(_look_at(noted))

    def join(self, timeout: float | None) -> bool:
        """Wait until all workers have ended, where that is possible; say whether they have."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while others := [one for one in self._strands if one is not _current()]:
            self.wake()
            if self._interrupting:
                self.interrupt()
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if not self._let_go_on(others, min(left, TICK)):  # the idle ones end in a moment
                return all(worker.run is None for worker in self.consumer.workers)
        return True

    def close(self) -> None:
        super().close()
        for worker in list(self._on_duty):  # its coroutine ends later, maybe after the storage
            self._dismiss(worker)
        for one in self._beside:
            one.cancel()
        if self.huey.consumers == [self.consumer]:
            self.huey.executor = Executor(self.huey)
        if self._loop_is_ours:
            self._let_go_on([*self._beside], TICK)
            self._loop.close()

    def call_soon(self, func: Callable[[], object]) -> None:
        self._loop.call_soon(func)

    # -- within -------------------------------------------------------------------------------

    @property
    def _loop_is_ours(self) -> bool:
        return self._here and not self._loop.is_running() and not self._loop.is_closed()

    def _let_go_on(self, tasks: list[asyncio.Task[None]], seconds: float) -> bool:
        """Let the loop go on until tasks have ended, at most so many seconds; False if it cannot.

        A coroutine that waits for others would have to await them, and who calls this does not.
        """
        if self._loop_is_ours:
            self._loop.run_until_complete(_until_done(tasks, seconds))
        elif can_wait():
            complete(_until_done(tasks, seconds), "")
        else:
            return False
        return True

    def _spawn(
        self, group: dict[asyncio.Task[None], None], coroutine: Coroutine[Any, Any, None]
    ) -> None:
        task = self._loop.create_task(coroutine)
        group[task] = None
        task.add_done_callback(lambda done: group.pop(done, None))

    def _hire(self, n: int) -> None:
        caller = Caller(SingleWindow(), OwnLoop())
        worker = self.consumer.hire(n, caller, self.keeper)
        self._spawn(self._strands, self._serve(n, worker))

    async def _serve(self, n: int, worker: Worker) -> None:
        """Run a worker's loop; a fresh worker takes over from one that has done its share."""
        consumer = self.consumer
        is_over = consumer.begin(worker, self._stop)
        self._on_duty.add(worker)
        step = partial(self._step, worker)
        try:
            await repeat_awaiting(step, is_over, asyncio.sleep, consumer.outage, consumer.fail)
        finally:
            self._dismiss(worker)
        if worker.leaving:
            del consumer.places[n]
        elif not self._stop.is_set():
            self._hire(n)

    def _dismiss(self, worker: Worker) -> None:
        if worker in self._on_duty:
            self._on_duty.remove(worker)
            self.consumer.end(worker)

    async def _step(self, worker: Worker) -> None:
        if self.consumer.holds_back:
            worker.release()
            await asyncio.sleep(PAUSE)
        elif await worker.step_awaiting():
            await asyncio.sleep(0)  # so that short tasks do not keep the others waiting
        else:
            await self._wait_for_message(worker)

    async def _wait_for_message(self, worker: Worker) -> None:
        """Wait until there may be one; a wait that is in vain ends after a while."""
        rang, storage = asyncio.Event(), self.huey.storage
        with storage.waiting_for_message() as waiter:
            tell = getattr(waiter, "tell", None)
            if storage.queue_size() or worker.leaving or self._stop.is_set():
                return
            if tell is None:
                await asyncio.sleep(LOOK_AGAIN)
                return
            tell(rang.set)
            await _first_of(rang, LONGEST_WAIT)

    async def _schedule(self) -> None:
        consumer, stop = self.consumer, self._stop_helpers

        async def step() -> None:
            await asyncio.sleep(min(consumer.scheduler.step(), TICK))

        await repeat_awaiting(step, stop.is_set, asyncio.sleep, consumer.outage, consumer.fail)

    async def _write_events(self) -> None:
        """Write what running tasks report, ten times a second at most, until the helpers stop."""
        while not self._stop_helpers.is_set():
            await asyncio.sleep(TICK)
            try:
                self.huey.events.flush()
            except Exception:
                logger.exception("some progress or output was lost")


class AwaitingExecutor(Executor):
    """Leaves the rest of a run to the worker, who awaits it."""

    def run(self, task: Task[Any], host: Host) -> Any:
        if isinstance(host, Inline):
            return super().run(task, host)
        worker: Any = host
        worker.later = self._run(task, worker)
        return None

    async def _run(self, task: Task[Any], worker: Worker) -> None:
        """Do what `Executor.run` does; its order of things, and its reasons, are there."""
        huey, run = self.huey, worker.run or Run(task, worker.name, self.huey.events.stir)
        run.give_way = Breath()
        gone = self._gather(run)
        if huey.events.enabled:
            facts = {"worker": worker.name, "attempt": task.attempt, "retries": task.retries}
            huey.events.note("executing", run, **facts)
        logging.getLogger("huey.executor").info("executing %s", task)
        huey.signals.send(S.SIGNAL_EXECUTING, task)
        token = running.set(run)
        try:
            began = time.perf_counter()
            tried = Tried(error=gone) if gone else await self._try_awaiting(run, worker)
            duration = time.perf_counter() - began
            outcome = judge(
                tried.error, task.retries, shutdown=worker.stopping, canceled=run.canceled
            )
            self._wind_up(run)
            huey.hooks["post_execute"].run(task, tried.value, tried.error)
        finally:
            running.reset(token)
            self._free_locks(run)
        try:
            self._conclude(run, worker, tried, outcome, duration)
        finally:
            self._free_locks(run)

    async def _try_awaiting(self, run: Run, worker: Worker) -> Tried:
        try:
            self.huey.hooks["pre_execute"].run(run.task, passing=CancelExecution)
        except CancelExecution as error:
            return Tried(error=error)
        run.task.begin()
        tried = await worker.call_awaiting(run, run.task.execute)
        if isinstance(tried.error, TaskTimeout) and not tried.error.args:
            tried.error.args = run.task.overrun().args
        return tried


class SingleWindow(Window):
    """The window of a plain function, which can be reached only while its stack is laid aside.

    What is thrown arrives when it goes on: at its next line, or its next call.
    """

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        self._run, self._thrown, self._thrown_at = run, None, -math.inf
        try:
            if run.canceled:
                raise TaskInterrupt
            return Tried(value=func())
        except BaseException as error:
            return Tried(error=error)
        finally:
            self._run = None
            _arrivals.forget(run)

    def throw(self, run: Run, kind: Kind = TaskInterrupt) -> bool:
        if self._run is not run:
            return False
        now = time.monotonic()
        if kind is not self._thrown or now >= self._thrown_at + AGAIN:
            self._thrown, self._thrown_at = kind, now
            _arrivals.expect(run, kind)
        return True


class Arrivals:
    """Exceptions on their way into runs; the interpreter tells of lines and calls meanwhile.

    That is one of its tools for debuggers. An exception set from outside would hit whoever runs
    next in this thread. Before Python 3.12 there is no such tool: nothing arrives.
    """

    _TOOL: Final = 4  # of six, of which debuggers, coverage and profilers have others

    def __init__(self) -> None:
        self._expected: dict[Run, Kind] = {}
        self._monitoring: Any = getattr(sys, "monitoring", None)

    def expect(self, run: Run, kind: Kind) -> None:
        """Raise an exception in a run as soon as it goes on."""
        known = self._monitoring
        if known is None or known.get_tool(self._TOOL) not in (None, "huey"):
            return
        if not self._expected:
            known.use_tool_id(self._TOOL, "huey")
            for event in (known.events.LINE, known.events.CALL):
                known.register_callback(self._TOOL, event, self._look)
            known.set_events(self._TOOL, known.events.LINE | known.events.CALL)
        self._expected[run] = kind

    def forget(self, run: Run) -> None:
        """Raise nothing in a run that is over."""
        if self._expected.pop(run, None) is not None and not self._expected:
            self._monitoring.set_events(self._TOOL, 0)
            self._monitoring.free_tool_id(self._TOOL)

    def _look(self, *place: Any) -> None:
        run = current_run()
        kind = None if run is None else self._expected.get(run)
        frame = sys._getframe(1)
        if run is None or kind is None or not is_harmless_in(frame) or not _is_within(run, frame):
            return
        self.forget(run)
        raise kind


def _is_within(run: Run, frame: FrameType | None) -> bool:
    """Say whether a frame is of a run's own stack, and not of a callback that has its context."""
    while frame is not None:
        if frame.f_code is SingleWindow.call.__code__:
            return frame.f_locals.get("run") is run
        frame = frame.f_back
    return False


_arrivals = Arrivals()


class LoopTimer(Timer):
    """One call to come, of which the event loop knows."""

    handle: asyncio.TimerHandle


class LoopKeeper(Timekeeper):
    """Calls functions when their time has come, by the timers of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._over = False

    def call_after(self, seconds: float, func: Callable[[], Any]) -> Timer:
        timer = LoopTimer(func)
        timer.handle = self._loop.call_later(seconds, self._ring, timer)
        return timer

    def call_off(self, timer: Timer) -> None:
        timer.func = None
        if isinstance(timer, LoopTimer):
            timer.handle.cancel()

    def close(self) -> None:
        self._over = True

    def _ring(self, timer: Timer) -> None:
        func, timer.func = timer.func, None
        try:
            if func is not None and not self._over:
                func()
        except Exception:
            logger.exception("a timer failed")


def _find_loop(here: bool) -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if here:
            return asyncio.new_event_loop()
    raise ConfigurationError(
        "no thread can be started here, so that workers need a running event loop: "
        "start the consumer in a coroutine"
    )


def _current() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def _first_of(rang: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await rang.wait()
    except TimeoutError:
        pass


async def _until_done(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


async def _look_at(noted: Noted) -> None:
    """Wait until a signal was noted, a second at most."""
    deadline = time.monotonic() + 1.0
    while not noted and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_AGAIN)
