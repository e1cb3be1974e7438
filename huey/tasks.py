"""One run of a task function, and the function that makes runs."""

from __future__ import annotations

import contextvars
import copy
import datetime
import functools
import inspect
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from huey.exceptions import ConfigurationError, TaskInterrupt, TaskTimeout
from huey.utils import make_id, normalize_expires, normalize_time, printable, short_call

if TYPE_CHECKING:
    from huey.api import Huey
    from huey.results import Result, ResultGroup

P = ParamSpec("P")
R = TypeVar("R")

Expires = float | datetime.timedelta | datetime.datetime


class Task(Generic[R]):
    """The execution of a function with its arguments.

    Made by calling a task function or by its ``s()``; the class itself is a base, of which each
    task function has a subclass with its ``name`` and its defaults.

    :param args: positional arguments of the call.
    :param kwargs: keyword arguments of the call.
    :param id: unique id, by default a random UUID.
    :param eta: naive time (UTC or local, as the Huey says) before which it must not run.
    :param retries: how many more times to try after a failure.
    :param retry_delay: seconds between tries.
    :param priority: the higher number runs first.
    :param expires: seconds, timedelta or datetime after which it is not worth running.
    :param on_complete: task to enqueue with this one's value when it is done.
    :param on_error: task to enqueue with the exception when it has failed for good.
    :param chord_config: what it has to do with chords, see `huey.composition`.
    :param retry_backoff: factor by which ``retry_delay`` grows with each retry, 0 for none.
    :param timeout: seconds that one try may take, None for as long as it takes.
    """

    name: str = "task"
    default_retries: int = 0
    default_retry_delay: float = 0
    default_priority: float | None = None
    default_expires: Expires | None = None
    default_at_most_once: bool = False
    default_retry_backoff: float = 0
    default_timeout: float | None = None
    periodic: bool = False
    message_name: str = ""  # by which its message calls it, if not by ``name``
    carries: str = ""  # what takes long to send with it, for people
    deaths: int = 0  # how many workers have died with it in hand
    made_by: TaskWrapper[..., Any] | None = None

    def __init__(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        id: str | None = None,
        eta: datetime.datetime | None = None,
        retries: int | None = None,
        retry_delay: float | None = None,
        priority: float | None = None,
        expires: Expires | None = None,
        on_complete: Task[Any] | None = None,
        on_error: Task[Any] | None = None,
        *,
        expires_resolved: datetime.datetime | None = None,
        chord_config: Any = None,
        retry_backoff: float | None = None,
        timeout: float | None = None,
    ) -> None:
        self.args: tuple[Any, ...] = () if args is None else tuple(args)
        self.kwargs: dict[str, Any] = {} if kwargs is None else kwargs
        self.id = id or make_id()
        self.eta = eta
        self.retries = self.default_retries if retries is None else retries
        self.retry_delay = self.default_retry_delay if retry_delay is None else retry_delay
        self.priority = self.default_priority if priority is None else priority
        self.expires = self.default_expires if expires is None else expires
        self.expires_resolved = expires_resolved
        self.on_complete = on_complete
        self.on_error = on_error
        self.chord_config = chord_config
        backoff = self.default_retry_backoff if retry_backoff is None else retry_backoff
        self.retry_backoff = backoff or 0
        self.timeout = self.default_timeout if timeout is None else timeout
        self._deadline: float | None = None

    def __repr__(self) -> str:
        return f"<{printable(self.name)}: {printable(self.id)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and (self.id, self.name) == (other.id, other.name)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def attempt(self) -> int:
        """Which try this is, from 1; those that `RetryTask` asked for do not count."""
        return max(1, self.default_retries - self.retries + 1)

    @property
    def time_remaining(self) -> float | None:
        """Seconds left of this try's ``timeout``, at least 0; None if it has none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def is_timed_out(self) -> bool:
        """Whether this try has run for longer than its ``timeout``."""
        return self.time_remaining == 0.0

    def check_timeout(self) -> None:
        """Raise `TaskTimeout` if this try has run for longer than its ``timeout``."""
        if self.is_timed_out:
            raise self.overrun()

    def overrun(self) -> TaskTimeout:
        """Return the exception that says that this try took too long."""
        return TaskTimeout(f"timed out after {self.timeout:g} s")

    def begin(self) -> None:
        """Start the clock of a try."""
        self._deadline = None if self.timeout is None else time.monotonic() + self.timeout

    def describe(self) -> dict[str, str]:
        """Return what people want to know of the call: ``args``, in a few words, or a ``label``."""
        return {"args": short_call(self.args, self.kwargs)}

    def resolve_expires(self, *, utc: bool = True) -> None:
        """Turn a relative ``expires`` into the time at which it is over."""
        if self.expires is not None:
            self.expires_resolved = normalize_expires(self.expires, utc=utc)

    def then(self, task: TaskWrapper[..., Any] | Task[Any], *args: Any, **kwargs: Any) -> Self:
        """Have another task run after this one, with this one's value; return this one.

        Called again, it adds to the end of the line. The value comes after the positional
        arguments given here; a tuple extends them, a dict fills in keywords that are not given,
        None adds nothing.

        :param task: a task function, or a task made by its ``s()``.
        """
        last: Task[Any] = self
        while last.on_complete is not None:
            last = last.on_complete
        last.on_complete = follower(task, args, kwargs)
        return self

    def error(self, task: TaskWrapper[..., Any] | Task[Any], *args: Any, **kwargs: Any) -> Self:
        """Have another task run when this one has failed for good; return this one.

        The exception comes after the positional arguments given here.
        """
        last: Task[Any] = self
        while last.on_error is not None:
            last = last.on_error
        last.on_error = follower(task, args, kwargs)
        return self

    def pipeline(self) -> list[Task[Any]]:
        """Return this task and those that follow it, in order."""
        tasks: list[Task[Any]] = [self]
        while (after := tasks[-1].on_complete) is not None:
            tasks.append(after)
        return tasks

    def extend(self, data: Any) -> None:
        """Add what the task before gave to this one's arguments, see `then`."""
        if isinstance(data, tuple):
            self.args = (*self.args, *data)
        elif isinstance(data, dict):
            self.kwargs = {**data, **self.kwargs}
        elif data is not None:
            self.args = (*self.args, data)

    def anew(self) -> Self:
        """Return this call, and what follows it, as new tasks with ids of their own."""
        new = copy.copy(self)
        new.id = make_id()
        new.on_complete = None if self.on_complete is None else self.on_complete.anew()
        new.on_error = None if self.on_error is None else self.on_error.anew()
        return new

    def execute(self) -> R:
        """Call the user's function and return its value."""
        raise NotImplementedError


class PeriodicTask(Task[R]):
    """The base of the tasks that the consumer makes by itself."""

    periodic = True


def follower(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task[Any]:
    """Return the task that is to follow another, with these arguments first."""
    if isinstance(task, TaskWrapper):
        return task.s(*args, **kwargs)
    if not isinstance(task, Task):
        raise ConfigurationError(
            f"what follows is a task function or a task made by its s(…), not {task!r}"
        )
    task.args = (*task.args, *args)
    task.kwargs = {**task.kwargs, **kwargs}
    return task


Begun = tuple[int, int, int]
"""Which try a task begins, how many retries are left, how many workers have died with it."""


class Run:
    """A task while a worker runs it: what it reports, and the wish that it stop.

    Methods may be called from any thread. ``wake`` is called when there is something to report
    and the run was silent before.
    """

    def __init__(
        self,
        task: Task[Any],
        worker: str = "",
        wake: Callable[[Run], None] | None = None,
        pid: int = 0,
    ) -> None:
        self.task = task
        self.worker = worker
        self.pid = pid or os.getpid()
        self.started = time.time()
        self.canceled = False
        self.over = False
        self.flushed = False  # whether some of what it reported was written before its end
        self.untold: Begun | None = None  # how it has begun, if that is still to be written
        self.held: dict[str, tuple[Any, str]] = {}  # locks that it has taken, see `huey.locks`
        self.at_end: list[Callable[[], None]] = []  # called by its worker before it is over
        self.give_way: Callable[[], None] | None = None  # at a report, if others share its thread
        self._wake = wake
        self._lock = threading.Lock()
        self.notes: list[Any] = []  # events that nobody has drained yet
        self.awake = False  # whether there is more to drain
        self._progress: tuple[float, float | None, str | None] | None = None
        self._drained: tuple[float, float | None, str | None] | None = None
        self._output: list[tuple[str, Any]] = []

    def cancel(self) -> None:
        """Ask the task to stop at its next report of progress."""
        self.canceled = True

    def report(self, done: float, total: float | None, message: str | None) -> None:
        """Keep the latest progress; raise `TaskInterrupt` if the task was asked to stop."""
        if self.canceled:
            raise TaskInterrupt
        self._progress = (done, total, message)
        if not self.awake:
            self._rouse()
        if self.give_way is not None:
            self.give_way()
            if self.canceled:
                raise TaskInterrupt

    def write(self, name: str, content: Any) -> None:
        """Keep a piece of output: a stream's name and text, or ``display`` and a mime bundle."""
        with self._lock:
            self._output.append((name, content))
        if not self.awake:
            self._rouse()

    def note(self, event: Any) -> None:
        """Keep an event for whoever drains it next; not when it is over."""
        with self._lock:
            if not self.over:
                self.notes.append(event)

    def drain(
        self,
    ) -> tuple[list[Any], tuple[float, float | None, str | None] | None, list[tuple[str, Any]]]:
        """Take what came since the last time: events, the latest progress, and all output."""
        with self._lock:
            self.awake = False
            notes, self.notes = self.notes, []
            # Read once and never cleared: a report that comes in this moment is not lost.
            progress, before = self._progress, self._drained
            self._drained = progress
            output, self._output = self._output, []
        return notes, (None if progress is before else progress), output

    def _rouse(self) -> None:
        self.awake = True
        if self._wake is not None:
            self._wake(self)


running: contextvars.ContextVar[Run | None] = contextvars.ContextVar("huey_run", default=None)
"""The run that this code is part of; set by whoever calls the task."""


def current_run() -> Run | None:
    """Return the run that this code is part of, None outside a task."""
    return running.get()


def current_task() -> Task[Any] | None:
    """Return the task that this code is part of, None outside one."""
    run = running.get()
    return None if run is None else run.task


_OPTIONS = frozenset(
    (
        *("priority", "expires", "timeout", "retries", "retry_delay", "retry_backoff"),
        *("id", "eta", "delay"),
    )
)
"""What a call may say of its task, beside the function's own arguments."""


def _parameters(func: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(func).parameters)
    except (TypeError, ValueError):  # some functions written in C do not tell
        return frozenset()


def check_options(options: dict[str, Any]) -> None:
    """Refuse what a task's options cannot be."""
    timeout = options.get("timeout")
    wrong = isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0
    if timeout is not None and wrong:
        raise ConfigurationError(f"timeout is a number of seconds above 0, not {timeout!r}")
    for name in ("priority", "retries", "retry_delay", "retry_backoff"):
        value = options.get(name)
        if isinstance(value, str | bytes) or callable(value):
            raise ConfigurationError(f"{name} is a number, not {value!r}")


class TaskWrapper(Generic[P, R]):
    """A function of which each call is handed to the queue.

    Made by ``Huey.task()``.

    :param huey: the Huey whose queue takes the calls.
    :param func: the user's function.
    :param retries: how many times a failed task is tried again.
    :param retry_delay: seconds between tries.
    :param context: whether the task is passed to the function as ``task=``.
    :param name: replaces the function's name; the module stays the prefix.
    :param task_base: base class of the tasks.
    :param settings: further defaults of the tasks: ``priority``, ``expires``, ``timeout``,
        ``retry_backoff``, ``at_most_once``.
    """

    def __init__(
        self,
        huey: Huey,
        func: Callable[P, R],
        retries: int | None = None,
        retry_delay: float | None = None,
        context: bool = False,
        name: str | None = None,
        task_base: type[Task[Any]] | None = None,
        **settings: Any,
    ) -> None:
        self.huey = huey
        self.func = func
        self.retries = retries
        self.retry_delay = retry_delay
        self.context = context
        self.name = name or func.__name__
        self._options = _OPTIONS - _parameters(func)
        self.task_class: type[Task[R]] = self._make_class(task_base or Task, settings)
        self._register()
        functools.update_wrapper(self, func, updated=())

    def _register(self) -> None:
        self.huey.registry.register(self.task_class)

    def _make_class(self, base: type[Task[Any]], settings: dict[str, Any]) -> type[Task[R]]:
        wrapper, func, context = self, self.func, self.context
        check_options({**settings, "retries": self.retries, "retry_delay": self.retry_delay})

        def execute(task: Task[R]) -> R:  # of the wrapper, to which a decorator may add
            if context:
                return wrapper.func(*task.args, **{**task.kwargs, "task": task})
            return wrapper.func(*task.args, **task.kwargs)

        module = getattr(func, "__module__", None) or "__main__"
        attributes: dict[str, Any] = {
            f"default_{key}": value for key, value in settings.items() if value is not None
        }
        attributes |= {
            "__module__": module,
            "__doc__": func.__doc__,
            "name": f"{module}.{self.name}",
            "made_by": self,
            "execute": execute,
            "default_retries": self.retries or 0,
            "default_retry_delay": self.retry_delay or 0,
        }
        return type(self.name, (base,), attributes)

    def __repr__(self) -> str:
        return f"<TaskWrapper: {self.task_class.name}>"

    def __reduce__(self) -> str:
        return self.func.__qualname__  # by its name in its module, as a function is pickled

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result[R]:
        """Hand the call to the queue; takes the options of `s` too."""
        return self.huey.enqueue(self.s(*args, **kwargs))

    def call_local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now, with no queue in between."""
        return self.func(*args, **kwargs)

    def s(self, *args: Any, **kwargs: Any) -> Task[R]:
        """Return the task of a call without putting it on the queue.

        These keywords are for the task and not for the function, unless the function has a
        parameter of that name:

        :param priority: overrides the task function's priority.
        :param expires: overrides its expiration.
        :param timeout: overrides the seconds that it may run.
        :param retries: overrides how many more times it is tried after a failure.
        :param retry_delay: overrides the seconds between tries.
        :param retry_backoff: overrides the factor by which they grow.
        :param id: the task's id, by default a random UUID.
        :param eta: time before which it must not run; a naive one is local time.
        :param delay: that time in seconds from now.
        """
        options = {key: kwargs.pop(key) for key in self._options & kwargs.keys()} if kwargs else {}
        if options:
            check_options(options)
        eta, delay = options.pop("eta", None), options.pop("delay", None)
        if eta is not None or delay is not None:
            options["eta"] = normalize_time(eta, delay, utc=self.huey.utc)
        return self.task_class(args, kwargs, **options)

    def schedule(
        self,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        eta: datetime.datetime | None = None,
        delay: float | None = None,
        **options: Any,
    ) -> Result[R]:
        """Hand a call to the queue that must not run before a time.

        :param eta: that time; a naive one is local time.
        :param delay: that time in seconds from now.
        :param options: further ones as of `s`, such as ``priority``.
        """
        when = normalize_time(eta, delay, utc=self.huey.utc)
        return self.huey.enqueue(self.task_class(args, kwargs, eta=when, **options))

    def map(self, it: Iterable[Any]) -> ResultGroup[R]:
        """Hand one call per item to the queue, all in one step where the storage can.

        :param it: tuples of positional arguments; anything else is a single argument.
        """
        tasks = [self.task_class(item if isinstance(item, tuple) else (item,)) for item in it]
        return self.huey.enqueue_many(tasks)

    def revoke(
        self, revoke_until: datetime.datetime | None = None, revoke_once: bool = False
    ) -> None:
        """Keep every task of this function from running until `restore`.

        :param revoke_until: restore by itself at this time; a naive one is local time.
        :param revoke_once: skip only the next task.
        """
        self.huey.revoke_all(self.task_class, revoke_until, revoke_once)

    def is_revoked(self, timestamp: datetime.datetime | None = None) -> bool:
        """Say whether tasks of this function are revoked, now or at a time."""
        return self.huey.is_revoked(self.task_class, timestamp)

    def restore(self) -> bool:
        """Let the tasks of this function run again; False if they were not revoked."""
        return self.huey.restore_all(self.task_class)
