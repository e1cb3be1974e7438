"""Any storage, walked at random beside a plain model that must always agree with it."""

import heapq
import itertools
import time
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from huey.constants import EmptyData
from huey.storage import (
    Aside,
    Batch,
    FileStorage,
    Join,
    MemoryStorage,
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
    SqliteStorage,
)

NOON = datetime(2030, 6, 1, 12)

payloads = st.binary(max_size=3)
lines = payloads.map(lambda data: data.replace(b"\n", b" "))
priorities = st.one_of(st.none(), st.integers(-2, 2), st.sampled_from([0.5, -0.5]))
minutes = st.integers(0, 5)
keys = st.sampled_from(["a", "b", "r:a"])
slots = st.sampled_from(["x", "y"])
limits = st.one_of(st.none(), st.integers(0, 4))
holders = st.sampled_from(["h", "i"])

PARTS = {"one": 1, "two": 2, "three": 3}  # chords and how many parts they have
chords = st.sampled_from(sorted(PARTS))
WHILE = 50  # seconds, far enough from all sums of what the clock is turned by
turns_of_the_clock = st.sampled_from([20, 100])


def at(minute):
    return NOON + timedelta(minutes=minute)


class Model:
    """What a storage is, with neither files nor threads.

    :param by_priority: whether the queue is; if not, what is put back is the next one, whatever
        was put back before.
    """

    def __init__(self, by_priority):
        self.by_priority = by_priority
        self.order = itertools.count()
        self.order_of_returns = itertools.count(-1, -1)
        self.queue = []  # minus the priority, the order of arrival, the message
        self.claimed = {}  # by the order of arrival: what was on the queue
        self.deaths = Counter()  # by the order of arrival: how many workers died with it
        self.schedule = []  # minute, order, message, priority
        self.values = {}
        self.over = {}  # by key: when a value is gone
        self.now = 0
        self.endings = {}
        self.chords = {key: {} for key in PARTS}
        self.locks = {}
        self.turns = {key: [] for key in "ab"}
        self.aside = []
        self.events = []

    def push(self, data, priority):
        rank = -(priority or 0) if self.by_priority else 0
        heapq.heappush(self.queue, (rank, next(self.order), data))

    def put_back(self, queued):
        if not self.by_priority:
            order = next(self.order_of_returns)
            self.deaths[order] = self.deaths.pop(queued[1], 0)
            queued = (0, order, queued[2])
        heapq.heappush(self.queue, queued)
        return queued[1]

    def put(self, key, value, ttl=None):
        self.values[key] = value
        self.over[key] = float("inf") if ttl is None else self.now + ttl

    def write(self, batch):
        for key in batch["clear"]:
            self.values.pop(key, None)
        for item in batch["results"]:
            self.put(*item)
        self.endings.update(batch["endings"])
        for item in batch["enqueue"]:
            self.push(*item)
        for minute, data, priority in batch["schedule"]:
            self.schedule.append((minute, next(self.order), data, priority))
        for item in batch["joins"]:
            self.join(*item)
        for key in batch["forget"]:
            self.chords[key].clear()
        self.events += batch["events"]

    def write_late(self, batch):
        """What is written of a batch whose claim was lost."""
        for key, value in batch["results"]:
            if key not in self.values:
                self.put(key, value)
        self.endings.update(batch["endings"])
        self.events += batch["events"]

    def join(self, key, part, value, priority):
        part %= PARTS[key]
        if part in self.chords[key]:
            return
        self.chords[key][part] = value
        if len(self.chords[key]) == PARTS[key]:
            self.push(key.encode(), priority)

    def waiting(self):
        return [item[2] for item in self.schedule], [item[2] for item in self.queue]

    def withdraw(self, data):
        self.schedule = [item for item in self.schedule if item[2] != data]
        self.queue = [item for item in self.queue if item[2] != data]
        heapq.heapify(self.queue)

    def pass_time(self, seconds):
        self.now += seconds
        self.values = {key: v for key, v in self.values.items() if self.over[key] > self.now}

    def take_turn(self, key, limit, per):
        taken = [when for when in self.turns[key] if when > self.now - per]
        if len(taken) >= limit:
            return taken[-limit] + per - self.now
        self.turns[key].append(self.now)
        return 0

    def due(self, minute, limit=None):
        due = sorted(item[:2] for item in self.schedule if item[0] <= minute)[:limit]
        moved = sorted((item for item in self.schedule if item[:2] in due), key=lambda i: i[:2])
        self.schedule = [item for item in self.schedule if item[:2] not in due]
        return moved


batches = st.fixed_dictionaries(
    {
        "results": st.lists(st.tuples(keys, payloads), max_size=2, unique_by=lambda i: i[0]),
        "endings": st.lists(
            st.tuples(keys, st.sampled_from(["none", "expired"])),
            max_size=2,
            unique_by=lambda item: item[0],
        ),
        "enqueue": st.lists(st.tuples(payloads, priorities), max_size=2),
        "schedule": st.lists(st.tuples(minutes, payloads, priorities), max_size=2),
        "events": st.lists(lines, max_size=2),
        "joins": st.lists(st.tuples(chords, st.integers(0, 2), payloads, priorities), max_size=2),
        "forget": st.lists(chords, max_size=1),
        "clear": st.lists(keys, max_size=2),
    }
)


def as_batch(batch):
    schedule = [(data, at(minute), priority) for minute, data, priority in batch["schedule"]]
    joins = [
        Join(key, part % PARTS[key], PARTS[key], value, key.encode(), priority)
        for key, part, value, priority in batch["joins"]
    ]
    return Batch(**{**batch, "schedule": schedule, "joins": joins})


class Walk(RuleBasedStateMachine):
    """Each rule does the same to the storage and to the model, and compares what came back."""

    claims = Bundle("claims")

    make = None  # called to open the storage
    distinct = False  # whether to let no message come twice

    def __init__(self):
        super().__init__()
        self.numbers = itertools.count()
        self.storage = self.make()
        self.model = Model(self.storage.orders_by_priority)

    def teardown(self):
        self.storage.close()

    def message(self, data):
        return b"%06d %b" % (next(self.numbers), data) if self.distinct else data

    def messages(self, batch):
        enqueue = [(self.message(data), priority) for data, priority in batch["enqueue"]]
        schedule = [(minute, self.message(data), prio) for minute, data, prio in batch["schedule"]]
        return {**batch, "enqueue": enqueue, "schedule": schedule}

    # -- queue

    @rule(data=payloads, priority=priorities)
    def enqueue(self, data, priority):
        data = self.message(data)
        self.storage.enqueue(data, priority)
        self.model.push(data, priority)

    @rule(data=payloads, priority=priorities, event=lines)
    def enqueue_and_tell(self, data, priority, event):
        data = self.message(data)
        self.storage.enqueue_and_tell(data, priority, event)
        self.model.push(data, priority)
        self.model.events.append(event)

    @rule()
    def dequeue(self):
        expected = heapq.heappop(self.model.queue)[2] if self.model.queue else None
        assert self.storage.dequeue() == expected

    @rule()
    def flush_queue(self):
        self.storage.flush_queue()
        self.model.queue.clear()

    @rule(limit=limits)
    def look_at_the_queue(self, limit):
        expected = [data for _, _, data in sorted(self.model.queue)][:limit]
        assert self.storage.enqueued_items(limit) == expected

    # -- messages that wait

    @rule(choice=st.integers(0, 5), by_place=st.booleans(), batch=batches)
    def withdraw(self, choice, by_place, batch):
        """One that comes once: which of two equal ones goes is not promised."""
        scheduled, queued = self.model.waiting()
        counts = Counter(scheduled + queued)
        found = sorted(one for one in self.storage.waiting() if counts[one.data] == 1)
        once = {data for data in scheduled if counts[data] == 1}
        assert {one.data for one in found if one.scheduled} == once
        assert self.storage.withdraw(b"nobody's", as_batch(batch)) is False
        if found:
            one = found[choice % len(found)]
            batch = self.messages(batch)
            place = one.place if by_place else None
            assert self.storage.withdraw(one.data, as_batch(batch), place)
            self.model.withdraw(one.data)
            self.model.write(batch)

    # -- claims

    @rule(target=claims, slot=slots)
    def claim(self, slot):
        claim = self.storage.claim(slot)
        if not self.model.queue:
            assert claim is None
            return multiple()
        queued = heapq.heappop(self.model.queue)
        self.model.claimed[queued[1]] = queued
        assert (claim.data, claim.deliveries) == (queued[2], self.model.deaths[queued[1]])
        return slot, claim, queued[1]

    @rule(held=consumes(claims), batch=batches)
    def finish(self, held, batch):
        slot, claim, order = held
        batch = self.messages(batch)
        ours = self.model.claimed.pop(order, None) is not None
        assert self.storage.finish(slot, claim, as_batch(batch)) == ours
        self.model.write(batch)

    @rule(target=claims, held=consumes(claims), batch=batches)
    def finish_and_claim(self, held, batch):
        slot, claim, order = held
        batch = self.messages(batch)
        del self.model.claimed[order]
        ours, following = self.storage.finish_and_claim(slot, claim, as_batch(batch))
        assert ours
        self.model.write(batch)
        following = following or self.storage.claim(slot)
        if not self.model.queue:
            assert following is None
            return multiple()
        queued = heapq.heappop(self.model.queue)
        self.model.claimed[queued[1]] = queued
        assert (following.data, following.deliveries) == (queued[2], self.model.deaths[queued[1]])
        return slot, following, queued[1]

    @rule(held=consumes(claims))
    def release(self, held):
        slot, claim, order = held
        self.storage.release(slot, claim)
        self.model.put_back(self.model.claimed.pop(order))

    @rule(held=consumes(claims), batch=batches)
    def finish_too_late(self, held, batch):
        """The message was given to somebody else, who has finished it meanwhile."""
        slot, claim, order = held
        del self.model.claimed[order]
        self.storage.finish(slot, claim)

        assert not self.storage.finish(slot, claim, as_batch(batch))

        self.model.write_late(batch)

    # -- schedule

    @rule(data=payloads, minute=minutes)
    def add_to_schedule(self, data, minute):
        data = self.message(data)
        self.storage.add_to_schedule(data, at(minute))
        self.model.schedule.append((minute, next(self.model.order), data, None))

    @rule(minute=minutes, limit=st.integers(1, 4))
    def move_due(self, minute, limit):
        due = self.model.due(minute, limit)
        for _, _, data, priority in due:
            self.model.push(data, priority)
        assert self.storage.move_due(at(minute), limit) == [item[2] for item in due]

    @rule(minute=minutes)
    def read_schedule(self, minute):
        due = [item[2] for item in self.model.due(minute)]
        assert self.storage.read_schedule(at(minute)) == due

    @rule(limit=limits)
    def look_at_the_schedule(self, limit):
        expected = [i[2] for i in sorted(self.model.schedule, key=lambda i: i[:2])][:limit]
        assert self.storage.scheduled_items(limit) == expected

    @rule()
    def flush_schedule(self):
        self.storage.flush_schedule()
        self.model.schedule.clear()

    # -- values

    @rule(key=keys, value=payloads)
    def put(self, key, value):
        self.storage.put_data(key, value)
        self.model.put(key, value)

    @rule(key=keys, value=payloads)
    def put_if_empty(self, key, value):
        empty = key not in self.model.values
        assert self.storage.put_if_empty(key, value) == empty
        if empty:
            self.model.put(key, value)

    @rule(key=keys)
    def take_result(self, key):
        value = self.model.values.get(key, EmptyData)
        if value is not EmptyData and not self.storage.keeps_results:
            del self.model.values[key]
            self.model.endings[key] = "taken"
        assert self.storage.take_result(key) == value

    @rule(wanted=st.lists(keys, max_size=4))
    def take_results(self, wanted):
        found = self.storage.take_results(wanted)
        for key, (value, ending) in zip(wanted, found, strict=True):
            assert value == self.model.values.get(key, EmptyData)
            if value is EmptyData:
                assert ending == self.model.endings.get(key)
            elif not self.storage.keeps_results:
                del self.model.values[key]
                self.model.endings[key] = "taken"

    @rule(key=keys)
    def pop(self, key):
        assert self.storage.pop_data(key) == self.model.values.pop(key, EmptyData)

    @rule(key=keys)
    def peek(self, key):
        assert self.storage.peek_data(key) == self.model.values.get(key, EmptyData)
        assert self.storage.has_data_for_key(key) == (key in self.model.values)

    @rule(wanted=st.lists(keys, max_size=4))
    def peek_many(self, wanted):
        values = [self.model.values.get(key, EmptyData) for key in wanted]
        assert self.storage.peek_many(wanted) == values

    @rule()
    def flush_results(self):
        self.storage.flush_results()
        self.model.values.clear()

    # -- locks

    @rule(key=keys, holder=holders)
    def acquire_lock(self, key, holder):
        assert self.storage.acquire_lock(key, holder) == (key not in self.model.locks)
        self.model.locks.setdefault(key, holder)

    @rule(key=keys, holder=st.one_of(st.none(), holders))
    def release_lock(self, key, holder):
        held = self.model.locks.get(key)
        freed = held is not None and holder in (None, held)
        assert self.storage.release_lock(key, holder) == freed
        if freed:
            del self.model.locks[key]

    # -- the rest

    @rule(batch=batches)
    def write(self, batch):
        batch = self.messages(batch)
        self.storage.write(as_batch(batch))
        self.model.write(batch)

    @rule(key=keys, ending=st.sampled_from(["none", "revoked"]))
    def put_ending(self, key, ending):
        self.storage.put_ending(key, ending)
        self.model.endings[key] = ending

    @rule(data=payloads, priority=priorities)
    def put_aside(self, data, priority):
        data = self.message(data)
        self.storage.put_aside(Aside(data, "why", priority))
        self.model.aside.append((data, "why", priority))

    @rule()
    def restore_aside(self):
        assert self.storage.restore_aside() == len(self.model.aside)
        for data, _, priority in self.model.aside:
            self.model.push(data, priority)
        self.model.aside = []

    @rule()
    def flush_events(self):
        self.storage.flush_events()
        self.model.events.clear()

    @invariant()
    def the_counts_agree(self):
        storage, model = self.storage, self.model
        assert storage.queue_size() == len(model.queue)
        assert storage.inflight() == len(model.claimed)
        assert storage.schedule_size() == len(model.schedule)
        assert storage.result_store_size() == len(model.values)

    @invariant()
    def the_contents_agree(self):
        storage, model = self.storage, self.model
        assert storage.result_items() == model.values
        assert {key: storage.peek_ending(key) for key in model.endings} == model.endings
        assert {key: storage.joined(key) for key in PARTS} == model.chords
        assert sorted(storage.locks()) == sorted(model.locks)
        claimed = sorted(data for _, _, data in model.claimed.values())
        assert sorted(data for _, data in storage.claims()) == claimed
        assert storage.aside_items() == model.aside
        assert [data for _, data in storage.read_events()] == model.events
        due = min((minute for minute, *_ in model.schedule), default=None)
        noon = (NOON - datetime(1970, 1, 1)).total_seconds()
        assert storage.next_due() == (None if due is None else noon + 60 * due)


class WalkWithAClock(Walk):
    """The clock is turned on, for storages that go by the clock of this process."""

    turn_clock = None  # called with seconds

    @rule(seconds=turns_of_the_clock)
    def pass_time(self, seconds):
        self.turn_clock(seconds)
        self.model.pass_time(seconds)

    @rule(key=keys, value=payloads)
    def put_for_a_while(self, key, value):
        empty = key not in self.model.values
        assert self.storage.put_if_empty(key, value, ttl=WHILE) == empty
        if empty:
            self.model.put(key, value, WHILE)

    @rule(key=st.sampled_from("ab"), limit=st.integers(1, 3))
    def take_turn(self, key, limit):
        expected = self.model.take_turn(key, limit, WHILE)
        assert self.storage.take_turn(key, limit, WHILE) == pytest.approx(expected, abs=5)


class WalkAmongDeaths(Walk):
    """Workers of other processes claim and die, too; closing a storage is as good as a death."""

    @rule(count=st.integers(0, 2), lock=keys)
    def a_process_dies(self, count, lock):
        other = self.make()
        assert other.acquire_lock(lock, "dead") == (lock not in self.model.locks)
        claims = [claim for n in range(count) if (claim := other.claim(f"{n}"))]
        other.close()
        claimed = [heapq.heappop(self.model.queue) for _ in claims]
        for queued in reversed(claimed):
            self.model.deaths[self.model.put_back(queued)] += 1

        assert self.storage.recover() == len(claims)


class WalkAmongDeathsWithAClock(WalkAmongDeaths, WalkWithAClock):
    """Both."""


class WalkOfDistinctMessages(WalkAmongDeaths):
    """No message comes twice: a Redis server knows a message by its bytes."""

    distinct = True


def walk(kind, open_storage, examples):
    """Take walks of a kind, each with a storage opened under another name."""
    names = map(str, itertools.count())

    class Here(kind):
        def __init__(self):
            name = next(names)
            self.make = lambda: open_storage(name)
            self.clock = pytest.MonkeyPatch()
            self.passed = []
            real = time.time
            self.clock.setattr(time, "time", lambda: real() + sum(self.passed))
            self.turn_clock = self.passed.append
            super().__init__()

        def teardown(self):
            self.clock.undo()
            super().teardown()

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_memory_agrees_with_the_model():
    walk(WalkWithAClock, MemoryStorage, examples=60)


@pytest.mark.parametrize("strict_fifo", [False, True])
def test_sqlite_agrees_with_the_model(tmp_path, strict_fifo):
    file = tmp_path / "huey.db"  # one file will do for many short lives

    def open_storage(name):
        return SqliteStorage(name, file, strict_fifo=strict_fifo)

    walk(WalkAmongDeathsWithAClock, open_storage, examples=30)


@pytest.mark.parametrize("use_thread_lock", [False, True])
def test_files_agree_with_the_model(tmp_path, use_thread_lock):
    def open_storage(name):
        return FileStorage(name, tmp_path / name, use_thread_lock=use_thread_lock)

    walk(WalkAmongDeathsWithAClock, open_storage, examples=30)


@pytest.mark.server
@pytest.mark.parametrize(
    "kind",
    [RedisStorage, PriorityRedisStorage, RedisExpireStorage, PriorityRedisExpireStorage],
)
def test_redis_agrees_with_the_model(redis_server, kind):
    def open_storage(name):
        return kind(name, url=redis_server.url)

    walk(WalkOfDistinctMessages, open_storage, examples=15)
