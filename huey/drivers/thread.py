"""Workers that are threads of this process."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Container
from functools import partial
from typing import TYPE_CHECKING

from huey.coroutines import OwnLoop
from huey.drivers.base import Driver
from huey.drivers.caller import Caller
from huey.drivers.keeper import Timekeeper
from huey.drivers.window import Window

if TYPE_CHECKING:
    from huey.consumer import Consumer, Worker

logger = logging.getLogger("huey.consumer")

HELPERS_PATIENCE = 5.0  # seconds that scheduler and event flusher have to end


class ThreadDriver(Driver):
    """Runs each worker, and the scheduler, in a daemon thread of this process."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self.keeper = Timekeeper()
        self._stop, self._stop_helpers = threading.Event(), threading.Event()
        self._interrupting = False
        self._hiring = threading.RLock()
        self._crew: dict[int, threading.Thread] = {}
        self._helpers: dict[str, tuple[Callable[[], None], threading.Thread]] = {}

    def make_caller(self) -> Caller:
        """Return what calls the tasks of one worker."""
        return Caller(Window(), OwnLoop())

    def start(self) -> None:
        if self.huey.events.enabled:
            self._help("events", partial(self.huey.events.serve, self._stop_helpers))
        self._help("scheduler", partial(self.consumer.schedule, self._stop_helpers))
        for n in list(self.consumer.places):
            self._hire(n)
        self._check_later()

    def finish(self) -> None:
        self._stop.set()
        self.wake()

    def interrupt(self) -> None:
        self._interrupting = True
        for worker in self.consumer.workers:
            worker.stop()

    def join(self, timeout: float | None) -> bool:
        return self._join(lambda: list(self._crew.values()), timeout, self._press)

    def close(self) -> None:
        self._stop_helpers.set()
        self._join(
            lambda: [thread for _, thread in self._helpers.values()],
            HELPERS_PATIENCE,
            self.wake,  # again and again, as those of another consumer may hear it in their place
        )
        self.keeper.close()
        for worker in self.consumer.workers:
            try:
                worker.release()
            except Exception:  # the storage is away
                logger.exception("%s keeps its message until this process ends", worker.name)

    def cancel(self, task_id: str) -> bool:
        return any(worker.cancel(task_id) for worker in self.consumer.workers)

    def pause(self) -> None:
        self.huey.storage.wake_claims()

    def resize(self, count: int) -> None:
        places = self.consumer.places
        with self._hiring:
            staying = sorted((n for n in places if not places[n].leaving), key=self._who_stays)
            for n in staying[count:]:
                places[n].leaving = True
            for _ in range(count - len(staying)):
                self._hire(free_place(places))
        self.huey.storage.wake_claims()

    def _who_stays(self, n: int) -> tuple[bool, int]:
        """Sort those first that may stay: busy ones, and of the others the oldest."""
        return self.consumer.places[n].run is None, n

    def check(self) -> None:
        """Replace what has died, which nothing that a task raises can bring about."""
        for n, thread in list(self._crew.items()):
            if not thread.is_alive() and not self._stop.is_set():
                self._replace(n, thread)
        for name, (loop, thread) in list(self._helpers.items()):
            if not thread.is_alive() and not self._stop_helpers.is_set():
                logger.error("the thread of %s died and is replaced", name)
                self._help(name, loop)

    def _replace(self, n: int, thread: threading.Thread) -> None:
        """Put a fresh worker into the place of one that died, unless somebody has."""
        with self._hiring:
            if self._crew.get(n) is not thread:
                return
            worker = self.consumer.places[n]
            logger.error("%s died and is replaced", worker.name)
            with contextlib.suppress(Exception):
                worker.release()
            self._hire(n)

    def _check_later(self) -> None:
        interval = self.consumer.options.health_check_interval
        if self.consumer.options.check_worker_health:
            self.keeper.call_after(interval, self._check_and_go_on)

    def _check_and_go_on(self) -> None:
        try:
            self.check()
        finally:
            self._check_later()

    def _hire(self, n: int) -> None:
        """Start a worker in place ``n``, with a thread of its own."""
        with self._hiring:
            worker = self.consumer.hire(n, self.make_caller(), self.keeper)
            work = partial(self._work, n, worker, self._crew.get(n))
            thread = threading.Thread(target=work, name=f"huey {worker.name}", daemon=True)
            self._crew[n] = thread
            thread.start()

    def _work(self, n: int, worker: Worker, before: threading.Thread | None) -> None:
        """Run a worker's loop; a fresh worker takes over from one that has done its share."""
        if before is not None:
            before.join()  # so that whoever waits for this thread waits for that one too
        self.consumer.work(worker, self._stop)
        with self._hiring:
            if worker.leaving:
                del self._crew[n], self.consumer.places[n]
            elif not self._stop.is_set():
                self._hire(n)

    def _help(self, name: str, loop: Callable[[], None]) -> None:
        thread = threading.Thread(target=loop, name=f"huey {name}", daemon=True)
        self._helpers[name] = loop, thread
        thread.start()

    def _join(
        self,
        threads: Callable[[], list[threading.Thread]],
        timeout: float | None,
        press: Callable[[], None],
    ) -> bool:
        """Wait until threads have ended, and press them meanwhile; say whether they have."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while others := [one for one in threads() if _is_another(one)]:
            if time.monotonic() >= deadline:
                return False
            press()
            others[0].join(0.02)
        return True

    def _press(self) -> None:
        """Interrupt again what was interrupted and has not ended."""
        if self._interrupting:
            self.interrupt()

    def wake(self) -> None:
        """End what the loops wait for."""
        self.huey.storage.wake_claims()
        self.huey.storage.wake_schedule()
        self.huey.events.wake()


def free_place(taken: Container[int]) -> int:
    """Return the first place that nobody has."""
    return next(n for n in itertools.count() if n not in taken)


def _is_another(thread: threading.Thread) -> bool:
    return thread.is_alive() and thread is not threading.current_thread()
