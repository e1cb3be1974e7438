"""What the caller of a task holds: the way to its value."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from huey import alone
from huey.awaiting import (
    ALL_GO_ON,
    ONE_GOES_ON,
    PAUSE,
    Completed,
    Endurance,
    cancellable,
    interruptible,
    until,
)
from huey.constants import EmptyData
from huey.exceptions import (
    ConfigurationError,
    ResultTimeout,
    TaskCanceled,
    TaskException,
    TaskExpired,
    TaskLockedOut,
    TaskRevoked,
    WorkerLost,
)
from huey.lifecycle import reasoned
from huey.utils import Error as Error

if TYPE_CHECKING:
    import datetime

    from huey.api import Huey
    from huey.storage.base import Found, Waiter
    from huey.tasks import Task

R = TypeVar("R")

# A wait is woken by the storage; it looks again by itself this often (seconds), so that an
# interrupt reaches it and a wake-up lost with a killed process does not matter.
LOOK_AGAIN = 1.0

_AT_ONCE = 1000  # values read in one trip, so that nobody else waits for long

BEHIND_A_FAILURE = "a task before it in the pipeline gave no value"

_NO_VALUE: dict[str, tuple[type[TaskException], str]] = {
    "revoked": (TaskRevoked, "the task was revoked before it ran"),
    "withdrawn": (TaskRevoked, "the task was cancelled before it ran"),
    "expired": (TaskExpired, "the task expired before a worker was free"),
    "canceled": (TaskCanceled, "the task was cancelled"),
    "skipped": (TaskCanceled, BEHIND_A_FAILURE),
    "locked": (TaskLockedOut, "the task was locked out and dropped, as it had no retries left"),
    "lost": (WorkerLost, "the task is lost and will not run any more"),
    "error": (TaskException, "the task failed; its error was not kept, as results=False"),
    "taken": (
        TaskException,
        "the value was taken by another reader: with get(preserve=True) it stays for others",
    ),
    "aside": (
        TaskException,
        "no consumer could read the task's message; Huey.set_aside() lists it with the reason",
    ),
}


class Skipped:
    """What a chord's callback gets for a task that was revoked or expired, so did not run."""

    def __repr__(self) -> str:
        return "SKIPPED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "SKIPPED"  # the one of this module, wherever it is unpickled


SKIPPED: Final = Skipped()


def raise_ending(ending: str, task_id: str) -> None:
    """Raise what says that a task ended without a value; return if it just gave None."""
    word, reason = reasoned(ending)
    if word in _NO_VALUE:
        kind, why = _NO_VALUE[word]
        raise kind(
            {
                "error": f"{why}: {reason}" if reason else why,
                "retries": 0,
                "traceback": "",
                "task_id": task_id,
            }
        )


class Result(Generic[R]):
    """The way to the value of one task.

    :param huey: the Huey that the task was given to.
    :param task: the task.
    """

    def __init__(self, huey: Huey, task: Task[R]) -> None:
        self.huey = huey
        self.task = task
        self._value: Any = EmptyData
        self._looking = threading.Lock()  # who takes the value and who sees it taken may be two

    @property
    def id(self) -> str:
        """The unique id of the task."""
        return self.task.id

    @property
    def is_read(self) -> bool:
        """Whether the value was read and is in this object."""
        return self._value is not EmptyData

    def __repr__(self) -> str:
        return f"<Result: task {self.id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Result holds the way to its queue and is not pickled: hand on its id, of which "
            "Huey.result(id) makes the value"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> R | None:
        """Do what `get` does."""
        return self.get(*args, **kwargs)

    def get(
        self,
        blocking: bool = False,
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
        revoke_on_timeout: bool = False,
        preserve: bool = False,
    ) -> R | None:
        """Return the task's value, None if it has none yet.

        The value is taken out of the result store and kept in this object, so that it can be read
        from it any number of times.

        :param blocking: wait for it.
        :param timeout: seconds to wait, None for as long as it takes.
        :param backoff: factor by which the pause between two looks grows, on storages that
            cannot wake a waiting caller.
        :param max_delay: longest such pause in seconds.
        :param revoke_on_timeout: keep the task from starting when the time is over.
        :param preserve: leave the value in the result store for others.
        :raises ResultTimeout: if the time is over.
        :raises KeyboardInterrupt: if the wait is interrupted, which the task does not notice.
        :raises TaskException: if the task failed; when blocking, a subclass of it if the task
            was revoked, expired, was cancelled, was locked out or lost its worker, and so never
            has a value.
        """
        if self._value is EmptyData:
            if blocking:
                with interruptible(ONE_GOES_ON):
                    self._wait(timeout, backoff, max_delay, revoke_on_timeout, preserve)
            else:
                with self._looking:
                    if self._value is EmptyData:
                        self._look(preserve)
        if isinstance(self._value, Error):
            raise TaskException(self._value.metadata)
        return None if self._value is EmptyData else self._value

    def is_ready(self) -> bool:
        """Say whether `get` would have something to say now, without taking it."""
        if self._value is not EmptyData:
            return True
        storage = self.huey.storage
        return storage.has_data_for_key(self.id) or bool(storage.peek_ending(self.id))

    def status(self) -> str:
        """Return how it stands with the task, in a word, see `huey.inspection.TaskInfo`."""
        failed = isinstance(self._value, Error)
        if self._value is not EmptyData and not (failed and self.huey.store_intermediate_errors):
            return "error" if failed else "complete"
        return self.huey.task_info(self.task).status

    def _look(self, preserve: bool) -> bool:
        """Read the result store once; True if something was there."""
        read = self.huey.storage.peek_data if preserve else self.huey.storage.take_result
        data = read(self.id)
        if data is EmptyData:
            return False
        self._read(data, preserve)
        return True

    def _read(self, data: Any, preserve: bool = False) -> None:
        """Take in what was in the result store, or put it back if it cannot be read here."""
        try:
            self._value = self.huey.serializer.deserialize(data)
        except BaseException as error:
            if not preserve:
                self.huey.storage.put_data(self.id, data)
            if not isinstance(error, Exception):  # an interrupt
                raise
            why = f"its value is stored but cannot be read here: {type(error).__name__}: {error}"
            metadata = {"error": why, "retries": 0, "traceback": "", "task_id": self.id}
            raise TaskException(metadata) from error

    def _look_or_end(self, preserve: bool) -> bool:
        """Read the result store once; True also if the task ended without a value."""
        with self._looking:
            if self._value is not EmptyData:
                return True
            if preserve:
                return self._look(preserve) or self._end(self.huey.storage.peek_ending(self.id))
            (found,) = self.huey.storage.take_results([self.id])
            if found.value is EmptyData:
                return self._end(found.ending)
            self._read(found.value)
            return True

    def _take_in(self, found: Found) -> None:
        """Take in what was found, unless that is an error to be raised when somebody asks."""
        if found.value is not EmptyData:
            with suppress(TaskException):
                self._read(found.value)
        elif found.ending == "none":
            self._value = None

    def _end(self, ending: str | None) -> bool:
        """Take in how the task ended without a value; False if it has not ended."""
        if not ending:
            return False
        raise_ending(ending, self.id)
        self._value = None
        return True

    def _wait(
        self,
        timeout: float | None,
        backoff: float,
        max_delay: float,
        revoke_on_timeout: bool,
        preserve: bool,
    ) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        endure = None
        while True:
            left = LOOK_AGAIN if deadline is None else deadline - time.monotonic()
            try:
                if self._look_and_wait(left, backoff, max_delay, preserve):
                    return
            except Exception as error:
                if endure is None or not endure(error):  # the first look is not to be endured
                    raise
                time.sleep(max(0.0, min(left, PAUSE)))
            endure = endure or Endurance(self.huey.storage.is_outage)
            if left <= 0:
                if revoke_on_timeout:
                    self.revoke()
                raise ResultTimeout(f"no result of task {self.id} within {timeout} s")

    def _look_and_wait(
        self, seconds: float, backoff: float, max_delay: float, preserve: bool
    ) -> bool:
        """Look, then wait for a ring if there was nothing, and look; say whether there was."""
        (entered,) = self.waiters(backoff, max_delay)
        with entered as waiter:  # anew each time: a waiter is good for one ring
            if self._look_or_end(preserve):
                return True
            rang = seconds > 0 and alone.wait(waiter, min(seconds, LOOK_AGAIN))
        return rang and self._look_or_end(preserve)

    def waiters(
        self, backoff: float = 1.15, max_delay: float = 1.0
    ) -> list[AbstractContextManager[Waiter]]:
        """Return what waits for the task's end, see `BaseStorage.waiting_for_result`."""
        return [self.huey.storage.waiting_for_result(self.id, backoff, max_delay)]

    async def aget(self, timeout: float | None = None, preserve: bool = False) -> R | None:
        """Do what a blocking `get` does while the event loop goes on; so does ``await result``."""
        look, endure = partial(self._look_or_end, preserve), Endurance(self.huey.storage.is_outage)
        if self._value is EmptyData:
            with cancellable(ONE_GOES_ON):
                found = await until(look, self, timeout, endure)
            if not found:
                raise ResultTimeout(f"no result of task {self.id} within {timeout} s")
        return self.get()

    def __await__(self) -> Generator[Any, None, R | None]:
        return self.aget().__await__()

    def reset(self) -> None:
        """Forget the value read, so that the next `get` looks again, say after `run_again`."""
        self._value = EmptyData

    def revoke(self, revoke_once: bool = True) -> None:
        """Keep the task from starting.

        A worker of another process that has claimed it in the last hundredth of a second may start
        it all the same; `cancel` stops it then too.

        :param revoke_once: forget the revocation once a worker has heeded it.
        """
        self.huey.revoke(self.task, revoke_once=revoke_once)

    def restore(self) -> bool:
        """Let the task run again; False if it was not revoked."""
        return self.huey.restore(self.task)

    def is_revoked(self) -> bool:
        """Say whether this task or its function is revoked."""
        return self.huey.is_revoked(self.task)

    def cancel(self) -> bool:
        """Stop the task: end it where it waits or, where it runs, ask it to end.

        A task that waits or is scheduled, also for another try, ends at once, as if it had been
        revoked, and so does what follows it. A running task is asked at its next `progress`, then
        by an exception raised inside it; a call into C code returns first. One that follows a task
        which has not ended is revoked.

        :returns: whether a worker of this process is running it now.
        """
        return self.huey.cancel(self.task)

    def reschedule(
        self,
        eta: datetime.datetime | None = None,
        delay: float | None = None,
        expires: Any = None,
        priority: float | None = None,
        preserve_pipeline: bool = True,
    ) -> Result[R]:
        """Revoke the task and hand a new one with the same call to the queue.

        :param eta: time before which it must not run; a naive one is local time.
        :param delay: that time in seconds from now.
        :param expires: replaces the task's own.
        :param priority: replaces the task's own.
        :param preserve_pipeline: have what was to follow the task follow the new one, in new
            tasks too; then a `ResultGroup` is returned, as for any pipeline.
        """
        return self.huey.reschedule(
            self.task, eta, delay, expires, priority=priority, preserve_pipeline=preserve_pipeline
        )


def take_together(results: Sequence[Any]) -> int:
    """Look once for the values of several results, in one trip where the storage can.

    :returns: how many were there. What a task raised, or how it ended without a value, is left to
        the `get` of its result.
    """
    mine: list[Result[Any]] = []
    taken: list[Found] = []
    try:
        for one in results:
            if isinstance(one, Result) and not one.is_read and one._looking.acquire(blocking=False):
                mine.append(one)
        if mine:
            taken = mine[0].huey.storage.take_results([one.id for one in mine])
        for result, found in zip(mine, taken, strict=True):
            result._take_in(found)
    except KeyboardInterrupt:  # what was taken is nowhere else
        for result, found in zip(mine, taken, strict=False):
            if not result.is_read:
                result._take_in(found)
        raise
    finally:
        for one in mine:
            one._looking.release()
    return sum(one.is_read for one in mine)


class ResultGroup(Generic[R]):
    """The results of several tasks, in the order of the tasks.

    :param results: the single results.
    :param id: names the group in the event stream.
    """

    def __init__(self, results: Sequence[Result[R]], id: str = "") -> None:
        self._results = list(results)
        self.id = id

    def __repr__(self) -> str:
        return f"<ResultGroup: {len(self)} tasks>"

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result[R]]:
        return iter(self._results)

    def __getitem__(self, index: int) -> Result[R]:
        return self._results[index]

    def get(self, *args: Any, **kwargs: Any) -> list[R | None]:
        """Call `Result.get` on each result and return the values.

        :param timeout: with ``blocking``, seconds for all of them together.
        """
        timeout = kwargs.pop("timeout", None)
        deadline = None if timeout is None else time.monotonic() + timeout
        values = []
        with interruptible(ALL_GO_ON):
            for result in self._looked_ahead(kwargs.get("preserve", False)):
                if deadline is not None:
                    kwargs["timeout"] = max(0.0, deadline - time.monotonic())
                values.append(result.get(*args, **kwargs))
        return values

    def _looked_ahead(self, preserve: bool) -> Iterator[Result[R]]:
        """Yield the results, and take the values of those behind along that are there already.

        The more there were the last time, the more it looks for.
        """
        found = 0
        for n, result in enumerate(self._results):
            if not preserve and isinstance(result, Result) and not result.is_read:
                found = take_together(self._results[n : n + min(2 * found + 1, _AT_ONCE)])
            yield result

    def __call__(self, *args: Any, **kwargs: Any) -> list[R | None]:
        """Do what `get` does."""
        return self.get(*args, **kwargs)

    def is_ready(self) -> bool:
        """Say whether every task has ended."""
        return all(result.is_ready() for result in self._results)

    def cancel(self) -> int:
        """Cancel the tasks that have not ended; return how many were asked."""
        open_results: list[Any] = [one for one in self._results if not one.is_ready()]
        single = [one for one in open_results if isinstance(one, Result)]
        asked = sum(int(one.cancel()) for one in open_results if not isinstance(one, Result))
        return asked + (single[0].huey.cancel_many(one.id for one in single) if single else 0)

    def as_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each task, as it is now.

        Columns: ``task`` (its id), ``arguments`` (in a few words), ``status`` (as `Result.status`
        has it), ``value`` and ``error``, each None where there is none. Values stay in the result
        store.

        :raises ConfigurationError: if pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise ConfigurationError("as_frame() needs pandas: pip install pandas") from error
        rows = [_row(result) for result in self._results]
        return DataFrame(rows, columns=["task", "arguments", "status", "value", "error"])

    def waiters(self) -> list[AbstractContextManager[Waiter]]:
        """Return what waits for the end of each task."""
        return [waiter for result in self._results for waiter in result.waiters()]

    async def aget(self, timeout: float | None = None, preserve: bool = False) -> list[R | None]:
        """Do what a blocking `get` does while the event loop goes on; so does ``await group``."""
        deadline = None if timeout is None else time.monotonic() + timeout
        values = []
        for result in self._results:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            with cancellable(ALL_GO_ON):
                values.append(await result.aget(left, preserve))
        return values

    def __await__(self) -> Generator[Any, None, list[R | None]]:
        return self.aget().__await__()

    def __aiter__(self) -> AsyncIterator[Result[R]]:
        """Go through the results in the order in which they get ready."""
        return self.as_completed().__aiter__()

    def as_completed(self, timeout: float | None = None) -> Completed[Result[R]]:
        """Return the results in the order in which they get ready, for ``for`` or ``async for``.

        :param timeout: seconds for all of them together.
        :raises ResultTimeout: if the time is over.
        """
        return Completed(self._results, timeout)


def _row(result: Result[Any]) -> dict[str, Any]:
    """Return what is known of a task as a row of `ResultGroup.as_frame`."""
    facts = {"task": result.id, "arguments": result.task.describe().get("args", "")}
    try:
        value, error = result.get(preserve=True), None
    except TaskException as failed:
        value, error = None, failed.metadata.get("error")
    return {**facts, "status": result.status(), "value": value, "error": error}


class ChordResult(Generic[R]):
    """The result of a chord: that of its callback, with those of its members.

    :param results: of the members, in their order. Of a pipeline it has the last one's result, of
        a group a `ResultGroup`, of a chord a `ChordResult`.
    :param callback_result: of the callback.
    :param pipeline: of the callback and of what follows it, None if nothing does.
    """

    def __init__(
        self,
        results: ResultGroup[Any],
        callback_result: Result[R],
        pipeline: ResultGroup[Any] | None = None,
    ) -> None:
        self.results = results
        self.callback = callback_result
        self.pipeline_results = pipeline

    @property
    def id(self) -> str:
        """The unique id of the callback."""
        return self.callback.id

    def __repr__(self) -> str:
        return f"<ChordResult: task {self.id} after {len(self.results)} members>"

    def get(self, *args: Any, **kwargs: Any) -> R | None:
        """Call `Result.get` for the callback."""
        with interruptible(ALL_GO_ON):
            return self.callback.get(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> R | None:
        """Do what `get` does."""
        return self.get(*args, **kwargs)

    async def aget(self, timeout: float | None = None, preserve: bool = False) -> R | None:
        """Do what a blocking `get` does while the event loop goes on; so does ``await``."""
        with cancellable(ALL_GO_ON):
            return await self.callback.aget(timeout, preserve)

    def __await__(self) -> Generator[Any, None, R | None]:
        return self.aget().__await__()

    def is_ready(self) -> bool:
        """Say whether the callback has ended."""
        return self.callback.is_ready()

    def waiters(self) -> list[AbstractContextManager[Waiter]]:
        """Return what waits for the end of the callback."""
        return self.callback.waiters()

    def reset(self) -> None:
        """Forget the callback's value that was read."""
        self.callback.reset()

    def cancel(self) -> int:
        """Cancel the callback and the members that have not ended; return how many were asked."""
        if self.callback.is_ready():
            return self.results.cancel()
        self.callback.cancel()  # first, or a worker could take it when the last member ends
        count = 1 + self.results.cancel()
        self.callback.cancel()  # it waits on the queue now, if no member is running
        return count
