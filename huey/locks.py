"""Locks: one at a time, among all threads and processes of one storage."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from huey.exceptions import ConfigurationError, TaskLockedException
from huey.tasks import Run, TaskWrapper, current_run
from huey.utils import make_id

if TYPE_CHECKING:
    from types import TracebackType

    from huey.api import Huey

F = TypeVar("F", bound=Callable[..., Any])

Held = dict[str, tuple[Any, str]]
"""The locks that somebody has: by a holder's name of its own for each, its Huey and name."""

# What code outside of tasks has taken; replaced and never changed, as contexts are copied.
_outside: ContextVar[Held | None] = ContextVar("huey_locks", default=None)


class TaskLock:
    """A lock that a task takes; a context manager and a decorator.

    Made by ``Huey.lock_task()``. Any number of threads may use one such object at once. It is no
    recursive lock: a task that has it and asks again is locked out too. What a task took and did
    not give back is free when the task ends; what a process took, when the process dies.

    :param huey: whose storage keeps the lock.
    :param name: of the lock.
    :param ttl: seconds after which other hosts take this process for dead if they hear nothing
        of it, None for the storage's own lease.
    """

    def __init__(self, huey: Huey, name: str, ttl: float | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"a lock needs a text as its name, not {name!r}")
        if ttl is not None and not ttl > 0:
            raise ConfigurationError(f"ttl is a number of seconds above 0 or None, not {ttl!r}")
        self.huey = huey
        self.name = name
        self.ttl = ttl
        self._latest: str | None = None

    def __repr__(self) -> str:
        return f"<TaskLock: {self.name}>"

    def __enter__(self) -> TaskLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release_own()

    def __call__(self, func: F) -> F:
        """Have each call of ``func`` hold the lock; of a task function, each run."""
        return guarded(self, func)

    def acquire(self) -> bool:
        """Take the lock and return True.

        :raises TaskLockedException: at once, if somebody has it.
        """
        holder = make_id()
        _note(holder, (self.huey, self.name))  # first: an interrupt may come after any step
        if not self.huey.storage.acquire_lock(self.name, holder, self.ttl):
            _drop(holder)
            raise TaskLockedException(f"unable to acquire lock {self.name}")
        self._latest = holder
        return True

    def release(self) -> bool:
        """Give the lock back; False if it was not held, or by somebody else.

        That is neither this task (or outside of tasks this thread) nor, in whatever thread,
        whoever last took it by means of this object. `clear` frees whosever it is.
        """
        if self.release_own():
            return True
        latest, self._latest = self._latest, None
        return latest is not None and self.huey.storage.release_lock(self.name, latest)

    def release_own(self) -> bool:
        """Give the lock back if this very task has it, or outside of tasks this thread."""
        mine = (self.huey, self.name)
        holder = next((one for one, key in reversed(_held().items()) if key == mine), None)
        if holder is None:
            return False
        freed = self.huey.storage.release_lock(self.name, holder)
        _drop(holder)
        return freed

    def locked(self) -> bool:
        """Say whether anybody has the lock."""
        return self.huey.is_locked(self.name)

    is_locked = locked

    def clear(self) -> bool:
        """Free the lock, whosever it is; False if nobody had it."""
        return self.huey.storage.release_lock(self.name)


class Locks:
    """The locks of one Huey that are known by name: those that a module or a decorator keeps."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self._lock = threading.Lock()
        self._known: weakref.WeakSet[TaskLock] = weakref.WeakSet()

    def make(self, name: str, ttl: float | None) -> TaskLock:
        """Return a lock, whose name is known for as long as there is the object."""
        lock = TaskLock(self.huey, name, ttl)
        with self._lock:
            self._known.add(lock)
        return lock

    def flush(self, *names: str) -> set[str]:
        """Free the known locks and those named; return the names of those that were held."""
        with self._lock:
            known = {lock.name for lock in self._known}
        release = self.huey.storage.release_lock
        return {name for name in known.union(names) if release(name)}


def free_all(run: Run) -> None:
    """Free what a task took and did not give back."""
    for holder, (huey, name) in list(run.held.items()):
        huey.storage.release_lock(name, holder)
        run.held.pop(holder, None)


def _held() -> Held:
    run = current_run()
    return (_outside.get() or {}) if run is None else run.held


def _note(holder: str, key: tuple[Any, str]) -> None:
    run = current_run()
    if run is None:
        _outside.set({**_held(), holder: key})
    else:
        run.held[holder] = key


def _drop(holder: str) -> None:
    run = current_run()
    if run is None:
        _outside.set({one: key for one, key in _held().items() if one != holder})
    else:
        run.held.pop(holder, None)


def guarded(guard: AbstractContextManager[Any], func: F) -> F:
    """Return ``func`` as it is called inside ``with guard:``; a task function stays one."""
    if isinstance(func, TaskWrapper):
        func.func = guarded(guard, func.func)
        return func
    inside = _guarded_async if inspect.iscoroutinefunction(func) else _guarded
    return functools.wraps(func)(inside(guard, func))  # type: ignore[return-value]


def _guarded(guard: AbstractContextManager[Any], func: Callable[..., Any]) -> Callable[..., Any]:
    def inside(*args: Any, **kwargs: Any) -> Any:
        with guard:
            return func(*args, **kwargs)

    return inside


def _guarded_async(
    guard: AbstractContextManager[Any], func: Callable[..., Any]
) -> Callable[..., Any]:
    async def inside(*args: Any, **kwargs: Any) -> Any:
        with guard:
            return await func(*args, **kwargs)

    return inside
