"""What people do to single tasks: stop them, run them now, run them again."""

from __future__ import annotations

import copy
import datetime
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from huey import composition
from huey.exceptions import HueyException
from huey.results import Result
from huey.revocations import revocation_key
from huey.signals import SIGNAL_ENQUEUED
from huey.storage.base import Batch, Seen
from huey.tasks import Task
from huey.utils import from_timestamp, make_id, normalize_time

if TYPE_CHECKING:
    from huey.api import Huey

_LOOKS = 3  # a worker may have a message in hand, on its way to the schedule, at one or two of them


class Control:
    """Reaches the tasks of one Huey wherever they are."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey

    # -- stop -----------------------------------------------------------------------------------

    def cancel(self, tasks: Iterable[str | Task[Any]]) -> tuple[int, set[str]]:
        """Stop tasks; return how many were not over, and the ids of those that run here."""
        known = {one.id if isinstance(one, Task) else one: self.due(one) for one in tasks}
        wanted = {one for one in known if not self._is_over(one)}
        due = [when for one in wanted for when in known[one]]
        left = {one for one in wanted - self._withdraw(wanted, due) if not self._is_over(one)}
        # Those are in a worker's hands, or follow another task. Whether they are claimed, tried
        # again or scheduled in this very moment: the revocation, the question or the second look
        # reaches them. The worker that ends such a task takes the revocation back.
        for task_id in left:
            self.huey.revoke_by_id(task_id, revoke_once=True)
        running = {one for one in left if self._ask_consumers(one)}
        self._withdraw(left - running)
        return len(wanted), running

    def _is_over(self, task_id: str) -> bool:
        """Say whether a task has ended; an error that is stored may be that of an earlier try."""
        ready = Result(self.huey, Task(id=task_id)).is_ready()
        if ready and self.huey.store_intermediate_errors:
            return self.huey.inspection.alive(task_id) is None
        return ready

    def due(self, task: str | Task[Any]) -> list[datetime.datetime]:
        """Return for when a task is scheduled, in naive UTC, as far as it says so itself."""
        if not isinstance(task, Task) or task.eta is None:
            return []
        return [from_timestamp(self.huey.timestamp(task.eta))]

    def _withdraw(self, task_ids: set[str], due: Collection[datetime.datetime] = ()) -> set[str]:
        """End those of the tasks that wait, and return their ids."""
        if not task_ids:
            return set()
        found = list(self._find(task_ids, due))
        return {task.id for seen, task in found if self.huey.executor.withdraw(task, seen)}

    def _ask_consumers(self, task_id: str) -> bool:
        here = [consumer.cancel for consumer in self.huey.consumers]
        return any([cancel(task_id) for cancel in (*here, *self.huey.reach)])

    # -- run now --------------------------------------------------------------------------------

    def run_now(self, task_id: str) -> bool:
        """Put a task that is for later onto the queue; False if there is no such task."""
        for _ in range(_LOOKS):
            found = next(self._find({task_id}), None)
            if found is None or not self._is_for_later(*found):
                return False
            if self._hurry(*found):
                return True
        return False

    def _is_for_later(self, seen: Seen, task: Task[Any]) -> bool:
        """Say whether a task is scheduled, or will be by the next worker that looks at it."""
        later = task.eta is not None and self.huey.timestamp(task.eta) > time.time()
        return seen.scheduled or later

    def _hurry(self, seen: Seen, task: Task[Any]) -> bool:
        huey = self.huey
        task.eta = None
        batch = Batch(
            enqueue=[(huey.serialize_task(task), task.priority)],
            events=huey.events.of("enqueued", task, retries=task.retries),
        )
        if huey.immediate or huey.enqueue_is_overridden():
            moved = huey.storage.withdraw(seen.data, place=seen.place)
            if moved:
                huey.enqueue(task)
            return moved
        moved = huey.storage.withdraw(seen.data, batch, seen.place)
        if moved:
            huey.signals.send(SIGNAL_ENQUEUED, task)
        return moved

    def _find(
        self, task_ids: set[str], due: Collection[datetime.datetime] = ()
    ) -> Iterator[tuple[Seen, Task[Any]]]:
        """Yield the messages that wait and the tasks in them that have these ids, each id once."""
        left = set(task_ids)
        for seen, task in self.huey.inspection.waiting(task_ids, due):
            if task.id in left:
                yield seen, task
                left.discard(task.id)
            if not left:
                return

    # -- run again ------------------------------------------------------------------------------

    def run_again(self, task: Task[Any], eta: datetime.datetime | None, delay: float | None) -> Any:
        """Enqueue a task that has ended, under the same id; see `Huey.run_again`."""
        huey = self.huey
        again = self._same(task, eta, delay)
        with self._alone(task.id):
            info = huey.inspection.alive(task.id)
            if info is not None:
                raise HueyException(
                    f"task {task.id} is {info.status} and can be run again once it has ended: wait "
                    f"for it, or stop it with cancel()"
                )
            cleared = _as_if_new(again.pipeline())
            if huey.enqueue_is_overridden():
                huey.storage.write(cleared)
                return huey.enqueue(again)
            return huey._enqueue(again, cleared)

    def _same(
        self, task: Task[Any], eta: datetime.datetime | None, delay: float | None
    ) -> Task[Any]:
        """Return the task as it is to be enqueued again, for now or for a time."""
        gather = composition.gather_of(task.chord_config)
        if gather is not None and len(self.huey.storage.joined(gather.key)) < gather.parts:
            raise HueyException(
                f"task {task.id} gets the values of a chord, which are gone: enqueue the chord anew"
            )
        again = copy.copy(task)
        later = eta is not None or delay is not None
        again.eta = normalize_time(eta, delay, utc=self.huey.utc) if later else None
        again.chord_config = composition.apart(task.chord_config)
        return again

    @contextmanager
    def _alone(self, task_id: str) -> Iterator[None]:
        """Keep out others who would run the same task again, in any process."""
        storage, key, holder = self.huey.storage, f"again:{task_id}", make_id()
        if not storage.acquire_lock(key, holder):
            raise HueyException(f"task {task_id} is being run again by somebody else just now")
        try:
            yield
        finally:
            storage.release_lock(key, holder)


def _as_if_new(tasks: list[Task[Any]]) -> Batch:
    """Return what removes the values, endings and revocations of tasks."""
    keys = [key for one in tasks for key in (one.id, revocation_key(one))]
    return Batch(clear=keys, endings=[(one.id, "") for one in tasks])
