"""Bells: whoever waits is woken, and nobody waits for what has happened already."""

import gc
import os
import socket
import sys
import threading
from contextlib import closing, contextmanager
from functools import partial

import pytest
from processes import running
from waiting import PATIENCE, eventually, started

from huey.storage.doorbell import Doorbell
from huey.storage.wake import Bell, Lookout

A_MOMENT = 0.01  # seconds that somebody waits who is not to be woken


@pytest.fixture
def quick_switches():
    """Let threads take turns much more often than usual, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


# --- in one process --------------------------------------------------------------------------


def test_ringing_wakes_all_that_wait_for_the_key():
    bell = Bell()

    with bell.waiting("k") as one, bell.waiting("k") as two, bell.waiting("other") as other:
        assert bell.ring("k")

        assert one.wait(0)
        assert two.wait(0)
        assert not other.wait(A_MOMENT)


def test_ringing_some_wakes_those_who_came_last():
    bell = Bell()

    with bell.waiting("k") as first, bell.waiting("k") as second, bell.waiting("k") as third:
        assert bell.ring_some("k", 2) == 2
        assert [waiter.wait(0) for waiter in (first, second, third)] == [False, True, True]

        assert bell.ring_some("k", 5) == 1
        assert first.wait(0)


def test_ringing_all_wakes_everybody():
    bell = Bell()

    with bell.waiting("a") as one, bell.waiting("b") as two:
        bell.ring_all()

        assert one.wait(0)
        assert two.wait(0)


def test_a_ring_that_nobody_waits_for_is_forgotten():
    bell = Bell()

    assert not bell.ring("k")
    assert bell.ring_some("k") == 0
    with bell.waiting("k") as waiter:
        assert not waiter.wait(A_MOMENT)


def test_who_has_left_is_not_rung():
    bell = Bell()
    with bell.waiting("k") as gone:
        pass

    with bell.waiting("k") as waiter:
        assert bell.ring_some("k") == 1

        assert waiter.rung
        assert not gone.rung


def test_a_bell_keeps_nothing_of_those_who_left():
    bell = Bell()

    for n in range(3):
        with bell.waiting(f"k{n}"):
            bell.ring(f"k{n - 1}")

    assert bell._waiters == {}


@pytest.mark.usefixtures("quick_switches")
def test_each_ring_of_several_is_seen_by_whom_it_was_meant_for():
    bell, rounds = Bell(), 2000
    rung = []

    def wait():
        for _ in range(rounds):
            with bell.waiting("") as waiter:
                pass  # and leave in the moment in which it rings
            rung.append(waiter.rung)

    with started(wait, wait) as threads:
        woken = 0
        while any(thread.thread.is_alive() for thread in threads):
            woken += bell.ring_some("")

    assert rung.count(True) == woken


# --- who looks by itself, for what comes without a ring ---------------------------------------


def test_one_of_those_who_wait_looks_out():
    bell, lookout, looks = Bell(), Lookout(), []

    def wait():
        with bell.waiting("") as waiter:
            return lookout.wait(waiter, PATIENCE, A_MOMENT, partial(looks.append, waiter))

    with started(wait, wait, wait) as threads:
        eventually(lambda: len(looks) > 5)
        assert lookout.is_manned
        eventually(lambda: bell.ring_some("", 3) or not bell.waited_for)
        assert [thread.value() for thread in threads] == [True] * 3

    assert len(set(looks)) == 1
    assert not lookout.is_manned


def test_who_looks_out_stops_waiting_when_it_sees_something_and_when_its_time_is_over():
    bell, lookout = Bell(), Lookout()

    with bell.waiting("") as waiter:
        assert not lookout.wait(waiter, PATIENCE, A_MOMENT, lambda: True)
        assert not lookout.wait(waiter, A_MOMENT, PATIENCE, lambda: False)


@pytest.mark.parametrize("storage", ["sqlite", "file"], indirect=True)
def test_who_goes_off_with_a_message_has_another_worker_look_out(storage, monkeypatch):
    def work(slot):
        claim = None
        while claim is None:  # a wait may end early, to look out instead of another worker
            claim = storage.claim(slot, 2 * PATIENCE)
        return claim.data

    with started(partial(work, "a"), partial(work, "b")) as workers:
        eventually(lambda: len(storage._idle_bell._waiters.get("", ())) == 2)
        storage._idle_bell._waiters[""].reverse()  # so that who looks out is rung first
        storage.enqueue(b"1")
        eventually(lambda: storage.inflight() == 1)
        monkeypatch.setattr(storage, "_ring_idle", lambda *count: None)
        storage.enqueue(b"2")

        assert {worker.value() for worker in workers} == {b"1", b"2"}


@pytest.mark.parametrize("storage", ["memory", "sqlite"], indirect=True)
def test_a_worker_rung_for_a_message_while_it_takes_another_rings_the_next_worker(
    storage, monkeypatch
):
    bell = storage._idle_bell
    enter = bell.waiting

    @contextmanager
    def waiting_while_others_enqueue(key):
        with enter(key) as waiter:
            with monkeypatch.context() as patch:  # as if this had rung before anybody waited
                patch.setattr(bell, "ring_some", lambda key, count=1: count)
                storage.enqueue(b"taken")
            yield waiter
            storage.enqueue(b"for the next")

    with bell.waiting("") as next_worker:
        monkeypatch.setattr(bell, "waiting", waiting_while_others_enqueue)

        assert storage.claim("a", PATIENCE).data == b"taken"

        assert next_worker.wait(PATIENCE)


@pytest.mark.usefixtures("quick_switches")
def test_no_wake_up_is_lost_between_workers(storage, monkeypatch):
    """A worker may be rung for one message and find another; then it rings the next worker."""
    monkeypatch.setattr("huey.storage.sqlite._LOOK_AGAIN", 10 * PATIENCE)
    rounds = 1500 if storage.keeps_objects else 400
    everybody = threading.Barrier(4)

    def work(slot):
        for _ in range(rounds):
            claim = None
            while claim is None:
                claim = storage.claim(slot, 10 * PATIENCE)
            storage.finish(slot, claim)
            everybody.wait(PATIENCE)  # so this worker takes one message and the other one as well

    def produce():
        for _ in range(rounds):
            storage.enqueue(b"m")
            everybody.wait(PATIENCE)

    with started(partial(work, "a"), partial(work, "b"), produce, produce) as threads:
        for thread in threads:
            thread.value(5 * PATIENCE)


# --- between processes: two doorbells are as good as two processes ---------------------------


@pytest.fixture
def doorbells(tmp_path):
    threads = set(threading.enumerate())
    made = []

    def make(topic="topic", folder=tmp_path):
        made.append(Doorbell(str(folder), topic))
        return made[-1]

    yield make

    for bell in made:
        bell.close()
    assert set(threading.enumerate()) == threads
    assert list(tmp_path.rglob("topic.*")) == []


def test_telling_wakes_who_waits_elsewhere_for_the_key(doorbells):
    here, there = doorbells(), doorbells()

    with here.waiting("k") as waiter, here.waiting("other") as other:
        there.tell("k")

        assert waiter.wait(PATIENCE)
        assert not other.wait(A_MOMENT)


def test_telling_without_a_key_wakes_one_in_each_process(doorbells):
    one, two, there = doorbells(), doorbells(), doorbells()

    with one.waiting("") as first, one.waiting("") as second, two.waiting("") as third:
        there.tell()

        assert second.wait(PATIENCE)
        assert third.wait(PATIENCE)
        assert not first.wait(A_MOMENT)


def test_telling_does_not_wake_oneself(doorbells):
    bell = doorbells()

    with bell.waiting("k") as waiter:
        bell.tell("k")

        assert not waiter.wait(A_MOMENT)


def test_other_topics_are_not_heard(doorbells):
    here, there = doorbells("topic.one"), doorbells("topic.two")

    with here.waiting("k") as waiter:
        there.tell("k")

        assert not waiter.wait(A_MOMENT)


def test_a_flood_wakes_everybody_as_the_ring_for_them_may_be_lost(doorbells):
    here, there = doorbells(), doorbells()
    with here.waiting("nobody"):
        pass  # the listener is there now, and reads nothing while nobody waits

    for _ in range(100):
        there.tell("others")
    there.tell("k")

    with here.waiting("k") as waiter:
        assert waiter.wait(PATIENCE)


def test_a_flood_does_not_hold_up_who_tells(doorbells):
    here, there = doorbells(), doorbells()
    with here.waiting("nobody"):
        pass

    with started(lambda: [there.tell("k") for _ in range(1000)]) as (flood,):
        flood.value()


def test_a_listener_goes_on_after_a_flood(doorbells):
    here, there = doorbells(), doorbells()
    for _ in range(3):
        with here.waiting("nobody"):
            for _ in range(50):
                there.tell("others")

    for n in range(20):
        with here.waiting(f"{n}") as waiter:
            there.tell(f"{n}")
            assert waiter.wait(PATIENCE)


def test_closing_ends_the_thread_and_removes_the_socket(doorbells, tmp_path):
    threads = set(threading.enumerate())
    bell = doorbells()
    with bell.waiting("k"):
        assert len(list(tmp_path.iterdir())) == 1
        assert len(set(threading.enumerate()) - threads) == 1

        bell.close()

    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) == threads
    bell.close()


def test_a_doorbell_that_was_closed_can_be_used_again(doorbells):
    here, there = doorbells(), doorbells()
    for _ in range(3):
        with here.waiting("k") as waiter:
            there.tell("k")
            assert waiter.wait(PATIENCE)
        here.close()
        there.close()


def test_a_doorbell_that_only_told_leaves_nothing_open(tmp_path):
    with closing(Doorbell(str(tmp_path), "topic")) as here, here.waiting("k"):
        there = Doorbell(str(tmp_path), "topic")
        there.tell("k")
        there.close()
        del there
        gc.collect()  # a socket left open would warn, and a warning is an error


def test_the_socket_of_a_dead_process_is_removed_by_who_tells(doorbells, tmp_path):
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as dead:
        dead.bind(str(tmp_path / "topic.1.dead"))

    doorbells().tell("k")

    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_folder_nobody_is_told(doorbells, tmp_path):
    doorbells(folder=tmp_path / "missing").tell("k")


def test_a_folder_with_a_long_name_will_do(doorbells, tmp_path):
    folder = tmp_path.joinpath(*["a-rather-long-name"] * 12)
    folder.mkdir(parents=True)
    here, there = doorbells(folder=folder), doorbells(folder=folder)

    with here.waiting("k") as waiter:
        there.tell("k")

        assert waiter.wait(PATIENCE)


def test_without_such_sockets_a_wait_ends_by_its_timeout(doorbells, monkeypatch):
    monkeypatch.delattr(socket, "AF_UNIX")
    here, there = doorbells(), doorbells()

    with here.waiting("k") as waiter:
        there.tell("k")
        assert not waiter.wait(A_MOMENT)

        here.ring("k")
        assert waiter.wait(0)


def test_many_threads_may_tell_at_once(doorbells):
    here = doorbells()
    with here.waiting("nobody"):
        there = doorbells()
        with started(*[lambda: [there.tell("k") for _ in range(200)]] * 4) as threads:
            for thread in threads:
                thread.value()
    gc.collect()


PING_PONG = """
import mmap, sys
from huey.storage.doorbell import Doorbell
folder, me, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
file = open(f"{folder}/shared", "r+b")
shared = mmap.mmap(file.fileno(), 8)
bell = Doorbell(folder, "topic")
turn = lambda: int.from_bytes(shared[:8], "little")
while turn() < rounds:
    with bell.waiting("") as waiter:
        if turn() < rounds and turn() % 2 != me and not waiter.wait(60):
            print("lost at", turn())
            break
    if turn() < rounds and turn() % 2 == me:
        shared[:8] = (turn() + 1).to_bytes(8, "little")
        bell.tell()
bell.close()
print("done", turn())
"""


def test_no_wake_up_is_lost_between_processes(doorbells, tmp_path):
    rounds = 4000
    (tmp_path / "shared").write_bytes(bytes(8))

    with (
        running(PING_PONG, tmp_path, 0, rounds) as ping,
        running(PING_PONG, tmp_path, 1, rounds) as pong,
    ):
        assert (ping.hear(), pong.hear()) == (f"done {rounds}", f"done {rounds}")

    assert os.listdir(tmp_path) == ["shared"]
