"""The window in which a task may be interrupted: nothing gets out of it, or into another."""

import gc
import signal
import sys
import threading
import time

import pytest
from waiting import PATIENCE, eventually, started

from huey.drivers.window import MainWindow, Window
from huey.exceptions import TaskInterrupt, TaskTimeout
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


# --- the main thread of a process, reached by a signal ---------------------------------------


@pytest.fixture
def main_window():
    before = signal.getsignal(signal.SIGURG)
    gc.disable()  # or callbacks of the collector, such as hypothesis has, would be hit too
    yield MainWindow()
    gc.enable()
    signal.signal(signal.SIGURG, before)


def throw_soon(window, run, kind=TaskInterrupt):
    """Throw from another thread, as soon as the run is there."""

    def throw():
        eventually(lambda: window._run is run)
        return window.throw(run, kind)

    return throw


@pytest.mark.parametrize("kind", [TaskInterrupt, TaskTimeout])
def test_the_main_thread_is_reached_even_while_it_sleeps(main_window, kind):
    run = Run(Task())

    with started(throw_soon(main_window, run, kind)) as (thread,):
        tried = main_window.call(run, lambda: time.sleep(PATIENCE))
        assert thread.value()

    assert type(tried.error) is kind


def test_a_thread_waiting_for_the_main_one_hurts_nothing(main_window):
    """The signal meets the main thread where it takes a lock, again and again."""
    lock, hits = threading.Lock(), []

    def busy():
        while True:
            with lock:
                pass

    for _ in range(100):
        run = Run(Task())
        with started(throw_soon(main_window, run)):
            hits.append(type(main_window.call(run, busy).error))
        assert lock.acquire(timeout=1)
        lock.release()

    assert set(hits) == {TaskInterrupt}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # hit in callbacks
@pytest.mark.usefixtures("quick_switches")
def test_nothing_thrown_gets_out_of_the_main_window_whenever_it_comes(main_window, monkeypatch):
    monkeypatch.setattr("huey.drivers.window.is_harmless_in", lambda frame: True)
    runs, hits, over = [Run(Task())], [], threading.Event()

    def throw():
        while not over.is_set():
            main_window.throw(runs[-1])
            time.sleep(0.00005)

    with started(throw):
        try:
            deadline = time.monotonic() + PATIENCE
            while len(hits) < 200 and time.monotonic() < deadline:
                runs.append(Run(Task()))
                value, error = main_window.call(runs[-1], lambda: sum(range(200)))
                if error is None:
                    assert value == sum(range(200))
                else:
                    hits.append(type(error))
        finally:
            over.set()

    assert set(hits) == {TaskInterrupt}


def test_where_the_signal_is_taken_an_exception_comes_as_in_other_threads(main_window):
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    run = Run(Task())

    def busy():
        while True:
            time.sleep(0.001)

    with started(throw_soon(main_window, run)):
        tried = main_window.call(run, busy)

    assert type(tried.error) is TaskInterrupt
