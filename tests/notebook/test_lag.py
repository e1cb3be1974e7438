"""A heartbeat that feels how late threads get their turn."""

import sys
import threading
import time

import pytest
from waiting import eventually

from huey_jupyter.lag import RECENT, Beat, Heartbeat


@pytest.fixture
def heartbeat():
    heartbeat = Heartbeat()
    heartbeat.start()
    yield heartbeat
    heartbeat.stop()


@pytest.fixture
def slow_switches():
    """Let a busy thread keep the interpreter for half a second, as C code would."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def busy(slow_switches):
    """A thread that does nothing but compute."""
    over = False

    def compute():
        while not over:
            pass

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    yield
    over = True
    thread.join()


def test_an_idle_interpreter_has_little_lag(heartbeat):
    eventually(lambda: len(heartbeat._beats) > 5)
    assert eventually(lambda: heartbeat.lag < 0.2)
    assert heartbeat.high_for(0.2) == 0.0


def test_a_thread_that_holds_the_interpreter_is_felt(heartbeat, busy):
    eventually(lambda: heartbeat.lag > 0.2)
    assert eventually(lambda: heartbeat.high_for(0.2) > RECENT)


def test_a_heartbeat_that_has_been_stopped_leaves_no_thread_and_no_lag():
    threads = threading.active_count()
    heartbeat = Heartbeat()
    assert heartbeat.lag == 0.0

    heartbeat.start()
    heartbeat.start()
    assert threading.active_count() == threads + 1

    heartbeat.stop()
    heartbeat.stop()
    assert threading.active_count() == threads
    assert (heartbeat.lag, heartbeat.high_for(0.0)) == (0.0, 0.0)


def test_a_heartbeat_can_be_started_anew():
    heartbeat = Heartbeat()
    for _ in range(2):
        heartbeat.start()
        eventually(lambda: heartbeat._beats)
        heartbeat.stop()


def test_one_late_beat_among_many_is_no_lag(heartbeat):
    eventually(lambda: len(heartbeat._beats) > 5)
    heartbeat._beats.append(Beat(time.monotonic(), late=5.0, lag=0.0))
    assert heartbeat.lag < 1.0


def test_a_beat_that_does_not_come_counts_already(heartbeat):
    heartbeat._beside.stop()  # as if it did not get its turn any more
    assert eventually(lambda: heartbeat.lag > RECENT / 2)
