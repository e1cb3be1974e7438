"""A storage in a folder of files, for any number of threads and processes on one host."""

from __future__ import annotations

import datetime
import json
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from huey.constants import EmptyData
from huey.exceptions import ConfigurationError
from huey.storage import names
from huey.storage.base import (
    NOTHING,
    Aside,
    Batch,
    BatchStorage,
    Claim,
    Ended,
    Found,
    Join,
    Seen,
    Tell,
    Waiter,
    never,
)
from huey.storage.doorbell import Doorbell, Listeners
from huey.storage.journal import Change, Journal
from huey.storage.listing import Listing
from huey.storage.liveness import Liveness
from huey.storage.records import Records
from huey.storage.wake import BellWaiter, Lookout
from huey.utils import UTC

EVENTS_KEPT = 10_000
ENDINGS_KEPT = 10_000

# Woken by their doorbell, one idle worker of each process still looks by itself this often
# (seconds): producers that know nothing of doorbells may write to the same folder.
_LOOK_AGAIN = 0.5

_IDLE = ""  # the key that idle workers wait for, one of whom a message wakes
_NEW = "new"  # the key that readers of events wait for, all of whom an event wakes

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
_LENGTH = struct.Struct(">I")  # of a key, before the key and its value: huey's layout
_EXPIRES = struct.Struct(">d")  # before all that, where a value is for a while


class FileStorage(BatchStorage):
    """Keep everything in files of one folder.

    The folders ``queue``, ``schedule`` and ``results`` are laid out as huey does it, so that one
    folder serves both; what huey has no place for is in folders beside them.

    :param name: not used: two Hueys need two folders.
    :param path: the folder; made, readable by its owner alone, if there is none.
    :param levels: folders in folders above a result, so that none of them grows too large.
    :param use_thread_lock: keep out other threads only, no other processes. Faster, and right
        only if this process alone uses the folder.

    A folder in it, ``.live``, holds what processes need to know that others live and to wake them.
    """

    def __init__(
        self,
        name: str,
        path: str | os.PathLike[str],
        levels: int = 2,
        use_thread_lock: bool = False,
    ) -> None:
        super().__init__(name)
        if levels not in range(33):
            raise ConfigurationError(f"levels is a number from 0 to 32, not {levels!r}")
        self.path = os.path.abspath(path)
        self.live_folder = os.path.join(self.path, ".live")
        self.levels = levels
        self.use_thread_lock = use_thread_lock
        self._journal = Journal(self.path, use_thread_lock)
        self._queue = Listing(self._journal, "queue", names.read_waiting)
        self._schedule = Listing(self._journal, "schedule", names.read_due)
        self._events = Records(self._journal, "events", EVENTS_KEPT)
        self._endings = Records(self._journal, "endings", ENDINGS_KEPT)
        self._endings_known: dict[str, str] = {}
        self._endings_read = self._endings_of = 0
        self._tidied = False
        self._begin_anew()

    def __repr__(self) -> str:
        return f"<FileStorage: {self.path}>"

    def close(self) -> None:
        if self._pid != os.getpid():
            self._after_fork()
        self._close_bells()
        self._liveness.leave()
        self._journal.close()

    # -- queue --------------------------------------------------------------------------------

    def dequeue(self) -> Any:
        with self._turn():
            first = self._queue.first()
            if first is None:
                return None
            path = f"queue/{first.name}"
            data = self._journal.read(path)
            os.unlink(self._journal.path(path))
            self._queue.pop()
        return data

    def queue_size(self) -> int:
        with self._turn():
            return len(self._queue.all())

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        with self._turn():
            return [self._journal.read(f"queue/{one.name}") for one in self._queue.all()[:limit]]

    def flush_queue(self) -> None:
        self._flush([self._queue])

    # -- messages that wait -------------------------------------------------------------------

    def waiting(self, text: bytes = b"") -> Iterator[Seen]:
        for listing in (self._schedule, self._queue):
            with self._turn():
                found = listing.all()
            for one in found:  # with others in between: what has moved on is not there any more
                path = f"{listing.folder}/{one.name}"
                data = self._journal.read(path)
                if data is not None:
                    yield Seen(data, listing is self._schedule, path)

    def withdraw(self, data: Any, batch: Batch = NOTHING, place: Any = None) -> bool:
        with self._change() as change:
            path = place if self._holds(place or "", data) else self._look_for(data)
            if path:
                change.drop(path)
                self._apply(change, batch, True)
        if path:
            self._ring(batch)
        return bool(path)

    # -- claim and acknowledge ----------------------------------------------------------------

    def claim(self, slot: str, timeout: float = 0, ended: Ended = never) -> Claim | None:
        owner = self._owner(slot)
        claim = self._claim_first(owner)
        if claim is not None or timeout <= 0:
            return claim
        with self._idle_bell.waiting(_IDLE) as waiter:
            claim = self._claim_first(owner)
            woken = claim is None and not ended() and self._wait(waiter, timeout)
            claim = claim or self._claim_first(owner)
        if waiter.rung and not woken:  # that was for another message, so for another worker
            self._ring_idle(1)
        elif claim is not None and not self._lookout.is_manned:
            self._idle_bell.ring_some(_IDLE)
        return claim

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        owner = self._owner(slot)
        with self._change() as change:
            ours = self._finish(change, owner, claim, batch)
        self._ring(batch)
        return ours

    def finish_and_claim(
        self, slot: str, claim: Claim, batch: Batch = NOTHING
    ) -> tuple[bool, Claim | None]:
        owner = self._owner(slot)
        with self._change() as change:
            first = self._queue.first()
            ours = self._finish(change, owner, claim, batch)
            # A message of this very batch that comes before it cannot be read yet.
            following = self._claim(change, owner, first) if self._queue.is_first(first) else None
        self._ring(batch, claimed=int(following is not None))
        return ours, following

    def release(self, slot: str, claim: Claim) -> None:
        path = _claimed(claim.token, self._owner(slot))
        with self._change() as change:
            if self._journal.has(path):
                self._back_to_queue(change, os.path.basename(path), 0)
        self._ring_idle(1)

    def inflight(self) -> int:
        with self._turn():
            return len(self._claimed())

    def claims(self) -> list[tuple[str, Any]]:
        with self._turn():
            read = self._journal.read
            return [(_owner_of(name), read(f"claimed/{name}")) for name in self._claimed()]

    def recover(self) -> int:
        with self._change() as change:
            dead = self._dead()
            claimed = [name for name in self._claimed() if _process_of(name) in dead]
            for name in claimed:
                self._back_to_queue(change, name, 1)
            for name in self._journal.names("workers"):
                if _process_of(name) in dead:
                    change.drop(f"workers/{name}")
            for name, (_, _, process) in self._locks().items():
                if process in dead:
                    change.drop(f"locks/{name}")
        if dead or not self._tidied:
            self._make_live_folder()
            self._liveness.tidy()
            self._tidied = True
        self._ring_idle(len(claimed))
        return len(claimed)

    def register(self, slot: str, facts: Mapping[str, Any]) -> None:
        path = f"workers/@{self._owner(slot)}"
        with self._change() as change:
            change.put(path, json.dumps(dict(facts)).encode())

    def unregister(self, slot: str) -> None:
        path = f"workers/@{self._owner(slot)}"
        with self._change() as change:
            change.drop(path)

    def workers(self) -> list[tuple[str, dict[str, Any]]]:
        with self._turn():
            found = [
                (_owner_of(name), json.loads(self._journal.read(f"workers/{name}") or b"{}"))
                for name in sorted(self._journal.names("workers"))
                if self._liveness.alive(_process_of(name))
            ]
        return found

    def leave(self) -> None:
        with self._turn():
            processes = {process for _, _, process in self._locks().values()}
            if self._liveness.slot not in processes:
                self._liveness.leave()

    def wake_claims(self) -> None:
        self._idle_bell.ring_all()

    def waiting_for_message(self) -> AbstractContextManager[Waiter]:
        return self._idle_bell.waiting(_IDLE)

    # -- several things in one step -----------------------------------------------------------

    def write(self, batch: Batch) -> None:
        with self._change() as change:
            self._apply(change, batch, True)
        self._ring(batch)

    # -- schedule -----------------------------------------------------------------------------

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        with self._change() as change:
            due = self._pop_due(timestamp, None)
            for one in due:
                change.drop(f"schedule/{one.name}")
            return [self._journal.read(f"schedule/{one.name}") for one in due]

    def schedule_size(self) -> int:
        with self._turn():
            return len(self._schedule.all())

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        with self._turn():
            found = self._schedule.all()[:limit]
            return [self._journal.read(f"schedule/{one.name}") for one in found]

    def flush_schedule(self) -> None:
        self._flush([self._schedule])

    def move_due(
        self, now: datetime.datetime, limit: int = 1000, tell: Tell | None = None
    ) -> list[Any]:
        with self._change() as change:
            due = self._pop_due(now, limit)
            moved = [self._journal.read(f"schedule/{one.name}") for one in due]
            for one in due:
                self._to_queue(change, f"schedule/{one.name}", one.priority)
            events = tell(moved) if tell and moved else ()
            self._events.append(change, events)
        self._ring_idle(len(moved))
        self._ring(Batch(events=events))
        return moved

    def next_due(self) -> float | None:
        with self._turn():
            first = self._schedule.first()
        return None if first is None else first.microseconds / 1e6

    # -- values and endings -------------------------------------------------------------------

    def peek_data(self, key: str) -> Any:
        with self._turn():
            return self._find(key)[1]

    def peek_many(self, keys: Sequence[str]) -> list[Any]:
        with self._turn():
            return [self._find(key)[1] for key in keys]

    def pop_data(self, key: str) -> Any:
        with self._change() as change:
            path, value = self._find(key)
            if path:
                change.drop(path)
        return value

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        with self._change() as change:
            empty = not self._find(key)[0]
            if empty:
                self._put(change, key, value, ttl)
        if empty:
            self._ring_result(key)
        return empty

    def has_data_for_key(self, key: str) -> bool:
        with self._turn():
            return bool(self._find(key)[0])

    def result_store_size(self) -> int:
        with self._turn():
            return sum(map(self._is_value, self._values()))

    def result_items(self) -> dict[str, Any]:
        with self._turn():
            return dict(filter(None, map(self._read_value, self._values())))

    def flush_results(self) -> None:
        with self._change() as change:
            for path in self._values():
                change.drop(path)

    def peek_ending(self, key: str) -> str | None:
        return self._read_endings().get(key)

    def ending_items(self) -> dict[str, str]:
        return dict(self._read_endings())

    def _read_endings(self) -> dict[str, str]:
        with self._turn():
            if self._endings_of != self._journal.opened:  # a new folder in its place, perhaps
                self._endings_known, self._endings_read = {}, 0
                self._endings_of = self._journal.opened
            for number, record in self._endings.read(self._endings_read):
                of, ending = json.loads(record)
                self._endings_known.pop(of, None)
                self._endings_known[of] = ending
                self._endings_read = number
            while len(self._endings_known) > ENDINGS_KEPT:
                del self._endings_known[next(iter(self._endings_known))]
            return self._endings_known

    def take_result(self, key: str) -> Any:
        with self._change() as change:
            return self._take(change, [key]).get(key, EmptyData)

    def take_results(self, keys: Sequence[str]) -> list[Found]:
        with self._change() as change:
            taken = self._take(change, keys)
        endings = self._read_endings() if len(taken) < len(keys) else {}
        return [
            Found(taken.pop(key)) if key in taken else Found(ending=endings.get(key))
            for key in keys
        ]

    def waiting_for_result(
        self, key: str, backoff: float, max_delay: float
    ) -> AbstractContextManager[Waiter]:
        self._make_live_folder()
        return self._result_bell.waiting(names.digest(key))

    # -- counters -----------------------------------------------------------------------------

    def advance(self, key: str, number: int) -> bool:
        path = f"counters/{names.digest(key)}"
        with self._change() as change:
            now = self._journal.read(path)
            forward = not now or int(now) < number
            if forward:
                change.put(path, b"%d" % number)
        return forward

    # -- locks and limits ---------------------------------------------------------------------

    def acquire_lock(self, key: str, holder: str, ttl: float | None = None) -> bool:
        process = self._process()
        name = names.digest(key)
        with self._change() as change:
            lock = self._lock(name)
            free = lock is None or not self._liveness.alive(lock[2])
            if free:
                change.put(f"locks/{name}", json.dumps([key, holder, process]).encode())
        return free

    def release_lock(self, key: str, holder: str | None = None) -> bool:
        name = names.digest(key)
        with self._change() as change:
            lock = self._lock(name)
            if lock is None or holder not in (None, lock[1]):
                return False
            change.drop(f"locks/{name}")
            return self._liveness.alive(lock[2])

    def locks(self) -> list[str]:
        with self._turn():
            locks = self._locks().values()
            return [key for key, _, process in locks if self._liveness.alive(process)]

    def take_turn(self, key: str, limit: int, per: float) -> float:
        path = f"turns/{names.digest(key)}"
        with self._change() as change:
            now = time.time()
            taken = [float(at) for at in (self._journal.read(path) or b"").split()]
            taken = [at for at in taken if at > now - per]
            if len(taken) >= limit:
                return taken[-limit] + per - now
            change.put(path, " ".join(map(repr, [*taken, now])).encode())
        return 0.0

    # -- chords -------------------------------------------------------------------------------

    def joined(self, key: str) -> dict[int, Any]:
        folder = _chord(key)
        with self._turn():
            parts = self._journal.names(folder)
            return {int(part): self._journal.read(f"{folder}/{part}") for part in parts}

    # -- messages set aside -------------------------------------------------------------------

    def aside_items(self) -> list[Aside]:
        with self._turn():
            return [self._read_aside(name) for name in self._aside_names()]

    def restore_aside(self) -> int:
        with self._change() as change:
            found = self._aside_names()
            for name in found:
                self._to_queue(change, f"aside/{name}", self._read_aside(name).priority)
                change.drop(f"aside/{name}.why")
        self._ring_idle(len(found))
        return len(found)

    # -- events -------------------------------------------------------------------------------

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        events = self._read_events(after, limit)
        if events or not timeout:
            return events
        self._make_live_folder()
        with self._event_bell.waiting(_NEW) as waiter:
            events = self._read_events(after, limit)
            if not events:
                waiter.wait(timeout)
        return events or self._read_events(after, limit)

    def wake_readers(self) -> None:
        self._event_bell.ring_all()

    def last_event(self) -> int | None:
        with self._turn():
            return self._events.last()

    def flush_events(self) -> None:
        with self._change() as change:
            self._events.flush(change)

    # -- turns --------------------------------------------------------------------------------

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the folder for oneself."""
        if self._pid != os.getpid():
            self._after_fork()
        with self._journal.turn():
            try:  # from here on: a task may be interrupted wherever it uses the queue
                yield
            except BaseException:
                self._queue.forget()
                self._schedule.forget()
                raise
            self._queue.keep_up()
            self._schedule.keep_up()

    @contextmanager
    def _change(self) -> Iterator[Change]:
        """Have the folder for oneself, for a change that happens in one step at the end."""
        with self._turn():
            change = self._journal.change()
            yield change
            self._journal.commit(change)

    # -- within a turn: messages --------------------------------------------------------------

    def _wait(self, waiter: BellWaiter, timeout: float) -> bool:
        return self._lookout.wait(waiter, timeout, _LOOK_AGAIN, self._is_any)

    def _is_any(self) -> bool:
        """Say whether there is something to claim."""
        with self._turn():
            return self._queue.first() is not None

    def _claim_first(self, owner: str) -> Claim | None:
        with self._change() as change:
            return self._claim(change, owner, self._queue.first())

    def _claim(self, change: Change, owner: str, first: names.Waiting | None) -> Claim | None:
        """Claim the first message on the queue."""
        if first is None:
            return None
        path = f"queue/{first.name}"
        data = self._journal.read(path)
        change.move(path, _claimed(first.name, owner))
        self._queue.pop()
        return Claim(first.name, data, first.deliveries, first.priority)

    def _finish(self, change: Change, owner: str, claim: Claim, batch: Batch) -> bool:
        path = _claimed(claim.token, owner)
        ours = self._journal.has(path)
        if ours:
            change.drop(path)
        self._apply(change, batch, ours)
        return ours

    def _enqueue(self, change: Change, data: Any, priority: float | None) -> None:
        name = self._new_name(priority)
        change.put(f"queue/{name}", data)
        self._queue.add(name)

    def _look_for(self, data: bytes) -> str:
        """Return the path of a message that waits, an empty one if it does not."""
        paths = (
            f"{listing.folder}/{one.name}"
            for listing in (self._schedule, self._queue)
            for one in listing.all()
        )
        return next((path for path in paths if self._holds(path, data)), "")

    def _holds(self, path: str, data: bytes) -> bool:
        """Say whether a file holds just this; most that do not are not read."""
        same_size = path and self._journal.size(path) == len(data)
        return bool(same_size) and self._journal.read(path) == data

    def _to_queue(self, change: Change, path: str, priority: float | None) -> None:
        """Move a message to its place at the end of the queue."""
        name = self._new_name(priority)
        change.move(path, f"queue/{name}")
        self._queue.add(name)

    def _claimed(self) -> list[str]:
        """Return the names of the files of claimed messages."""
        return [name for name in self._journal.names("claimed") if _message_in(name)]

    def _back_to_queue(self, change: Change, file: str, died: int) -> None:
        """Move a claimed message to the place on the queue that it came from."""
        self._journal.stamp()  # so that others learn of it
        message = _message_in(file)
        if message is None:
            return
        deliveries = message.deliveries + died
        name = f"{message.place}~{deliveries}" if died else message.name
        if change.has(f"queue/{name}"):  # huey has given the same place to another message
            name = self._new_name(message.priority, deliveries)
        change.move(f"claimed/{file}", f"queue/{name}")
        self._queue.add(name)

    def _new_name(self, priority: float | None, deliveries: int = 0) -> str:
        """Return the name of a message at the end of the queue."""
        while True:
            name = names.waiting(priority, self._journal.stamp(), deliveries)
            if not self._journal.has(f"queue/{name}"):  # huey makes names of its own
                return name

    def _pop_due(self, now: datetime.datetime, limit: int | None) -> list[names.Due]:
        until = _microseconds(now)
        due: list[names.Due] = []
        first = self._schedule.first()
        while first is not None and first.microseconds <= until and len(due) != limit:
            due.append(first)
            self._schedule.pop()
            first = self._schedule.known()
        return due

    def _flush(self, listings: Sequence[Listing]) -> None:
        with self._change() as change:
            for listing in listings:
                for one in listing.all():
                    change.drop(f"{listing.folder}/{one.name}")

    # -- within a turn: the rest --------------------------------------------------------------

    def _apply(self, change: Change, batch: Batch, ours: bool) -> None:
        """Write a batch; of one whose claim was lost, only what cannot do harm."""
        written = {key for key, _ in batch.results}
        for key in (
            {*batch.clear} - written if ours else ()
        ):  # steps done again must not undo others
            change.drop(self._result(key))
            change.drop(_brief(key))
        for key, value in batch.results:
            if ours or not self._find(key)[0]:
                self._put(change, key, value)
        self._endings.append(change, _as_records(batch.endings))
        self._events.append(change, batch.events)
        if ours:
            self._follow_up(change, batch)

    def _follow_up(self, change: Change, batch: Batch) -> None:
        for data, priority in batch.enqueue:
            self._enqueue(change, data, priority)
        for data, timestamp, priority in batch.schedule:
            stamp = self._journal.stamp()
            name = names.due(_microseconds(timestamp), stamp, priority)
            change.put(f"schedule/{name}", data)
            self._schedule.add(name)
        for data, reason, priority in batch.aside:
            name = self._journal.stamp()
            change.put(f"aside/{name}", data)
            change.put(f"aside/{name}.why", json.dumps([reason, priority]).encode())
        for join in batch.joins:
            self._join_part(change, join)
        for key in batch.forget:
            self._forget_chord(change, key)

    def _join_part(self, change: Change, join: Join) -> None:
        folder = _chord(join.key)
        if change.has(f"{folder}/{join.part}"):
            return
        change.put(f"{folder}/{join.part}", join.value)
        # From the last on, as those that are missing are there: one look will mostly do.
        if all(change.has(f"{folder}/{part}") for part in reversed(range(join.parts))):
            self._enqueue(change, join.data, join.priority)

    def _forget_chord(self, change: Change, key: str) -> None:
        folder = _chord(key)
        made = [path for path in change.made if path.startswith(f"{folder}/")]
        there = [f"{folder}/{part}" for part in self._journal.names(folder)]
        for path in {*made, *there}:
            change.drop(path)
        if made or there:
            change.drop_folder(folder)

    def _put(self, change: Change, key: str, value: Any, ttl: float | None = None) -> None:
        data, brief = _with_key(key, value), _brief(key)
        if ttl is not None:
            change.put(brief, _EXPIRES.pack(time.time() + ttl) + data)
            return
        change.put(self._result(key), data)
        if self._journal.has(brief):
            change.drop(brief)

    def _take(self, change: Change, keys: Sequence[str]) -> dict[str, Any]:
        """Take values and remember that; return them by key."""
        taken = {}
        for key in dict.fromkeys(keys):
            path, value = self._find(key)
            if path:
                change.drop(path)
                taken[key] = value
        self._endings.append(change, _as_records([(key, "taken") for key in taken]))
        return taken

    def _result(self, key: str) -> str:
        name = names.digest(key)
        return "/".join(("results", *name[: self.levels], name))

    def _find(self, key: str) -> tuple[str, Any]:
        """Return the path of a value and the value; ``""`` and `EmptyData` if there is none."""
        for path in (self._result(key), _brief(key)):
            found = self._read_value(path)
            if found is not None and found[0] == key:
                return path, found[1]
        return "", EmptyData

    def _read_value(self, path: str) -> tuple[str, bytes] | None:
        """Return a key and its value; None if they are over, or a killed huey was writing them."""
        data = self._journal.read(path) or b""
        if path.startswith("brief/"):
            if len(data) < _EXPIRES.size or _EXPIRES.unpack_from(data)[0] <= time.time():
                return None
            data = data[_EXPIRES.size :]
        start = _LENGTH.size
        stop = start + _LENGTH.unpack_from(data)[0] if len(data) >= start else len(data) + 1
        return (names.in_text(data[start:stop]), data[stop:]) if stop <= len(data) else None

    def _is_value(self, path: str) -> bool:
        if path.startswith("brief/"):
            return self._read_value(path) is not None
        return os.stat(self._journal.path(path)).st_size >= _LENGTH.size

    def _values(self) -> list[str]:
        """Return the paths of all values."""
        found = [
            os.path.relpath(os.path.join(folder, file), self.path)
            for folder, _, files in os.walk(self._journal.path("results"))
            for file in files
            if names.is_digest(file)
        ]
        return found + [f"brief/{name}" for name in self._journal.names("brief")]

    def _aside_names(self) -> list[str]:
        return sorted(n for n in self._journal.names("aside") if not n.endswith(".why"))

    def _read_aside(self, name: str) -> Aside:
        reason, priority = json.loads(self._journal.read(f"aside/{name}.why") or '["", null]')
        return Aside(self._journal.read(f"aside/{name}"), reason, priority)

    def _read_events(self, after: int | None, limit: int | None) -> list[tuple[int, Any]]:
        with self._turn():
            return list(self._events.read(after, limit))

    def _lock(self, name: str) -> list[str] | None:
        """Return the key, the holder and the process of a lock."""
        data = self._journal.read(f"locks/{name}")
        found: list[str] | None = None if data is None else json.loads(data)
        return found

    def _locks(self) -> dict[str, list[str]]:
        found = {name: self._lock(name) for name in self._journal.names("locks")}
        return {name: lock for name, lock in found.items() if lock is not None}

    # -- this process and others --------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Start in a new process: at first, or after a fork."""
        self._pid = os.getpid()
        self._live_folder_made = False
        self._lookout = Lookout()
        self._liveness: Liveness = Liveness(self.live_folder)
        self._listeners = Listeners(self.live_folder)
        self._idle_bell = Doorbell(self.live_folder, "idle", self._listeners)
        self._result_bell = Doorbell(self.live_folder, "result", self._listeners)
        self._event_bell = Doorbell(self.live_folder, "event", self._listeners)

    def _after_fork(self) -> None:
        self._close_bells()
        self._begin_anew()

    def _close_bells(self) -> None:
        for bell in (self._idle_bell, self._result_bell, self._event_bell):
            bell.close()

    def _make_live_folder(self) -> None:
        if not self._live_folder_made:
            with self._turn():
                self._journal.make_folder(".live")
            self._live_folder_made = True

    def _process(self) -> str:
        """Return what others know this process by."""
        if self._pid != os.getpid():
            self._after_fork()
        if self._liveness.slot:
            return self._liveness.slot
        self._make_live_folder()
        with self._turn():  # or two workers' first claims would take a slot each
            return self._liveness.hold()

    def _owner(self, slot: str) -> str:
        return f"{self._process()}@{names.slot(slot)}"

    def _dead(self) -> set[str]:
        """Return the processes that are dead and hold something."""
        held = [*self._claimed(), *self._journal.names("workers")]
        processes = {_process_of(name) for name in held}
        processes |= {process for _, _, process in self._locks().values()}
        return {process for process in processes if not self._liveness.alive(process)}

    # -- wake-ups -----------------------------------------------------------------------------

    def _ring(self, batch: Batch, claimed: int = 0) -> None:
        """Wake those who wait for something in a batch that has just been written.

        :param claimed: how many messages were claimed in the same step, so need nobody else.
        """
        others = self._listeners.names()  # one look for all who are told
        for key, _ in (*batch.results, *batch.endings):
            self._ring_result(key, others)
        if batch.enqueue or batch.joins:
            self._ring_idle(len(batch.enqueue) + len(batch.joins) - claimed, others)
        if batch.schedule:
            self.wake_schedule()
        if batch.events:
            self._event_bell.ring(_NEW)
            self._event_bell.tell(_NEW, others)

    def _ring_result(self, key: str, others: Sequence[str] | None = None) -> None:
        name = names.digest(key)
        self._result_bell.ring(name)
        self._result_bell.tell(name, others)

    def _ring_idle(self, count: int, others: Sequence[str] | None = None) -> None:
        """Wake as many idle workers as there are messages, first those of this process."""
        left = count - self._idle_bell.ring_some(_IDLE, count) if count > 0 else 0
        for _ in range(min(left, 64)):
            self._idle_bell.tell("", others)


# -- names of files: a claimed one's is ``message@process@slot`` ------------------------------


def _claimed(token: str, owner: str) -> str:
    return f"claimed/{token}@{owner}"


def _message_in(name: str) -> names.Waiting | None:
    message, at, _ = name.partition("@")
    return names.read_waiting(message) if at else None


def _owner_of(name: str) -> str:
    return name.partition("@")[2]


def _process_of(name: str) -> str:
    return name.partition("@")[2].partition("@")[0]


def _brief(key: str) -> str:
    return f"brief/{names.digest(key)}"


def _chord(key: str) -> str:
    return f"chords/{names.digest(key)}"


def _with_key(key: str, value: bytes) -> bytes:
    start = names.in_bytes(key)
    return _LENGTH.pack(len(start)) + start + value


def _as_records(endings: Sequence[tuple[str, str]]) -> list[bytes]:
    return [json.dumps(ending).encode() for ending in endings]


def _microseconds(when: datetime.datetime) -> int:
    """Return a time, naive UTC or aware, since the epoch: exactly, as a float is not."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (aware - _EPOCH) // datetime.timedelta(microseconds=1)
