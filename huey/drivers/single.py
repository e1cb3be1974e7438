"""Workers where no thread can be started: coroutines on the loop of the one thread there is."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from huey.alone import LOOK_AGAIN, can_wait, complete
from huey.coroutines import OwnLoop
from huey.drivers.arriving import SingleWindow
from huey.drivers.awaiting import AwaitingExecutor
from huey.drivers.caller import Caller
from huey.drivers.keeper import Timekeeper, Timer
from huey.drivers.loop import repeat_awaiting
from huey.drivers.thread import ThreadDriver
from huey.exceptions import ConfigurationError
from huey.executor import Executor

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
            self._press()
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
            if storage.queue_size() or worker.ended():
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
