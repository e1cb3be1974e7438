"""Time as the queue counts it, identifiers, and short descriptions."""

import contextlib
import datetime
import os
import random
import re
import signal
import sys
import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huey.utils import (
    from_timestamp,
    is_locked,
    made_at,
    make_id,
    normalize_time,
    short_call,
    to_timestamp,
)

UUID8 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_ids_are_uuids_each_another():
    ids = [make_id() for _ in range(5000)]

    assert all(UUID8.fullmatch(each) for each in ids)
    assert len(set(ids)) == len(ids)


def test_the_first_digits_of_an_id_tell_it_from_others_of_its_time():
    assert len({make_id()[:8] for _ in range(100)}) == 100


def test_an_id_says_when_it_was_made_wherever_it_stands():
    first, second = make_id(), (time.sleep(0.001), make_id())[1]

    assert made_at(first.encode()) < made_at(b"x%by%b" % (second.encode(), first.encode()))


@pytest.mark.parametrize("other", [str(uuid.uuid4()), "mine", "", make_id()[:-1]])
def test_an_id_of_another_kind_says_nothing_of_its_time(other):
    assert made_at(other.encode()) is None


def test_ids_do_not_repeat_when_an_application_seeds_its_random_numbers():
    random.seed(42)
    first = make_id()
    random.seed(42)

    assert make_id() != first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_ids_of_a_forked_child_are_its_own():
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, make_id().encode())
        os._exit(0)
    mine = make_id()
    os.waitpid(child, 0)
    with open(ours) as pipe:
        os.close(theirs)
        assert pipe.read() != mine


@given(st.floats(0, 4e9))
def test_a_time_is_the_same_after_a_round_trip(seconds):
    assert to_timestamp(from_timestamp(seconds)) == pytest.approx(seconds, abs=1e-5)


@given(st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2090, 1, 1)))
def test_an_aware_time_means_the_same_everywhere(when):
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))

    assert normalize_time(eta=when.replace(tzinfo=zone)) == when - zone.utcoffset(None)


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, ""),
        ((1, "a", None, True, 2.5), {"b": [1, 2]}, "1, 'a', None, True, 2.5, b=[1, 2]"),
        (({"k": {"deep": [1]}},), {}, "{'k': {'deep': [1]}}"),
        ((object(),), {}, "<object>"),
        ((range(3),), {}, "<range>"),
        ((10**5000,), {}, "<int>"),
    ],
)
def test_a_call_is_described_in_a_few_words(args, kwargs, text):
    assert short_call(args, kwargs) == text


def test_a_long_call_is_cut():
    text = short_call(("x" * 10_000, *range(1000)), {})

    assert len(text) == 80
    assert text.endswith("…")


def test_describing_a_call_never_fails():
    class deque:
        pass

    class Hostile:
        def __repr__(self):
            raise SystemExit

        __len__ = __iter__ = __str__ = __repr__

    assert short_call((deque(), Hostile(), [Hostile()]), {}) == "<deque>, <Hostile>, [<Hostile>]"


def test_describing_a_call_does_not_look_at_all_of_a_large_value():
    class Counting(list):
        looks = 0

        def __iter__(self):
            for item in super().__iter__():
                Counting.looks += 1
                yield item

    short_call((Counting(range(10_000)),), {})

    assert Counting.looks < 20


def test_a_lock_is_taken_from_the_moment_when_somebody_is_given_it():
    assert not is_locked(threading.RLock())
    # It cannot be told whether the other one waits already: a busy machine needs another go.
    assert any(seen_before_it_runs(0.05 * (n + 1)) for n in range(20))


def seen_before_it_runs(seconds):
    """Give a lock to a thread that waits, but not the interpreter; say whether it was seen."""
    lock = threading.RLock()

    def take():
        with lock:
            pass

    lock.acquire()
    other = threading.Thread(target=take)
    other.start()
    time.sleep(seconds)  # until it waits for the lock
    sys.setswitchinterval(1)
    try:
        lock.release()
        deadline, seen = time.monotonic() + 0.5, False
        while not seen and time.monotonic() < deadline:
            seen = is_locked(lock)
    finally:
        sys.setswitchinterval(0.005)
    other.join()
    assert not is_locked(lock)
    return seen


class Interrupt(BaseException):
    """What a signal handler raises."""


def test_who_is_interrupted_while_looking_at_a_lock_does_not_keep_it():
    def interrupt(number, frame):
        raise Interrupt

    lock, before = threading.RLock(), signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(100):
            with contextlib.suppress(Interrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.0005)
                while True:
                    is_locked(lock)
            assert not in_another_thread(lambda: is_locked(lock))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def in_another_thread(func):
    said = []
    other = threading.Thread(target=lambda: said.append(func()))
    other.start()
    other.join()
    return said[0]
