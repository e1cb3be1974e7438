"""A storage in this process's memory; gone when the process ends."""

from __future__ import annotations

import datetime
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from huey.constants import EmptyData
from huey.storage.base import (
    NOTHING,
    Aside,
    Batch,
    BatchStorage,
    Claim,
    Earlier,
    Ended,
    Found,
    Join,
    Seen,
    Tell,
    Waiter,
    never,
)
from huey.storage.heap import Heap
from huey.storage.wake import Bell
from huey.utils import to_timestamp

EVENTS_KEPT = 10_000
ENDINGS_KEPT = 10_000

_IDLE = ""  # the key that idle workers wait for

_Queued = tuple[float, int, Any]  # minus the priority, the order of arrival, the message
_Scheduled = tuple[Any, float | None]  # the message, its priority


class _Lock:
    """A lock for moments in which nobody waits for anything else.

    Whoever finds it taken lets the others run and tries again. To wait for it would be to own it,
    from the moment in which it is free, without running: the next who comes waits too, and from
    then on every turn costs two changes of threads, which makes four workers slower than one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        while not self._lock.acquire(False):
            time.sleep(0)

    def __exit__(self, *raised: object) -> None:
        self._lock.release()


class MemoryStorage(BatchStorage):
    """Keep everything in memory, the objects themselves and no copies.

    Meant for workers in the same process: a notebook's kernel, a test. Any thread may call.
    """

    keeps_objects = True
    belongs_to_process = True

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        self._lock = _Lock()
        self._order = itertools.count()  # of arrival on the queue,
        self._order_scheduled = itertools.count()  # on the schedule: without gaps, see Heap.about
        self._queue: Heap[Any] = Heap()  # by minus the priority
        self._claimed: dict[tuple[str, int], _Queued] = {}  # by slot and token
        self._schedule: Heap[_Scheduled] = Heap()  # by time
        self._values: dict[str, Any] = {}
        self._expires: dict[str, float] = {}  # when values go that are not kept for ever
        self._endings: dict[str, str] = {}
        self._locks: dict[str, str] = {}  # by key: who holds it
        self._turns_taken: dict[str, deque[float]] = {}
        self._chords: dict[str, dict[int, Any]] = {}
        self._events: deque[Any] = deque(maxlen=EVENTS_KEPT)
        self._cursor = 0  # of the newest event; they are counted without a gap
        self._idle_bell = Bell()
        self._result_bell = Bell()
        self._event_bell = Bell()

    # -- queue --------------------------------------------------------------------------------

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        with self._lock:
            self._push(data, priority)
        self._idle_bell.ring_some(_IDLE)

    def dequeue(self) -> Any:
        with self._lock:
            return self._queue.pop()[2] if self._queue else None

    def queue_size(self) -> int:
        return len(self._queue)

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        with self._lock:
            return self._queue.in_order()[:limit]

    def flush_queue(self) -> None:
        with self._lock:
            self._queue.clear()

    # -- messages that wait -------------------------------------------------------------------

    def waiting(self, text: bytes = b"") -> Iterator[Seen]:
        with self._lock:
            scheduled = self._schedule.items()
        yield from (Seen(data, True, number) for number, (data, _) in scheduled)
        with self._lock:
            queued = self._queue.items()
        yield from (Seen(data, False, number) for number, data in queued)

    def waiting_about(self, is_earlier: Earlier) -> Iterator[Seen]:
        with self._lock:
            queued = self._queue.about(is_earlier)
        yield from (Seen(data, False, number) for number, data in queued)
        with self._lock:
            scheduled = self._schedule.about(lambda one: is_earlier(one[0]))
        yield from (Seen(data, True, number) for number, (data, _) in scheduled)

    def withdraw(self, data: Any, batch: Batch = NOTHING, place: Any = None) -> bool:
        with self._lock:
            found = self._remove(data, place) or self._remove(data, self._look_for(data))
            if found:
                self._apply(batch)
        if found:
            self._ring(batch)
        return found

    # -- claim and acknowledge ----------------------------------------------------------------

    def claim(self, slot: str, timeout: float = 0, ended: Ended = never) -> Claim | None:
        claim = self._claim(slot)
        if claim is not None or timeout <= 0:
            return claim
        with self._idle_bell.waiting(_IDLE) as waiter:
            claim = self._claim(slot)
            woken = claim is None and not ended() and waiter.wait(timeout)
            claim = claim or self._claim(slot)
        if waiter.rung and not woken:  # that was for another message, so for another worker
            self._idle_bell.ring_some(_IDLE)
        return claim

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        with self._lock:
            ours = self._claimed.pop((slot, claim.token), None) is not None
            self._apply(batch if ours else self._harmless(batch))
        self._ring(batch)
        return ours

    def finish_and_claim(
        self, slot: str, claim: Claim, batch: Batch = NOTHING
    ) -> tuple[bool, Claim | None]:
        with self._lock:
            ours = self._claimed.pop((slot, claim.token), None) is not None
            self._apply(batch if ours else self._harmless(batch))
            following = self._take(slot)
        self._ring(batch)
        return ours, following

    def release(self, slot: str, claim: Claim) -> None:
        with self._lock:
            queued = self._claimed.pop((slot, claim.token), None)
            if queued is None:
                return
            self._queue.push(*queued)
        self._idle_bell.ring_some(_IDLE)

    def inflight(self) -> int:
        return len(self._claimed)

    def claims(self) -> list[tuple[str, Any]]:
        with self._lock:
            return [(slot, queued[2]) for (slot, _), queued in self._claimed.items()]

    def wake_claims(self) -> None:
        self._idle_bell.ring_all()

    def waiting_for_message(self) -> AbstractContextManager[Waiter]:
        return self._idle_bell.waiting(_IDLE)

    # -- several things in one step -----------------------------------------------------------

    def enqueue_and_tell(self, data: Any, priority: float | None, event: Any) -> None:
        with self._lock:
            self._push(data, priority)
            self._events.append(event)
            self._cursor += 1
        self._idle_bell.ring_some(_IDLE)
        self._event_bell.ring("")

    def write(self, batch: Batch) -> None:
        with self._lock:
            self._apply(batch)
        self._ring(batch)

    # -- schedule -----------------------------------------------------------------------------

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        with self._lock:
            return [data for data, _ in self._pop_due(to_timestamp(timestamp), None)]

    def schedule_size(self) -> int:
        return len(self._schedule)

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        with self._lock:
            return [data for data, _ in self._schedule.in_order()[:limit]]

    def flush_schedule(self) -> None:
        with self._lock:
            self._schedule.clear()

    def move_due(
        self, now: datetime.datetime, limit: int = 1000, tell: Tell | None = None
    ) -> list[Any]:
        with self._lock:
            due = self._pop_due(to_timestamp(now), limit)
            moved = [data for data, _ in due]
            events = tell(moved) if tell and moved else ()
            batch = Batch(enqueue=due, events=events)
            self._apply(batch)
        self._ring(batch)
        return moved

    def next_due(self) -> float | None:
        with self._lock:
            first = self._schedule.first()
        return None if first is None else first[0]

    # -- values and endings -------------------------------------------------------------------

    def peek_data(self, key: str) -> Any:
        self._expire()
        return self._values.get(key, EmptyData)

    def peek_many(self, keys: Sequence[str]) -> list[Any]:
        self._expire()
        values = self._values
        return [values.get(key, EmptyData) for key in keys]

    def pop_data(self, key: str) -> Any:
        self._expire()
        return self._values.pop(key, EmptyData)

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        self._expire()
        with self._lock:
            if key in self._values:
                return False
            self._values[key] = value
            if ttl is not None:
                self._expires[key] = time.time() + ttl
        self._result_bell.ring(key)
        return True

    def has_data_for_key(self, key: str) -> bool:
        self._expire()
        return key in self._values

    def result_store_size(self) -> int:
        self._expire()
        return len(self._values)

    def result_items(self) -> dict[str, Any]:
        self._expire()
        with self._lock:
            return dict(self._values)

    def flush_results(self) -> None:
        with self._lock:
            self._values.clear()
            self._expires.clear()

    def peek_ending(self, key: str) -> str | None:
        return self._endings.get(key)

    def ending_items(self) -> dict[str, str]:
        with self._lock:
            return dict(self._endings)

    def take_result(self, key: str) -> Any:
        with self._lock:
            value = self._values.pop(key, EmptyData)
            if value is not EmptyData:
                self._end(key, "taken")
        return value

    def take_results(self, keys: Sequence[str]) -> list[Found]:
        with self._lock:
            return [self._found(key) for key in keys]

    def waiting_for_result(
        self, key: str, backoff: float, max_delay: float
    ) -> AbstractContextManager[Waiter]:
        return self._result_bell.waiting(key)

    # -- counters -----------------------------------------------------------------------------

    def advance(self, key: str, number: int) -> bool:
        with self._lock:
            if self._values.get(key, -1) >= number:
                return False
            self._values[key] = number
            return True

    # -- locks and limits ---------------------------------------------------------------------

    def acquire_lock(self, key: str, holder: str, ttl: float | None = None) -> bool:
        with self._lock:
            if key in self._locks:
                return False
            self._locks[key] = holder
            return True

    def release_lock(self, key: str, holder: str | None = None) -> bool:
        with self._lock:
            if key not in self._locks or holder not in (None, self._locks[key]):
                return False
            del self._locks[key]
            return True

    def locks(self) -> list[str]:
        return list(self._locks)

    def take_turn(self, key: str, limit: int, per: float) -> float:
        now = time.time()
        with self._lock:
            taken = self._turns_taken.setdefault(key, deque())
            while taken and taken[0] <= now - per:
                taken.popleft()
            if len(taken) >= limit:
                return taken[-limit] + per - now
            taken.append(now)
            return 0.0

    # -- chords -------------------------------------------------------------------------------

    def joined(self, key: str) -> dict[int, Any]:
        with self._lock:
            return dict(self._chords.get(key, ()))

    # -- messages set aside -------------------------------------------------------------------

    def aside_items(self) -> list[Aside]:
        with self._lock:
            return list(self._aside)

    def restore_aside(self) -> int:
        with self._lock:
            messages, self._aside = self._aside, []
            for message in messages:
                self._push(message.data, message.priority)
        self._idle_bell.ring_some(_IDLE, len(messages))
        return len(messages)

    # -- events -------------------------------------------------------------------------------

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        events = self._read_events(after, limit)
        if events or not timeout:
            return events
        with self._event_bell.waiting("") as waiter:
            events = self._read_events(after, limit)
            if not events:
                waiter.wait(timeout)
        return events or self._read_events(after, limit)

    def wake_readers(self) -> None:
        self._event_bell.ring_all()

    def last_event(self) -> int | None:
        with self._lock:
            return self._cursor if self._events else None

    def flush_events(self) -> None:
        with self._lock:
            self._events.clear()

    # -- within the lock ----------------------------------------------------------------------

    def _end(self, key: str, ending: str) -> None:
        if len(self._endings) >= ENDINGS_KEPT:
            del self._endings[next(iter(self._endings))]
        self._endings[key] = ending

    def _found(self, key: str) -> Found:
        value = self._values.pop(key, EmptyData)
        if value is EmptyData:
            return Found(ending=self._endings.get(key))
        self._end(key, "taken")
        return Found(value)

    def _join(self, join: Join) -> None:
        parts = self._chords.setdefault(join.key, {})
        if join.part in parts:
            return
        parts[join.part] = join.value
        if len(parts) == join.parts:
            self._push(join.data, join.priority)

    def _look_for(self, data: Any) -> int | None:
        """Return the number of a message, None if it does not wait."""
        queued = self._queue.items()
        scheduled = ((number, one) for number, (one, _) in self._schedule.items())
        both = itertools.chain(scheduled, queued)
        return next((number for number, one in both if _is_same(one, data)), None)

    def _remove(self, data: Any, number: int | None) -> bool:
        """Remove a message with this number; False if there is none, or another one."""
        if number is None:
            return False
        scheduled = self._schedule.get(number)
        if scheduled is not None and _is_same(scheduled[0], data):
            self._schedule.remove(number)
        elif _is_same(self._queue.get(number), data):
            self._queue.remove(number)
        else:
            return False
        return True

    def _push(self, data: Any, priority: float | None) -> None:
        self._queue.push(-(priority or 0), next(self._order), data)

    def _claim(self, slot: str) -> Claim | None:
        if not self._queue:  # a look is cheaper than the lock
            return None
        with self._lock:
            return self._take(slot)

    def _take(self, slot: str) -> Claim | None:
        if not self._queue:
            return None
        queued = self._queue.pop()
        self._claimed[slot, queued[1]] = queued
        return Claim(queued[1], queued[2], priority=-queued[0])

    def _pop_due(self, now: float, limit: int | None) -> list[_Scheduled]:
        due: list[_Scheduled] = []
        while (first := self._schedule.first()) and first[0] <= now and len(due) != limit:
            due.append(self._schedule.pop()[2])
        return due

    def _expire(self) -> None:
        """Remove the values whose time is over."""
        if not self._expires:
            return
        now = time.time()
        with self._lock:
            for key in [key for key, at in self._expires.items() if at <= now]:
                del self._expires[key]
                self._values.pop(key, None)

    def _harmless(self, batch: Batch) -> Batch:
        """Return what may be written of a batch whose claim was lost."""
        new = [item for item in batch.results if item[0] not in self._values]
        return Batch(results=new, endings=batch.endings, events=batch.events)

    def _apply(self, batch: Batch) -> None:
        results, endings, enqueue, schedule, aside, events, joins, forget, clear = batch
        for key in clear:
            self._values.pop(key, None)
            self._expires.pop(key, None)
        self._values.update(results)
        if self._expires:
            for key, _ in results:
                self._expires.pop(key, None)
        for key, ending in endings:
            self._end(key, ending)
        for data, priority in enqueue:
            self._push(data, priority)
        for data, timestamp, priority in schedule:
            when = to_timestamp(timestamp)
            self._schedule.push(when, next(self._order_scheduled), (data, priority))
        self._aside.extend(aside)
        for join in joins:
            self._join(join)
        for key in forget:
            self._chords.pop(key, None)
        self._events.extend(events)
        self._cursor += len(events)

    def _ring(self, batch: Batch) -> None:
        """Wake those who wait for something in a batch that has just been written."""
        results, endings, enqueue, schedule, _, events, joins, _, _ = batch
        for key, _ in results:
            self._result_bell.ring(key)
        for key, _ in endings:
            self._result_bell.ring(key)
        if enqueue or joins:
            self._idle_bell.ring_some(_IDLE, len(enqueue) + len(joins))
        if schedule:
            self.wake_schedule()
        if events:
            self._event_bell.ring("")

    def _read_events(self, after: int | None, limit: int | None) -> list[tuple[int, Any]]:
        if after is not None and self._cursor <= after:
            return []
        with self._lock:
            first = self._cursor - len(self._events) + 1
            start = 0 if after is None else max(0, after + 1 - first)
            stop = None if limit is None else start + limit
            return list(enumerate(itertools.islice(self._events, start, stop), first + start))


def _is_same(one: Any, other: Any) -> bool:
    """Say whether two messages are one: comparing any objects may be slow, or fail."""
    return one is other or (type(one) is type(other) is bytes and one == other)
