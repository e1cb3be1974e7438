"""A semaphore for tasks: a lock that several may hold at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from huey.exceptions import ConfigurationError, TaskLockedException
from huey.locks import guarded

if TYPE_CHECKING:
    from types import TracebackType

    from huey.api import Huey

F = TypeVar("F", bound=Callable[..., Any])


class TaskSemaphore:
    """A lock that ``value`` tasks may hold at once; a context manager and a decorator.

    Made of as many locks, so it works on every storage, and what holds for a lock holds for it:
    a task's place is free when the task ends, however it ends, and when its process dies.
    """

    def __init__(self, huey: Huey, name: str, value: int, timeout: float | None) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"value is how many may enter at once, 1 or more, not {value}")
        self.name = name
        self._places = [huey.lock_task(f"{name}.{n}", timeout) for n in range(1, value + 1)]

    def __enter__(self) -> TaskSemaphore:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def __call__(self, func: F) -> F:
        """Have each call of ``func`` take a place; of a task function, each run."""
        return guarded(self, func)

    def acquire(self) -> bool:
        """Take a place and return True.

        :raises TaskLockedException: at once, if there is none.
        """
        for place in self._places:
            try:
                return place.acquire()
            except TaskLockedException:
                continue
        raise TaskLockedException(f"unable to acquire one of the places of {self.name}")

    def release(self) -> bool:
        """Give back a place of this very task, or outside of tasks of this thread."""
        return any(place.release_own() for place in self._places)


def lock_task_semaphore(
    huey: Huey, lock_name: str, value: int = 1, timeout: float | None = None
) -> TaskSemaphore:
    """Return a lock that several tasks may hold at once.

    :param lock_name: whoever uses the name shares it; say the same ``value`` everywhere.
    :param value: how many.
    :param timeout: as ``ttl`` of ``Huey.lock_task``.
    """
    return TaskSemaphore(huey, lock_name, value, timeout)
