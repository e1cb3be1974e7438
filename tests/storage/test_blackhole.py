"""A storage that keeps nothing, and a Huey on it."""

import time
from datetime import datetime

import pytest
from waiting import PATIENCE, eventually, started

from huey import BlackHoleHuey
from huey.constants import EmptyData
from huey.storage import Aside, Batch, BlackHoleStorage, Claim, Join

NOON = datetime(2030, 6, 1, 12)


@pytest.fixture
def storage():
    return BlackHoleStorage()


def is_empty(storage):
    assert (storage.queue_size(), storage.enqueued_items(), storage.dequeue()) == (0, [], None)
    assert (storage.schedule_size(), storage.scheduled_items()) == (0, [])
    assert (storage.read_schedule(NOON), storage.move_due(NOON)) == ([], [])
    assert (storage.result_store_size(), storage.result_items()) == (0, {})
    assert storage.peek_data("k") is storage.pop_data("k") is EmptyData
    assert storage.take_result("k") is EmptyData
    assert not storage.has_data_for_key("k")
    assert (storage.inflight(), storage.claims(), storage.recover()) == (0, [], 0)
    assert (storage.aside_items(), storage.restore_aside()) == ([], 0)
    assert (storage.read_events(), storage.last_event()) == ([], None)
    assert (storage.joined("c"), storage.peek_ending("k")) == ({}, None)
    return True


def test_what_is_put_in_is_gone(storage):
    storage.enqueue(b"m", 1)
    storage.add_to_schedule(b"m", NOON)
    storage.put_data("k", b"v")
    storage.put_aside(Aside(b"m", "why"))
    storage.put_ending("k", "none")
    storage.append_events([b"e"])
    storage.write(
        Batch(
            [("k", b"v")],
            [("k", "none")],
            [(b"m", 1)],
            [(b"m", NOON, 1)],
            [Aside(b"m", "why")],
            [b"e"],
            [Join("c", 0, 1, b"v", b"m")],
            ["c"],
        )
    )
    for flush in (storage.flush_queue, storage.flush_schedule, storage.flush_results):
        flush()

    assert is_empty(storage)


def test_there_is_always_room_for_a_value(storage):
    assert storage.put_if_empty("k", b"1")
    assert storage.put_if_empty("k", b"2", ttl=5)
    assert storage.advance("c", 1)
    assert is_empty(storage)


def test_a_claim_of_nothing_is_not_held(storage):
    assert storage.claim("a") is None
    assert not storage.finish("a", Claim(None, b"m"), Batch(results=[("k", b"v")]))
    storage.release("a", Claim(None, b"m"))

    assert is_empty(storage)


@pytest.mark.parametrize("what", ["claim", "events"])
def test_who_waits_for_something_can_be_woken(storage, what):
    wait, wake, bell = {
        "claim": (lambda: storage.claim("a", 3 * PATIENCE), storage.wake_claims, storage._claims),
        "events": (
            lambda: storage.read_events(timeout=3 * PATIENCE),
            storage.wake_readers,
            storage._readers,
        ),
    }[what]
    began = time.monotonic()

    with started(wait) as (waiting,):
        eventually(lambda: bell._waiters)
        wake()
        assert not waiting.value()

    assert time.monotonic() - began < PATIENCE


def test_a_worker_that_is_to_end_does_not_wait(storage):
    with started(lambda: storage.claim("a", 3 * PATIENCE, lambda: True)) as (worker,):
        assert worker.value() is None


def test_a_huey_on_it_takes_every_call_and_runs_none():
    huey = BlackHoleHuey("test")
    ran = []

    @huey.task()
    def work():
        ran.append(1)

    result = work()
    work.schedule(delay=5)

    with huey.create_consumer(workers=2):
        assert result() is None
    assert (len(huey), huey.scheduled(), huey.all_results(), ran) == (0, [], {}, [])
