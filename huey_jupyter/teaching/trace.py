"""A storage that wraps another one and notes each call, to be drawn as arrows."""

from __future__ import annotations

import datetime
import re
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from huey.constants import EmptyData
from huey.storage import BaseStorage
from huey_jupyter.teaching import arrows
from huey_jupyter.teaching.arrows import EVENTS, QUEUE, SCHEDULE, VALUES, Call, Line, Way

LONGEST: Final = 200  # lines that are kept
ID: Final = re.compile(r"([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Trace(BaseStorage):
    """Wraps a storage, and shows what it was asked for.

    It has the documented methods and no others. So everything else that an engine does is broken
    down to these, even where the storage that is wrapped could do several of them in one step.
    Workers that wait look for messages now and then; what brought nothing is counted, not repeated.

    :param storage: who does the work.
    """

    def __init__(self, storage: BaseStorage) -> None:
        super().__init__(getattr(storage, "name", "huey"))
        self.storage = storage
        self.keeps_objects = storage.keeps_objects
        self.keeps_results = storage.keeps_results
        self.orders_by_priority = storage.orders_by_priority
        self.priority_of = storage.priority_of
        self.lines: deque[Line] = deque(maxlen=LONGEST)
        self.count = 0  # rows, those included that are not kept
        self._noting = threading.Lock()

    # -- for the reader -------------------------------------------------------------------------

    def heading(self, words: str) -> None:
        """Write a line over the calls that follow."""
        with self._noting:
            self.lines.append(words)

    def clear(self) -> None:
        """Forget the calls noted; the storage keeps what it has."""
        with self._noting:
            self.lines.clear()
            self.count = 0

    @property
    def calls(self) -> list[Call]:
        """The calls noted, the oldest first."""
        with self._noting:
            return [line for line in self.lines if isinstance(line, Call)]

    def __repr__(self) -> str:
        return arrows.text(*self._shown())

    def _repr_html_(self) -> str:
        return arrows.html(*self._shown())

    def _shown(self) -> tuple[list[Line], int]:
        with self._noting:
            kept = sum(isinstance(line, Call) for line in self.lines)
            return list(self.lines), self.count - kept

    # -- queue ----------------------------------------------------------------------------------

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        self.storage.enqueue(data, priority)
        about = "" if priority is None else f"priority {priority:g}"
        self._note("enqueue", QUEUE, Way.put, [data], about=about)

    def dequeue(self) -> Any:
        data = self.storage.dequeue()
        self._note("dequeue", QUEUE, Way.take, [] if data is None else [data])
        return data

    def queue_size(self) -> int:
        return self._number("queue_size", QUEUE, self.storage.queue_size())

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        items = self.storage.enqueued_items(limit)
        self._note("enqueued_items", QUEUE, Way.look, items)
        return items

    def flush_queue(self) -> None:
        self.storage.flush_queue()
        self._note("flush_queue", QUEUE, Way.clear)

    # -- schedule -------------------------------------------------------------------------------

    def add_to_schedule(self, data: Any, timestamp: datetime.datetime) -> None:
        self.storage.add_to_schedule(data, timestamp)
        self._note("add_to_schedule", SCHEDULE, Way.put, [data], about=f"for {_clock(timestamp)}")

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        items = self.storage.read_schedule(timestamp)
        about = f"due by {_clock(timestamp)}" if items else ""
        self._note("read_schedule", SCHEDULE, Way.take, items, about=about)
        return items

    def schedule_size(self) -> int:
        return self._number("schedule_size", SCHEDULE, self.storage.schedule_size())

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        items = self.storage.scheduled_items(limit)
        self._note("scheduled_items", SCHEDULE, Way.look, items)
        return items

    def flush_schedule(self) -> None:
        self.storage.flush_schedule()
        self._note("flush_schedule", SCHEDULE, Way.clear)

    # -- values ---------------------------------------------------------------------------------

    def put_data(self, key: str, value: Any) -> None:
        self.storage.put_data(key, value)
        self._note("put_data", VALUES, Way.put, [value], about=_key(key))

    def peek_data(self, key: str) -> Any:
        value = self.storage.peek_data(key)
        self._note("peek_data", VALUES, Way.look, _found(value), about=_key(key))
        return value

    def pop_data(self, key: str) -> Any:
        value = self.storage.pop_data(key)
        self._note("pop_data", VALUES, Way.take, _found(value), about=_key(key))
        return value

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        more = {} if ttl is None else {"ttl": ttl}  # not every storage knows it
        stored = self.storage.put_if_empty(key, value, **more)
        self._note("put_if_empty", VALUES, Way.put, [value] if stored else [], about=_key(key))
        return stored

    def has_data_for_key(self, key: str) -> bool:
        found = self.storage.has_data_for_key(key)
        answer = "yes" if found else "no"
        self._note("has_data_for_key", VALUES, Way.look, answer=answer, about=_key(key))
        return found

    def result_store_size(self) -> int:
        return self._number("result_store_size", VALUES, self.storage.result_store_size())

    def result_items(self) -> dict[str, Any]:
        items = self.storage.result_items()
        self._note("result_items", VALUES, Way.look, items.values())
        return items

    def flush_results(self) -> None:
        self.storage.flush_results()
        self._note("flush_results", VALUES, Way.clear)

    # -- events, which are no part of the documented methods ------------------------------------

    def append_events(self, events: Sequence[Any]) -> None:
        self.storage.append_events(events)
        self._note("append_events", EVENTS, Way.put, events)

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        return self.storage.read_events(after, limit, timeout)

    def wake_readers(self) -> None:
        self.storage.wake_readers()

    def last_event(self) -> int | None:
        return self.storage.last_event()

    def flush_events(self) -> None:
        self.storage.flush_events()

    # -- what is no call of a place -------------------------------------------------------------

    def is_outage(self, error: BaseException) -> bool:
        return self.storage.is_outage(error)

    def close(self) -> None:
        self.storage.close()

    # -- within ---------------------------------------------------------------------------------

    def _number(self, name: str, place: str, number: int) -> int:
        self._note(name, place, Way.look, answer=f"{number:,}")
        return number

    def _note(
        self,
        name: str,
        place: str,
        way: Way,
        data: Iterable[Any] = (),
        answer: str = "",
        about: str = "",
    ) -> None:
        call = Call(name, place, way, tuple(map(_size, data)), answer, about)
        with self._noting:
            last = self.lines[-1] if self.lines else ""
            if isinstance(last, Call) and not call.sizes and last._replace(times=1) == call:
                self.lines[-1] = last._replace(times=last.times + 1)
            else:
                self.lines.append(call)
                self.count += 1


def _size(data: Any) -> int | None:
    return len(data) if isinstance(data, bytes | bytearray | memoryview) else None


def _found(value: Any) -> list[Any]:
    return [] if value is EmptyData else [value]


def _key(key: str) -> str:
    """Return a key, with ids cut short as everywhere."""
    return "key " + ID.sub(r"\1…", key)


def _clock(timestamp: datetime.datetime) -> str:
    """Return a time of the schedule, which is in UTC, as clocks on the wall show it."""
    return f"{timestamp.replace(tzinfo=datetime.UTC).astimezone():%H:%M:%S}"
