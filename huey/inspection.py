"""What the queue knows just now: of a task, of those that run, of the workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from huey.constants import EmptyData
from huey.results import Error
from huey.serializer import Serializer
from huey.tasks import Task

if TYPE_CHECKING:
    from huey.api import Huey

_STATUS = {"none": "complete", "taken": "complete", "skipped": "canceled", "aside": "set aside"}


class TaskInfo(NamedTuple):
    """What is known of a task.

    :param id: its id.
    :param status: ``scheduled``, ``pending`` (on the queue), ``waiting`` (for the one before it in
        its pipeline), ``running``; ``complete``, ``error``, ``canceled``, ``revoked``,
        ``expired``, ``locked``, ``lost``, ``set aside``; or ``unknown``: never enqueued, or over
        for so long that it is forgotten.
    :param task: the task itself, None once it is over.
    :param worker: the name of the worker that runs it, as `WorkerInfo` has it, else None.
    """

    id: str
    status: str
    task: Task[Any] | None = None
    worker: str | None = None


class WorkerInfo(NamedTuple):
    """A worker that is alive.

    :param id: unique among all workers of the storage.
    :param name: its kind and number, like ``thread 1``.
    :param host: the machine's name.
    :param pid: the process.
    :param started: when it came online, in epoch seconds.
    :param task: what it runs, None if it is idle.
    """

    id: str
    name: str
    host: str
    pid: int
    started: float
    task: Task[Any] | None = None


class Inspection:
    """Looks into the storage of one Huey; nothing is changed by it."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey

    def running(self) -> list[Task[Any]]:
        """Return the tasks that workers have claimed."""
        return list(self.huey.readable(data for _, data in self.huey.storage.claims()))

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that are alive, of all processes."""
        tasks = {owner: data for owner, data in self.huey.storage.claims()}
        return [
            WorkerInfo(
                owner,
                str(facts.get("name", "")),
                str(facts.get("host", "")),
                int(facts.get("pid", 0)),
                float(facts.get("started", 0)),
                next(self.huey.readable([tasks[owner]] if owner in tasks else []), None),
            )
            for owner, facts in self.huey.storage.workers()
        ]

    def info(self, task_id: str) -> TaskInfo:
        """Return what is known of a task.

        What is over is found at once; otherwise schedule and queue are searched from end to end.
        With ``store_intermediate_errors`` they always are: an error may be followed by a try.
        """
        over = None if self.huey.store_intermediate_errors else self._over(task_id)
        return over or self._alive(task_id) or self._over(task_id) or _unknown(task_id)

    def _over(self, task_id: str) -> TaskInfo | None:
        storage = self.huey.storage
        data = storage.peek_data(task_id)
        if data is not EmptyData:
            value = self.huey.serializer.deserialize(data)
            return TaskInfo(task_id, "error" if isinstance(value, Error) else "complete")
        ending = storage.peek_ending(task_id)
        return TaskInfo(task_id, _STATUS.get(ending, ending)) if ending else None

    def _alive(self, task_id: str) -> TaskInfo | None:
        """Look in the order in which a task moves on, so that none slips through."""
        storage = self.huey.storage
        for status, items in (
            ("scheduled", storage.scheduled_items),
            ("pending", storage.enqueued_items),
        ):
            for task in self._search(task_id, items()):
                return TaskInfo(task_id, status if task.id == task_id else "waiting", task)
        for worker, data in storage.claims():
            for task in self._search(task_id, [data]):
                status = "running" if task.id == task_id else "waiting"
                return TaskInfo(task_id, status, task, worker if task.id == task_id else None)
        return None

    def _search(self, task_id: str, messages: Iterable[Any]) -> Iterator[Task[Any]]:
        """Yield the tasks that have an id, or are followed by one that has it."""
        if self._shows_ids():
            needle = task_id.encode()
            messages = (data for data in messages if needle in data)
        for task in self.huey.readable(messages):
            if any(one.id == task_id for one in task.pipeline()):
                yield task

    def _shows_ids(self) -> bool:
        """Say whether ids stand in the messages as they are, so that most need not be read."""
        return type(self.huey.serializer) is Serializer and not self.huey.serializer.compression


def _unknown(task_id: str) -> TaskInfo:
    return TaskInfo(task_id, "unknown")
