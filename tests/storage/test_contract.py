"""What every storage promises."""

import threading
import time
from functools import partial
from itertools import chain

import pytest
from waiting import PATIENCE, at_once, started

from huey.constants import EmptyData
from huey.storage import Aside, Batch, Claim, Found, Join, RedisStorage

LONG = 3 * PATIENCE  # seconds

KEPT = 10_000  # events
LEEWAY = 500  # how many more may be there before a storage tidies up


def drain(storage):
    """Take everything off the queue, the next message first."""
    return list(iter(storage.dequeue, None))


def claim_within(storage, slot="a", seconds=PATIENCE):
    """Claim a message, as often as it takes: a single claim may end early."""
    deadline = time.monotonic() + seconds
    claim = None
    while claim is None and time.monotonic() < deadline:
        claim = storage.claim(slot, deadline - time.monotonic())
    return claim


def in_turn(storage, items):
    """Return messages in the order in which they come out: by priority, where that counts."""

    def rank(item):
        return -(item[1] or 0) if storage.orders_by_priority else 0

    return [data for data, _ in sorted(items, key=rank)]


# --- the queue -------------------------------------------------------------------------------


def test_messages_come_out_in_the_order_they_went_in(storage):
    for n in range(5):
        storage.enqueue(b"%d" % n)

    assert drain(storage) == [b"0", b"1", b"2", b"3", b"4"]


def test_an_empty_queue_gives_none(storage):
    assert storage.dequeue() is None
    assert storage.claim("a") is None


def test_a_higher_priority_comes_out_first(storage):
    items = [(b"low", -1), (b"none", None), (b"high", 2.5), (b"some", 1)]
    for item in items:
        storage.enqueue(*item)

    assert drain(storage) == in_turn(storage, items)


def test_no_priority_is_priority_zero(storage):
    storage.enqueue(b"first")
    storage.enqueue(b"second", 0)
    storage.enqueue(b"third", None)

    assert drain(storage) == [b"first", b"second", b"third"]


def test_messages_of_one_priority_keep_their_order(storage):
    items = [(b"%d" % n, n % 2) for n in range(6)]
    for item in items:
        storage.enqueue(*item)

    assert drain(storage) == in_turn(storage, items)


def test_a_message_may_be_empty_or_any_bytes(storage):
    messages = [b"", bytes(range(256)), b"x" * 100_000]
    for message in messages:
        storage.enqueue(message)

    assert drain(storage) == messages


def test_the_queue_can_be_looked_at_without_taking_anything(storage):
    items = [(b"low", 1), (b"high", 2)]
    storage.write(Batch(enqueue=items))

    assert storage.enqueued_items() == in_turn(storage, items)
    assert storage.queue_size() == 2


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 9])
def test_a_look_at_the_queue_shows_exactly_as_many_as_asked_for(storage, limit):
    for n in range(5):
        storage.enqueue(b"%d" % n, -n)

    assert storage.enqueued_items(limit) == [b"%d" % n for n in range(5)][:limit]


def test_a_flushed_queue_is_empty(storage):
    storage.enqueue(b"a")

    storage.flush_queue()

    assert storage.queue_size() == 0
    assert storage.dequeue() is None


def test_each_message_is_taken_once_by_several_threads(storage):
    for n in range(400):
        storage.enqueue(b"%d" % n)

    taken = at_once(*[partial(drain, storage)] * 4)

    assert sorted(chain(*taken)) == sorted(b"%d" % n for n in range(400))


def test_nothing_is_lost_when_several_threads_enqueue(storage):
    def enqueue(name):
        for n in range(100):
            storage.enqueue(b"%s %d" % (name, n))

    at_once(partial(enqueue, b"a"), partial(enqueue, b"b"))

    found = drain(storage)
    for name in (b"a", b"b"):
        kept = [message for message in found if message.startswith(name)]
        assert kept == [b"%s %d" % (name, n) for n in range(100)]


# --- the schedule ----------------------------------------------------------------------------


def test_due_messages_are_taken_off_the_schedule_the_earliest_first(storage, at):
    for data, seconds in [(b"c", 3), (b"a", 1), (b"b", 2), (b"later", 4)]:
        storage.add_to_schedule(data, at(seconds))

    assert storage.read_schedule(at(3)) == [b"a", b"b", b"c"]
    assert storage.read_schedule(at(3)) == []
    assert storage.schedule_size() == 1


def test_messages_due_at_the_same_time_keep_their_order(storage, at):
    for n in range(5):
        storage.add_to_schedule(b"%d" % n, at(1))

    assert storage.read_schedule(at(1)) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_message_is_due_at_its_time_and_not_a_microsecond_before(storage, at):
    storage.add_to_schedule(b"a", at(1))

    assert storage.read_schedule(at(1 - 1e-6)) == []
    assert storage.read_schedule(at(1)) == [b"a"]


def test_the_schedule_can_be_looked_at_without_taking_anything(storage, at):
    storage.add_to_schedule(b"later", at(2))
    storage.add_to_schedule(b"soon", at(1))

    assert storage.scheduled_items() == [b"soon", b"later"]
    assert storage.scheduled_items(1) == [b"soon"]
    assert storage.scheduled_items(0) == []
    assert storage.schedule_size() == 2


def test_a_flushed_schedule_is_empty(storage, at):
    storage.add_to_schedule(b"a", at(1))

    storage.flush_schedule()

    assert storage.schedule_size() == 0
    assert storage.read_schedule(at(2)) == []
    assert storage.next_due() is None


def test_due_messages_move_to_the_queue_in_order_and_in_pieces(storage, at):
    for n in range(5):
        storage.add_to_schedule(b"%d" % n, at(n))

    assert storage.move_due(at(3), limit=2) == [b"0", b"1"]
    assert storage.move_due(at(3), limit=9) == [b"2", b"3"]
    assert storage.move_due(at(3), limit=9) == []
    assert storage.enqueued_items() == [b"0", b"1", b"2", b"3"]
    assert storage.scheduled_items() == [b"4"]


def test_a_moved_message_keeps_its_priority(storage, at):
    scheduled = [(b"low", -1), (b"none", None), (b"high", 2)]
    storage.enqueue(b"waiting", 1)
    for second, (data, priority) in enumerate(scheduled):
        storage.write(Batch(schedule=[(data, at(second), priority)]))

    storage.move_due(at(3))

    assert storage.enqueued_items() == in_turn(storage, [(b"waiting", 1), *scheduled])


def test_moving_writes_the_events_that_tell_of_it(storage, at):
    storage.add_to_schedule(b"a", at(1))
    storage.add_to_schedule(b"b", at(2))

    storage.move_due(at(2), tell=lambda messages: [m + b" moved" for m in messages])
    storage.move_due(at(2), tell=lambda messages: [b"never called"])

    assert [data for _, data in storage.read_events()] == [b"a moved", b"b moved"]


def test_each_due_message_is_moved_once_by_several_schedulers(storage, at):
    storage.write(Batch(schedule=[(b"%d" % n, at(n), None) for n in range(200)]))

    def move():
        return list(chain(*(storage.move_due(at(200), limit=20) for _ in range(10))))

    moved = at_once(move, move, move)

    assert sorted(chain(*moved)) == sorted(b"%d" % n for n in range(200))
    assert storage.queue_size() == 200


def test_it_is_known_when_the_next_message_is_due(storage, at):
    assert storage.next_due() is None

    storage.add_to_schedule(b"b", at(20))
    storage.add_to_schedule(b"a", at(10))

    assert storage.next_due() == (at(10) - at(0)).total_seconds() + 1906545600  # noon, in UTC
    storage.move_due(at(10))
    assert storage.next_due() == 1906545600 + 20


def test_a_scheduled_message_wakes_who_waits_for_the_schedule_to_change(storage, at):
    began = time.monotonic()

    with started(lambda: storage.wait_schedule(2 * PATIENCE)) as (waiting,):
        storage.add_to_schedule(b"a", at(1))
        waiting.value()

    assert time.monotonic() - began < PATIENCE


def test_waiting_for_the_schedule_can_be_ended_before_it_began(storage):
    began = time.monotonic()

    storage.wake_schedule()
    storage.wait_schedule(PATIENCE)

    assert time.monotonic() - began < PATIENCE


# --- values ----------------------------------------------------------------------------------


def test_a_value_can_be_popped_once(storage):
    storage.put_data("k", b"v")

    assert storage.pop_data("k") == b"v"
    assert storage.pop_data("k") is EmptyData


def test_peeking_leaves_a_value_where_it_is(storage):
    storage.put_data("k", b"v")

    assert storage.peek_data("k") == b"v"
    assert storage.peek_data("k") == b"v"
    assert storage.has_data_for_key("k")


def test_a_key_without_a_value_gives_empty_data(storage):
    assert storage.peek_data("k") is EmptyData
    assert storage.pop_data("k") is EmptyData
    assert not storage.has_data_for_key("k")


def test_an_empty_value_is_a_value(storage):
    storage.put_data("k", b"")

    assert storage.has_data_for_key("k")
    assert storage.pop_data("k") == b""


def test_a_later_value_replaces_an_earlier_one(storage):
    storage.put_data("k", b"1")
    storage.put_data("k", b"2")

    assert storage.result_items() == {"k": b"2"}


def test_putting_if_empty_keeps_the_first_value(storage):
    assert storage.put_if_empty("k", b"1")
    assert not storage.put_if_empty("k", b"2")

    assert storage.peek_data("k") == b"1"


def test_of_many_who_put_if_empty_one_wins(storage):
    for key in "abcdefghij":
        won = at_once(*(partial(storage.put_if_empty, key, b"%d" % n) for n in range(4)))

        assert won.count(True) == 1
        assert storage.peek_data(key) == b"%d" % won.index(True)


def test_of_many_who_pop_a_value_one_gets_it(storage):
    for key in "abcdefghij":
        storage.put_data(key, b"v")

        popped = at_once(*[partial(storage.pop_data, key)] * 4)

        assert popped.count(b"v") == 1
        assert popped.count(EmptyData) == 3


def test_values_are_counted_listed_and_flushed(storage):
    for n in range(3):
        storage.put_data(f"k{n}", b"%d" % n)

    assert storage.result_store_size() == 3
    assert storage.result_items() == {"k0": b"0", "k1": b"1", "k2": b"2"}

    storage.flush_results()

    assert storage.result_store_size() == 0
    assert storage.result_items() == {}


@pytest.mark.parametrize("key", ["", "ключ", "../up", "a/b", "%", "'", 'a"b', "x" * 500, "a\0b"])
def test_any_text_is_a_key(storage, key):
    storage.put_data(key, b"v")
    storage.put_data("other", b"w")

    assert storage.peek_data(key) == b"v"
    assert storage.pop_data(key) == b"v"
    assert storage.result_items() == {"other": b"w"}


# --- claim and acknowledge -------------------------------------------------------------------


def test_a_claimed_message_is_in_flight_and_not_on_the_queue(storage):
    storage.enqueue(b"m")

    claim = storage.claim("a")

    assert (claim.data, claim.deliveries) == (b"m", 0)
    assert (storage.queue_size(), storage.inflight()) == (0, 1)
    assert storage.enqueued_items() == []
    assert storage.claim("b") is None
    assert storage.dequeue() is None


def test_flushing_the_queue_leaves_claimed_messages_to_their_workers(storage):
    storage.enqueue(b"m")
    claim = storage.claim("a")

    storage.flush_queue()

    assert storage.inflight() == 1
    assert storage.finish("a", claim)


def test_a_finished_claim_is_gone(storage):
    storage.enqueue(b"m")

    assert storage.finish("a", storage.claim("a"))

    assert (storage.queue_size(), storage.inflight()) == (0, 0)


def test_a_released_message_is_the_next_one_again(storage):
    for n in range(3):
        storage.enqueue(b"%d" % n)
    first, second = storage.claim("a"), storage.claim("b")

    storage.release("b", second)
    storage.release("a", first)

    assert storage.enqueued_items() == [b"0", b"1", b"2"]
    assert storage.inflight() == 0


def test_a_released_message_keeps_its_priority_and_its_deliveries(storage):
    items = [(b"low", 1), (b"high", 2), (b"higher", 3)]
    storage.write(Batch(enqueue=items[:2]))
    claim = storage.claim("a")

    storage.release("a", claim)
    storage.enqueue(*items[2])

    assert storage.enqueued_items() == in_turn(storage, items)
    storage.dequeue()
    assert storage.claim("a")[1:4] == (b"high", 0, 2 if storage.orders_by_priority else None)


def test_a_claim_is_released_once(storage):
    storage.enqueue(b"m")
    claim = storage.claim("a")

    storage.release("a", claim)
    storage.release("a", claim)

    assert storage.enqueued_items() == [b"m"]


def test_finishing_writes_all_that_follows(storage, at):
    storage.enqueue(b"m")
    batch = Batch(
        results=[("k", b"v")],
        endings=[("e", "none")],
        enqueue=[(b"next", 1), (b"more", None)],
        schedule=[(b"later", at(1), None)],
        aside=[Aside(b"odd", "cannot be read")],
        events=[b"complete"],
    )

    assert storage.finish("a", storage.claim("a"), batch)

    assert storage.peek_data("k") == b"v"
    assert storage.peek_ending("e") == "none"
    assert storage.enqueued_items() == [b"next", b"more"]
    assert storage.scheduled_items() == [b"later"]
    assert storage.aside_items() == [(b"odd", "cannot be read", None)]
    assert [data for _, data in storage.read_events()] == [b"complete"]
    assert storage.inflight() == 0


def test_a_claim_may_come_with_the_acknowledgement_of_the_one_before(storage):
    storage.write(Batch(enqueue=[(b"1", None), (b"2", None)]))
    batch = Batch(results=[("k", b"v")], enqueue=[(b"3", None)])

    ours, following = storage.finish_and_claim("a", storage.claim("a"), batch)
    following = following or storage.claim("a")

    assert ours
    assert storage.peek_data("k") == b"v"
    assert following.data == b"2"
    assert (storage.enqueued_items(), storage.inflight()) == ([b"3"], 1)
    assert storage.finish("a", following)


def test_a_claim_that_comes_with_an_acknowledgement_is_given_back_as_any_other(storage):
    storage.write(Batch(enqueue=[(b"1", None), (b"2", None), (b"3", None)]))

    _, following = storage.finish_and_claim("a", storage.claim("a"))
    storage.release("a", following or storage.claim("a"))

    assert (storage.enqueued_items(), storage.inflight()) == ([b"2", b"3"], 0)


def test_no_claim_comes_with_an_acknowledgement_when_the_queue_is_empty(storage):
    storage.enqueue(b"1")

    assert storage.finish_and_claim("a", storage.claim("a")) == (True, None)

    assert storage.inflight() == 0


def test_a_claim_comes_with_the_acknowledgement_of_a_lost_one_too(storage):
    storage.write(Batch(enqueue=[(b"1", None)]))
    late = storage.claim("late")
    storage.release("late", late)

    ours, following = storage.finish_and_claim("late", late, Batch(enqueue=[(b"2", None)]))
    following = following or storage.claim("late")

    assert not ours
    assert following.data == b"1"
    assert storage.enqueued_items() == []


def test_each_message_is_claimed_once_by_workers_that_claim_along_the_way(storage):
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(400)]))

    def work(slot):
        found, claim = [], storage.claim(slot)
        while claim is not None:
            found.append(claim.data)
            _, following = storage.finish_and_claim(slot, claim)
            claim = following or storage.claim(slot)
        return found

    taken = at_once(*[partial(work, f"{n}") for n in range(4)])

    assert sorted(chain(*taken)) == sorted(b"%d" % n for n in range(400))
    assert storage.inflight() == 0


def test_a_lost_claim_is_finished_without_what_would_follow(storage, at):
    storage.enqueue(b"m")
    claim = storage.claim("a")
    storage.release("a", claim)
    batch = Batch(
        results=[("k", b"v")],
        enqueue=[(b"next", None)],
        schedule=[(b"later", at(1), None)],
        aside=[Aside(b"odd", "cannot be read")],
        events=[b"complete"],
    )

    assert not storage.finish("a", claim, batch)

    assert storage.enqueued_items() == [b"m"]
    assert storage.scheduled_items() == []
    assert storage.aside_items() == []
    assert storage.peek_data("k") == b"v"
    assert [data for _, data in storage.read_events()] == [b"complete"]


def test_a_lost_claim_does_not_overwrite_the_result_of_the_other_worker(storage):
    storage.enqueue(b"m")
    late = storage.claim("late")
    storage.release("late", late)
    storage.finish("quick", storage.claim("quick"), Batch(results=[("k", b"quick")]))

    assert not storage.finish("late", late, Batch(results=[("k", b"late")]))

    assert storage.peek_data("k") == b"quick"


def test_a_lost_claim_does_not_touch_the_claim_of_the_other_worker(storage):
    storage.enqueue(b"m")
    late = storage.claim("late")
    storage.release("late", late)
    quick = storage.claim("quick")

    assert not storage.finish("late", late)
    storage.release("late", late)

    assert storage.inflight() == 1
    assert storage.finish("quick", quick)


def test_claims_of_living_workers_are_not_recovered(storage):
    storage.enqueue(b"m")
    claim = storage.claim("a")

    assert storage.recover() == 0

    assert storage.inflight() == 1
    assert storage.finish("a", claim)


def test_each_message_is_claimed_once_by_several_workers(storage):
    for n in range(200):
        storage.enqueue(b"%d" % n)

    def work(slot):
        done = []
        while claim := storage.claim(slot):
            storage.finish(slot, claim, Batch(results=[(claim.data.decode(), b"")]))
            done.append(claim.data)
        return done

    done = at_once(*(partial(work, slot) for slot in "abcd"))

    assert sorted(chain(*done)) == sorted(b"%d" % n for n in range(200))
    assert storage.result_store_size() == 200


def test_a_write_is_all_or_nothing_in_one_step(storage, at):
    storage.write(Batch(results=[("k", b"v")], enqueue=[(b"m", 1)], events=[b"e"]))

    assert storage.peek_data("k") == b"v"
    assert storage.enqueued_items() == [b"m"]
    assert [data for _, data in storage.read_events()] == [b"e"]


# --- waking ----------------------------------------------------------------------------------


def test_a_waiting_worker_wakes_when_something_is_enqueued(storage):
    began = time.monotonic()

    with started(lambda: claim_within(storage, seconds=2 * PATIENCE)) as (worker,):
        storage.enqueue(b"m")
        assert worker.value().data == b"m"

    assert time.monotonic() - began < PATIENCE


def test_a_waiting_worker_wakes_when_something_is_released(storage):
    storage.enqueue(b"m")
    claim = storage.claim("a")

    with started(lambda: claim_within(storage, "b")) as (worker,):
        storage.release("a", claim)
        assert worker.value().data == b"m"


def test_a_waiting_worker_wakes_when_something_becomes_due(storage, at):
    storage.add_to_schedule(b"m", at(1))

    with started(lambda: claim_within(storage)) as (worker,):
        storage.move_due(at(1))
        assert worker.value().data == b"m"


def test_many_messages_at_once_wake_as_many_workers(storage):
    with started(*(partial(claim_within, storage, slot) for slot in "abc")) as workers:
        storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(3)]))
        found = [worker.value().data for worker in workers]

    assert sorted(found) == [b"0", b"1", b"2"]


def test_waiting_workers_can_be_woken_with_nothing_to_do(storage):
    began = time.monotonic()

    with started(*[lambda: storage.claim("a", 3 * PATIENCE)] * 2) as workers:
        while any(worker.thread.is_alive() for worker in workers):
            storage.wake_claims()
            workers[0].thread.join(0.005)
        assert [worker.value() for worker in workers] == [None, None]

    assert time.monotonic() - began < 2 * PATIENCE


@pytest.fixture
def patient(storage):
    """Return a storage that waits for a message as long as it is told to."""
    if isinstance(storage, RedisStorage):
        storage.read_timeout = storage._server.longest_block = LONG
    return storage


def test_a_worker_that_is_to_end_does_not_wait(patient):
    with started(lambda: patient.claim("a", LONG, lambda: True)) as (worker,):
        assert worker.value() is None


def test_a_worker_hears_of_its_end_that_is_decided_just_as_it_begins_to_wait(patient):
    looks = []

    def ended():
        looks.append(bool(looks))
        patient.wake_claims()  # by somebody who decides it right after the first look
        return looks[-1]

    with started(lambda: patient.claim("a", LONG, ended)) as (worker,):
        assert worker.value() is None

    assert looks[0] is False


@pytest.mark.parametrize("what", ["result", "ending"])
def test_waiting_for_a_result_ends_when_there_is_one(storage, what):
    batch = Batch(results=[("k", b"v")]) if what == "result" else Batch(endings=[("k", "none")])
    ready = threading.Event()

    def wait():
        with storage.waiting_for_result("k", 1.15, 1.0) as waiter:
            ready.set()
            return waiter.wait(2 * PATIENCE)

    with started(wait) as (waiting,):
        ready.wait(PATIENCE)
        storage.write(batch)
        assert waiting.value()


def test_a_result_that_came_just_before_the_wait_is_not_missed(storage):
    with storage.waiting_for_result("k", 1.15, 1.0) as waiter:
        storage.put_data("k", b"v")

        assert waiter.wait(PATIENCE)


def test_waiting_for_a_result_is_not_ended_by_another_one(storage):
    with storage.waiting_for_result("k", 1.15, 1.0) as waiter:
        storage.put_data("other", b"v")

        assert not waiter.wait(0.01)


# --- endings and messages set aside ----------------------------------------------------------


def test_the_latest_ending_of_a_task_is_remembered(storage):
    storage.put_ending("k", "revoked")
    storage.put_ending("k", "expired")

    assert storage.peek_ending("k") == "expired"
    assert storage.peek_ending("k") == "expired"
    assert storage.peek_ending("other") is None


def test_all_endings_are_listed(storage):
    storage.put_ending("a", "none")
    storage.put_ending("b", "expired")
    storage.put_ending("a", "taken")

    assert storage.ending_items() == {"a": "taken", "b": "expired"}


def test_endings_are_no_values(storage):
    storage.put_ending("k", "none")

    assert not storage.has_data_for_key("k")
    assert storage.result_store_size() == 0


def test_messages_set_aside_are_kept_with_the_reason(storage):
    storage.put_aside(Aside(b"a", "first"))
    storage.put_aside(Aside(b"b", "second", 2))

    assert storage.aside_items() == [(b"a", "first", None), (b"b", "second", 2)]


def test_messages_set_aside_come_back_with_their_priority(storage):
    items = [(b"a", None), (b"b", 2), (b"c", None)]
    for data, priority in items:
        storage.put_aside(Aside(data, "why", priority))

    assert storage.restore_aside() == 3
    assert storage.restore_aside() == 0
    assert storage.aside_items() == []
    assert drain(storage) == in_turn(storage, items)


# --- events ----------------------------------------------------------------------------------


def test_events_are_read_in_order_and_from_a_cursor_on(storage):
    storage.append_events([b"a", b"b"])
    storage.append_events([b"c"])

    first, *rest = storage.read_events()

    assert first[1] == b"a"
    assert [data for _, data in rest] == [b"b", b"c"]
    assert storage.read_events(after=first[0]) == rest
    assert storage.read_events(after=rest[-1][0]) == []


def test_events_of_one_write_are_read_one_by_one(storage):
    events = [b"%d" % number for number in range(250)]
    storage.write(Batch(events=events[:3]))
    storage.enqueue_and_tell(b"m", None, events[3])
    storage.write(Batch(events=events[4:]))

    whole = storage.read_events()
    assert [data for _, data in whole] == events
    cursors = [cursor for cursor, _ in whole]
    assert cursors == list(range(cursors[0], cursors[0] + 250))
    for place in (0, 1, 2, 3, 99, 248, 249):
        assert storage.read_events(after=cursors[place], limit=2) == whole[place + 1 : place + 3]
    assert storage.last_event() == cursors[-1]


def test_a_reader_is_given_no_more_events_than_it_asks_for(storage):
    storage.append_events([b"%d" % n for n in range(5)])

    (cursor, data), *_ = found = storage.read_events(limit=2)

    assert (len(found), data) == (2, b"0")
    assert [data for _, data in storage.read_events(after=cursor, limit=2)] == [b"1", b"2"]
    assert storage.read_events(limit=0) == []


def test_the_newest_event_has_the_last_cursor(storage):
    assert storage.last_event() is None

    storage.append_events([b"a", b"b"])

    assert storage.last_event() == storage.read_events()[-1][0]
    assert storage.read_events(after=storage.last_event()) == []


def test_a_waiting_reader_wakes_when_something_happens(storage):
    storage.append_events([b"old"])
    cursor = storage.last_event()

    with started(lambda: storage.read_events(cursor, timeout=2 * PATIENCE)) as (reader,):
        storage.append_events([b"new"])
        assert [data for _, data in reader.value()] == [b"new"]


def test_a_waiting_reader_gets_nothing_when_nothing_happens(storage):
    assert storage.read_events(timeout=0.01) == []


def test_events_that_are_there_are_not_waited_for(storage):
    storage.append_events([b"a"])
    began = time.monotonic()

    assert len(storage.read_events(timeout=PATIENCE)) == 1
    assert time.monotonic() - began < PATIENCE


def test_only_so_many_events_are_kept(storage):
    for start in range(0, KEPT + 2000, 1000):
        storage.append_events([b"%d" % n for n in range(start, start + 1000)])

    kept = [int(data) for _, data in storage.read_events()]

    assert KEPT <= len(kept) <= KEPT + LEEWAY
    assert kept == list(range(KEPT + 2000 - len(kept), KEPT + 2000))


def test_cursors_go_on_counting_after_a_flush(storage):
    storage.append_events([b"a", b"b"])
    cursor = storage.last_event()

    storage.flush_events()

    assert storage.read_events() == []
    assert storage.last_event() is None
    storage.append_events([b"c"])
    assert [data for _, data in storage.read_events(after=cursor)] == [b"c"]


def test_a_reader_beside_several_writers_misses_nothing(storage):
    names, count = ("a", "b", "c"), 60
    total = len(names) * count

    def write(name):
        for n in range(count):
            storage.append_events([f"{name} {n}".encode()])

    def read():
        cursor, seen = None, []
        while len(seen) < total:
            events = storage.read_events(cursor, limit=7, timeout=PATIENCE)
            seen += [data.decode() for _, data in events]
            cursor = events[-1][0] if events else cursor  # a wait may end early
        return seen

    *_, seen = at_once(*(partial(write, name) for name in names), read)

    for name in names:
        assert [s for s in seen if s.startswith(name)] == [f"{name} {n}" for n in range(count)]


# --- begin again -----------------------------------------------------------------------------


def test_a_storage_that_was_closed_can_be_used_again(storage):
    storage.enqueue(b"a")

    storage.close()
    storage.close()
    storage.enqueue(b"b")

    assert isinstance(storage.claim("a"), Claim)
    assert storage.queue_size() == 1


def test_a_counter_only_goes_forward(storage):
    moves = [storage.advance("minute", number) for number in (5, 5, 4, 300, 6, 301)]

    assert moves == [True, False, False, True, False, True]
    assert storage.advance("another", 5)


def test_a_number_of_a_counter_has_one_winner(storage):
    won = []
    threads = [
        threading.Thread(
            target=lambda: won.extend([n for n in range(50) if storage.advance("c", n)])
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == list(range(50))


# --- values for a while ----------------------------------------------------------------------


def test_a_value_put_for_a_while_is_gone_after_it(storage, pass_time):
    assert storage.put_if_empty("k", b"1", ttl=60)
    assert not storage.put_if_empty("k", b"2", ttl=60)
    assert (storage.peek_data("k"), storage.result_store_size()) == (b"1", 1)

    pass_time(61)

    assert (storage.peek_data("k"), storage.pop_data("k")) == (EmptyData, EmptyData)
    assert (storage.has_data_for_key("k"), storage.result_items()) == (False, {})
    assert storage.result_store_size() == 0
    assert storage.put_if_empty("k", b"3")
    assert storage.peek_data("k") == b"3"


def test_a_value_put_over_one_for_a_while_stays(storage, pass_time):
    storage.put_if_empty("k", b"1", ttl=60)
    storage.put_data("k", b"2")

    pass_time(61)

    assert storage.peek_data("k") == b"2"


# --- values taken ----------------------------------------------------------------------------


def test_a_taken_result_leaves_word_that_it_was_taken(storage):
    storage.put_data("k", b"v")

    assert storage.take_result("k") == b"v"
    if storage.keeps_results:
        assert storage.take_result("k") == b"v"
        return
    assert storage.take_result("k") is EmptyData
    assert storage.peek_ending("k") == "taken"


def test_a_result_that_is_not_there_is_not_taken(storage):
    assert storage.take_result("k") is EmptyData
    assert storage.peek_ending("k") is None


def test_several_values_are_looked_at_in_one_call(storage):
    storage.write(Batch(results=[("a", b"1"), ("b", b"2")]))

    assert storage.peek_many(["b", "none", "a"]) == [b"2", EmptyData, b"1"]
    assert storage.peek_many([]) == []
    assert storage.peek_data("a") == b"1"


def test_several_results_are_taken_in_one_call(storage):
    storage.write(Batch(results=[("a", b"1"), ("b", b"2")], endings=[("c", "none")]))

    assert storage.take_results(["b", "c", "open", "a"]) == [
        Found(b"2"),
        Found(ending="none"),
        Found(),
        Found(b"1"),
    ]
    assert storage.take_results([]) == []
    if not storage.keeps_results:
        assert storage.take_results(["a", "b"]) == [Found(ending="taken")] * 2


def test_a_result_that_is_asked_for_twice_in_one_call_is_taken_once(storage):
    storage.put_data("a", b"1")
    again = Found(b"1") if storage.keeps_results else Found(ending="taken")

    assert storage.take_results(["a", "a"]) == [Found(b"1"), again]


def test_a_thousand_results_are_taken_once_by_several_threads(storage):
    keys = [f"{n}" for n in range(1000)]
    storage.write(Batch(results=[(key, key.encode()) for key in keys]))

    taken = at_once(*[partial(storage.take_results, keys)] * 3)

    values = [found.value for found in chain(*taken) if found.value is not EmptyData]
    assert len(values) == (3000 if storage.keeps_results else 1000)


# --- workers and what they hold --------------------------------------------------------------


def test_claims_are_listed_with_their_worker(storage):
    storage.register("a", {"kind": "thread"})
    storage.enqueue(b"1")
    storage.enqueue(b"2")
    claim = storage.claim("a")

    ((name, facts),) = storage.workers()
    assert facts == {"kind": "thread"}
    assert storage.claims() == [(name, b"1")]

    storage.finish("a", claim)
    assert storage.claims() == []


def test_a_worker_is_listed_until_it_has_ended(storage):
    for slot in ("a", "b"):
        storage.register(slot, {"slot": slot})
    assert [facts["slot"] for _, facts in sorted(storage.workers())] == ["a", "b"]

    storage.unregister("a")

    assert [facts["slot"] for _, facts in storage.workers()] == ["b"]
    storage.unregister("b")


# --- locks -----------------------------------------------------------------------------------


def test_a_lock_has_one_holder(storage):
    assert storage.acquire_lock("k", "first")
    assert not storage.acquire_lock("k", "second")
    assert not storage.acquire_lock("k", "first")
    assert storage.acquire_lock("other", "second")
    assert sorted(storage.locks()) == ["k", "other"]


def test_a_lock_is_freed_by_its_holder_alone(storage):
    storage.acquire_lock("k", "first")

    assert not storage.release_lock("k", "second")
    assert storage.locks() == ["k"]
    assert storage.release_lock("k", "first")
    assert not storage.release_lock("k", "first")
    assert storage.acquire_lock("k", "second")


def test_a_lock_can_be_freed_whoever_holds_it(storage):
    storage.acquire_lock("k", "first")

    assert storage.release_lock("k")
    assert not storage.release_lock("k")
    assert storage.locks() == []


def test_of_many_who_want_a_lock_one_gets_it(storage):
    holders = [f"holder {n}" for n in range(8)]

    for round_ in range(10):
        key = f"lock {round_}"
        got = at_once(*(partial(storage.acquire_lock, key, holder) for holder in holders))
        assert got.count(True) == 1


def test_locks_are_neither_values_nor_messages(storage):
    storage.acquire_lock("k", "holder")

    assert (storage.result_items(), storage.queue_size()) == ({}, 0)


def test_a_lock_outlives_the_workers_of_its_process(storage):
    storage.acquire_lock("k", "holder")

    storage.leave()

    assert storage.locks() == ["k"]
    assert not storage.acquire_lock("k", "other")


# --- turns -----------------------------------------------------------------------------------


def test_so_many_turns_are_counted_in_a_stretch_of_time(storage, pass_time):
    assert [storage.take_turn("k", 2, 60) for _ in range(2)] == [0, 0]
    assert 59 < storage.take_turn("k", 2, 60) <= 60
    assert storage.take_turn("other", 2, 60) == 0

    pass_time(61)

    assert storage.take_turn("k", 2, 60) == 0


def test_turns_slide_and_do_not_burst_at_an_edge(storage, pass_time):
    storage.take_turn("k", 2, 60)
    pass_time(50)
    storage.take_turn("k", 2, 60)

    pass_time(20)  # the first is over, the second is not

    assert storage.take_turn("k", 2, 60) == 0
    assert 35 < storage.take_turn("k", 2, 60) <= 40


def test_a_turn_refused_is_not_counted(storage, pass_time):
    storage.take_turn("k", 1, 60)
    for _ in range(5):
        assert storage.take_turn("k", 1, 60) > 0

    pass_time(61)

    assert storage.take_turn("k", 1, 60) == 0


def test_of_many_who_want_a_turn_only_so_many_get_one(storage):
    got = at_once(*(partial(storage.take_turn, "k", 3, 600) for _ in range(8)))

    assert got.count(0) == 3


# --- chords ----------------------------------------------------------------------------------


def part(number, parts=3, value=None, key="chord"):
    return Join(key, number, parts, value or b"%d" % number, b"after", 2)


def test_the_last_part_of_a_chord_brings_its_message(storage):
    storage.enqueue(b"waiting", 1)
    for number in (2, 0):
        storage.write(Batch(joins=[part(number)]))
        assert storage.enqueued_items() == [b"waiting"]

    storage.write(Batch(joins=[part(1)]))

    assert storage.queue_size() == 2
    assert sorted(storage.enqueued_items()) == [b"after", b"waiting"]
    assert storage.joined("chord") == {0: b"0", 1: b"1", 2: b"2"}
    assert storage.joined("other") == {}


def test_a_part_counts_once(storage):
    storage.write(Batch(joins=[part(0, 2)]))
    storage.write(Batch(joins=[part(0, 2, b"again")]))

    assert (storage.queue_size(), storage.joined("chord")) == (0, {0: b"0"})

    storage.write(Batch(joins=[part(1, 2)]))
    storage.write(Batch(joins=[part(1, 2)]))

    assert storage.enqueued_items() == [b"after"]


def test_a_chord_is_forgotten(storage):
    storage.write(Batch(joins=[part(0), part(0, key="other")]))

    storage.write(Batch(forget=["chord", "unknown"]))

    assert (storage.joined("chord"), storage.joined("other")) == ({}, {0: b"0"})


def test_parts_are_neither_values_nor_messages(storage):
    storage.write(Batch(joins=[part(0)]))

    assert (storage.result_items(), storage.queue_size()) == ({}, 0)


def test_parts_that_end_at_once_bring_one_message(storage):
    for n in range(10):
        joins = [partial(storage.write, Batch(joins=[part(p, 4, key=f"{n}")])) for p in range(4)]
        at_once(*joins)

    assert storage.enqueued_items() == [b"after"] * 10


def test_a_part_is_joined_with_the_acknowledgement_of_its_task(storage):
    storage.enqueue(b"task")
    claim = storage.claim("a")

    assert storage.finish("a", claim, Batch(joins=[part(0, 1)]))

    assert storage.enqueued_items() == [b"after"]
    assert not storage.finish("a", claim, Batch(joins=[part(0, 1, key="late")]))
    assert storage.joined("late") == {}


def test_an_idle_worker_is_woken_by_the_last_part(storage):
    with started(partial(claim_within, storage)) as (waiting,):
        storage.write(Batch(joins=[part(0, 1)]))
        assert waiting.value().data == b"after"
