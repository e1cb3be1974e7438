"""A queue without storage: tasks run in threads of this very process.

For a script or a small web server that wants work done beside it, with neither consumer nor
storage. Nothing outlives the process; for anything more use `huey.MemoryHuey`.
"""

from __future__ import annotations

import datetime
import functools
import heapq
import itertools
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from huey.crontab import crontab as crontab
from huey.exceptions import ConfigurationError, ResultTimeout
from huey.utils import normalize_time

P = ParamSpec("P")
R = TypeVar("R")

Validate = Callable[[datetime.datetime], bool]

LINGER = 0.1  # seconds that an idle thread stays for the next call

logger = logging.getLogger("huey.mini")


class MiniHueyResult(Generic[R]):
    """The way to the value of one call."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._value: R | None = None
        self._error: BaseException | None = None

    def __call__(self, block: bool = True, timeout: float | None = None) -> R | None:
        """Do what `get` does."""
        return self.get(block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> R | None:
        """Wait for the value and return it; what the function raised is raised here.

        :param block: whether to wait at all.
        :param timeout: seconds to wait, None for as long as it takes.
        :raises ResultTimeout: if the time is over.
        """
        if not self._over.wait(timeout if block else 0):
            raise ResultTimeout("the result is not there yet")
        if self._error is not None:
            raise self._error
        return self._value

    def ready(self) -> bool:
        """Say whether the call is over."""
        return self._over.is_set()

    def successful(self) -> bool:
        """Say whether the call is over and nothing was raised."""
        return self.ready() and self._error is None

    @property
    def value(self) -> R | None:
        """The value, None if there is none or none yet."""
        return self._value

    @property
    def exception(self) -> BaseException | None:
        """What the function raised, None if it did not, or not yet."""
        return self._error

    def settle(self, value: R | None = None, error: BaseException | None = None) -> None:
        """Say what came of the call."""
        self._value, self._error = value, error
        self._over.set()


class MiniTask(Generic[P, R]):
    """A function of which each call runs in a thread of its own."""

    def __init__(self, huey: MiniHuey, func: Callable[P, R]) -> None:
        self.huey = huey
        self.func = func
        functools.update_wrapper(self, func, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> MiniHueyResult[R]:
        """Run the call beside the caller."""
        result: MiniHueyResult[R] = MiniHueyResult()
        self.huey.run(functools.partial(self.func, *args, **kwargs), result)
        return result

    def schedule(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        delay: float | None = None,
        eta: datetime.datetime | None = None,
    ) -> MiniHueyResult[R]:
        """Run a call later, once the `MiniHuey` is started.

        :param delay: in so many seconds.
        :param eta: at this time; a naive one is local time.
        """
        result: MiniHueyResult[R] = MiniHueyResult()
        when = normalize_time(eta, delay).replace(tzinfo=datetime.UTC).timestamp()
        self.huey.run_at(when, functools.partial(self.func, *args or (), **kwargs or {}), result)
        return result


class MiniHuey:
    """A queue without storage.

    Calls run at once. What is scheduled, and periodic tasks, run between `start` and `stop`.

    :param name: for the log and the names of the threads.
    :param interval: seconds between two looks at what is periodic, at most.
    :param pool_size: at most so many calls at once, None for any number.
    """

    def __init__(
        self, name: str = "huey", interval: float = 1, pool_size: int | None = None
    ) -> None:
        if pool_size is not None and pool_size < 1:
            raise ConfigurationError(f"pool_size is 1 or more, or None, not {pool_size}")
        self.name = name
        self.interval = interval
        self._pool = _Pool(name, pool_size)
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = False
        self._scheduled: list[tuple[float, int, Callable[[], Any], MiniHueyResult[Any]]] = []
        self._periodic: list[tuple[Validate, Callable[[], Any]]] = []
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<MiniHuey: {self.name}>"

    def task(
        self, validate_func: Validate | None = None
    ) -> Callable[[Callable[P, R]], MiniTask[P, R]]:
        """Make a function a task: calling it runs it beside the caller.

        :param validate_func: called with each minute in local time; whether to run then by itself.
        """
        if validate_func is not None and not callable(validate_func):
            raise ConfigurationError(f"validate_func is a function, not {validate_func!r}")

        def decorate(func: Callable[P, R]) -> MiniTask[P, R]:
            if validate_func is not None:
                self._periodic.append((validate_func, func))
            return MiniTask(self, func)

        return decorate

    def periodic_task(self, validate_func: Validate) -> Callable[[Callable[P, R]], MiniTask[P, R]]:
        """Make a function a task that runs by itself, see `task`."""
        return self.task(validate_func)

    def start(self) -> None:
        """Begin to run what is scheduled and periodic; return at once."""
        if self._thread is not None:
            raise ConfigurationError("this MiniHuey is running already")
        self._stopping = False
        self._thread = threading.Thread(
            target=self._serve, name=f"{self.name} scheduler", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop running what is scheduled and periodic; calls that run end by themselves."""
        thread, self._thread = self._thread, None
        if thread is None:
            raise ConfigurationError("this MiniHuey is not running")
        self._stopping = True
        self._changed.set()
        thread.join()

    def run(self, func: Callable[[], R], result: MiniHueyResult[R]) -> None:
        """Call ``func`` in a thread and settle ``result``."""
        self._pool.put(functools.partial(_settle, func, result))

    def run_at(self, when: float, func: Callable[[], R], result: MiniHueyResult[R]) -> None:
        """Do that at a time in epoch seconds."""
        with self._lock:
            heapq.heappush(self._scheduled, (when, next(self._order), func, result))
        self._changed.set()

    def _serve(self) -> None:
        """Run what is due until `stop`."""
        minute = 0
        while not self._stopping:
            self._changed.clear()
            now = time.time()
            if now // 60 != minute:
                minute = int(now // 60)
                self._run_periodic(datetime.datetime.fromtimestamp(60 * minute))
            self._changed.wait(min(self.interval, self._run_due(now) - time.time(), 60.0))

    def _run_due(self, now: float) -> float:
        """Run what is due; return when the next is."""
        with self._lock:
            while self._scheduled and self._scheduled[0][0] <= now:
                _, _, func, result = heapq.heappop(self._scheduled)
                self.run(func, result)
            return self._scheduled[0][0] if self._scheduled else math.inf

    def _run_periodic(self, minute: datetime.datetime) -> None:
        for validate, func in self._periodic:
            try:
                if validate(minute):
                    self.run(func, MiniHueyResult())
            except Exception:
                logger.exception("the minutes of a periodic task cannot be told: %r", func)


def _settle(func: Callable[[], Any], result: MiniHueyResult[Any]) -> None:
    try:
        result.settle(func())
    except BaseException as error:
        logger.exception("a task failed: %r", func)
        result.settle(error=error)


class _Pool:
    """Threads that come when there is work for them and go when there is none for a while."""

    def __init__(self, name: str, size: int | None) -> None:
        self._name = name
        self._size = size
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0  # threads that wait, minus the jobs that wait for them

    def put(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._idle -= 1
            starts = self._idle < 0 and (self._size is None or self._threads < self._size)
            if starts:
                self._threads += 1
                self._idle += 1
            self._jobs.put(job)  # within the lock, or a thread could go in this moment
        if starts:
            threading.Thread(target=self._work, name=f"{self._name} worker", daemon=True).start()

    def _work(self) -> None:
        """Do jobs until there is none for a while."""
        while True:
            try:
                job = self._jobs.get(timeout=LINGER)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._threads -= 1
                        self._idle -= 1
                        return
                continue
            job()
            with self._lock:
                self._idle += 1
