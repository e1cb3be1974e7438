"""Messages that wait are looked through, and one of them is taken back."""

import itertools
import os
import sys
from contextlib import closing
from functools import partial
from itertools import chain

import pytest
from processes import exit_code, fork
from waiting import at_once

from huey.constants import EmptyData
from huey.storage import (
    Batch,
    BlackHoleStorage,
    FileStorage,
    Join,
    MemoryStorage,
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisStorage,
    SqliteStorage,
)
from huey.storage.heap import Heap

OPEN = {
    "sqlite": lambda folder: SqliteStorage("test", folder / "huey.db"),
    "file": lambda folder: FileStorage("test", folder / "queue"),
}
ON_REDIS = {
    "redis": lambda url: RedisStorage("test", url=url),
    "priority-redis": lambda url: PriorityRedisStorage("test", url=url),
    "priority-redis-expire": lambda url: PriorityRedisExpireStorage("test", url=url),
}
IN_ORDER = (  # of which lists a storage knows in what order their messages came
    ((MemoryStorage, SqliteStorage), {b"q", b"s"}),
    (RedisStorage, {b"q"}),
    (FileStorage, set()),
)
COUNT = 200
CLAIMERS = "abcd"


def seen(storage):
    """Return the messages that wait, with whether they are scheduled."""
    return sorted((one.data, one.scheduled) for one in storage.waiting())


def place_of(storage, data):
    return next(one.place for one in storage.waiting() if one.data == data)


def test_messages_that_wait_are_seen_wherever_they_wait(storage, at):
    storage.write(Batch(enqueue=[(b"q", 2), (b"claimed", 3)], schedule=[(b"s", at(0), 1)]))
    storage.claim("a")

    expected = {b"q": False, b"s": True} if storage.orders_by_priority else None
    assert dict(seen(storage)) == (expected or {b"claimed": False, b"s": True})


def test_more_messages_are_seen_than_fit_into_one_answer(storage, at):
    queued = [b"q%04d" % n for n in range(2500)]
    scheduled = [b"s%04d" % n for n in range(1200)]
    storage.write(
        Batch(
            enqueue=[(data, None) for data in queued],
            schedule=[(data, at(n), None) for n, data in enumerate(scheduled)],
        )
    )

    assert sorted({one.data for one in storage.waiting()}) == queued + scheduled


def test_messages_are_looked_through_for_a_text(storage, at):
    texts = [b"a[1]", b"a1", b"xa[1]y"]
    storage.write(Batch(enqueue=[(b"q" + text, None) for text in texts]))
    storage.write(Batch(schedule=[(b"s" + text, at(0), None) for text in texts]))

    found = {one.data for one in storage.waiting(b"a[1]")}

    assert {b"qa[1]", b"qxa[1]y", b"sa[1]", b"sxa[1]y"} <= found


@pytest.mark.parametrize("number", [0, 1, 700, 1233, 1498, 1499])
@pytest.mark.parametrize("priorities", [[0], [3, 0, 1]], ids=["alike", "by priority"])
def test_one_of_many_messages_is_found_by_its_place_in_their_order(storage, at, number, priorities):
    queued, scheduled = ([b"%b%04d" % (kind, n) for n in range(1500)] for kind in (b"q", b"s"))
    for n, data in enumerate(queued):
        storage.enqueue(data, priorities[n % len(priorities)])
    storage.write(Batch(schedule=[(data, at(0), None) for data in scheduled]))
    for _ in range(3):
        storage.dequeue()
    looks = []

    def is_earlier(data):
        looks.append(data)
        return int(data[1:]) < number

    found = list(storage.waiting_about(is_earlier))

    waiting = {one.data: one for one in storage.waiting()}
    assert all(waiting[one.data] == one for one in found)
    ordered = next(kinds for storages, kinds in IN_ORDER if isinstance(storage, storages))
    wanted = {lists[number] for lists in (queued, scheduled) if lists[number][:1] in ordered}
    assert wanted & waiting.keys() <= {one.data for one in found}
    assert len(looks) < 100
    assert len(found) < 1000


def test_a_message_that_moves_meanwhile_is_not_missed(storage, at):
    storage.write(Batch(schedule=[(b"s%d" % n, at(n), None) for n in range(3)]))

    looking = storage.waiting()
    found = {next(looking).data}
    storage.move_due(at(2))
    found |= {one.data for one in looking}

    assert found == {b"s0", b"s1", b"s2"}


@pytest.mark.parametrize("hint", [True, False], ids=["by its place", "by itself"])
def test_a_message_on_the_queue_is_withdrawn_once(storage, hint):
    for data in (b"a", b"b", b"c"):
        storage.enqueue(data, 1)
    place = place_of(storage, b"b") if hint else None

    assert storage.withdraw(b"b", place=place)
    assert not storage.withdraw(b"b", place=place)

    assert storage.queue_size() == 2
    assert storage.enqueued_items() == [b"a", b"c"]
    assert list(iter(storage.dequeue, None)) == [b"a", b"c"]


@pytest.mark.parametrize("hint", [True, False], ids=["by its place", "by itself"])
def test_a_message_on_the_schedule_is_withdrawn_once(storage, at, hint):
    storage.write(Batch(schedule=[(b"s%d" % n, at(n), 5) for n in range(3)]))
    place = place_of(storage, b"s0") if hint else None

    assert storage.withdraw(b"s0", place=place)
    assert not storage.withdraw(b"s0", place=place)

    assert storage.schedule_size() == 2
    assert storage.scheduled_items() == [b"s1", b"s2"]
    assert storage.move_due(at(9)) == [b"s1", b"s2"]


def test_the_first_of_the_schedule_withdrawn_is_not_due_any_more(storage, at):
    storage.write(Batch(schedule=[(b"soon", at(1), None), (b"late", at(9), None)]))
    before = storage.next_due()

    storage.withdraw(b"soon")

    assert storage.next_due() == before + 8


def test_a_message_that_has_moved_on_is_found_where_it_is_now(storage, at):
    storage.write(Batch(schedule=[(b"s", at(0), None)]))
    place = place_of(storage, b"s")
    storage.move_due(at(1))

    assert storage.withdraw(b"s", place=place)
    assert (storage.queue_size(), storage.schedule_size()) == (0, 0)


def test_of_two_equal_messages_one_is_withdrawn(storage):
    storage.enqueue(b"twin")
    storage.enqueue(b"twin")

    assert storage.withdraw(b"twin")

    assert storage.enqueued_items() == [b"twin"]


def test_a_claimed_message_is_not_withdrawn(storage):
    storage.enqueue(b"m")
    place = place_of(storage, b"m")
    claim = storage.claim("a")

    assert not storage.withdraw(b"m", Batch(results=[("k", b"v")]), place)
    assert storage.peek_data("k") is EmptyData

    storage.release("a", claim)
    assert storage.withdraw(b"m", place=place)
    assert storage.claim("a") is None


def test_a_withdrawal_writes_what_follows_from_it(storage, at):
    storage.write(Batch(schedule=[(b"m", at(9), 2)]))
    batch = Batch(
        results=[("k", b"v")],
        endings=[("e", "canceled")],
        enqueue=[(b"now", 2)],
        events=[b"event"],
        joins=[Join("chord", 0, 1, b"1", b"joined", None)],
    )

    assert storage.withdraw(b"m", batch)
    assert not storage.withdraw(b"m", batch)

    assert storage.schedule_size() == 0
    assert sorted(storage.enqueued_items()) == [b"joined", b"now"]
    assert storage.peek_data("k") == b"v"
    assert storage.peek_ending("e") == "canceled"
    assert [data for _, data in storage.read_events()] == [b"event"]


def test_a_message_may_be_put_back_in_the_step_that_withdraws_it(storage, at):
    storage.write(Batch(schedule=[(b"m", at(9), 2)]))

    assert storage.withdraw(b"m", Batch(enqueue=[(b"m", 2)]))

    assert storage.claim("a").data == b"m"
    assert storage.schedule_size() == 0


def test_the_priority_of_a_withdrawn_message_is_forgotten_with_it(storage, at):
    storage.write(Batch(schedule=[(b"m", at(0), 5)]))
    storage.withdraw(b"m")

    storage.add_to_schedule(b"m", at(0))
    storage.enqueue(b"other", 1)
    storage.move_due(at(1))

    assert storage.enqueued_items() == [b"other", b"m"]


def test_values_are_cleared_before_others_are_written(storage):
    storage.write(Batch(results=[("k", b"old"), ("other", b"stays"), ("gone", b"")]))

    storage.write(Batch(results=[("k", b"new")], clear=["k", "gone", "never"]))

    assert storage.result_items() == {"k": b"new", "other": b"stays"}


def test_a_lost_claim_clears_nothing(storage):
    storage.enqueue(b"m")
    claim = storage.claim("a")
    storage.finish("a", claim, Batch(results=[("k", b"v")]))

    assert not storage.finish("a", claim, Batch(clear=["k"]))

    assert storage.peek_data("k") == b"v"


def test_a_storage_that_keeps_nothing_withdraws_nothing():
    storage = BlackHoleStorage()

    assert list(storage.waiting()) == []
    assert not storage.withdraw(b"m")


# --- at the same time ------------------------------------------------------------------------


def fill(storage, at):
    """Put messages onto the queue and the schedule, where all are due."""
    names = [b"%04d" % n for n in range(COUNT)]
    queued, scheduled = names[::2], names[1::2]
    storage.write(
        Batch(
            enqueue=[(data, None) for data in queued],
            schedule=[(data, at(0), None) for data in scheduled],
        )
    )
    return names


def claim_all(storage, slot, at):
    """Claim and finish until nothing waits; what is due is moved meanwhile."""
    done = []
    while storage.queue_size() or storage.schedule_size():
        storage.move_due(at(1), limit=7)
        while claim := storage.claim(slot):
            done += [claim.data] if storage.finish(slot, claim) else []
    return done


def withdraw_all(storage):
    """Withdraw whatever waits, by its place and by itself in turn, until nothing does."""
    gone = []
    while storage.queue_size() or storage.schedule_size():
        for number, one in enumerate(storage.waiting()):
            place = one.place if number % 2 else None
            if storage.withdraw(one.data, Batch(events=[one.data]), place):
                gone.append(one.data)
    return gone


def test_each_message_is_either_claimed_or_withdrawn(storage, at):
    names = fill(storage, at)
    slots = "abcd"

    *claimed, withdrawn = at_once(
        *(partial(claim_all, storage, slot, at) for slot in slots), partial(withdraw_all, storage)
    )

    assert sorted([*chain(*claimed), *withdrawn]) == names
    assert sorted(data for _, data in storage.read_events()) == sorted(withdrawn)
    assert (storage.queue_size(), storage.schedule_size(), storage.inflight()) == (0, 0, 0)


def in_a_process(func):
    """Call a function in a forked process; return its id and the pipe that has what it returns."""
    reader, writer = os.pipe()

    def report():
        os.close(reader)
        os.write(writer, b"".join(data + b"\n" for data in func()))

    child = fork(report)
    os.close(writer)
    return child, os.fdopen(reader, "rb")


@pytest.mark.parametrize(
    "kind",
    [
        *OPEN,
        *(pytest.param(kind, marks=pytest.mark.server) for kind in ON_REDIS),
    ],
)
def test_each_message_is_claimed_by_one_process_or_withdrawn_by_another(
    kind, tmp_path, at, request
):
    place = request.getfixturevalue("redis_server").url if kind in ON_REDIS else tmp_path
    open_storage = partial({**OPEN, **ON_REDIS}[kind], place)
    with closing(open_storage()) as storage:
        names = fill(storage, at)

    def claim_here():
        with closing(open_storage()) as storage:
            return [*chain(*at_once(*(partial(claim_all, storage, s, at) for s in CLAIMERS)))]

    child, claimed = in_a_process(claim_here)
    with closing(open_storage()) as storage, claimed:
        withdrawn = withdraw_all(storage)
        claimed = claimed.read().split()
        assert exit_code(child) == 0
        assert storage.inflight() == 0

    assert sorted([*claimed, *withdrawn]) == names


# --- the heap --------------------------------------------------------------------------------


def test_a_heap_does_not_keep_room_for_what_was_removed():
    heap = Heap()
    for number in range(10_000):
        heap.push(number % 3, number, b"")

    for number in range(9_990):
        heap.remove(number)

    assert len(heap._order) <= 120
    assert sys.getsizeof(heap._order) < 10_000
    assert [heap.pop()[1] for _ in range(len(heap))] == sorted(
        range(9_990, 10_000), key=lambda n: (n % 3, n)
    )
    assert list(itertools.islice(heap.items(), 1)) == []
