"""A queue with all that is in it, on its way from one storage to another."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from huey import Huey, composition
from huey.events import parts_of, to_json
from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import BaseStorage, Batch
from huey.storage.base import CHORD, CHORD_DONE, LIMIT, LOCK, Join
from huey.tasks import Task
from huey.utils import from_timestamp
from huey_jupyter.shipping import CODE, CannotTravel, Courier, Parcel, Postbox, explain
from huey_jupyter.work import MADE

_PERIODIC = "periodic:"
_AS_THEY_ARE = (CODE, MADE)  # before the keys of values that are bytes in every storage
_NOT_MOVED = (LOCK, LIMIT, CHORD, CHORD_DONE, _PERIODIC)  # what only a storage itself understands
_TOLD = ("enqueued", "scheduled", "retrying")  # events that say that a task waits
_SLOT = "move"
_FOR_EVER = datetime.datetime(9000, 1, 1)


class Moved(NamedTuple):
    """What came along when a queue was moved.

    :param place: where it is now, for people.
    :param pending: how many tasks that waited to be run.
    :param scheduled: how many that were scheduled for later.
    :param results: how many results of tasks.
    :param left: how many waiting and scheduled tasks were left behind.
    :param cursor: of the last event in the new place, to go on reading from.
    """

    place: str
    pending: int = 0
    scheduled: int = 0
    results: int = 0
    left: int = 0
    cursor: int | None = None


class Freight:
    """All that a storage holds, made ready for another; nothing is changed before `deliver`.

    :param huey: whose queue it is; its storage is the old one.
    :param storage: the new one.
    :param serializer: that the new one needs.
    :param leave: leave tasks behind, and values that cannot be sent.
    :raises ConfigurationError: if something cannot be sent; the message names it.
    """

    def __init__(
        self,
        huey: Huey,
        courier: Courier,
        storage: BaseStorage,
        serializer: Serializer,
        *,
        leave: bool,
    ) -> None:
        self.huey, self.courier, self.leave = huey, courier, leave
        self.old, self.new = huey.storage, storage
        self._read = huey.serializer
        self._write = serializer
        self._both_by_value = not (self.old.keeps_objects or storage.keeps_objects)
        self.pending = self.old.enqueued_items()
        self.scheduled = self.old.scheduled_items()
        self.results = 0
        self._tasks: dict[str, Message] = {}
        with courier.parcel() as parcel:
            self._batch = self._load(parcel)

    @property
    def tasks(self) -> int:
        """How many tasks wait or are scheduled."""
        return len(self.pending) + len(self.scheduled)

    def deliver(self) -> None:
        """Write it into the new storage, in one step where that can."""
        self.new.write(self._batch)
        self._move_moments()

    def clear(self) -> None:
        """Take what was delivered off the old storage, and send on what came in meanwhile."""
        if self.leave:
            return
        delivered = {_identity(data) for data in (*self.pending, *self.scheduled)}
        while (claim := self.old.claim(_SLOT)) is not None:
            if _identity(claim.data) not in delivered:
                self._send_on(claim.data)
            self.old.finish(_SLOT, claim)
        for data in self.old.read_schedule(_FOR_EVER):
            if _identity(data) not in delivered:
                self._send_on(data)

    # -- loading ------------------------------------------------------------------------------

    def _load(self, parcel: Parcel) -> Batch:
        values = list(self._values())
        batch = Batch(results=values, endings=list(self.old.ending_items().items()))
        if self.leave:
            values += parcel.take().items()
            return batch._replace(endings=[*batch.endings, *self._lost()])
        enqueue = [self._queued(data) for data in self.pending]
        schedule = [self._due(data) for data in self.scheduled]
        joins = [join for message in self._tasks.values() for join in self._joins(message)]
        aside = [one._replace(data=self._message(one.data)[0]) for one in self.old.aside_items()]
        return batch._replace(
            results=[*values, *parcel.take().items()],
            enqueue=enqueue,
            schedule=schedule,
            joins=joins,
            aside=aside,
            events=self._events(),
        )

    def _values(self) -> Iterator[tuple[str, Any]]:
        results = self.huey.all_results()
        for key, data in self.old.result_items().items():
            if key.startswith(_NOT_MOVED):
                continue
            try:
                yield key, data if key.startswith(_AS_THEY_ARE) else self._value(data)
            except Exception as error:
                if not self.leave:
                    raise self._stuck(key, data, error) from error
                continue
            self.results += key in results

    def _value(self, data: Any) -> Any:
        return data if self._both_by_value else self._write.serialize(self._read.deserialize(data))

    def _stuck(self, key: str, data: Any, error: Exception) -> ConfigurationError:
        what = self.courier.obstacle(data) or f"{type(error).__name__}: {error}"
        return ConfigurationError(
            f"nothing was moved: the value of {key} cannot be stored in another place, as it is "
            f"{what}: take it out with get(), or let it end here with --leave"
        )

    def _queued(self, data: Any) -> tuple[Any, float | None]:
        sent, message = self._message(data)
        self._tasks[message.id] = message
        return sent, message.priority

    def _due(self, data: Any) -> tuple[Any, datetime.datetime, float | None]:
        sent, message = self._message(data)
        self._tasks[message.id] = message
        when = time.time() if message.eta is None else self.huey.timestamp(message.eta)
        return sent, from_timestamp(when), message.priority

    def _message(self, data: Any) -> tuple[Any, Message]:
        """Return a message as the new storage wants it, and the message itself."""
        message: Message = self._read.deserialize(data)
        if self._both_by_value:
            return data, message
        if self.new.keeps_objects:
            return message, message
        task = self.huey.registry.create_task(message)
        packed = _Repacking(self.courier, self.huey).create_message(task)
        try:
            return self._write.serialize(packed), packed
        except CannotTravel:
            raise
        except Exception as error:
            raise explain(task, self.courier, error) from error

    def _joins(self, message: Message) -> Iterator[Join]:
        """Yield what is known already of the chords that a message has to do with."""
        config = composition.understood(message.chord_config)
        part, gather = composition.part_of(config), composition.gather_of(config)
        if part is not None:
            data = self._write.serialize(part.callback)
            priority = part.callback.priority
            for number, value in self.old.joined(part.key).items():
                yield Join(part.key, number, part.parts, self._value(value), data, priority)
            yield from self._joins(part.callback)
        if gather is not None and message.id in self._tasks:  # it waits on the queue itself
            for number, value in self.old.joined(gather.key).items():
                # One part more than there are, so that it is not enqueued again.
                yield Join(gather.key, number, gather.parts + 1, self._value(value), b"", None)

    def _events(self) -> list[Any]:
        """Return for each task the events that say that it waits."""
        return [
            parts_of(event) if self.new.keeps_objects else to_json(parts_of(event))
            for _, event in self.huey.events.read()
            if event["kind"] in _TOLD and event["task"] in self._tasks
        ]

    def _lost(self) -> list[tuple[str, str]]:
        """Return the ends of tasks that are left behind in memory, where nobody will run them."""
        if not self.old.keeps_objects:
            return []
        waiting: Iterable[Task[Any]] = self.huey.readable((*self.pending, *self.scheduled))
        return [(one.id, "lost") for task in waiting for one in task.pipeline()]

    # -- delivering ---------------------------------------------------------------------------

    def _send_on(self, data: Any) -> None:
        with self.courier.parcel() as parcel:
            sent, message = self._message(data)
            code = list(parcel.take().items())
        if message.eta is None:
            self.new.write(Batch(results=code, enqueue=[(sent, message.priority)]))
        else:
            self.new.write(Batch(results=code, schedule=[self._due(data)]))

    def _move_moments(self) -> None:
        """Have no periodic task run twice in the moment that is going on."""
        now = time.time()
        moments = dict.fromkeys(self.huey.registry.periodic, 60_000 * int(now // 60))
        moments |= {name: every.moment(now) for name, every in self.huey.registry.every.items()}
        for name, moment in moments.items():
            if not self.old.advance(f"{_PERIODIC}{name}", moment):
                self.new.advance(f"{_PERIODIC}{name}", moment)


class _Repacking(Postbox):
    """Makes messages that name code, of chords' callbacks too, which are messages already."""

    def __init__(self, courier: Courier, huey: Huey) -> None:
        super().__init__(courier.pack)
        self._make: Callable[[Any], Task[Any]] = huey.registry.create_task

    def create_message(self, task: Task[Any]) -> Message:
        message = super().create_message(task)
        config = composition.understood(message.chord_config)
        part = composition.part_of(config)
        if part is None:
            return message
        callback = self.create_message(self._make(part.callback))
        return message._replace(
            chord_config={**config, "part": tuple(part._replace(callback=callback))}
        )


def _identity(data: Any) -> Any:
    """Return by what a message is known again: its bytes, or in memory the object itself."""
    return data if isinstance(data, bytes) else id(data)
