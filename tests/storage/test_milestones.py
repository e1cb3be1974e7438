"""Sqlite counts what waits by milestones; whatever happens, that is what counting all gives."""

import itertools
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from huey.storage import Aside, Batch, Join, SqliteStorage

COUNT = "SELECT count(*) FROM task WHERE queue = ? AND claimed_by IS NULL"
HUEYS_INSERT = "INSERT INTO task (queue, data, priority) VALUES (?, ?, ?)"
HUEYS_DEQUEUE = """
DELETE FROM task WHERE id = (
    SELECT id FROM task WHERE queue = ? ORDER BY priority DESC, id LIMIT 1
)
"""
NOON = datetime(2030, 6, 1, 12)
BIG = 2**53  # the next integer is the same number for Sqlite

which = st.sampled_from([0, 0, 0, 1])  # most in one queue, so that it grows
slots = st.sampled_from(["x", "y"])
priorities = st.sampled_from([None, None, 0, 1, BIG, BIG + 1])
messages = st.lists(priorities, min_size=1, max_size=6)
milestones = st.lists(st.integers(1, 3), min_size=2, max_size=6)  # how many messages it is to each


class Walk(RuleBasedStateMachine):
    """Two queues in one file, and huey with a connection of its own."""

    claims = Bundle("claims")

    file = None
    names = map(str, itertools.count())

    def __init__(self):
        super().__init__()
        self.numbers = itertools.count()
        self.ahead = itertools.repeat(1)
        self.chance = pytest.MonkeyPatch()
        self.chance.setattr("huey.storage.sqlite._to_milestone", lambda: next(self.ahead))
        self.queues = [next(self.names), next(self.names)]
        self.storages = [self.open(n) for n in (0, 1)]
        self.huey = sqlite3.connect(self.file, isolation_level=None)

    def teardown(self):
        self.chance.undo()
        self.huey.close()
        for storage in self.storages:
            storage.flush_queue()
            storage.close()

    def open(self, n):
        return SqliteStorage(self.queues[n], self.file)

    def message(self):
        return b"%d" % next(self.numbers)

    def batch(self, priorities):
        return Batch(enqueue=[(self.message(), priority) for priority in priorities])

    @rule(milestones=milestones)
    def turn_to_other_chances(self, milestones):
        self.ahead = itertools.cycle(milestones)

    # -- what comes

    @initialize(priorities=st.lists(priorities, max_size=20), milestones=milestones)
    def begin_with_some(self, priorities, milestones):
        self.ahead = itertools.cycle(milestones)
        self.storages[0].write(self.batch(priorities))

    @rule(n=which, priority=priorities, milestone=st.booleans(), tell=st.booleans())
    def enqueue(self, n, priority, milestone, tell):
        self.ahead = itertools.repeat(1 if milestone else 2)
        if tell:
            self.storages[n].enqueue_and_tell(self.message(), priority, b"enqueued")
        else:
            self.storages[n].enqueue(self.message(), priority)

    @rule(n=which, priorities=messages, milestones=milestones)
    def write(self, n, priorities, milestones):
        self.ahead = itertools.cycle(milestones)
        self.storages[n].write(self.batch(priorities))

    @rule(n=which, priorities=messages)
    def move_due(self, n, priorities):
        for priority in priorities:
            self.huey.execute(
                "INSERT INTO schedule (queue, data, timestamp, priority) VALUES (?, ?, 1.0, ?)",
                (self.queues[n], self.message(), priority),
            )
        assert len(self.storages[n].move_due(NOON)) == len(priorities)

    @rule(n=which, priorities=messages)
    def restore_aside(self, n, priorities):
        for priority in priorities:
            self.storages[n].put_aside(Aside(self.message(), "why", priority))
        assert self.storages[n].restore_aside() == len(priorities)

    @rule(n=which, priority=priorities)
    def join(self, n, priority):
        data = self.message()
        last_part = Join(data.decode(), 0, 1, b"", data, priority)
        self.storages[n].write(Batch(joins=[last_part]))

    @rule(n=which, priority=st.sampled_from([0, 1, BIG]))
    def huey_enqueues(self, n, priority):
        self.huey.execute(HUEYS_INSERT, (self.queues[n], self.message(), priority))

    # -- what goes

    @rule(n=which)
    def dequeue(self, n):
        self.storages[n].dequeue()

    @rule(n=which, choice=st.integers(0, 99), by_place=st.booleans(), priorities=messages)
    def withdraw(self, n, choice, by_place, priorities):
        found = sorted(self.storages[n].waiting())
        if found:
            one = found[choice % len(found)]
            batch = self.batch(priorities)
            assert self.storages[n].withdraw(one.data, batch, one.place if by_place else None)

    @rule(n=which, first=st.integers(0, 99), count=st.integers(2, 6))
    def withdraw_neighbours(self, n, first, count):
        found = sorted(self.storages[n].waiting(), key=lambda one: one.place)
        for one in found[first % max(1, len(found)) :][:count]:
            assert self.storages[n].withdraw(one.data, place=one.place)

    @rule(n=which)
    def huey_dequeues(self, n):
        """What is claimed, too, as it knows nothing of that."""
        self.huey.execute(HUEYS_DEQUEUE, (self.queues[n],))

    @rule(n=which)
    def flush_queue(self, n):
        self.storages[n].flush_queue()

    # -- what is claimed

    @rule(target=claims, n=which, slot=slots)
    def claim(self, n, slot):
        claim = self.storages[n].claim(slot)
        return multiple() if claim is None else (n, slot, claim)

    @rule(held=consumes(claims), priorities=messages)
    def finish(self, held, priorities):
        n, slot, claim = held
        self.storages[n].finish(slot, claim, self.batch(priorities))

    @rule(target=claims, held=consumes(claims))
    def finish_and_claim(self, held):
        n, slot, claim = held
        _, following = self.storages[n].finish_and_claim(slot, claim)
        return multiple() if following is None else (n, slot, following)

    @rule(held=consumes(claims))
    def release(self, held):
        n, slot, claim = held
        self.storages[n].release(slot, claim)

    @rule(n=which, count=st.integers(1, 8), recover=st.booleans())
    def a_process_dies(self, n, count, recover):
        with closing(self.open(n)) as other:
            for slot in range(count):
                other.claim(f"{slot}")
        if recover:
            self.storages[n].recover()

    @rule(n=which)
    def open_anew(self, n):
        """The claims of before are those of a dead process, then."""
        self.storages[n].close()
        self.storages[n] = self.open(n)

    @rule(n=which)
    def recover(self, n):
        self.storages[n].recover()

    @invariant()
    def the_number_is_right(self):
        for queue, storage in zip(self.queues, self.storages, strict=True):
            assert [(storage.queue_size(),)] == self.huey.execute(COUNT, (queue,)).fetchall()


def walk(file, examples, steps=40):
    class Here(Walk):
        pass

    Here.file = file
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_the_number_is_right_whatever_happens(tmp_path):
    walk(tmp_path / "huey.db", examples=40)


@pytest.fixture
def storage(tmp_path):
    with closing(SqliteStorage("test", tmp_path / "huey.db")) as storage:
        yield storage


def test_a_long_queue_is_counted_with_little_work(storage):
    storage.write(Batch(enqueue=[(b"m", n % 3) for n in range(30_000)]))
    thousands_of_steps = []

    storage._connection.set_progress_handler(lambda: thousands_of_steps.append(1), 1000)

    assert storage.queue_size() == 30_000
    assert len(thousands_of_steps) < 40  # and two hundred to count them all


def test_a_queue_of_very_many_priorities_is_counted(storage):
    storage.write(Batch(enqueue=[(b"m", n) for n in range(1100)]))

    assert storage.queue_size() == 1100


def test_what_huey_left_in_its_file_is_counted_with_what_comes_after(tmp_path):
    file = tmp_path / "huey.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(
            "CREATE TABLE task (id INTEGER NOT NULL PRIMARY KEY, queue TEXT NOT NULL,"
            " data BLOB NOT NULL, priority REAL NOT NULL DEFAULT 0.0)"
        )
        db.executemany(HUEYS_INSERT, [("test", b"huey's", 0)] * 300)

    with closing(SqliteStorage("test", file)) as storage:
        storage.write(Batch(enqueue=[(b"ours", None)] * 1000))
        assert storage.queue_size() == 1300
        for _ in range(500):
            storage.dequeue()
        assert storage.queue_size() == 800
