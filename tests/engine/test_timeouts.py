"""Tasks that take too long."""

import asyncio
import pickle
import threading
import time

import pytest
from consumers import app_in, value
from waiting import PATIENCE, eventually, started

from huey import Error
from huey.drivers.keeper import Timekeeper
from huey.exceptions import ConfigurationError, TaskException, TaskTimeout
from huey.signals import ALL_SIGNALS, SIGNAL_TIMEOUT

KINDS = ("thread", "asyncio")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def nap():
    while True:
        time.sleep(0.001)


async def nap_async():
    await asyncio.sleep(1000)


@pytest.fixture(params=[nap, nap_async])
def endless(request):
    return request.param


# --- what a timeout is -----------------------------------------------------------------------


def test_a_task_that_takes_too_long_is_told_and_fails(huey, kind, endless, story):
    result = huey.task(name="endless", timeout=0.05)(endless)()

    told = pytest.raises(TaskException, match=r"TaskTimeout\('timed out after 0\.05 s'\)")
    with huey.create_consumer(worker_type=kind), told:
        result.get(blocking=True, timeout=PATIENCE)

    assert story(result) == ["enqueued", "executing", "timeout"]


def test_the_signal_comes_in_place_of_an_error_with_the_exception(huey, endless, signals):
    result = huey.task(name="endless", timeout=0.05)(endless)()
    with huey.create_consumer(), pytest.raises(TaskException):
        result.get(blocking=True, timeout=PATIENCE)

    name, task_id, error = signals[-1]
    assert (name, task_id, type(error)) == (SIGNAL_TIMEOUT, result.id, TaskTimeout)
    assert "error" not in [name for name, *_ in signals]
    assert SIGNAL_TIMEOUT in ALL_SIGNALS


def test_the_event_tells_what_an_error_tells(huey, endless):
    result = huey.task(name="endless", timeout=0.05, retries=1)(endless)()
    with huey.create_consumer(), pytest.raises(TaskException):
        result.get(blocking=True, timeout=PATIENCE)

    events = [event for _, event in huey.events.read() if event["kind"] == "timeout"]
    assert [event["retries"] for event in events] == [0, 0]
    assert {event["error"] for event in events} == {"TaskTimeout: timed out after 0.05 s"}
    assert all("nap" in event["traceback"] for event in events if endless is nap)
    assert all(event["duration"] >= 0.04 for event in events)


def test_a_task_that_took_too_long_is_tried_again(huey, story):
    tries = []

    @huey.task(timeout=0.05, retries=2)
    def slow_at_first():
        tries.append(1)
        if len(tries) < 3:
            nap()
        return "at last"

    with huey.create_consumer():
        result = slow_at_first()
        assert result.get(blocking=True, timeout=PATIENCE) == "at last"

    assert story(result, "timeout", "retrying", "complete") == [
        *("timeout", "retrying", "timeout", "retrying", "complete"),
    ]


def test_the_error_handler_of_a_pipeline_runs_after_the_last_try(huey, endless):
    handled = []
    handler = huey.task(name="handler")(lambda error: handled.append(error) or "handled")
    task = huey.task(name="endless", timeout=0.05, retries=1)(endless).s().error(handler)

    with huey.create_consumer():
        huey.enqueue(task)
        eventually(lambda: handled)

    assert [str(error) for error in handled] == ["timed out after 0.05 s"]


def test_a_task_may_clean_up(huey):
    cleaned = []

    @huey.task(timeout=0.05)
    def careful():
        try:
            nap()
        except TaskTimeout:
            cleaned.append(1)
            raise

    with huey.create_consumer(), pytest.raises(TaskException, match="timed out"):
        careful().get(blocking=True, timeout=PATIENCE)
    assert cleaned == [1]


def test_a_task_that_goes_on_all_the_same_is_told_again(huey, monkeypatch):
    monkeypatch.setattr("huey.consumer.AGAIN", 0.05)
    monkeypatch.setattr("huey.drivers.window.AGAIN", 0.05)
    told = []

    @huey.task(timeout=0.05)
    def stubborn():
        while len(told) < 3:
            try:
                nap()
            except TaskTimeout:
                told.append(1)
        return len(told)

    with huey.create_consumer():
        assert stubborn().get(blocking=True, timeout=PATIENCE) == 3


def test_a_task_in_time_hears_nothing_and_its_worker_neither(huey, kind):
    quick = huey.task(name="quick", timeout=0.05)(lambda n: n)
    slow = huey.task(name="slow")(lambda: time.sleep(0.1))

    with huey.create_consumer(worker_type=kind):
        group = quick.map(range(100))
        slow()
        later = quick(100)
        assert group.get(blocking=True, timeout=PATIENCE) == list(range(100))
        assert later.get(blocking=True, timeout=PATIENCE) == 100


def test_the_scheduler_may_be_busy_when_the_time_is_over(huey, monkeypatch):
    blocked, go_on = threading.Event(), threading.Event()

    def recover():
        blocked.set()
        go_on.wait(PATIENCE)
        return 0

    monkeypatch.setattr(huey.storage, "recover", recover)
    with huey.create_consumer():
        blocked.wait(PATIENCE)
        result = huey.task(name="nap", timeout=0.05)(nap)()
        with pytest.raises(TaskException, match="timed out"):
            result.get(blocking=True, timeout=PATIENCE)
        go_on.set()


# --- how it is said --------------------------------------------------------------------------


def test_a_call_may_have_a_timeout_of_its_own(huey, work):
    @huey.task(timeout=5, context=True)
    def tell(task):
        return task.timeout, 0 < task.time_remaining <= task.timeout

    assert tell.s().timeout == 5
    results = [tell(), huey.enqueue(tell.s(timeout=7.5))]
    work()

    assert [result() for result in results] == [(5, True), (7.5, True)]


def test_it_travels_with_the_task(huey):
    task = huey.task(name="nap")(nap).s(timeout=3)

    message = huey.registry.create_message(task)
    assert message.timeout == 3
    assert huey.registry.create_task(pickle.loads(pickle.dumps(message))).timeout == 3  # noqa: S301


def test_a_task_that_is_rescheduled_keeps_it(huey):
    result = huey.enqueue(huey.task(name="nap")(nap).s(timeout=3))
    assert result.reschedule(delay=60).task.timeout == 3


@pytest.mark.parametrize("timeout", [0, -1, "5", True])
def test_a_timeout_that_cannot_be_is_refused(huey, timeout):
    with pytest.raises(ConfigurationError, match="seconds above 0"):
        huey.task(name="a", timeout=timeout)(nap)
    with pytest.raises(ConfigurationError, match="seconds above 0"):
        huey.task(name="b")(nap).s(timeout=timeout)


# --- asking ----------------------------------------------------------------------------------


def test_without_a_timeout_there_is_nothing_to_ask(huey, work):
    @huey.task(context=True)
    def tell(task):
        task.check_timeout()
        return task.time_remaining, task.is_timed_out

    result = tell()
    work()
    assert result() == (None, False)


@pytest.mark.parametrize("immediate", [True, False])
def test_a_task_can_ask_whether_its_time_is_over(huey, work, immediate, story):
    """Nothing is raised from outside here: in immediate mode, or without a timekeeper."""
    huey.immediate = immediate
    seen = []

    @huey.task(timeout=0.01, context=True)
    def ask(task):
        seen.append(task.is_timed_out)
        while not task.is_timed_out:
            time.sleep(0.001)
        seen.append(task.time_remaining)
        task.check_timeout()

    result = ask()
    work()

    with pytest.raises(TaskException, match=r"timed out after 0\.01 s"):
        result()
    assert seen == [False, 0.0]
    assert story(result)[-1] == "timeout"


def test_each_try_has_its_whole_time(huey, work):
    left = []

    @huey.task(timeout=60, retries=1, context=True)
    def fail(task):
        left.append(task.time_remaining)
        raise ValueError

    fail()
    work()
    assert len(left) == 2
    assert all(59 < seconds <= 60 for seconds in left)


# --- with processes --------------------------------------------------------------------------

TASKS = """
@huey.task(timeout=0.1)
def nap():
    time.sleep(1000)

@huey.task(timeout=0.1)
async def nap_async():
    await asyncio.sleep(1000)

@huey.task(timeout=0.1)
def wait_for_socket():
    import socket
    a, b = socket.socketpair()
    a.recv(1)

@huey.task()
def pid():
    return os.getpid()
"""


@pytest.fixture
def app(tmp_path):
    with app_in(tmp_path, TASKS) as app:
        yield app


def test_in_a_worker_process_even_a_sleep_or_a_wait_is_ended(app):
    app.consume("-k", "process")
    worker = value(app.pid())

    for task in (app.nap, app.nap_async, app.wait_for_socket):
        result = task()
        with pytest.raises(TaskException, match=r"timed out after 0\.1 s"):
            value(result)
        assert app.kinds(result) == ["enqueued", "executing", "timeout"]
    assert value(app.pid()) == worker


# --- the keeper of time ----------------------------------------------------------------------


@pytest.fixture
def keeper():
    keeper = Timekeeper()
    yield keeper
    keeper.close()


def test_timers_are_called_in_the_order_of_their_times(keeper):
    called = []
    for seconds in (0.03, 0.01, 0.02):
        keeper.call_after(seconds, lambda seconds=seconds: called.append(seconds))

    eventually(lambda: len(called) == 3)
    assert called == [0.01, 0.02, 0.03]


def test_a_timer_called_off_is_not_called_and_does_not_pile_up(keeper):
    called = []
    for _ in range(1000):
        keeper.call_off(keeper.call_after(60, lambda: called.append(1)))
    keeper.call_after(0, lambda: called.append(2))

    eventually(lambda: called)
    assert called == [2]
    assert len(keeper._heap) < 100


def test_a_timer_that_fails_does_not_stop_the_others(keeper, caplog):
    called = []
    keeper.call_after(0, lambda: 1 / 0)
    keeper.call_after(0.001, lambda: called.append(1))

    eventually(lambda: called)
    assert "a timer failed" in caplog.text


def test_a_keeper_that_was_closed_calls_nothing(keeper):
    called = []
    keeper.call_after(0.02, lambda: called.append(1))
    keeper.close()
    with started(lambda: time.sleep(0.05)):
        pass
    keeper.call_after(0, lambda: called.append(2))

    assert called == []


def test_an_error_result_tells_that_it_was_a_timeout(memory_huey):
    result = memory_huey.task(name="nap", timeout=0.05)(nap)()
    with memory_huey.create_consumer():
        error = eventually(lambda: memory_huey.get(result.id, peek=True))

    assert isinstance(error, Error)
    assert error.metadata["error"] == "TaskTimeout('timed out after 0.05 s')"
