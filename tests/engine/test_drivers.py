"""The window in which a task may be interrupted: nothing gets out of it, or into another."""

import sys
import threading
import time

import pytest
from waiting import eventually, started

from huey.drivers.window import Window
from huey.exceptions import TaskInterrupt
from huey.tasks import Run, Task


@pytest.fixture
def window():
    return Window()


@pytest.fixture
def quick_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_a_window_says_what_came_of_a_call(window):
    problem = SystemExit(3)

    def fail():
        raise problem

    assert window.call(Run(Task()), lambda: 42) == (42, None)
    assert window.call(Run(Task()), fail) == (None, problem)


def test_a_run_that_was_cancelled_before_is_not_called(window):
    run = Run(Task())
    run.cancel()

    value, error = window.call(run, lambda: pytest.fail("called"))

    assert value is None
    assert isinstance(error, TaskInterrupt)


def test_only_the_run_that_is_meant_is_interrupted(window):
    meant, other = Run(Task()), Run(Task())
    interrupted = []

    def nap():
        eventually(lambda: interrupted)

    with started(lambda: window.call(meant, nap)) as (thread,):
        eventually(lambda: window._run is meant)
        assert not window.throw(other)
        assert window.throw(meant)
        interrupted.append(True)
        assert isinstance(thread.value().error, TaskInterrupt)

    assert not window.throw(meant)


@pytest.fixture
def stubborn():
    """A function that catches what is thrown at it, until it is told to end."""
    caught, end = [], threading.Event()

    def stubborn():
        while not end.is_set():
            try:
                while not end.is_set():
                    time.sleep(0.001)
            except TaskInterrupt:
                caught.append(1)
        return len(caught)

    stubborn.caught, stubborn.end = caught, end
    return stubborn


def test_a_run_that_may_be_cleaning_up_is_not_interrupted_again(window, stubborn):
    run = Run(Task())

    with started(lambda: window.call(run, stubborn)) as (thread,):
        eventually(lambda: window._run is run)
        for _ in range(5):
            assert window.throw(run)
            eventually(lambda: stubborn.caught)
        stubborn.end.set()
        assert thread.value().value == 1


def test_a_run_that_goes_on_all_the_same_is_interrupted_again(window, stubborn, monkeypatch):
    monkeypatch.setattr("huey.drivers.window.AGAIN", 0.0)
    run = Run(Task())

    with started(lambda: window.call(run, stubborn)) as (thread,):
        eventually(lambda: window._run is run)
        for n in range(3):
            assert window.throw(run)
            eventually(lambda n=n: len(stubborn.caught) > n)
        stubborn.end.set()
        assert thread.value().value == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # hit in callbacks
@pytest.mark.usefixtures("quick_switches")
def test_nothing_thrown_gets_out_of_its_window_whenever_it_comes(window, monkeypatch):
    monkeypatch.setattr("huey.drivers.window._is_harmless", lambda thread: True)
    runs, hits, windows = [Run(Task())], [], 0

    def count(n):
        for _ in range(n):
            pass
        return n

    def work():
        nonlocal windows
        while len(hits) < 300:  # were anything but the window hit, this thread would fail
            n = windows % 200
            runs.append(Run(Task()))
            value, error = window.call(runs[-1], lambda n=n: count(n))
            windows += 1
            if error is None:
                assert value == n
            else:
                hits.append(error)

    with started(work) as (thread,):
        while thread.thread.is_alive():
            window.throw(runs[-1])
            time.sleep(0.00005)  # or they would always meet at the window's own lock
        thread.value()

    assert {type(error) for error in hits} == {TaskInterrupt}
    assert windows > len(hits)
