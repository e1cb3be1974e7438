"""Tasks that are ``async def``: on one loop for all asyncio workers, and on every other kind."""

import asyncio
import threading
import time

import pytest
from waiting import PATIENCE, at_once, eventually

from huey import current_task, progress
from huey.exceptions import TaskCanceled, TaskException, TaskInterrupt

KINDS = ("thread", "asyncio")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def begun():
    return threading.Event()


@pytest.fixture
def endless(huey, begun):
    """A task function that waits for ever, and notes how it ended."""
    seen = []

    @huey.task()
    async def endless():
        begun.set()
        try:
            await asyncio.sleep(1000)
        except BaseException as error:
            seen.append(type(error))
            raise

    endless.seen = seen
    return endless


# --- one loop for all asyncio workers --------------------------------------------------------


def test_fifty_coroutines_sleep_side_by_side(huey):
    asleep, all_asleep = [], asyncio.Event()

    @huey.task()
    async def sleep(n):
        asleep.append(n)
        if len(asleep) == 50:
            all_asleep.set()
        await asyncio.wait_for(all_asleep.wait(), PATIENCE)
        return n

    group = sleep.map(range(50))
    with huey.create_consumer(workers=50, worker_type="asyncio"):
        assert group.get(blocking=True, timeout=PATIENCE) == list(range(50))


def test_all_of_them_share_one_loop_in_one_thread(huey):
    @huey.task()
    async def where():
        return id(asyncio.get_running_loop()), threading.current_thread().name

    with huey.create_consumer(workers=4, worker_type="asyncio"):
        found = where.map([()] * 20).get(blocking=True, timeout=PATIENCE)

    assert len(set(found)) == 1
    assert found[0][1] == "huey loop"


def test_plain_functions_run_in_the_threads_of_their_workers(huey):
    together = threading.Barrier(3)

    @huey.task()
    def meet():
        together.wait(PATIENCE)
        return threading.current_thread().name

    with huey.create_consumer(workers=3, worker_type="asyncio"):
        names = meet.map([()] * 3).get(blocking=True, timeout=PATIENCE)

    assert sorted(names) == ["huey asyncio 1", "huey asyncio 2", "huey asyncio 3"]


def test_a_plain_function_that_blocks_does_not_hold_up_the_loop(huey, begun):
    @huey.task()
    def block():
        begun.wait(PATIENCE)
        return "blocked"

    @huey.task()
    async def unblock():
        await asyncio.sleep(0)
        begun.set()

    with huey.create_consumer(workers=2, worker_type="asyncio"):
        blocked = block()
        unblock()
        assert blocked.get(blocking=True, timeout=PATIENCE) == "blocked"


def test_no_thread_is_left_when_the_consumer_stops(huey, endless, begun):
    before = set(threading.enumerate())
    with huey.create_consumer(worker_type="asyncio") as consumer:
        result = endless()
        begun.wait(PATIENCE)
        assert consumer.stop()

    assert [task.id for task in huey.pending()] == [result.id]
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if thread.name != "huey-doorbell"] == []


# --- on every kind ---------------------------------------------------------------------------


def test_a_coroutine_has_its_task_around_it(huey, kind, story):
    @huey.task(context=True)
    async def report(task):
        progress(1, 2)
        await asyncio.sleep(0)
        return task.id == current_task().id

    with huey.create_consumer(worker_type=kind):
        result = report()
        assert result.get(blocking=True, timeout=PATIENCE) is True
    assert story(result) == ["enqueued", "executing", "progress", "complete"]


def test_a_coroutine_that_fails_is_tried_again(huey, kind):
    tries = []

    @huey.task(retries=1)
    async def flaky():
        tries.append(1)
        await asyncio.sleep(0)
        if len(tries) == 1:
            raise ValueError("no")
        return "yes"

    with huey.create_consumer(worker_type=kind):
        assert flaky().get(blocking=True, timeout=PATIENCE) == "yes"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_whatever_a_coroutine_raises_is_its_own_failure(huey, kind, error):
    @huey.task()
    async def fail():
        await asyncio.sleep(0)
        raise error

    @huey.task()
    async def double(n):
        return 2 * n

    with huey.create_consumer(worker_type=kind):
        result = fail()
        with pytest.raises(TaskException, match=type(error).__name__) as caught:
            result.get(blocking=True, timeout=PATIENCE)
        assert type(caught.value) is TaskException
        assert double(2).get(blocking=True, timeout=PATIENCE) == 4


def test_a_running_coroutine_ends_where_it_awaits_when_it_is_cancelled(huey, kind, endless, begun):
    with huey.create_consumer(worker_type=kind):
        result = endless()
        begun.wait(PATIENCE)
        assert result.cancel()
        with pytest.raises(TaskCanceled):
            result.get(blocking=True, timeout=PATIENCE)

    assert endless.seen == [asyncio.CancelledError]


def test_a_coroutine_that_reports_progress_ends_there_when_it_is_cancelled(
    huey, kind, begun, monkeypatch
):
    monkeypatch.setattr("huey.consumer.CANCEL_PATIENCE", PATIENCE)
    seen = []

    @huey.task()
    async def report():
        try:
            while True:
                progress(1)
                begun.set()
                await asyncio.sleep(0.001)
        except BaseException as error:
            seen.append(type(error))
            raise

    with huey.create_consumer(worker_type=kind):
        result = report()
        begun.wait(PATIENCE)
        result.cancel()
        with pytest.raises(TaskCanceled):
            result.get(blocking=True, timeout=PATIENCE)

    assert seen == [TaskInterrupt]


def test_a_stop_puts_a_running_coroutine_back(huey, kind, endless, begun, story):
    with huey.create_consumer(worker_type=kind) as consumer:
        result = endless()
        begun.wait(PATIENCE)
        assert consumer.stop()

    assert [task.id for task in huey.pending()] == [result.id]
    assert story(result) == ["enqueued", "executing", "interrupted"]


def test_a_worker_keeps_its_loop_from_one_coroutine_to_the_next(huey, work):
    @huey.task()
    async def loop():
        return id(asyncio.get_running_loop())

    group = loop.map([()] * 3)
    work()

    assert len(set(group.get())) == 1


def test_a_value_that_can_be_awaited_is_a_value_all_the_same(huey, memory_huey, work):
    class Later:
        def __await__(self):
            yield

    later = Later()
    result = memory_huey.task(name="later")(lambda: later)()
    with memory_huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) is later


# --- immediate mode --------------------------------------------------------------------------


@pytest.fixture
def greet(huey):
    huey.immediate = True

    @huey.task()
    async def greet(name):
        await asyncio.sleep(0)
        return f"hello {name}", current_task() is not None

    return greet


def test_coroutines_run_in_immediate_mode(greet):
    assert greet("you")() == ("hello you", True)


def test_coroutines_run_in_immediate_mode_inside_a_running_loop(greet):
    async def cell():
        return greet("notebook")()

    assert asyncio.run(cell()) == ("hello notebook", True)


def test_a_task_function_can_be_called_and_awaited_locally(greet):
    with pytest.raises(TypeError, match="missing 1 required"):
        greet.call_local()
    coroutine = greet.call_local("me")
    assert asyncio.run(coroutine) == ("hello me", False)


def test_two_threads_may_be_in_immediate_mode_at_once(greet):
    assert at_once(lambda: greet(1)(), lambda: greet(2)()) == [
        *(("hello 1", True), ("hello 2", True)),
    ]


def test_a_context_task_may_be_a_coroutine(huey, work):
    inside = []

    class Room:
        def __enter__(self):
            inside.append("in")
            return "key"

        def __exit__(self, *raised):
            inside.append("out")

    @huey.context_task(Room(), as_argument=True)
    async def sit(key, n):
        await asyncio.sleep(0)
        inside.append(key)
        return n

    result = sit(3)
    work()

    assert result() == 3
    assert inside == ["in", "key", "out"]


def test_what_a_stop_left_on_the_loop_is_ended(huey, begun, monkeypatch):
    """A coroutine that does not give way when told to is ended with its loop."""
    monkeypatch.setattr("huey.consumer.STOP_PATIENCE", 0.1)
    told = []

    @huey.task()
    async def stubborn():
        begun.set()
        while len(told) < 2:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                told.append(time.monotonic())

    with huey.create_consumer(worker_type="asyncio") as consumer:
        result = stubborn()
        begun.wait(PATIENCE)
        assert not consumer.stop()

    assert len(told) == 2
    assert [task.id for task in huey.pending()] == [result.id]
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("huey asyncio")])
