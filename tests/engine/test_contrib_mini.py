"""A queue without storage."""

import datetime
import threading

import pytest
from waiting import PATIENCE, eventually, started

from huey.contrib.mini import MiniHuey, crontab
from huey.exceptions import ConfigurationError, ResultTimeout


@pytest.fixture
def make_mini():
    threads = set(threading.enumerate())
    running = []

    def make(*args, start=True, **kwargs):
        huey = MiniHuey(*args, **kwargs)
        if start:
            huey.start()
            running.append(huey)
        return huey

    yield make
    for huey in running:
        huey.stop()
    eventually(lambda: not set(threading.enumerate()) - threads)


@pytest.fixture
def mini(make_mini):
    return make_mini()


def test_a_call_runs_beside_its_caller(mini):
    @mini.task()
    def where(a, b=1):
        """Say where."""
        return a + b, threading.current_thread()

    result = where(1, b=2)

    value, thread = result.get()
    assert value == 3
    assert thread is not threading.current_thread()
    assert result() == result.value == (value, thread)
    assert result.ready()
    assert result.successful()
    assert (where.__name__, where.__doc__) == ("where", "Say where.")


def test_calls_need_no_start(make_mini):
    huey = make_mini(start=False)

    assert huey.task()(lambda: "ran")().get(timeout=PATIENCE) == "ran"


def test_what_a_function_raises_is_raised_for_whoever_asks(mini):
    @mini.task()
    def fail():
        raise ValueError("bad")

    result = fail()

    with pytest.raises(ValueError, match="bad"):
        result.get(timeout=PATIENCE)
    assert result.ready()
    assert not result.successful()
    assert isinstance(result.exception, ValueError)
    assert result.value is None


def test_who_does_not_wait_long_enough_is_told(mini):
    may_end = threading.Event()
    result = mini.task()(lambda: may_end.wait(PATIENCE))()

    with pytest.raises(ResultTimeout):
        result.get(block=False)
    with pytest.raises(ResultTimeout):
        result(timeout=0.01)
    assert not result.ready()
    may_end.set()
    assert result.get(timeout=PATIENCE)


def test_a_call_can_be_scheduled(mini):
    add = mini.task()(lambda a, b=1: a + b)
    soon = datetime.datetime.now() + datetime.timedelta(seconds=0.02)

    results = [
        add.schedule((1,), delay=0.03),
        add.schedule(kwargs={"a": 2}, delay=0),
        add.schedule(args=(3,), kwargs={"b": 3}, eta=soon),
    ]
    later = add.schedule((1,), delay=1000)

    assert [result.get(timeout=PATIENCE) for result in results] == [2, 3, 6]
    assert not later.ready()


def test_what_is_scheduled_waits_for_the_start(make_mini):
    huey = make_mini(start=False)
    result = huey.task()(lambda: "ran").schedule(delay=0)
    assert not result.ready()

    huey.start()

    assert result.get(timeout=PATIENCE) == "ran"
    huey.stop()


def test_periodic_tasks_run_by_themselves(make_mini):
    huey = make_mini(start=False)
    ran = {name: threading.Event() for name in ("one", "two", "never", "fails")}
    minutes = []

    def each_minute(minute):
        minutes.append(minute)
        return True

    huey.task(crontab(minute="*"))(ran["one"].set)
    huey.periodic_task(each_minute)(ran["two"].set)
    huey.periodic_task(lambda minute: 1 / 0)(ran["fails"].set)
    huey.periodic_task(lambda minute: False)(ran["never"].set)
    huey.start()

    assert ran["one"].wait(PATIENCE)
    assert ran["two"].wait(PATIENCE)
    huey.stop()
    assert minutes[0].second == minutes[0].microsecond == 0
    assert not ran["never"].is_set()
    assert not ran["fails"].is_set()


def test_a_pool_runs_so_many_at_once_and_no_call_is_lost(make_mini):
    huey = make_mini(pool_size=2)
    inside, most = [], []

    @huey.task()
    def crowd(n):
        inside.append(n)
        most.append(len(inside))
        inside.remove(n)
        return n

    with started(*(lambda: [crowd(n) for n in range(50)],) * 2) as threads:
        results = [result for thread in threads for result in thread.value()]

    assert sorted(result.get(timeout=PATIENCE) for result in results) == sorted([*range(50)] * 2)
    assert max(most) <= 2


def test_without_a_limit_every_call_gets_a_thread(mini):
    together = threading.Barrier(20)
    meet = mini.task()(lambda: together.wait(PATIENCE))

    assert sorted(result.get(timeout=PATIENCE) for result in [meet() for _ in range(20)]) == [
        *range(20)
    ]


def test_it_is_started_and_stopped_once(make_mini):
    huey = make_mini(start=False)

    with pytest.raises(ConfigurationError, match="not running"):
        huey.stop()
    huey.start()
    with pytest.raises(ConfigurationError, match="running already"):
        huey.start()
    huey.stop()
    huey.start()
    huey.stop()


def test_what_cannot_work_is_said_at_once():
    with pytest.raises(ConfigurationError, match="pool_size is 1 or more"):
        MiniHuey(pool_size=0)
    with pytest.raises(ConfigurationError, match="validate_func is a function"):
        MiniHuey().task(5)
