"""A process dies at each point of an operation in turn: it has happened, or it has not.

Each operation is run in a process of its own that dies just before its n-th look at the disk, for
n = 1, 2, 3 and so on until it gets through. Afterwards the storage holds what it held before the
operation, or what it holds after it, and nothing between the two.
"""

import itertools
import os
import shutil
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import partial

import pytest
from processes import exit_code, fork

from huey.storage import Aside, Batch, FileStorage, Join, SqliteStorage

NOON = datetime(2030, 6, 1, 12)
THROUGH, DIED = 0, 99

BATCH = Batch(
    results=[("r", b"value"), ("old", b"new")],
    endings=[("e", "none"), ("f", "revoked")],
    enqueue=[(b"next", 1), (b"last", None)],
    schedule=[(b"retry", NOON + timedelta(hours=1), 0.5)],
    aside=[Aside(b"odd", "cannot be read", 2)],
    events=[b"complete", b"enqueued"],
    joins=[Join("chord", 1, 2, b"1", b"joined", 3), Join("open", 0, 2, b"0", b"never", None)],
    forget=["over"],
    clear=["old", "gone"],
)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def fill(storage):
    """Put a little of everything into a storage."""
    schedule = [(b"s%d" % n, at(n), n % 2 or None) for n in range(4)]
    storage.write(Batch(enqueue=[(b"m0", 9), (b"m1", -1.5), (b"m2", None)], schedule=schedule))
    storage.write(
        Batch(
            results=[("old", b"old"), ("gone", b"")], events=[b"begin"], endings=[("e", "revoked")]
        )
    )
    storage.write(Batch(aside=[Aside(b"a0", "why", 7), Aside(b"a1", "why")]))
    storage.write(Batch(joins=[Join("chord", 0, 2, b"0", b"joined", 3)]))
    storage.write(Batch(joins=[Join("over", 0, 2, b"0", b"over", None)]))
    storage.take_turn("limit", 1, 1e6)


def snapshot(storage):
    """Return all that a storage holds, with the messages of the dead back on the queue."""
    storage.recover()
    assert (storage.inflight(), storage.claims(), storage.locks()) == (0, [], [])
    claims = []
    while claim := storage.claim(f"{len(claims)}"):
        claims.append((claim.data, claim.deliveries, claim.priority))
    return {
        "queue": claims,
        "schedule": storage.scheduled_items(),
        "values": storage.result_items(),
        "endings": [storage.peek_ending(key) for key in ("e", "f", "old")],
        "aside": storage.aside_items(),
        "events": [data for _, data in storage.read_events()],
        "chords": [storage.joined(key) for key in ("chord", "open", "over")],
        "turns": storage.take_turn("limit", 2, 1e6) > 0,
        "counter": storage.advance("counter", 7),
    }


def nothing(storage):
    return None


def claim(storage):
    return storage.claim("a")


def die_with_a_claim(storage):
    """Let another process claim and die."""
    assert exit_code(fork(lambda: storage.claim("dead"))) == THROUGH


# What is done before death is let loose, and what is done then.
OPERATIONS = {
    "enqueue": (nothing, lambda s, _: s.enqueue(b"new", 2)),
    "schedule": (nothing, lambda s, _: s.add_to_schedule(b"new", at(1))),
    "claim": (nothing, lambda s, _: s.claim("a")),
    "dequeue": (nothing, lambda s, _: s.dequeue()),
    "finish": (claim, lambda s, held: s.finish("a", held)),
    "finish with all that follows": (claim, lambda s, held: s.finish("a", held, BATCH)),
    "finish and claim": (claim, lambda s, held: s.finish_and_claim("a", held, BATCH)),
    "release": (claim, lambda s, held: s.release("a", held)),
    "recover": (die_with_a_claim, lambda s, _: s.recover()),
    "withdraw": (nothing, lambda s, _: s.withdraw(b"m1")),
    "withdraw with all that follows": (nothing, lambda s, _: s.withdraw(b"s1", BATCH)),
    "write": (nothing, lambda s, _: s.write(BATCH)),
    "move due": (nothing, lambda s, _: s.move_due(at(2), tell=lambda all: [b"moved", *all])),
    "read schedule": (nothing, lambda s, _: s.read_schedule(at(2))),
    "restore aside": (nothing, lambda s, _: s.restore_aside()),
    "put": (nothing, lambda s, _: s.put_data("old", b"newer")),
    "put if empty": (nothing, lambda s, _: s.put_if_empty("new", b"1")),
    "put for a while": (nothing, lambda s, _: s.put_if_empty("new", b"1", ttl=1e6)),
    "take result": (nothing, lambda s, _: s.take_result("old")),
    "take results": (nothing, lambda s, _: s.take_results(["old", "none"])),
    "advance": (nothing, lambda s, _: s.advance("counter", 7)),
    "take a turn": (nothing, lambda s, _: s.take_turn("limit", 2, 1e6)),
    "acquire a lock": (nothing, lambda s, _: s.acquire_lock("k", "h")),
    "flush the queue": (nothing, lambda s, _: s.flush_queue()),
    "flush the schedule": (nothing, lambda s, _: s.flush_schedule()),
    "flush the results": (nothing, lambda s, _: s.flush_results()),
    "flush the events": (nothing, lambda s, _: s.flush_events()),
}


# --- dying -----------------------------------------------------------------------------------


class Countdown:
    """Dies when it is called for the n-th time."""

    def __init__(self, n):
        self.left = n

    def is_over(self):
        self.left -= 1
        return self.left == 0

    def __call__(self, *_):
        if self.is_over():
            os._exit(DIED)


TOUCHING = ("open", "pwrite", "ftruncate", "replace", "rename", "unlink", "mkdir", "rmdir")


def die_at_file(storage, countdown, torn=False):
    """Die just before the n-th change of a file, or in the middle of it if it can be cut."""

    def dying(func, *args, **options):
        if countdown.is_over():
            if torn and func is pwrite:
                file, data, offset = args
                pwrite(file, data[: len(data) // 2], offset)
            os._exit(DIED)
        return func(*args, **options)

    pwrite = os.pwrite
    for name in TOUCHING:
        setattr(os, name, partial(dying, getattr(os, name)))


def die_at_statement(storage, countdown):
    """Die just before the n-th statement."""
    storage.queue_size()  # connects
    storage._connection.set_trace_callback(countdown)


KINDS = {
    "sqlite": (lambda folder: SqliteStorage("test", folder / "huey.db"), die_at_statement),
    "file": (lambda folder: FileStorage("test", folder / "queue"), die_at_file),
    "file, torn": (
        lambda folder: FileStorage("test", folder / "queue"),
        partial(die_at_file, torn=True),
    ),
}


# A write that is cut in the middle: for these, since all others write in the same way.
CUT = ("enqueue", "finish with all that follows", "move due", "take result")
CASES = [
    (kind, operation)
    for kind, operation in itertools.product(KINDS, OPERATIONS)
    if kind != "file, torn" or operation in CUT
]


class Place:
    """A storage in a folder that is as new for each death."""

    def __init__(self, folder, kind):
        self.folder = folder
        self.open, self.die_at = kind

    @contextmanager
    def storage(self):
        with closing(self.open(self.folder)) as storage:
            yield storage

    def fill(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        with self.storage() as storage:
            fill(storage)

    def dies(self, operation, n):
        """Carry out an operation up to its n-th touch of the disk; say whether it died of it."""
        prepare, act = OPERATIONS[operation]

        def live_and_die():
            storage = self.open(self.folder)
            prepared = prepare(storage)
            self.die_at(storage, Countdown(n))
            act(storage, prepared)
            os._exit(THROUGH)  # or what ends a process would count as well

        code = exit_code(fork(live_and_die))
        assert code in (THROUGH, DIED)
        return code == DIED

    def snapshot(self):
        with self.storage() as storage:
            return snapshot(storage)


@pytest.mark.parametrize(("kind", "operation"), CASES)
def test_an_operation_happens_or_does_not_wherever_its_process_dies(
    tmp_path, monkeypatch, kind, operation
):
    monkeypatch.setattr("huey.storage.sqlite._to_milestone", lambda: 1)  # nothing by chance here
    place = Place(tmp_path / "place", KINDS[kind])
    found = []
    for n in itertools.count(1):
        place.fill()
        died = place.dies(operation, n)
        found.append(place.snapshot())
        if not died:
            break

    before, after = found[0], found[-1]
    assert n > 1
    happened = found.index(after)
    assert found == [before] * happened + [after] * (len(found) - happened)


def test_finishing_the_work_of_a_killed_process_may_be_cut_short_as_well(tmp_path):
    place = Place(tmp_path / "place", KINDS["file"])
    place.fill()
    assert not place.dies("finish with all that follows", 10_000)
    after = place.snapshot()
    cut_short = 0

    for first, second in itertools.product(range(30, 60, 7), range(1, 60, 7)):
        place.fill()
        if not place.dies("finish with all that follows", first):
            break
        journal = any((place.folder / "queue" / ".journal").read_bytes()[:4])  # it is not empty
        cut_short += place.dies("put", second) and journal
        place.dies("put", 10_000)
        found = place.snapshot()
        if journal:
            assert found == after | {"values": after["values"] | {"old": b"newer"}}

    assert cut_short > 10
