"""Huey, the object that an application holds."""

from __future__ import annotations

import datetime
import functools
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from huey import storage as storages
from huey.composition import chord, group, plan
from huey.constants import AT_LEAST_ONCE, AT_MOST_ONCE, EmptyData
from huey.control import Control
from huey.coroutines import is_coroutine_function
from huey.crontab import crontab
from huey.events import EventLog
from huey.every import Every
from huey.exceptions import ConfigurationError
from huey.executor import Executor, Host, Immediate, error_metadata, one_line
from huey.hooks import Hook, Hooks
from huey.inspection import Inspection, TaskInfo, WorkerInfo
from huey.lifecycle import because
from huey.limits import RateLimit
from huey.locks import Locks, TaskLock
from huey.registry import Registry
from huey.results import ChordResult, Error, Result, ResultGroup
from huey.revocations import Revocations, revocation_key, revocation_keys
from huey.serializer import ReferenceSerializer, Serializer
from huey.signals import SIGNAL_ENQUEUED, Receiver, Signals
from huey.storage import (
    BaseStorage,
    Batch,
    BlackHoleStorage,
    Claim,
    MemoryStorage,
)
from huey.storage.base import CHORD, CHORD_DONE, LIMIT, LOCK, NOTHING
from huey.tasks import Expires, PeriodicTask, Task, TaskWrapper
from huey.utils import (
    also_named,
    from_timestamp,
    is_ctrl_c,
    is_filename,
    is_path,
    make_id,
    normalize_time,
    printable,
    to_timestamp,
)

if TYPE_CHECKING:
    from huey.consumer import Consumer

__all__ = [
    "BlackHoleHuey",
    "Error",
    "FileHuey",
    "Huey",
    "MemoryHuey",
    "PeriodicTask",
    "PriorityRedisExpireHuey",
    "PriorityRedisHuey",
    "RedisExpireHuey",
    "RedisHuey",
    "Result",
    "ResultGroup",
    "SqliteHuey",
    "Task",
    "TaskWrapper",
    "crontab",
]

logger = logging.getLogger("huey")

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

_OWN = "put:"  # before the keys of values that users put, apart from tasks' results
_MOMENT = "periodic:"  # before the keys of the moments for which periodic tasks last ran
_NO_RESULTS = (_OWN, _MOMENT, "r:", "rt:", LOCK, LIMIT, CHORD, CHORD_DONE)
_FLUSHED_ARE_TOLD = 10_000  # callers of so many waiting tasks learn that the queue was given up

_MOMENTS = ("pre_execute", "post_execute", "on_startup", "on_shutdown")


class Huey:
    """A task queue: declares tasks, takes their calls, hands out their results.

    :param name: the name of the queue, say of the application.
    :param results: whether to store what tasks return.
    :param store_none: whether to store ``None`` too.
    :param utc: keep times in UTC; naive datetimes given by callers are local time either way.
    :param immediate: start in immediate mode, see `immediate`.
    :param serializer: objects to bytes and back, by default pickle; a storage in memory keeps
        the objects themselves.
    :param compression: compress messages and results.
    :param use_zlib: with zlib instead of gzip.
    :param immediate_use_memory: keep everything in memory while in immediate mode.
    :param storage_class: the storage to use instead of the class's own.
    :param events: whether to keep the stream of events, see `huey.events`.
    :param delivery: ``at-least-once``: a task whose worker died runs again; ``at-most-once``: it
        does not, and its caller is told.
    :param store_intermediate_errors: store the error of a try that is followed by another; until
        that ends, whoever reads the result gets the error.
    :param timezone: in which periodic tasks' minutes are told, like ``Europe/Berlin``, whatever
        ``utc`` says.
    :param storage_kwargs: passed on to the storage.
    """

    storage_class: type[BaseStorage] = MemoryStorage

    def __init__(
        self,
        name: str = "huey",
        results: bool = True,
        store_none: bool = False,
        utc: bool = True,
        immediate: bool = False,
        serializer: Serializer | None = None,
        compression: bool = False,
        use_zlib: bool = False,
        immediate_use_memory: bool = True,
        storage_class: type[BaseStorage] | None = None,
        events: bool = False,
        delivery: str = AT_LEAST_ONCE,
        store_intermediate_errors: bool = False,
        timezone: str | datetime.tzinfo | None = None,
        **storage_kwargs: Any,
    ) -> None:
        if delivery not in (AT_LEAST_ONCE, AT_MOST_ONCE):
            raise ConfigurationError(
                f"delivery is {AT_LEAST_ONCE!r} or {AT_MOST_ONCE!r}, not {delivery!r}"
            )
        self.name = name
        self.delivery = delivery
        self.results = results
        self.store_none = store_none
        self.utc = utc
        self.store_intermediate_errors = store_intermediate_errors
        self.timezone = _zone(timezone) if isinstance(timezone, str) else timezone
        storage_kwargs = {**storage_kwargs.pop("storage_kwargs", {}), **storage_kwargs}
        self.storage = self.create_storage(storage_class, **storage_kwargs)
        self.serializer = serializer or self._default_serializer(compression, use_zlib)
        self.registry = Registry()
        self.storage.priority_of = self._priority_of
        self.signals = Signals()
        self.hooks = {moment: Hooks(moment) for moment in _MOMENTS}
        self.revocations = Revocations(self)
        self.locks = Locks(self)
        self.inspection = Inspection(self)
        self.control = Control(self)
        self.events = EventLog(self, events)
        self.executor = Executor(self)
        self.consumers: list[Consumer] = []
        self.reach: list[Callable[[str], bool]] = []  # cancels, by id, what runs elsewhere
        self.immediate_use_memory = immediate_use_memory
        self._storage_put_by: BaseStorage | None = None
        self._immediate = False
        self.immediate = immediate

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"

    def create_storage(
        self, storage_class: type[BaseStorage] | None = None, **storage_kwargs: Any
    ) -> BaseStorage:
        """Return a storage for this Huey."""
        return (storage_class or self.storage_class)(self.name, **storage_kwargs)

    @property
    def immediate(self) -> bool:
        """Whether tasks run at once and in the caller's thread, for tests and debugging.

        Everything else is as it is with a consumer. Unless ``immediate_use_memory=False`` was
        given, values and schedule are in memory meanwhile and the real storage is left alone.
        """
        return self._immediate

    @immediate.setter
    def immediate(self, on: bool) -> None:
        if on and not self._immediate and self.immediate_use_memory:
            self._storage_put_by, self.storage = self.storage, MemoryStorage(self.name)
        elif not on and self._storage_put_by is not None:
            self.storage, self._storage_put_by = self._storage_put_by, None
        self._immediate = bool(on)

    def _default_serializer(self, compression: bool, use_zlib: bool) -> Serializer:
        if self.storage.keeps_objects and not compression:
            return ReferenceSerializer()
        return Serializer(compression=compression, use_zlib=use_zlib)

    # -- declaring ----------------------------------------------------------------------------

    @overload
    def task(self, func: Callable[P, R], /) -> TaskWrapper[P, R]: ...

    @overload
    def task(
        self,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        expires: Expires | None = None,
        **kwargs: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]: ...

    def task(
        self,
        retries: Any = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        expires: Expires | None = None,
        **kwargs: Any,
    ) -> Any:
        """Make a function a task: calling it hands the call to the queue.

        :param retries: how many times a failed task is tried again.
        :param retry_delay: seconds between tries.
        :param priority: the higher number runs first.
        :param context: pass the task to the function as ``task=``.
        :param name: replaces the function's name; the module stays the prefix.
        :param expires: seconds, timedelta or datetime after which it is not worth running.
        :param kwargs: further arguments of `TaskWrapper`. ``timeout``: seconds that one try may
            take before `TaskTimeout` is raised inside it; a call into C returns first, and in
            immediate mode the task has to ask `Task.check_timeout`. ``retry_backoff``: the factor
            by which ``retry_delay`` grows with each retry; with ``retry_delay=10`` and
            ``retry_backoff=2`` it waits 10, 20, 40 seconds. ``at_most_once=True``: never run
            again a task whose worker died; its caller gets `WorkerLost`.
        """
        if callable(retries):  # @huey.task without parentheses
            return TaskWrapper(self, retries)

        def decorate(func: Callable[..., Any]) -> TaskWrapper[Any, Any]:
            settings = {"priority": priority, "expires": expires, **kwargs}
            return TaskWrapper(self, func, retries, retry_delay, context, name, **settings)

        return decorate

    def periodic_task(
        self,
        validate_datetime: Callable[[datetime.datetime], bool] | Every,
        retries: int = 0,
        retry_delay: float = 0,
        priority: float | None = None,
        context: bool = False,
        name: str | None = None,
        expires: Expires | None = None,
        **kwargs: Any,
    ) -> Callable[[Callable[P, R]], TaskWrapper[P, R]]:
        """Make a function a task that the consumer runs by itself, as cron does.

        It is called without arguments, once a minute at most however many consumers there are,
        and what it returns is not stored.

        :param validate_datetime: called with each minute, a naive datetime in the Huey's
            ``timezone``, else in UTC or local time as ``utc`` says; whether to run then. `crontab`
            makes one. Or a period as `every` makes it.

        The other parameters are those of `task`.
        """
        if not (callable(validate_datetime) or isinstance(validate_datetime, Every)):
            raise ConfigurationError(
                f"a periodic task needs a function of a datetime, such as crontab(minute='*/5') "
                f"makes, not {validate_datetime!r}"
            )

        def decorate(func: Callable[P, R]) -> TaskWrapper[P, R]:
            settings = {
                "priority": priority,
                "expires": expires,
                "task_base": PeriodicTask,
                **kwargs,
            }
            wrapper = TaskWrapper(self, func, retries, retry_delay, context, name, **settings)
            wrapper.task_class.periodic = True
            self.registry.register_periodic(wrapper.task_class, validate_datetime)
            if self.consumers:
                self.storage.wake_schedule()
            return wrapper

        return decorate

    def context_task(
        self,
        obj: AbstractContextManager[Any],
        as_argument: bool = False,
        retries: int = 0,
        retry_delay: float = 0,
        context: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> Callable[[Callable[..., R]], TaskWrapper[..., R]]:
        """Make a function a task that runs inside ``with obj:``.

        :param obj: a context manager that can be entered any number of times.
        :param as_argument: pass what ``__enter__`` returned as the first argument.

        The other parameters are those of `task`.
        """

        def decorate(func: Callable[..., R]) -> TaskWrapper[..., R]:
            @functools.wraps(func)
            def inside(*args: Any, **kwargs: Any) -> Any:
                with obj as entered:
                    return func(entered, *args, **kwargs) if as_argument else func(*args, **kwargs)

            @functools.wraps(func)
            async def inside_later(*args: Any, **kwargs: Any) -> Any:
                with obj as entered:
                    value: Any = func(*(entered,) * as_argument, *args, **kwargs)
                    return await value

            wrapped = inside_later if is_coroutine_function(func) else inside
            return TaskWrapper(self, wrapped, retries, retry_delay, context, name, **kwargs)

        return decorate

    # -- being told ---------------------------------------------------------------------------

    def signal(self, *signals: str) -> Callable[[F], F]:
        """Call the function for each of ``signals``, or for all when none is named.

        It receives the signal's name, the task, and for ``error`` the exception.
        """

        _need_parentheses("signal", *signals)

        def decorate(receiver: F) -> F:
            self.signals.connect(receiver, *signals)
            return receiver

        return decorate

    def disconnect_signal(self, receiver: Receiver, *signals: str) -> None:
        """Stop calling ``receiver`` for each of ``signals``, or for any when none is named."""
        self.signals.disconnect(receiver, *signals)

    def pre_execute(self, name: str | None = None) -> Callable[[F], F]:
        """Call the function with each task before it runs; it may raise `CancelExecution`."""
        return self._hook("pre_execute", name)

    @also_named(name="name_or_fn")
    def unregister_pre_execute(self, name_or_fn: str | Hook) -> bool:
        """Remove a pre-execute hook; False if there is none."""
        return self.hooks["pre_execute"].unregister(name_or_fn)

    def post_execute(self, name: str | None = None) -> Callable[[F], F]:
        """Call the function with the task, its value and its exception after each run."""
        return self._hook("post_execute", name)

    @also_named(name="name_or_fn")
    def unregister_post_execute(self, name_or_fn: str | Hook) -> bool:
        """Remove a post-execute hook; False if there is none."""
        return self.hooks["post_execute"].unregister(name_or_fn)

    def on_startup(self, name: str | None = None) -> Callable[[F], F]:
        """Call the function when a worker starts."""
        return self._hook("on_startup", name)

    @also_named(name="name_or_fn")
    def unregister_on_startup(self, name_or_fn: str | Hook) -> bool:
        """Remove an on-startup hook; False if there is none."""
        return self.hooks["on_startup"].unregister(name_or_fn)

    def on_shutdown(self, name: str | None = None) -> Callable[[F], F]:
        """Call the function when a worker stops."""
        return self._hook("on_shutdown", name)

    @also_named(name="name_or_fn")
    def unregister_on_shutdown(self, name_or_fn: str | Hook) -> bool:
        """Remove an on-shutdown hook; False if there is none."""
        return self.hooks["on_shutdown"].unregister(name_or_fn)

    def _hook(self, moment: str, name: str | None) -> Callable[[F], F]:
        _need_parentheses(moment, name)

        def decorate(hook: F) -> F:
            self.hooks[moment].register(name, hook)
            return hook

        return decorate

    # -- queue and schedule -------------------------------------------------------------------

    @overload
    def enqueue(self, task: Task[R]) -> Result[R]: ...

    @overload
    def enqueue(self, task: group) -> ResultGroup[Any]: ...

    @overload
    def enqueue(self, task: chord) -> ChordResult[Any]: ...

    def enqueue(self, task: Any) -> Any:
        """Put a task on the queue and return the way to its value; None without result store.

        For a pipeline, made by `Task.then`, it returns a `ResultGroup` with the result of each
        of its tasks; for a `group` a `ResultGroup`, for a `chord` a `ChordResult`.
        """
        return self._enqueue(task) if isinstance(task, Task) else self._enqueue_whole(task)

    def _enqueue(self, task: Task[Any], before: Batch = NOTHING) -> Any:
        """Put a task on the queue; in the same step, values and endings are cleared before."""
        batch = self.prepare([task])
        if before is not NOTHING:
            batch = batch._replace(clear=before.clear, endings=before.endings)
        self.signals.send(SIGNAL_ENQUEUED, task)  # first, or a worker's signal could overtake it
        if self._immediate:
            self._run_here(batch)
        elif batch.clear:
            self.storage.write(batch)
        elif batch.events:
            self.storage.enqueue_and_tell(*batch.enqueue[0], batch.events[0])
        else:
            self.storage.enqueue(*batch.enqueue[0])
        results = [Result(self, one) for one in task.pipeline()] if self.results else []
        return ResultGroup(results) if len(results) > 1 else next(iter(results), None)

    def enqueue_many(self, tasks: Sequence[Task[R]]) -> ResultGroup[R]:
        """Put tasks on the queue in one step, where the storage can."""
        if self.enqueue_is_overridden():
            return ResultGroup([self.enqueue(task) for task in tasks])
        name = make_id()
        self._enqueue_side_by_side(tasks, name)
        return ResultGroup([Result(self, task) for task in tasks], name)

    def _enqueue_whole(self, whole: group | chord) -> Any:
        if not isinstance(whole, (group, chord)):
            raise ConfigurationError(
                f"a task, a group or a chord can be enqueued, not {whole!r}: a task function "
                f"makes a task by its s(…) with the arguments"
            )
        tasks, result = plan(self, whole)
        if self.enqueue_is_overridden():
            for task in tasks:
                self.enqueue(task)
        else:
            self._enqueue_side_by_side(tasks, result.id)
        return result

    def _enqueue_side_by_side(self, tasks: Sequence[Task[Any]], name: str) -> None:
        batch = self.prepare(tasks, name)
        if self.signals:
            for task in tasks:
                self.signals.send(SIGNAL_ENQUEUED, task)
        if self._immediate:
            self._run_here(batch)
        else:
            self.storage.write(batch)

    def _run_here(self, batch: Batch) -> None:
        """Run in this thread what would be put on the queue, and what follows from it."""
        self.storage.write(batch._replace(enqueue=()))
        messages = deque(data for data, _ in batch.enqueue)
        while messages:
            host = Immediate(self)
            self.executor.receive(Claim(None, messages.popleft()), host)
            messages.extend(host.following)

    def enqueue_is_overridden(self) -> bool:
        """Whether somebody, a subclass or a monitoring tool, wants to see every task pass."""
        return getattr(self.enqueue, "__func__", None) is not _ENQUEUE

    def prepare(self, tasks: Sequence[Task[Any]], group: str = "") -> Batch:
        """Return what a storage has to write to put tasks on the queue.

        :param group: names a group that they belong to in the event stream.
        """
        items, events = [], []
        tell = self.events.enqueued if self.events.enabled else None
        for task in tasks:
            task.resolve_expires(utc=self.utc)
            items.append((self.serialize_task(task), task.priority))
            if tell is not None:
                events.append(tell(task, group))
        return Batch(enqueue=items, events=events)

    def serialize_task(self, task: Task[Any]) -> Any:
        """Return a task as it travels."""
        return self.serializer.serialize(self.registry.create_message(task))

    def deserialize_task(self, data: Any) -> Task[Any]:
        """Return the task that has travelled."""
        return self.registry.create_task(self.serializer.deserialize(data))

    def pending(self, limit: int | None = None) -> list[Task[Any]]:
        """Return the tasks that wait to be run, the next one first.

        A message that cannot be read here is left out, here and in `scheduled`.
        """
        return list(self.readable(self.storage.enqueued_items(limit)))

    def scheduled(self, limit: int | None = None) -> list[Task[Any]]:
        """Return the tasks that are scheduled for later, the next one first."""
        return list(self.readable(self.storage.scheduled_items(limit)))

    def readable(self, messages: Iterable[Any]) -> Iterator[Task[Any]]:
        """Yield the tasks that messages carry; those that cannot be read here are left out."""
        for data in messages:
            try:
                task = self.deserialize_task(data)
            except BaseException as error:  # the worker that claims it sets it aside
                if is_ctrl_c(error):
                    raise
                logger.debug("a message cannot be read here: %s", printable(one_line(error)))
            else:
                yield task

    def pending_count(self) -> int:
        """Return how many tasks wait to be run."""
        return self.storage.queue_size()

    def scheduled_count(self) -> int:
        """Return how many tasks are scheduled for later."""
        return self.storage.schedule_size()

    def __len__(self) -> int:
        """Return how many tasks wait, as `pending_count` does."""
        return self.storage.queue_size()

    def __bool__(self) -> bool:
        return True  # an empty queue is still a queue

    def running(self) -> list[Task[Any]]:
        """Return the tasks that workers are running, in this process and in others."""
        return self.inspection.running()

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are alive, in this process and in others."""
        return self.inspection.workers()

    def task_info(self, task: str | Task[Any]) -> TaskInfo:
        """Return what is known of a task: its status, and who runs it.

        :param task: the task as it was enqueued, or its id.
        """
        task_id = task.id if isinstance(task, Task) else task
        return self.inspection.info(task_id, self.control.due(task))

    def move_due(self, limit: int = 1000) -> int:
        """Move tasks that are due from the schedule to the queue; return how many."""
        tell = self._tell_moved if self.events.enabled else None
        moved = self.storage.move_due(from_timestamp(time.time()), limit, tell)
        if self.signals:
            for task in self.readable(moved):
                self.signals.send(SIGNAL_ENQUEUED, task)
        return len(moved)

    def enqueue_periodic(self, minute: int) -> int:
        """Put the periodic tasks of a minute on the queue; return how many.

        :param minute: minutes since the epoch. The first consumer to come takes a task's minute.
        """
        now = from_timestamp(60 * minute, utc=self.utc, zone=self.timezone)
        due = self.registry.due(now)
        return sum(self._enqueue_once(one, 60_000 * minute) for one in due)

    def enqueue_every(self, name: str, moment: int) -> bool:
        """Put a task that runs `every` so often on the queue; False if another consumer has.

        :param moment: when its period began, in milliseconds since the epoch.
        """
        task_class = self.registry.task_class(name)
        return task_class is not None and self._enqueue_once(task_class, moment)

    def _enqueue_once(self, task_class: type[Task[Any]], moment: int) -> bool:
        first = self.storage.advance(f"{_MOMENT}{task_class.name}", moment)
        if first:
            self.enqueue(task_class())
        return first

    def _priority_of(self, data: Any) -> float | None:
        return next((task.priority for task in self.readable([data])), None)

    def _tell_moved(self, moved: Sequence[Any]) -> list[Any]:
        of = self.events.of
        return [
            event
            for task in self.readable(moved)
            for event in of("enqueued", task, retries=task.retries)
        ]

    def reschedule(
        self,
        task: Task[R],
        eta: datetime.datetime | None = None,
        delay: float | None = None,
        expires: Expires | None = None,
        priority: float | None = None,
        preserve_pipeline: bool = True,
    ) -> Result[R]:
        """Revoke a task and enqueue a new one with the same call, see `Result.reschedule`."""
        later = eta is not None or delay is not None
        new = task.anew()
        new.eta = normalize_time(eta, delay, utc=self.utc) if later else None
        new.expires = task.expires if expires is None else expires
        new.priority = task.priority if priority is None else priority
        if not preserve_pipeline:
            new.on_complete = new.on_error = None
        self.revoke(task, revoke_once=True)
        return self.enqueue(new)

    # -- running ------------------------------------------------------------------------------

    def create_consumer(self, **options: Any) -> Consumer:
        """Return a consumer for this queue; see `Consumer` for the options."""
        from huey.consumer import Consumer

        return Consumer(self, **options)

    def execute(
        self,
        task: Task[R],
        timestamp: datetime.datetime | None = None,
        *,
        host: Host | None = None,
    ) -> R | None:
        """Run a task here and now, unless it is scheduled, revoked or expired.

        :param timestamp: naive time to take for the present.
        :param host: the worker that holds the task's message.
        """
        value: R | None = self.executor.execute(task, timestamp, host)
        return value

    def _execute(self, task: Task[Any], host: Host) -> Any:
        return self.executor.run(task, host)

    def cancel(self, task: str | Task[Any]) -> bool:
        """Stop a task, see `Result.cancel`.

        :param task: the task as it was enqueued, or its id.
        """
        _, running = self.control.cancel([task])
        return bool(running)

    def cancel_many(self, tasks: Iterable[str | Task[Any]]) -> int:
        """Stop tasks, with one look through queue and schedule; return how many were not over."""
        count, _ = self.control.cancel(tasks)
        return count

    def run_now(self, task_id: str) -> bool:
        """Put a task that is scheduled, say for a retry, onto the queue; False if it is not.

        It stays the same task, with its priority, its retries and what follows it.
        """
        return self.control.run_now(task_id)

    def run_again(
        self,
        task: Task[R],
        eta: datetime.datetime | None = None,
        delay: float | None = None,
    ) -> Result[R]:
        """Enqueue a task that has ended once more, under the same id; return what `enqueue` does.

        Its value, how it ended and its revocation are gone from then on, and so are those of the
        tasks that follow it, so that whoever reads the result waits for the new one. A `Result`
        that has read the old value keeps it until `Result.reset`. A chord of which the task was
        part counts it once and is not changed.

        :param task: as it was enqueued, with all its retries, such as ``result.task``.
        :param eta: time before which it must not run; a naive one is local time.
        :param delay: that time in seconds from now.
        :raises HueyException: if it has not ended, or gets values of a chord that are gone.
        """
        result: Result[R] = self.control.run_again(task, eta, delay)
        return result

    # -- revoking -----------------------------------------------------------------------------

    def revoke(
        self,
        task: Task[Any],
        revoke_until: datetime.datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep a task from starting, see `Result.revoke`."""
        self._revoke(task, revoke_until, revoke_once)

    @also_named(id="task_id")
    def revoke_by_id(
        self,
        task_id: str,
        revoke_until: datetime.datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep the task with an id from starting."""
        self._revoke(task_id, revoke_until, revoke_once)

    def revoke_all(
        self,
        task_class: type[Task[Any]],
        revoke_until: datetime.datetime | None = None,
        revoke_once: bool = False,
    ) -> None:
        """Keep all tasks of a function from starting, see `TaskWrapper.revoke`."""
        self._revoke(task_class, revoke_until, revoke_once)

    def restore(self, task: Task[Any]) -> bool:
        """Let a task run again; False if it was not revoked."""
        return self.revocations.restore(revocation_key(task))

    @also_named(id="task_id")
    def restore_by_id(self, task_id: str) -> bool:
        """Let the task with an id run again; False if it was not revoked."""
        return self.revocations.restore(revocation_key(task_id))

    def restore_all(self, task_class: type[Task[Any]]) -> bool:
        """Let the tasks of a function run again; False if they were not revoked."""
        return self.revocations.restore(revocation_key(task_class))

    def is_revoked(
        self,
        task: Task[Any] | str | Result[Any] | type[Task[Any]] | TaskWrapper[Any, Any],
        timestamp: datetime.datetime | None = None,
    ) -> bool:
        """Say whether a task, by itself or with its function, or a function is revoked.

        :param task: a task, its id, its result, a task class or a task function.
        :param timestamp: at which time; a naive one is local time.
        """
        now = self._moment(timestamp)
        if isinstance(task, Result):
            task = task.task
        subjects: list[Any] = [task, type(task)] if isinstance(task, Task) else [task]
        return any(self.revocations.is_revoked(revocation_key(s), now) for s in subjects)

    def heed_revocation(self, task: Task[Any], now: datetime.datetime | None = None) -> bool:
        """Say whether a worker must skip a task; uses up a revocation that is for once.

        :param now: naive time (UTC or local, as the Huey says), by default the present.
        """
        return self.revocations.heed(revocation_keys(task), now)

    def _revoke(self, subject: Any, until: datetime.datetime | None, once: bool) -> None:
        when = None if until is None else normalize_time(eta=until, utc=self.utc)
        self.revocations.revoke(revocation_key(subject), when, once)

    # -- one at a time, and so many per window -------------------------------------------------

    def lock_task(self, lock_name: str, ttl: float | None = None) -> TaskLock:
        """Return a lock for tasks: a decorator, directly above the function, or a ``with``.

        A task that finds it taken does not wait: it is tried again if it has retries, and dropped
        otherwise. The lock is free when its task ends, however it ends, and when its process dies.

        :param lock_name: whoever uses the name shares the lock.
        :param ttl: seconds after which other hosts take a process for dead of which they hear
            nothing, None for the storage's own lease.
        """
        return self.locks.make(lock_name, ttl)

    def is_locked(self, lock_name: str) -> bool:
        """Say whether a lock is held."""
        return lock_name in self.storage.locks()

    def flush_locks(self, *names: str) -> set[str]:
        """Free the locks of decorators and modules, and those named; return which were held."""
        return self.locks.flush(*names)

    def rate_limit(self, name: str, limit: int, per: float, retry: bool = True) -> RateLimit:
        """Return a limit for tasks: a decorator, directly above the function, or a ``with``.

        :param name: whoever uses the name shares the limit.
        :param limit: how many turns there are in any ``per`` seconds.
        :param per: seconds.
        :param retry: put a task that finds no turn back to the schedule for when there is one,
            which spends no retries; otherwise it fails with `RateLimitExceeded`.
        """
        return RateLimit(self, name, limit, per, retry=retry)

    # -- values -------------------------------------------------------------------------------

    @also_named(id="task_id")
    def result(self, task_id: str, *args: Any, **kwargs: Any) -> Any:
        """Return the value of the task with an id; arguments as of `Result.get`."""
        return Result(self, Task(id=task_id)).get(*args, **kwargs)

    @also_named(data="value")
    def put(self, key: str, value: Any) -> None:
        """Store a value of your own, over an older one if there is one."""
        self.storage.put_data(f"{_OWN}{key}", self.serializer.serialize(value))

    @also_named(data="value")
    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        """Store a value of your own unless there is one, in one step; say whether it was stored.

        :param ttl: seconds after which it is gone again, None for never.
        :raises ConfigurationError: if the storage cannot let values go after a time, or ``ttl`` is
            no such number.
        """
        key, data = f"{_OWN}{key}", self.serializer.serialize(value)
        put = self.storage.put_if_empty
        if ttl is None:
            return put(key, data)
        if not isinstance(ttl, int | float) or not ttl > 0:
            raise ConfigurationError(f"ttl is a number of seconds above 0 or None, not {ttl!r}")
        if "ttl" not in inspect.signature(put).parameters:
            raise ConfigurationError(
                f"{type(self.storage).__name__} keeps values until they are taken out: leave out "
                f"ttl, or use another storage"
            )
        return put(key, data, ttl)

    def get(self, key: str, peek: bool = False) -> Any:
        """Return a value of your own, None if there is none.

        :param key: as given to `put`; a task's id works too, and gives its value.
        :param peek: leave it in the store; otherwise it is taken out.
        """
        storage = self.storage
        data = (storage.peek_data if peek else storage.pop_data)(f"{_OWN}{key}")
        if data is EmptyData:
            data = (storage.peek_data if peek else storage.take_result)(key)
        return None if data is EmptyData else self.serializer.deserialize(data)

    def delete(self, key: str) -> bool:
        """Remove a value of your own, or a task's by its id; False if there is none."""
        pop = self.storage.pop_data
        return pop(f"{_OWN}{key}") is not EmptyData or pop(key) is not EmptyData

    def flush(self) -> None:
        """Remove everything: waiting and scheduled tasks, all values, revocations and events.

        Who waits for one of the tasks gets `WorkerLost`. Messages set aside stay, and so do
        tasks that are running.
        """
        waiting = (*self.pending(_FLUSHED_ARE_TOLD), *self.scheduled(_FLUSHED_ARE_TOLD))
        self.storage.flush_queue()
        self.storage.flush_schedule()
        self.storage.flush_results()
        self.storage.flush_events()
        ending = because("lost", "its queue was given up")
        told = [(one.id, ending) for task in waiting for one in task.pipeline()]
        self.storage.write(Batch(endings=told))

    def result_count(self) -> int:
        """Return how many results of tasks are stored, see `all_results`."""
        return len(self.all_results())

    def all_results(self) -> dict[str, Any]:
        """Return the serialized results of all tasks by task id."""
        items = self.storage.result_items().items()
        return {key: data for key, data in items if not key.startswith(_NO_RESULTS)}

    def build_error_result(self, task: Task[Any], error: BaseException | None) -> Error:
        """Return what is stored for a task that failed; override to add to it."""
        return error_metadata(task, error)

    # -- messages set aside -------------------------------------------------------------------

    def set_aside(self) -> list[tuple[Any, str]]:
        """Return the messages that nobody could run, each with the reason."""
        return [(message.data, message.reason) for message in self.storage.aside_items()]

    def restore_set_aside(self) -> int:
        """Put the messages set aside back on the queue; return how many."""
        back = self.readable(message.data for message in self.storage.aside_items())
        self.storage.write(Batch(endings=[(task.id, "") for task in back]))  # not over after all
        return self.storage.restore_aside()

    # -- time ---------------------------------------------------------------------------------

    def timestamp(self, when: datetime.datetime) -> float:
        """Return the epoch seconds of a naive time as this Huey keeps them."""
        return to_timestamp(when, utc=self.utc)

    def _moment(self, when: datetime.datetime | None) -> datetime.datetime:
        if when is None:
            return from_timestamp(time.time(), utc=self.utc)
        return normalize_time(eta=when, utc=self.utc)


_ENQUEUE = Huey.enqueue


class MemoryHuey(Huey):
    """A Huey whose queue is in memory, for workers in the same process.

    Arguments and results are passed on as they are: nothing is copied or pickled.
    """

    storage_class = MemoryStorage


class _Later:
    """A storage class that is imported when it is asked for, and with it what it needs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, huey: Huey | None, owner: type[Huey]) -> type[BaseStorage]:
        found: type[BaseStorage] = getattr(storages, self._name)
        return found


def _later(name: str) -> Any:
    return _Later(name)


class SqliteHuey(Huey):
    """A Huey whose queue is a Sqlite file.

    :param filename: the file; ``SqliteHuey('/data/app.db')`` works too.

    Further keyword arguments are those of `SqliteStorage`.
    """

    storage_class = _later("SqliteStorage")

    def __init__(self, name: str = "huey", *args: Any, **kwargs: Any) -> None:
        if is_filename(name) and "filename" not in kwargs:
            kwargs["filename"], name = name, "huey"
        super().__init__(name, *args, **kwargs)


class FileHuey(Huey):
    """A Huey whose queue is a folder of files.

    :param path: the folder; ``FileHuey('/data/queue')`` works too.

    Further keyword arguments are those of `FileStorage`.
    """

    storage_class = _later("FileStorage")

    def __init__(self, name: str = "huey", *args: Any, **kwargs: Any) -> None:
        if is_path(name) and "path" not in kwargs:
            kwargs["path"], name = name, "huey"
        super().__init__(name, *args, **kwargs)


class BlackHoleHuey(Huey):
    """A Huey that swallows every task and runs none, for tests."""

    storage_class = BlackHoleStorage


class RedisHuey(Huey):
    """A Huey whose queue is a list on a Redis server; it ignores priorities.

    Keyword arguments are those of `RedisStorage`: ``url``, or ``host``, ``port`` and so on.
    """

    storage_class = _later("RedisStorage")


class PriorityRedisHuey(Huey):
    """A Huey whose queue is a sorted set on a Redis server: by priority.

    Keyword arguments are those of `RedisStorage`.
    """

    storage_class = _later("PriorityRedisStorage")


class RedisExpireHuey(Huey):
    """A `RedisHuey` whose results stay for a while, whoever reads them.

    Keyword arguments are those of `RedisExpireStorage`, such as ``expire_time`` in seconds.
    """

    storage_class = _later("RedisExpireStorage")


class PriorityRedisExpireHuey(Huey):
    """A `PriorityRedisHuey` whose results stay for a while, whoever reads them.

    Keyword arguments are those of `RedisExpireStorage`.
    """

    storage_class = _later("PriorityRedisExpireStorage")


def _need_parentheses(decorator: str, *given: Any) -> None:
    """Refuse a function where a name is expected: the decorator would swallow it."""
    if any(callable(one) for one in given):
        raise ConfigurationError(f"write @huey.{decorator}() with parentheses above the function")


def _zone(name: str) -> datetime.tzinfo:
    from zoneinfo import ZoneInfo  # looks for files, and few need it

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"no time zone named {name!r} is known here: names are like 'Europe/Berlin'; a system "
            f"without them takes them from pip install tzdata"
        ) from error
