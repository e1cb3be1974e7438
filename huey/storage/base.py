"""The interface of every storage: a queue, a schedule, values and events.

A storage keeps bytes and knows nothing of tasks. A storage of one's own needs the documented
methods alone, the first group below; everything after it has a body here that is built from them,
harmless if weaker, which a backend overrides with what it does better.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, NamedTuple, Protocol, Self

from huey.constants import EmptyData

LOCK: Final = "lock:"  # before the keys under which a storage that has only values keeps locks,
LIMIT: Final = "limit:"  # turns,
CHORD: Final = "chord:"  # chords' parts
CHORD_DONE: Final = "chorded:"  # and which chords are complete

FLAGS: Final = ("r:", "rt:")  # before the keys of values that workers look for with each message

_REMEMBERED: Final = 100  # numbers of a counter, by a storage that has only values

Earlier = Callable[[Any], bool]
"""Says of a message whether it came before the one that is looked for."""

Look = Callable[[int], tuple[int, Any] | None]
"""Returns the first message at a place or behind, and its place; None if there is none."""

Item = tuple[Any, float | None]
"""Data for the queue and its priority."""

ScheduledItem = tuple[Any, datetime.datetime, float | None]
"""Data for the schedule, the naive UTC time when it is due, and its priority."""


Tell = Callable[[Sequence[Any]], Sequence[Any]]
"""Makes events of messages, for a storage to write in the same step."""

Ended = Callable[[], bool]
"""Says whether a worker has no use for a message any more."""


def never() -> bool:
    """Say no."""
    return False


class Claim(NamedTuple):
    """A message in the hands of a worker; the storage remembers whose.

    :param token: by which the storage finds it again.
    :param data: the message.
    :param deliveries: how many workers died with it before.
    :param priority: with which it was enqueued, where the storage knows.
    :param absent: of the keys that begin with ``r:`` and ``rt:``, some that had no value then.
    :param asked: before that, as ``time.monotonic()`` says it: the answer may take its time.
    """

    token: Any
    data: Any
    deliveries: int = 0
    priority: float | None = None
    absent: Container[str] = ()
    asked: float = 0.0


class Seen(NamedTuple):
    """A message that waits, on the schedule or on the queue.

    :param data: the message.
    :param scheduled: whether it is on the schedule.
    :param place: by which `BaseStorage.withdraw` finds it sooner; good for nothing else.
    """

    data: Any
    scheduled: bool
    place: Any = None


class Aside(NamedTuple):
    """A message that nobody can run.

    :param data: the message.
    :param reason: why not, in a line.
    :param priority: with which it was enqueued.
    """

    data: Any
    reason: str
    priority: float | None = None


class Join(NamedTuple):
    """A part of a chord that is over, and what is to be enqueued once every part is.

    :param key: names the chord.
    :param part: which part, from 0.
    :param parts: how many there are.
    :param value: what the part came to.
    :param data: the message for the queue when the last part is in.
    :param priority: of that message.
    """

    key: str
    part: int
    parts: int
    value: Any
    data: Any
    priority: float | None = None


class Found(NamedTuple):
    """What there is of a task that may have ended.

    :param value: its value, `EmptyData` if there is none.
    :param ending: how it ended without one, None if unknown or not at all.
    """

    value: Any = EmptyData
    ending: str | None = None


class Batch(NamedTuple):
    """Things to write in one step: all of them or none, where the backend can.

    :param results: keys and values for the result store.
    :param endings: keys and how those tasks ended without a value.
    :param enqueue: data and priority of messages for the queue.
    :param schedule: data, time and priority of messages for the schedule.
    :param aside: messages that nobody can run.
    :param events: items for the event stream; bytes are one line each, with no line break in it.
    :param joins: parts of chords that are over; of one part the first to come counts.
    :param forget: keys of chords whose values are not needed any more.
    :param clear: keys of values to remove first, be they there or not.
    """

    results: Sequence[tuple[str, Any]] = ()
    endings: Sequence[tuple[str, str]] = ()
    enqueue: Sequence[Item] = ()
    schedule: Sequence[ScheduledItem] = ()
    aside: Sequence[Aside] = ()
    events: Sequence[Any] = ()
    joins: Sequence[Join] = ()
    forget: Sequence[str] = ()
    clear: Sequence[str] = ()


NOTHING = Batch()


class Waiter(Protocol):
    """Something to wait on; made before looking, so that nothing is missed in between."""

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; True if woken."""
        ...


class _Pause:
    """A waiter for storages that cannot wake: it sleeps a little longer each time."""

    def __init__(self, backoff: float, longest: float) -> None:
        self._delay = 0.005
        self._backoff = backoff
        self._longest = longest

    def wait(self, timeout: float) -> bool:
        time.sleep(max(0.0, min(self._delay, self._longest, timeout)))
        self._delay *= max(1.0, self._backoff)
        return False


class BaseStorage:
    """A place for the queue, the schedule, the values and the events of one Huey.

    :param name: the Huey's name; several share one server or file by it.
    :param storage_kwargs: what else the backend wants to know.
    """

    keeps_objects = False
    """Whether data may be any object and comes back as the very same one."""

    priority_of: Callable[[Any], float | None] = staticmethod(lambda data: None)
    """Says the priority of a message, set by Huey, for a schedule that does not keep it."""

    keeps_results = False
    """Whether a result that was read stays until its time is over."""

    orders_by_priority = True
    """Whether messages of higher priority come first; if not, the first in is the first out."""

    belongs_to_process = False
    """Whether nobody outside this process can change anything or hold a claim. Then whatever
    changes the schedule ends `wait_schedule`, and no worker can die and leave something behind."""

    _polling = (0.01, 1.5, 0.25)  # first pause, factor, longest pause

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make what the bodies here need, for storages that do not call `__init__` as well."""
        self = super().__new__(cls)
        self._make_helpers()
        return self

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        self.name = name
        self.storage_kwargs = storage_kwargs

    def _make_helpers(self) -> None:
        self._schedule_changed = threading.Event()
        self._registered: dict[str, dict[str, Any]] = {}
        self._aside: list[Aside] = []
        self._turns = threading.Lock()
        self._wakes = 0
        self._readers_woken = threading.Event()

    def close(self) -> None:
        """Give back connections, files and threads; the storage may be used again."""

    # -- the documented interface: a backend of one's own has to fill these in ----------------

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        """Put a message at the end of the queue, or before those of lower priority."""
        raise NotImplementedError

    def dequeue(self) -> Any:
        """Take the next message off the queue for good; None if there is none."""
        raise NotImplementedError

    def queue_size(self) -> int:
        """Return the number of messages on the queue that no worker has claimed."""
        raise NotImplementedError

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        """Return the messages on the queue, the next one first."""
        raise NotImplementedError

    def flush_queue(self) -> None:
        """Remove all messages from the queue, claimed ones excepted."""
        raise NotImplementedError

    def add_to_schedule(self, data: Any, timestamp: datetime.datetime) -> None:
        """Keep a message until ``timestamp``, a naive UTC time."""
        raise NotImplementedError

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        """Take the messages that are due at ``timestamp`` off the schedule for good."""
        raise NotImplementedError

    def schedule_size(self) -> int:
        """Return the number of scheduled messages."""
        raise NotImplementedError

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        """Return the scheduled messages, the next one first."""
        raise NotImplementedError

    def flush_schedule(self) -> None:
        """Remove all scheduled messages."""
        raise NotImplementedError

    def put_data(self, key: str, value: Any) -> None:
        """Store a value, over an older one if there is one."""
        raise NotImplementedError

    def peek_data(self, key: str) -> Any:
        """Return a value, `EmptyData` if there is none."""
        raise NotImplementedError

    def pop_data(self, key: str) -> Any:
        """Return a value and remove it, in one step; `EmptyData` if there is none."""
        raise NotImplementedError

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        """Store a value unless there is one, in one step; say whether it was stored.

        :param ttl: seconds after which it is gone again, None for never. Storages that lack this
            parameter are not asked for it.
        """
        raise NotImplementedError

    def has_data_for_key(self, key: str) -> bool:
        """Say whether there is a value."""
        raise NotImplementedError

    def result_store_size(self) -> int:
        """Return the number of values."""
        raise NotImplementedError

    def result_items(self) -> dict[str, Any]:
        """Return all values by key."""
        raise NotImplementedError

    def flush_results(self) -> None:
        """Remove all values."""
        raise NotImplementedError

    # -- several things in one step -----------------------------------------------------------

    def enqueue_and_tell(self, data: Any, priority: float | None, event: Any) -> None:
        """Put a message on the queue and append an event, in one step where the backend can."""
        self.write(Batch(enqueue=[(data, priority)], events=[event]))

    def write(self, batch: Batch) -> None:
        """Write a batch, in one step where the backend can."""
        for key in batch.clear:
            self.pop_data(key)
        for key, value in batch.results:
            self.put_data(key, value)
        for key, ending in batch.endings:
            self.put_ending(key, ending)
        for data, priority in batch.enqueue:
            self.enqueue(data, priority)
        for data, timestamp, _ in batch.schedule:
            self.add_to_schedule(data, timestamp)
        for message in batch.aside:
            self.put_aside(message)
        if batch.events:
            self.append_events(batch.events)
        for join in batch.joins:
            self._join(join)
        for key in batch.forget:
            self._forget(key)

    # -- messages that wait -------------------------------------------------------------------

    def due_at(self, when: datetime.datetime) -> Iterator[Seen]:
        """Yield messages that are scheduled for a naive UTC time.

        For storages that find nothing on the schedule but by its time; others yield none.
        """
        return iter(())

    def waiting(self, text: bytes = b"") -> Iterator[Seen]:
        """Yield the messages on the schedule, then those on the queue, in any order.

        :param text: what they contain; a storage may leave out those that do not.

        They are read piece by piece while others go on. A message that moves from the schedule to
        the queue meanwhile is not missed but may come twice; one that a worker claims or gives
        back meanwhile may be missed.
        """
        yield from (Seen(data, True) for data in self.scheduled_items())
        yield from (Seen(data, False) for data in self.enqueued_items())

    def waiting_about(self, is_earlier: Earlier) -> Iterator[Seen]:
        """Yield messages that wait where ``is_earlier`` ends to be true, in order of arrival.

        They are found by halving, so soon among any number. What is out of that order, as a task
        that is tried again, may be missed, and so may all, as in the body here: then look through
        all of them.
        """
        return iter(())

    def withdraw(self, data: Any, batch: Batch = NOTHING, place: Any = None) -> bool:
        """Remove a message that waits on the queue or the schedule, and write a batch, in one step.

        :param data: equal to the message; where the very objects are kept, the same one.
        :param place: where it was seen, see `Seen`; without it all messages are looked through.
        :returns: False, and nothing is written, if it is not there: a worker has claimed it, it
            was withdrawn, or, as in the body here, the storage cannot do it.
        """
        return False

    # -- claim and acknowledge ----------------------------------------------------------------

    def claim(self, slot: str, timeout: float = 0, ended: Ended = never) -> Claim | None:
        """Take the next message while the storage remembers who has it.

        :param slot: names the worker, unique among all workers of the storage.
        :param timeout: seconds to wait for a message. A wait may end early with None: by
            `wake_claims`, or because another worker was faster.
        :param ended: whether not to wait, asked when `wake_claims` finds the wait already. So
            whoever sets what it looks at, and then calls `wake_claims`, ends every wait.

        The body here takes the message for good (at most once), as `dequeue` is all there is.
        """
        return self._poll_for_claim(timeout, ended)

    def poll(
        self, first: float | None = None, backoff: float | None = None, longest: float | None = None
    ) -> None:
        """Say how to look for messages where the storage cannot wake; None leaves it as it is.

        :param first: seconds between the first two looks.
        :param backoff: factor by which a pause is longer than the one before.
        :param longest: longest pause in seconds.
        """
        old_first, old_backoff, old_longest = self._polling
        self._polling = (
            old_first if first is None else first,
            old_backoff if backoff is None else backoff,
            old_longest if longest is None else longest,
        )

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        """Acknowledge a claim and write what follows from it, in one step.

        :returns: whether the claim was still the slot's. If not, another worker has the message;
            then of the batch only results that nobody stored yet, endings and events are written.
        """
        self.write(batch)
        return True

    def finish_and_claim(
        self, slot: str, claim: Claim, batch: Batch = NOTHING
    ) -> tuple[bool, Claim | None]:
        """Do what `finish` does, and claim the next message along the way if that is for nothing.

        :returns: what `finish` returns; the message, None if there is none or, as in the body
            here, if that is left to `claim`. If this raises, neither was done, or a next `claim`
            of the slot finds out what was.
        """
        return self.finish(slot, claim, batch), None

    def release(self, slot: str, claim: Claim) -> None:
        """Give a claim back: the message is the next one again, untouched.

        The body here knows no place on the queue but the end of those of its priority.
        """
        self.enqueue(claim.data, self.priority_of(claim.data))

    def inflight(self) -> int:
        """Return the number of claimed messages."""
        return 0

    def claims(self) -> list[tuple[str, Any]]:
        """Return the claimed messages, each with its worker as `workers` names it."""
        return []

    def recover(self) -> int:
        """Release the claims of workers that died; return how many there were.

        Their locks are free and their registrations gone from then on too.
        """
        return 0

    def register(self, slot: str, facts: Mapping[str, Any]) -> None:
        """Say that a worker of this process has started.

        :param facts: what people want to know of it; fit for JSON.
        """
        self._registered[slot] = dict(facts)

    def unregister(self, slot: str) -> None:
        """Say that a worker of this process has ended."""
        self._registered.pop(slot, None)

    def workers(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the living workers of all processes by unique names, with their facts.

        The body here knows those of this process alone.
        """
        return list(self._registered.items())

    def leave(self) -> None:
        """Say that the workers of this process have ended and hold no claim any more."""

    def is_outage(self, error: BaseException) -> bool:
        """Say whether an error means that the storage cannot be reached or written just now.

        Then the same call may succeed later; for any other error it would fail again.
        """
        return isinstance(error, OSError)

    def wake_claims(self) -> None:
        """End every `claim` of this process that is waiting."""
        self._wakes += 1

    def waiting_for_message(self) -> AbstractContextManager[Waiter]:
        """Give a waiter that is woken when there may be a message to claim, for workers that
        cannot wait within `claim`.
        """
        _, backoff, longest = self._polling
        return nullcontext(_Pause(backoff, longest))

    # -- the schedule -------------------------------------------------------------------------

    def move_due(
        self, now: datetime.datetime, limit: int = 1000, tell: Tell | None = None
    ) -> list[Any]:
        """Move due messages from the schedule to the queue, the earliest first.

        :param now: naive UTC time.
        :param limit: at most so many; call again for more.
        :param tell: called with the messages; the events that it returns are written in the same
            step, so that no worker's come before them. Must not call the storage.
        :returns: the messages moved.
        """
        due = self.read_schedule(now)
        if tell and due:
            self.append_events(tell(due))
        for data in due:
            self.enqueue(data, self.priority_of(data))
        return due

    def next_due(self) -> float | None:
        """Return when the next scheduled message is due (epoch seconds), None if unknown."""
        return None

    def wait_schedule(self, timeout: float) -> None:
        """Wait until the schedule may have changed, at most ``timeout`` seconds."""
        self._schedule_changed.wait(timeout)
        self._schedule_changed.clear()

    def wake_schedule(self) -> None:
        """End a `wait_schedule` of this process, the one going on or the next."""
        self._schedule_changed.set()

    # -- endings: tasks that are over and left no value ----------------------------------------

    def put_ending(self, key: str, ending: str) -> None:
        """Remember how a task ended that left no value; older ones may be forgotten."""

    def peek_ending(self, key: str) -> str | None:
        """Return how a task ended that left no value, None if unknown."""
        return None

    def ending_items(self) -> dict[str, str]:
        """Return all endings that are remembered, by key."""
        return {}

    def take_result(self, key: str) -> Any:
        """Return a value and remove it as `pop_data` does; its ending is then ``taken``."""
        value = self.pop_data(key)
        if value is not EmptyData:
            self.put_ending(key, "taken")
        return value

    def take_results(self, keys: Sequence[str]) -> list[Found]:
        """Take the values of several keys, as `take_result` does, and tell how the others ended.

        Each of them is one step; all of them are one trip where the backend can.
        """
        taken = ((key, self.take_result(key)) for key in keys)
        return [
            Found(value) if value is not EmptyData else Found(ending=self.peek_ending(key))
            for key, value in taken
        ]

    def waiting_for_result(
        self, key: str, backoff: float, max_delay: float
    ) -> AbstractContextManager[Waiter]:
        """Give a waiter that is woken when a value or an ending of ``key`` is written.

        :param backoff: factor between two pauses, where the storage cannot wake.
        :param max_delay: longest pause in seconds, likewise.
        """
        return nullcontext(_Pause(backoff, max_delay))

    def peek_many(self, keys: Sequence[str]) -> list[Any]:
        """Return what `peek_data` does for several keys, in one trip where the backend can."""
        return [self.peek_data(key) for key in keys]

    # -- counters -----------------------------------------------------------------------------

    def advance(self, key: str, number: int) -> bool:
        """Move a counter forward to ``number``, in one step; False if it is there or further.

        Of several who try the same number one wins. The body here remembers the last hundred.
        """
        moved = self.put_if_empty(f"{key}:{number}", b"")
        if moved:
            self.pop_data(f"{key}:{number - _REMEMBERED}")
        return moved

    # -- locks and limits ---------------------------------------------------------------------

    def acquire_lock(self, key: str, holder: str, ttl: float | None = None) -> bool:
        """Take a lock unless a living process has it, in one step; say whether it was taken.

        It is free again when `release_lock` is called or this process has died: on one host that
        is noticed within a second.

        :param holder: unique; not even the same holder takes a lock twice.
        :param ttl: seconds after which processes on other hosts take this process for dead if
            nothing was heard of it, None for the storage's own lease.

        The body here knows nothing of the dead.
        """
        return self.put_if_empty(f"{LOCK}{key}", holder.encode())

    def release_lock(self, key: str, holder: str | None = None) -> bool:
        """Free a lock, in one step; False if it was not held.

        :param holder: only if this one has it; None for whoever does.
        """
        key = f"{LOCK}{key}"
        if holder is not None and self.peek_data(key) != holder.encode():
            return False
        return self.pop_data(key) is not EmptyData

    def locks(self) -> list[str]:
        """Return the keys of the locks that are held by the living."""
        keys = self.result_items()
        return [key.removeprefix(LOCK) for key in keys if key.startswith(LOCK)]

    def take_turn(self, key: str, limit: int, per: float) -> float:
        """Count a turn unless ``limit`` were counted in the last ``per`` seconds, in one step.

        :returns: 0 if it was counted, else in how many seconds there is one to be had.

        The body here is one step for the threads of this process only.
        """
        with self._turns:
            now = time.time()
            data = self.peek_data(f"{LIMIT}{key}")
            taken = [] if data is EmptyData else [float(at) for at in data.split()]
            taken = [at for at in taken if at > now - per]
            if len(taken) >= limit:
                return taken[-limit] + per - now
            text = " ".join(map(repr, (*taken, now)))
            self.put_data(f"{LIMIT}{key}", text.encode())
            return 0.0

    # -- chords: something to enqueue when several parts are over -----------------------------

    def joined(self, key: str) -> dict[int, Any]:
        """Return the values of a chord's parts that are over, by part."""
        items = self.result_items()
        start = f"{CHORD}{key}:"
        return {int(k.removeprefix(start)): v for k, v in items.items() if k.startswith(start)}

    def _join(self, join: Join) -> None:
        """Keep a part's value; enqueue what waits for all parts with the last of them."""
        start = f"{CHORD}{join.key}:"
        self.put_if_empty(f"{start}{join.part}", join.value)
        complete = all(self.has_data_for_key(f"{start}{part}") for part in range(join.parts))
        if complete and self.put_if_empty(f"{CHORD_DONE}{join.key}", b""):
            self.enqueue(join.data, join.priority)

    def _forget(self, key: str) -> None:
        for part in self.joined(key):
            self.pop_data(f"{CHORD}{key}:{part}")

    # -- messages set aside -------------------------------------------------------------------

    def put_aside(self, message: Aside) -> None:
        """Keep a message that nobody can run. The body here forgets it with the process."""
        self._aside.append(message)

    def aside_items(self) -> list[Aside]:
        """Return the messages set aside, the oldest first."""
        return list(self._aside)

    def restore_aside(self) -> int:
        """Put the messages set aside back on the queue, the oldest first, in one step.

        :returns: how many there were.
        """
        messages, self._aside = self._aside, []
        for message in messages:
            self.enqueue(message.data, message.priority)
        return len(messages)

    # -- events -------------------------------------------------------------------------------

    def append_events(self, events: Sequence[Any]) -> None:
        """Append to the event stream, which keeps the last 10,000."""

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        """Return events with their cursors, the oldest first.

        :param after: a cursor; None for the oldest event kept.
        :param limit: at most so many.
        :param timeout: if there are none, wait for one so many seconds; may end early with none.
        """
        if timeout:
            self._readers_woken.wait(timeout)
            self._readers_woken.clear()
        return []

    def wake_readers(self) -> None:
        """End every `read_events` of this process that is waiting."""
        self._readers_woken.set()

    def last_event(self) -> int | None:
        """Return the cursor of the newest event, None if there is none."""
        return None

    def flush_events(self) -> None:
        """Remove all events; cursors go on counting."""

    # -- within -------------------------------------------------------------------------------

    def _poll_for_claim(self, timeout: float, ended: Ended) -> Claim | None:
        """Dequeue again and again until there is a message, at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        pause, backoff, longest = self._polling
        wakes = self._wakes
        while True:
            data = self.dequeue()
            if data is not None:
                return Claim(None, data)
            left = deadline - time.monotonic()
            if left <= 0 or ended() or self._wakes != wakes:
                return None
            time.sleep(min(pause, left))
            pause = min(pause * backoff, longest)


FEW: Final = 25  # messages that are looked through rather than halved again


def halve(first: int, last: int, look: Look, is_earlier: Earlier) -> int:
    """Return a place with at most `FEW` between it and where ``is_earlier`` ends to be true.

    :param first: the first place.
    :param last: the last one.
    :param look: returns the first message at a place or behind, and its place; None if none is.
    """
    while last - first > FEW:
        middle = (first + last) // 2
        found = look(middle)
        if found is not None and found[0] <= last and is_earlier(found[1]):
            first = found[0]
        else:
            last = middle
    return first


class BatchStorage(BaseStorage):
    """A storage for which every write is a batch, of one thing as of many."""

    def write(self, batch: Batch) -> None:
        """Write a batch, in one step."""
        raise NotImplementedError

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        self.write(Batch(enqueue=[(data, priority)]))

    def add_to_schedule(self, data: Any, timestamp: datetime.datetime) -> None:
        self.write(Batch(schedule=[(data, timestamp, None)]))

    def put_data(self, key: str, value: Any) -> None:
        self.write(Batch(results=[(key, value)]))

    def put_ending(self, key: str, ending: str) -> None:
        self.write(Batch(endings=[(key, ending)]))

    def put_aside(self, message: Aside) -> None:
        self.write(Batch(aside=[message]))

    def append_events(self, events: Sequence[Any]) -> None:
        self.write(Batch(events=events))
