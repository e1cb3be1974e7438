"""Storages on a Redis server, for any number of threads, processes and hosts."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any, Final, NamedTuple

from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, StorageError
from huey.storage.base import (
    FEW,
    NOTHING,
    Aside,
    Batch,
    BatchStorage,
    Claim,
    Earlier,
    Ended,
    Found,
    Seen,
    Tell,
    Waiter,
    halve,
    never,
)
from huey.storage.lines import from_rows, in_rows
from huey.storage.members import Members
from huey.storage.server import LOST, Listener, Server, is_outage, pack, to_bytes, to_text
from huey.storage.wake import Bell
from huey.utils import make_id, to_timestamp

EVENTS_KEPT = 10_000
ENDINGS_KEPT = 100_000

_LARGEST_WRITE = 100_000  # messages in one step
_PAGE = 1000  # messages in one answer
_PRIORITIES = 10  # among whose messages one is looked for by halving
_TAKEN_AT_ONCE = 500  # results taken in one step, during which the server does nothing else
_TAKEN_BYTES = 1_000_000  # of results taken in one step: it holds them several times
_IDLE = ""  # the key that idle workers wait for when they poll

# What is kept where: in `huey.<this>.NAME`. The first four are huey's.
_PLACES: Final = (
    *("redis", "schedule", "results", "r"),
    *("expires", "endings", "ended", "aside", "events", "cursor", "wake", "due", "stamp"),
    *("priorities", "done", "deliveries", "inflight", "slots", "alive", "locks", "limit"),
    *("chord", "counters", "popped", "ready"),
)
_WRITTEN: Final = (
    *("queue", "schedule", "results", "expires", "endings", "ended", "aside", "events", "cursor"),
    *("wake", "due", "stamp", "priorities", "done", "deliveries"),
)
_PUSHED: Final = ("queue", "wake", "stamp", "events", "cursor")
_FINISHED: Final = (
    *("wake", "deliveries", "done", "slots", "results", "expires", "endings", "ended", "events"),
    "cursor",
)
# The parts of a batch that the small scripts leave to `write.lua`.
_BESIDES_FINISH: Final = attrgetter("enqueue", "schedule", "aside", "joins", "forget", "clear")
_BESIDES_PUSH: Final = attrgetter(
    *("results", "endings", "schedule", "aside", "joins", "forget", "clear")
)
_TYPES: Final = {b"list": b"list", b"priority": b"zset"}


class _Token(NamedTuple):
    """By which a claim is found again: what lies in flight, and a number that is never used twice.

    Two claims of one worker may look the same; the numbers tell them apart.
    """

    entry: bytes
    number: int


class _Acknowledged(NamedTuple):
    """The claim that a write acknowledges, as the script wants it."""

    state: bytes = b"none"
    worker: bytes = b""
    number: bytes = b""
    entry: bytes = b""
    redelivered: bytes = b""


class _Withdrawn(NamedTuple):
    """The message that a write takes out of where it waits, as the script wants it."""

    which: bytes = b""  # empty: none
    data: bytes = b""
    place: bytes = b""  # of a list about the index, of a sorted set the member


_NO_CLAIM = _Acknowledged()
_NONE_WITHDRAWN = _Withdrawn()


class RedisStorage(BatchStorage):
    """Keep everything on a Redis server, the queue in a list: first in, first out.

    :param name: the Huey's name; several share a database by it.
    :param blocking: let the server wake idle workers; otherwise they look again and again.
    :param read_timeout: seconds that an idle worker waits at the server at a time.
    :param connection_pool: a redis-py ``ConnectionPool``, instead of what follows.
    :param url: where the server is, like ``redis://user:password@host:6379/0``.
    :param client_name: what the server's list of clients shows.
    :param clean_name: leave out of the name all but letters, digits and ``_``, as huey does. With
        False, a name in braces keeps all keys in one slot of a Redis Cluster.
    :param connection_params: further parameters of redis-py's ``Redis``, such as ``host``.

    It needs Redis 6.2 or later, or Valkey. Priorities are ignored. The schedule is a sorted set,
    as huey's is: a message is in it once, and of two due at the same moment the one whose bytes
    come first is the earlier one. A killed process is missed within a second by others on its
    host and after 30 seconds by other hosts.
    """

    orders_by_priority = False

    _kind = b"list"

    def __init__(
        self,
        name: str = "huey",
        blocking: bool = True,
        read_timeout: float = 1,
        connection_pool: Any = None,
        url: str | None = None,
        client_name: str | None = None,
        clean_name: bool = True,
        **connection_params: Any,
    ) -> None:
        super().__init__(name)
        self.blocking = blocking
        self.read_timeout = read_timeout
        self._keys = _make_keys(name, clean_name)
        self._written = [self._keys[what] for what in _WRITTEN]
        self._pushed = [self._keys[what] for what in _PUSHED]
        self._finished = [self._keys[what] for what in _FINISHED]
        self._server = Server(connection_pool, url, client_name, **connection_params)
        self._numbers = itertools.count(1)
        self._begin_anew()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name} on {self._server.address}>"

    def close(self) -> None:
        self._see_to_forks()
        self._members.close()
        self._listener.close()
        self._server.close()
        self._begin_anew()

    def is_outage(self, error: BaseException) -> bool:
        return is_outage(error)

    # -- queue --------------------------------------------------------------------------------

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        self._open().call(b"LPUSH", self._keys["queue"], _data(data))

    def dequeue(self) -> Any:
        return self._open().call(b"RPOP", self._keys["queue"])

    def queue_size(self) -> int:
        return int(self._open().ask(b"LLEN", self._keys["queue"]))

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        if limit == 0:
            return []
        first = b"%d" % (0 if limit is None else -limit)
        items: list[Any] = self._open().ask(b"LRANGE", self._keys["queue"], first, b"-1")
        return items[::-1]

    def flush_queue(self) -> None:
        self._open().ask(b"UNLINK", self._keys["queue"], self._keys["wake"])

    # -- messages that wait -------------------------------------------------------------------

    def due_at(self, when: datetime.datetime) -> Iterator[Seen]:
        score, first = _number(to_timestamp(when)), 0
        here = (b"ZRANGEBYSCORE", self._keys["schedule"], score, score, b"LIMIT")
        while page := self._open().ask(*here, b"%d" % first, b"%d" % _PAGE):
            yield from (Seen(message, True) for message in page)
            first += _PAGE

    def waiting(self, text: bytes = b"") -> Iterator[Seen]:
        for member in self._scan(self._keys["schedule"], text):
            yield Seen(member, True)
        for place, data in self._scan_queue():
            yield Seen(data, False, place)

    def waiting_about(self, is_earlier: Earlier) -> Iterator[Seen]:
        """Yield messages of the queue alone: the schedule is a set without an order of arrival."""
        for first, last in self._stretches():
            here = halve(first, last, self._look_at, is_earlier)
            near = self._range(max(first, here - FEW), min(last, here + 2 * FEW))
            yield from (Seen(data, False, place) for place, data in near)

    def withdraw(self, data: Any, batch: Batch = NOTHING, place: Any = None) -> bool:
        self._open()
        what = _Withdrawn(b"1", _data(data), place or b"")
        written, _ = self._write(batch, withdrawn=what)
        return written == 1

    # -- claim and acknowledge ----------------------------------------------------------------

    def claim(self, slot: str, timeout: float = 0, ended: Ended = never) -> Claim | None:
        self._open()
        wakes = self._wakes

        def is_over() -> bool:
            return ended() or self._wakes != wakes

        for attempt in (1, 2):
            worker = self._members.worker(slot)
            try:
                return self._find(worker) or self._claim(worker, timeout, is_over)
            except LOST:  # but something may have been claimed
                self._members.forget()
                self._in_doubt.add(worker)
                if attempt == 2:
                    raise
            except BaseException:
                self._in_doubt.add(worker)
                raise
        return None

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        ours, _ = self._finish(slot, claim, batch, claim_next=False)
        return ours

    def finish_and_claim(
        self, slot: str, claim: Claim, batch: Batch = NOTHING
    ) -> tuple[bool, Claim | None]:
        return self._finish(slot, claim, batch, claim_next=True)

    def release(self, slot: str, claim: Claim) -> None:
        self._open()
        worker = self._members.worker(slot)
        entry, number = claim.token
        if number in self._held[worker]:
            keys = [self._keys["queue"], self._members.inflight(worker), self._keys["wake"]]
            self._server.run_again("release", keys, [self._kind, entry])
            self._held[worker].pop(number, None)
            self._idle.ring_some(_IDLE)

    def inflight(self) -> int:
        return len(self.claims())

    def claims(self) -> list[tuple[str, Any]]:
        server = self._open()
        return [
            (to_text(worker), self._message(entry))
            for worker in self._members.slots()
            for entry in server.ask(b"LRANGE", self._members.inflight(worker), b"0", b"-1")
        ]

    def recover(self) -> int:
        self._open()
        released = self._members.recover()
        self._idle.ring_some(_IDLE, released)
        return released

    def register(self, slot: str, facts: Mapping[str, Any]) -> None:
        self._open()
        self._members.register(slot, facts)

    def unregister(self, slot: str) -> None:
        self._open()
        while self._in_doubt and (claim := self._find(self._members.worker(slot))):
            self.release(slot, claim)  # it would have been this worker's next one
        self._members.unregister(slot)

    def workers(self) -> list[tuple[str, dict[str, Any]]]:
        self._open()
        return self._members.workers()

    def leave(self) -> None:
        self._see_to_forks()
        self._members.leave()

    def wake_claims(self) -> None:
        self._wakes += 1
        self._idle.ring_all()
        self._server.wake("claim")

    # -- several things in one step -----------------------------------------------------------

    def enqueue_and_tell(self, data: Any, priority: float | None, event: Any) -> None:
        keys = [self._keys[what] for what in ("queue", "events", "cursor")]
        self._open().run("tell", keys, [b"%d" % EVENTS_KEPT, _data(data), _data(event)])
        if not self.blocking:
            self._idle.ring_some(_IDLE)

    def write(self, batch: Batch) -> None:
        self._open()
        while len(batch.enqueue) > _LARGEST_WRITE:
            self._push(Batch(enqueue=batch.enqueue[:_LARGEST_WRITE]))
            batch = batch._replace(enqueue=batch.enqueue[_LARGEST_WRITE:])
        if any(_BESIDES_PUSH(batch)):
            self._write_twice_if_need_be(batch)
        else:
            self._push(batch)

    # -- schedule -----------------------------------------------------------------------------

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        due: list[Any] = []
        while more := self._take_due(timestamp, _LARGEST_WRITE, onto_queue=False):
            due += more
        return due

    def schedule_size(self) -> int:
        return int(self._open().ask(b"ZCARD", self._keys["schedule"]))

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        if limit == 0:
            return []
        last = b"%d" % (-1 if limit is None else limit - 1)
        items: list[Any] = self._open().ask(b"ZRANGE", self._keys["schedule"], b"0", last)
        return items

    def flush_schedule(self) -> None:
        self._open().ask(b"UNLINK", self._keys["schedule"], self._keys["priorities"])

    def move_due(
        self, now: datetime.datetime, limit: int = 1000, tell: Tell | None = None
    ) -> list[Any]:
        return self._take_due(now, limit, tell)

    def next_due(self) -> float | None:
        found = self._open().ask(b"ZRANGE", self._keys["schedule"], b"0", b"0", b"WITHSCORES")
        return float(_flat(found)[1]) if found else None

    def wait_schedule(self, timeout: float) -> None:
        self._open()
        for seconds in self._pieces(timeout, self._schedule_changed.is_set):
            command = pack(b"BLPOP", self._keys["due"], _number(seconds))
            if any(self._server.wait("schedule", self._schedule_changed.is_set, command)):
                break
        self._schedule_changed.clear()

    def wake_schedule(self) -> None:
        self._schedule_changed.set()
        self._server.wake("schedule")

    # -- values and endings -------------------------------------------------------------------

    def put_data(self, key: str, value: Any) -> None:
        self._open()
        self._write_twice_if_need_be(Batch(results=[(key, value)]), forever=True)

    def peek_data(self, key: str) -> Any:
        return self._value(key, b"peek")

    def pop_data(self, key: str) -> Any:
        return self._value(key, b"pop")

    def take_result(self, key: str) -> Any:
        return self._value(key, b"take")

    def take_results(self, keys: Sequence[str]) -> list[Found]:
        found: list[Found] = []
        while len(found) < len(keys):
            found += self._take_some(keys[len(found) : len(found) + _TAKEN_AT_ONCE])
        return found

    def peek_many(self, keys: Sequence[str]) -> list[Any]:
        if not keys:
            return []
        names = [to_bytes(key) for key in keys]
        times = pack(b"ZMSCORE", self._keys["expires"], *names)  # first: what has none later has
        values = pack(b"HMGET", self._keys["results"], *names)  # none now
        found = zip(keys, *self._open().asks(times, values), strict=True)
        return [
            _or_empty(value) if till is None else self.peek_data(key) for key, till, value in found
        ]

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        keys = [self._keys["results"], self._keys["expires"]]
        seconds = b"" if ttl is None else _number(ttl)
        args = [to_bytes(key), _data(value), seconds, self._keys["ready"]]
        return bool(self._open().run("put_if_empty", keys, args))

    def has_data_for_key(self, key: str) -> bool:
        return self.peek_data(key) is not EmptyData

    def result_store_size(self) -> int:
        return int(self._values(b"size"))

    def result_items(self) -> dict[str, Any]:
        return {to_text(key): value for key, value in _pairs(self._values(b"items"))}

    def flush_results(self) -> None:
        self._open().ask(b"UNLINK", self._keys["results"], self._keys["expires"])

    def peek_ending(self, key: str) -> str | None:
        ending = self._open().ask(b"HGET", self._keys["endings"], to_bytes(key))
        return None if ending is None else to_text(ending)

    def ending_items(self) -> dict[str, str]:
        found = _pairs(self._open().ask(b"HGETALL", self._keys["endings"]))
        return {to_text(key): to_text(ending) for key, ending in found}

    def waiting_for_result(
        self, key: str, backoff: float, max_delay: float
    ) -> AbstractContextManager[Waiter]:
        self._open()
        self._listener.listen()
        return self._listener.bell.waiting(key)

    # -- counters -----------------------------------------------------------------------------

    def advance(self, key: str, number: int) -> bool:
        args = [to_bytes(key), b"%d" % number]
        return bool(self._open().run("advance", [self._keys["counters"]], args))

    # -- locks and limits ---------------------------------------------------------------------

    def acquire_lock(self, key: str, holder: str, ttl: float | None = None) -> bool:
        self._open()
        return self._members.acquire(key, holder, ttl)

    def release_lock(self, key: str, holder: str | None = None) -> bool:
        self._open()
        return self._members.release(key, holder)

    def locks(self) -> list[str]:
        self._open()
        return self._members.locks()

    def take_turn(self, key: str, limit: int, per: float) -> float:
        turns = self._at("limit", key)
        args = [b"%d" % limit, _number(per), make_id().encode()]
        return float(self._open().run_again("turn", [turns], args))

    # -- chords -------------------------------------------------------------------------------

    def joined(self, key: str) -> dict[int, Any]:
        parts = _pairs(self._open().ask(b"HGETALL", self._at("chord", key)))
        return {int(part): value for part, value in parts}

    # -- messages set aside -------------------------------------------------------------------

    def aside_items(self) -> list[Aside]:
        flat = self._open().ask(b"LRANGE", self._keys["aside"], b"0", b"-1")
        rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return [
            Aside(data, to_text(reason), float(priority) if priority else None)
            for data, reason, priority in rows
        ]

    def restore_aside(self) -> int:
        keys = [self._keys[what] for what in ("aside", "queue", "wake", "stamp")]
        restored = int(self._open().run("restore", keys, [self._kind]))
        self._idle.ring_some(_IDLE, restored)
        return restored

    # -- events -------------------------------------------------------------------------------

    def append_events(self, events: Sequence[Any]) -> None:
        if events:
            self.write(Batch(events=events))

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        wakes, after = self._reader_wakes, after or 0
        first = b"%d-0" % (after + 1)
        count = () if limit is None else (b"COUNT", b"%d" % limit)
        if limit == 0:
            return []
        found = self._open().ask(b"XRANGE", self._keys["events"], first, b"+", *count)
        if not found and timeout:
            found = self._wait_for_events(after, count, timeout, wakes)
        return from_rows(((_cursor(id), fields[1]) for id, fields in found), after, limit)

    def wake_readers(self) -> None:
        self._reader_wakes += 1
        self._server.wake("events")

    def last_event(self) -> int | None:
        newest = (b"XREVRANGE", self._keys["events"], b"+", b"-", b"COUNT", b"1")
        found = self._open().ask(*newest)
        return _cursor(found[0][0]) if found else None

    def flush_events(self) -> None:
        self._open().ask(b"UNLINK", self._keys["events"])

    # -- the connection -----------------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Start as a process that has done nothing yet: at first, after a fork or a close."""
        self._pid = os.getpid()
        self._me = make_id()
        self._checked = False
        self._wakes = self._reader_wakes = 0
        self._schedule_changed = threading.Event()
        self._idle = Bell()
        self._listener = Listener(self._server, self._keys["ready"])
        self._members = Members(self._server, self._keys, self._kind)
        self._held: defaultdict[bytes, dict[int, bytes]] = defaultdict(dict)  # claims, by worker
        self._unsure: set[int] = set()  # claims that may have been acknowledged
        self._in_doubt: set[bytes] = set()  # workers who may have claimed what we did not hear of

    def _see_to_forks(self) -> None:
        if self._pid != os.getpid():
            self._server.forget_lines()
            self._begin_anew()

    def _open(self) -> Server:
        """Return the server, looked at once whether it will do."""
        self._see_to_forks()
        if not self._checked:
            self._server.check()
            self._check_queue()
            self._checked = True
        return self._server

    def _check_queue(self) -> None:
        queue = self._keys["queue"]
        found = self._server.ask(b"TYPE", queue)
        if found not in (b"none", _TYPES[self._kind]):
            other = "with" if self._kind == b"list" else "without"
            raise StorageError(
                f"the queue {to_text(queue)} on {self._server.address} was made by a storage"
                f" {other} priorities: work it off by that one, or use another name or db"
            )

    def _at(self, what: str, key: str) -> bytes:
        return b"%b:%b" % (self._keys[what], to_bytes(key))

    def _pieces(self, timeout: float, ended: Any) -> Iterator[float]:
        """Yield how long to wait at the server, until the time is over or it is ended."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0 and not ended():
            yield max(0.001, min(left, self._server.longest_block))

    # -- messages that wait: how they are read ------------------------------------------------

    def _scan(self, key: bytes, text: bytes = b"") -> Iterator[bytes]:
        """Yield the members of a sorted set that contain a text.

        Those that are there all the time are not missed.
        """
        like = (b"MATCH", b"*%b*" % _escaped(text)) if text else ()
        cursor = b"0"
        while True:  # until the cursor is back where it began
            scan = (b"ZSCAN", key, cursor, *like, b"COUNT", b"%d" % _PAGE)
            cursor, found = self._open().ask(*scan)
            yield from (_flat(found)[::2] if found else ())
            if cursor == b"0":
                return

    def _scan_queue(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the messages on the queue, each with what helps to find it again.

        From the end at which they come: what is put there meanwhile shifts the others towards us.
        """
        first = 0
        while page := self._open().ask(
            *(b"LRANGE", self._keys["queue"], b"%d" % first, b"%d" % (first + _PAGE - 1))
        ):
            yield from ((b"%d" % (first + n), data) for n, data in enumerate(page))
            first += _PAGE

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Yield the first and last place of messages in order of arrival, see `_range`."""
        count = self.queue_size()
        if count:
            yield 0, count - 1

    def _look_at(self, number: int) -> tuple[int, bytes] | None:
        return next(((number, data) for _, data in self._range(number, number)), None)

    def _range(self, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield messages as `_scan_queue` does; they are numbered from the oldest, which is 0."""
        here = (b"LRANGE", self._keys["queue"], b"%d" % (-1 - last), b"%d" % (-1 - first))
        from_head = max(0, self.queue_size() - 1 - last)
        return ((b"%d" % (from_head + n), data) for n, data in enumerate(self._open().ask(*here)))

    # -- claims -------------------------------------------------------------------------------

    def _claim(self, worker: bytes, timeout: float, ended: Ended) -> Claim | None:
        if self.blocking and timeout > 0:
            seconds = max(0.001, min(timeout, self.read_timeout, self._server.longest_block))
            return self._claim_waiting(worker, seconds, ended)
        claim = self._claim_now(worker)
        deadline, pause = time.monotonic() + timeout, 0.01
        while claim is None and (left := deadline - time.monotonic()) > 0:
            with self._idle.waiting(_IDLE) as waiter:
                if ended():
                    break
                waiter.wait(min(pause, left))
            pause = min(1.5 * pause, 0.25)
            claim = self._claim_now(worker)
        return claim

    def _claim_now(self, worker: bytes) -> Claim | None:
        inflight = self._members.inflight(worker)
        move = pack(b"LMOVE", self._keys["queue"], inflight, b"RIGHT", b"LEFT")
        return self._claimed(worker, *self._server.calls(move, self._any_deliveries()))

    def _claim_waiting(self, worker: bytes, seconds: float, ended: Ended) -> Claim | None:
        inflight = self._members.inflight(worker)
        wait = (b"RIGHT", b"LEFT", _number(seconds))
        move = pack(b"BLMOVE", self._keys["queue"], inflight, *wait)
        found = self._server.wait("claim", ended, move, self._any_deliveries())
        return self._claimed(worker, *found) if found else None

    def _any_deliveries(self) -> bytes:
        return pack(b"EXISTS", self._keys["deliveries"])

    def _claimed(self, worker: bytes, entry: bytes | None, redelivered: int) -> Claim | None:
        if entry is None:
            return None
        return self._hold(worker, entry, self._deliveries(entry) if redelivered else 0)

    def _hold(
        self,
        worker: bytes,
        entry: bytes,
        deliveries: int,
        absent: bytes = b"",
        asked: float = 0.0,
    ) -> Claim:
        """Note that a worker has claimed what now lies in flight.

        :param absent: what ``lua/glance.lua`` says of it.
        :param asked: when that was asked, see `Claim`.
        """
        number = next(self._numbers)
        self._held[worker][number] = entry
        token, keys = _Token(entry, number), absent.decode(errors="replace").split("\n")
        return Claim(token, self._message(entry), deliveries, self._priority(entry), keys, asked)

    def _find(self, worker: bytes) -> Claim | None:
        """Return what a worker claimed without hearing of it, for the connection was lost."""
        if worker not in self._in_doubt:
            return None
        entries = self._server.ask(b"LRANGE", self._members.inflight(worker), b"0", b"-1")
        for entry in self._held[worker].values():
            if entry in entries:
                entries.remove(entry)
        if not entries:
            self._in_doubt.discard(worker)
            return None
        return self._hold(worker, entries[-1], self._deliveries(self._message(entries[-1])))

    def _finish(
        self, slot: str, claim: Claim, batch: Batch, *, claim_next: bool
    ) -> tuple[bool, Claim | None]:
        self._open()
        worker = self._members.worker(slot)
        entry, number = claim.token
        redelivered = claim.data if claim.deliveries else b""
        for attempt in (1, 2):
            state = self._state(worker, number)
            what = _Acknowledged(state, worker, b"%d" % number, entry, redelivered)
            self._unsure.add(number)  # until there is an answer
            asked = time.monotonic()
            try:
                ours, known, *following = self._acknowledge(batch, what, claim_next)
                break
            except BaseException as error:
                self._in_doubt.add(worker)
                if attempt == 2 or not isinstance(error, LOST):
                    raise
        self._unsure.discard(number)
        self._held[worker].pop(number, None)
        if not known:
            self._members.forget()
        if not following:
            return bool(ours), None
        next_entry, deliveries, absent = following
        return bool(ours), self._hold(worker, next_entry, deliveries, absent, asked)

    def _acknowledge(self, batch: Batch, claim: _Acknowledged, claim_next: bool) -> Any:
        """Write a batch with an acknowledgement, see ``lua/finish.lua``."""
        if any(_BESIDES_FINISH(batch)):
            return self._write(batch, claim)
        worker, results, endings = claim.worker, batch.results, batch.endings
        if worker in self._in_doubt:  # what it has claimed already comes first
            claim_next = False
        keys = [self._keys["queue"], self._members.inflight(worker), *self._finished]
        keys += self._own_keys(key for key, _ in results)
        args = [self._kind, self._keys["ready"], b"%d" % EVENTS_KEPT, b"%d" % ENDINGS_KEPT, *claim]
        args += [b"1" if claim_next else b"", self._time_of_results(False)]
        args += [b"%d" % len(results), b"%d" % len(endings)]
        for key, value in results:
            args += (to_bytes(key), _data(value))
        for key, ending in endings:
            args += (to_bytes(key), to_bytes(ending))
        args += _rows(batch.events)
        found = self._server.run("finish", keys, args)
        self._ring(batch)
        return found

    def _deliveries(self, message: bytes) -> int:
        name = hashlib.sha1(message, usedforsecurity=False).hexdigest().encode()
        return int(self._server.ask(b"HGET", self._keys["deliveries"], name) or 0)

    def _state(self, worker: bytes, number: int) -> bytes:
        if number not in self._held[worker]:
            return b"lost"
        return b"again" if number in self._unsure else b"held"

    def _message(self, entry: bytes) -> bytes:
        return entry

    def _priority(self, entry: bytes) -> float | None:
        return None

    # -- writing ------------------------------------------------------------------------------

    def _write(
        self,
        batch: Batch,
        claim: _Acknowledged = _NO_CLAIM,
        moved: Sequence[bytes] = (),
        *,
        withdrawn: _Withdrawn = _NONE_WITHDRAWN,
        onto_queue: bool = True,
        forever: bool = False,
    ) -> tuple[int, int]:
        """Write a batch in one step, see ``lua/write.lua``.

        :param moved: messages to move from the schedule to the queue.
        :param onto_queue: False to remove them.
        :param withdrawn: a message to remove from the schedule or the queue.
        :param forever: whether to keep results where others are kept for a while.
        """
        inflight = self._members.inflight(claim.worker)
        keys = [*self._written, inflight, self._keys["slots"]]
        keys += self._own_keys(iter(batch.clear))
        keys += self._own_keys(key for key, _ in batch.results)
        keys += [self._at("chord", join.key) for join in batch.joins]
        keys += [self._at("chord", key) for key in batch.forget]
        args = [self._kind, self._keys["ready"], b"%d" % EVENTS_KEPT, b"%d" % ENDINGS_KEPT, *claim]
        args += [*withdrawn, b"1" if onto_queue else b"", b"%d" % len(moved), *moved]
        args += [self._time_of_results(forever), *_arguments(batch)]
        ours, known = self._server.run("write", keys, args)
        self._ring(batch)
        return ours, known

    def _ring(self, batch: Batch) -> None:
        """Wake those of this process who wait for what was written."""
        for key, _ in (*batch.results, *batch.endings):
            self._listener.bell.ring(key)
        if batch.enqueue and not self.blocking:
            self._idle.ring_some(_IDLE, len(batch.enqueue))

    def _push(self, batch: Batch) -> None:
        """Write messages for the queue and events alone, see ``lua/push.lua``."""
        args = [self._kind, b"%d" % EVENTS_KEPT, b"%d" % len(batch.enqueue)]
        for data, priority in batch.enqueue:
            args += (_number(priority), _data(data))
        args += _rows(batch.events)
        self._server.run("push", self._pushed, args)
        self._ring(batch)

    def _write_twice_if_need_be(self, batch: Batch, *, forever: bool = False) -> None:
        """Write a batch, and again if the answer was lost and twice comes to the same as once."""
        try:
            self._write(batch, forever=forever)
        except LOST:
            if batch.enqueue or batch.aside or batch.events or batch.joins:
                raise
            self._write(batch, forever=forever)

    def _take_due(
        self,
        now: datetime.datetime,
        limit: int,
        tell: Tell | None = None,
        *,
        onto_queue: bool = True,
    ) -> list[Any]:
        """Take due messages off the schedule, all that were seen or, if one is gone, none."""
        server = self._open()
        till = _number(to_timestamp(now))
        look = (b"ZRANGEBYSCORE", self._keys["schedule"], b"-inf", till, b"LIMIT", b"0")
        while due := server.ask(*look, b"%d" % limit):
            events = tell(due) if tell else ()
            written, _ = self._write(Batch(events=events), moved=due, onto_queue=onto_queue)
            if written == 1:  # else another scheduler was faster
                return list(due)
        return []

    def _time_of_results(self, forever: bool) -> bytes:
        """Return for how long to keep results that have keys of their own; empty if they do not."""
        return b""

    def _own_keys(self, keys: Iterator[str]) -> list[bytes]:
        """Return the keys that results have of their own."""
        return []

    # -- reading ------------------------------------------------------------------------------

    def _value(self, key: str, how: bytes) -> Any:
        names = ("results", "expires", "endings", "ended", "popped")
        keys = [self._keys[what] for what in names]
        args = [to_bytes(key), how, self._keys["ready"], *self._request()]
        return _or_empty(self._run_or_ask_again("value", keys, args))

    def _take_some(self, keys: Sequence[str]) -> Iterator[Found]:
        """Take the results of the first of these keys, of all of them unless they are large."""
        names = ("results", "expires", "endings", "ended", "popped")
        at = [self._keys[what] for what in names]
        args = [self._keys["ready"], b"%d" % _TAKEN_BYTES, *self._request()]
        values, endings = self._run_or_ask_again("take", at, args, map(to_bytes, keys))
        endings = [ending and to_text(ending) for ending in endings] or [None] * len(values)
        return map(_found, values, endings)

    def _request(self) -> list[bytes]:
        """Return who asks, and a number by which the answer can be asked for again."""
        return [f"{self._me}.{threading.get_ident()}".encode(), b"%d" % next(self._numbers)]

    def _run_or_ask_again(
        self, name: str, keys: Sequence[bytes], args: Sequence[bytes], rest: Iterable[bytes] = ()
    ) -> Any:
        """Run a script that knows the argument after some to mean that its answer was lost."""
        server, rest = self._open(), list(rest)
        try:
            return server.run(name, keys, [*args, b"", *rest])
        except LOST:
            return server.run(name, keys, [*args, b"1", *rest])

    def _values(self, how: bytes) -> Any:
        keys = [self._keys["results"], self._keys["expires"]]
        return self._open().run_again("values", keys, [how])

    def _wait_for_events(
        self, after: int, count: Sequence[bytes], timeout: float, wakes: int
    ) -> list[Any]:
        def ended() -> bool:
            return self._reader_wakes != wakes

        for seconds in self._pieces(timeout, ended):
            block = (b"BLOCK", b"%d" % max(1, int(1000 * seconds)))
            place = (b"STREAMS", self._keys["events"], b"%d-0" % after)
            found = self._server.wait("events", ended, pack(b"XREAD", *count, *block, *place))
            if found and found[0]:
                ((_, events),) = found[0]
                return list(events)
        return []


class _Prioritized(RedisStorage):
    """The queue in a sorted set: by priority, and by the time of arrival."""

    orders_by_priority = True

    _kind = b"priority"

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        self.write(Batch(enqueue=[(data, priority)]))

    def enqueue_and_tell(self, data: Any, priority: float | None, event: Any) -> None:
        self.write(Batch(enqueue=[(data, priority)], events=[event]))

    def dequeue(self) -> Any:
        found = self._open().call(b"ZPOPMIN", self._keys["queue"])
        return _flat(found)[0][8:] if found else None

    def queue_size(self) -> int:
        return int(self._open().ask(b"ZCARD", self._keys["queue"]))

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        if limit == 0:
            return []
        last = b"%d" % (-1 if limit is None else limit - 1)
        members = self._open().ask(b"ZRANGE", self._keys["queue"], b"0", last)
        return [member[8:] for member in members]

    def _scan_queue(self) -> Iterator[tuple[bytes, bytes]]:
        return ((member, member[8:]) for member in self._scan(self._keys["queue"]))

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Yield the first and last place of messages of one priority, for some priorities."""
        queue, first = self._keys["queue"], 0
        for _ in range(_PRIORITIES):
            found = self._open().ask(b"ZRANGE", queue, b"%d" % first, b"%d" % first, b"WITHSCORES")
            if not found:
                return
            score = _flat(found)[1]
            count = int(self._open().ask(b"ZCOUNT", queue, score, score))
            yield first, first + count - 1
            first += count

    def _range(self, first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
        found = self._open().ask(b"ZRANGE", self._keys["queue"], b"%d" % first, b"%d" % last)
        return ((member, member[8:]) for member in found)

    def _claim_now(self, worker: bytes) -> Claim | None:
        inflight = self._members.inflight(worker)
        keys = [self._keys["queue"], inflight, self._keys["wake"], self._keys["deliveries"]]
        if not self.keeps_results:
            keys.append(self._keys["results"])
        asked = time.monotonic()
        found = self._server.run("claim", keys)
        if found is None:
            return None
        score, member, deliveries, absent = found
        entry = b"%b:%b" % (score, member)
        return self._hold(worker, entry, int(deliveries), absent, asked)

    def _claim_waiting(self, worker: bytes, seconds: float, ended: Ended) -> Claim | None:
        claim = self._claim_now(worker)
        if claim is None:
            wait = pack(b"BLPOP", self._keys["wake"], _number(seconds))
            self._server.wait("claim", ended, wait)
            claim = self._claim_now(worker)
        return claim

    def _message(self, entry: bytes) -> bytes:
        return entry.partition(b":")[2][8:]

    def _priority(self, entry: bytes) -> float | None:
        return 0 - float(entry.partition(b":")[0])


class _Expiring(RedisStorage):
    """Results in keys of their own, which the server removes after a while."""

    keeps_results = True

    def __init__(
        self, name: str = "huey", expire_time: int = 86400, *args: Any, **kwargs: Any
    ) -> None:
        if expire_time != int(expire_time) or expire_time < 1:
            raise ConfigurationError(
                f"expire_time is a number of whole seconds, at least 1, not {expire_time!r}"
            )
        self.expire_time = int(expire_time)
        super().__init__(name, *args, **kwargs)

    def take_result(self, key: str) -> Any:
        """Return a result; it stays until its time is over."""
        return self.peek_data(key)

    def take_results(self, keys: Sequence[str]) -> list[Found]:
        """Return results; they stay until their time is over."""
        if not keys:
            return []
        endings = pack(b"HMGET", self._keys["endings"], *map(to_bytes, keys))
        values, known = self._open().asks(pack(b"MGET", *self._own_keys(iter(keys))), endings)
        return [
            Found(value) if value is not None else Found(ending=ending and to_text(ending))
            for value, ending in zip(values, known, strict=True)
        ]

    def peek_many(self, keys: Sequence[str]) -> list[Any]:
        found = self._open().ask(b"MGET", *self._own_keys(iter(keys))) if keys else []
        return [_or_empty(value) for value in found]

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        till = () if ttl is None else (b"PX", b"%d" % max(1, round(1000 * ttl)))
        stored = self._open().call(b"SET", self._own_key(key), _data(value), b"NX", *till)
        if stored:
            self._server.ask(b"PUBLISH", self._keys["ready"], to_bytes(key))
        return bool(stored)

    def result_store_size(self) -> int:
        return sum(1 for _ in self._stored())

    def result_items(self) -> dict[str, Any]:
        start = len(self._own_key(""))
        found = ((key, self._open().ask(b"GET", key)) for key in self._stored())
        return {to_text(key[start:]): value for key, value in found if value is not None}

    def flush_results(self) -> None:
        for key in list(self._stored()):
            self._server.ask(b"UNLINK", key)

    def _value(self, key: str, how: bytes) -> Any:
        own = self._own_key(key)
        if how == b"peek":
            return _or_empty(self._open().ask(b"GET", own))
        keys = [own, self._keys["popped"]]
        return _or_empty(self._run_or_ask_again("own_value", keys, self._request()))

    def _stored(self) -> Iterator[bytes]:
        """Yield the keys of all results, each once."""
        pattern = b"%b*" % _escaped(self._own_key(""))
        seen: set[bytes] = set()
        cursor = b"0"
        while True:
            scan = (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", b"1000")
            cursor, keys = self._open().ask(*scan)
            yield from (key for key in keys if key not in seen)
            seen.update(keys)
            if cursor == b"0":
                return

    def _own_key(self, key: str) -> bytes:
        return b"%b.%b" % (self._keys["r"], to_bytes(key))

    def _own_keys(self, keys: Iterator[str]) -> list[bytes]:
        return [self._own_key(key) for key in keys]

    def _time_of_results(self, forever: bool) -> bytes:
        return b"never" if forever else b"%d" % self.expire_time


class PriorityRedisStorage(_Prioritized):
    """Keep everything on a Redis server, the queue in a sorted set: by priority.

    The parameters are those of `RedisStorage`.
    """


class RedisExpireStorage(_Expiring):
    """Keep everything on a Redis server, and results for a while, whoever reads them.

    :param expire_time: for how many seconds.

    The other parameters are those of `RedisStorage`.
    """


class PriorityRedisExpireStorage(_Expiring, _Prioritized):
    """Keep everything on a Redis server, the queue by priority and results for a while.

    :param expire_time: for how many seconds.

    The other parameters are those of `RedisStorage`.
    """


def _make_keys(name: str, clean_name: bool) -> dict[str, bytes]:
    cleaned = re.sub(r"[^A-Za-z0-9_]", "", name) if clean_name else name
    if not cleaned:
        raise ConfigurationError(
            f"nothing is left of the name {name!r} without odd characters: use letters and digits,"
            f" or clean_name=False to keep it as it is"
        )
    keys = {place: b"huey.%b.%b" % (place.encode(), to_bytes(cleaned)) for place in _PLACES}
    return keys | {"queue": keys["redis"]}


def _arguments(batch: Batch) -> Iterator[bytes]:
    """Yield the parts of a batch as the script wants them, each after how many there are."""
    yield b"%d" % len(batch.clear)
    yield from map(to_bytes, batch.clear)
    yield b"%d" % len(batch.results)
    for key, value in batch.results:
        yield from (to_bytes(key), _data(value))
    yield b"%d" % len(batch.endings)
    for key, ending in batch.endings:
        yield from (to_bytes(key), to_bytes(ending))
    yield b"%d" % len(batch.enqueue)
    for data, priority in batch.enqueue:
        yield from (_data(data), _number(priority))
    yield b"%d" % len(batch.schedule)
    for data, when, priority in batch.schedule:
        yield from (_data(data), _number(to_timestamp(when)), _number(priority))
    yield b"%d" % len(batch.aside)
    for data, reason, priority in batch.aside:
        yield from (_data(data), to_bytes(reason), _number(priority))
    yield b"%d" % len(batch.joins)
    for join in batch.joins:
        yield from (b"%d" % join.part, b"%d" % join.parts, _data(join.value))
        yield from (_data(join.data), _number(join.priority))
    yield b"%d" % len(batch.forget)
    rows = list(_rows(batch.events))
    yield b"%d" % (len(rows) // 2)
    yield from rows


def _rows(events: Sequence[Any]) -> Iterator[bytes]:
    """Yield rows of events, each after how many there are in it."""
    for count, lines in in_rows(list(map(_data, events))):
        yield from (b"%d" % count, lines)


def _escaped(text: bytes) -> bytes:
    """Return the pattern that a text alone is like."""
    return re.sub(rb"([*?\[\]\\])", rb"\\\1", text)


def _data(data: Any) -> Any:
    return data.encode() if isinstance(data, str) else data


def _number(number: float | None) -> bytes:
    """Return a number as the server reads it, nothing for None."""
    if number is None:
        return b""
    number = float(number)
    if number != number:
        raise ValueError("nan is no priority and no time")
    return repr(number).encode()


def _cursor(number: bytes) -> int:
    return int(number.partition(b"-")[0])


def _found(value: bytes | None, ending: str | None) -> Found:
    return Found(ending=ending) if value is None else Found(value)


def _or_empty(value: Any) -> Any:
    return EmptyData if value is None else value


def _flat(found: list[Any]) -> list[Any]:
    """Return a member and its score: some versions of the protocol put them into one list more."""
    return found[0] if isinstance(found[0], list) else found


def _pairs(found: Any) -> Any:
    """Return the pairs of a table: some versions of the protocol make it a dict."""
    return found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
