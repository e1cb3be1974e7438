"""What the queue knows just now: of a task, of those that run, of the workers."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Set
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from huey.constants import EmptyData
from huey.lifecycle import reasoned
from huey.registry import Message
from huey.results import Error
from huey.storage.base import Seen
from huey.tasks import Task
from huey.utils import made_at

if TYPE_CHECKING:
    from huey.api import Huey

_SINGLY = 10  # tasks that are looked for one by one; of more, in all messages together

_STATUS = {
    "none": "complete",
    "taken": "complete",
    "skipped": "canceled",
    "withdrawn": "canceled",
    "aside": "set aside",
}


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

    def info(self, task_id: str, due: Collection[datetime.datetime] = ()) -> TaskInfo:
        """Return what is known of a task.

        What is over is found at once; otherwise schedule and queue are searched, see `waiting`.
        With ``store_intermediate_errors`` they always are: an error may be followed by a try.
        """
        over = None if self.huey.store_intermediate_errors else self._over(task_id)
        return over or self.alive(task_id, due) or self._over(task_id) or _unknown(task_id)

    def _over(self, task_id: str) -> TaskInfo | None:
        storage = self.huey.storage
        data = storage.peek_data(task_id)
        if data is not EmptyData:
            value = self.huey.serializer.deserialize(data)
            return TaskInfo(task_id, "error" if isinstance(value, Error) else "complete")
        ending = storage.peek_ending(task_id)
        if not ending:
            return None
        word, _ = reasoned(ending)
        return TaskInfo(task_id, _STATUS.get(word, word))

    def alive(self, task_id: str, due: Collection[datetime.datetime] = ()) -> TaskInfo | None:
        """Return what is known of a task that is not over, None if there is none.

        It looks in the order in which a task moves on, so that none slips through.
        """
        for seen, task in self.waiting({task_id}, due):
            status = "scheduled" if seen.scheduled else "pending"
            return TaskInfo(task_id, status if task.id == task_id else "waiting", task)
        for worker, data in self.huey.storage.claims():
            for task in self._search({task_id}, data):
                status = "running" if task.id == task_id else "waiting"
                return TaskInfo(task_id, status, task, worker if task.id == task_id else None)
        return None

    def waiting(
        self, task_ids: Set[str], due: Collection[datetime.datetime] = ()
    ) -> Iterator[tuple[Seen, Task[Any]]]:
        """Yield the messages that wait and carry tasks with these ids, or tasks before such.

        :param due: naive UTC times for which they may be scheduled: among many, they are looked
            for there first.
        """
        storage, may_carry = self.huey.storage, self._sieve(task_ids)
        soon = chain.from_iterable(map(storage.due_at, due if len(task_ids) <= _SINGLY else ()))
        for seen in chain(soon, self._about(task_ids), storage.waiting(self._text(task_ids))):
            if may_carry(seen.data):
                yield from ((seen, task) for task in self._search(task_ids, seen.data))

    def _about(self, task_ids: Set[str]) -> Iterator[Seen]:
        """Yield messages of tasks made about when a few tasks were: among a million soon theirs."""
        for task_id in task_ids if len(task_ids) <= _SINGLY else ():
            made = made_at(str(task_id))
            if made is not None:
                yield from self.huey.storage.waiting_about(partial(_is_earlier, made))

    def _search(self, task_ids: Set[str], data: Any) -> Iterator[Task[Any]]:
        """Yield the task in a message if it has one of the ids, or is followed by one that has."""
        for task in self.huey.readable([data]):
            if any(one.id in task_ids for one in task.pipeline()):
                yield task

    def _sieve(self, task_ids: Set[str]) -> Callable[[Any], bool]:
        """Return what tells most of the other messages without reading them."""
        needle = self._text(task_ids)
        if needle:
            return lambda data: needle in data
        return lambda data: type(data) is not Message or any(one in task_ids for one in _ids(data))

    def _text(self, task_ids: Set[str]) -> bytes:
        """Return what stands in each message that carries such a task; nothing if unknown."""
        if len(task_ids) != 1 or not self.huey.serializer.shows_text:
            return b""
        return next(iter(task_ids)).encode()


def _ids(message: Message | None) -> Iterator[str]:
    while message is not None:
        yield message.id
        message = message.on_complete


def _is_earlier(made: bytes, data: Any) -> bool:
    """Say whether the task in a message was made before; if it does not show that, say no."""
    if type(data) is Message:
        data = str(data.id)  # which whoever enqueued it may have chosen, and not as a text
    known = made_at(data) if isinstance(data, bytes | str) else None
    return known is not None and known < made


def _unknown(task_id: str) -> TaskInfo:
    return TaskInfo(task_id, "unknown")
