"""What the caller holds: the way to a task's value."""

import time

import pytest
from waiting import PATIENCE, eventually, started

from huey import CancelExecution, MemoryHuey, SqliteHuey
from huey.exceptions import (
    ResultTimeout,
    TaskCanceled,
    TaskException,
    TaskExpired,
    TaskRevoked,
)
from huey.results import Error, Result


@pytest.fixture
def double(huey):
    return huey.task(name="double")(lambda n: 2 * n)


@pytest.fixture
def nothing(huey):
    return huey.task(name="nothing")(lambda: None)


def test_there_is_no_value_before_the_task_ran(double, work):
    result = double(1)

    assert result.get() is None
    assert not result.is_ready()
    work()
    assert result.is_ready()
    assert result.get() == 2


def test_a_result_gives_its_value_again_and_again(double, work):
    result = double(1)
    work()

    assert [result.get(), result(), result.get(blocking=True)] == [2, 2, 2]
    assert result.is_ready()


def test_a_value_is_taken_out_of_the_store(huey, double, work):
    result = double(1)
    work()
    assert list(huey.all_results()) == [result.id]

    result.get()

    assert huey.all_results() == {}
    assert huey.result(result.id) is None


def test_a_preserved_value_stays_for_others(huey, double, work):
    result = double(1)
    work()

    assert result.get(preserve=True) == 2
    assert huey.result(result.id, preserve=True) == 2
    assert huey.result(result.id, blocking=True, preserve=True) == 2
    assert huey.result(result.id) == 2
    assert huey.result(result.id) is None


def test_a_result_that_was_reset_looks_again(huey, double, work):
    result = double(1)
    work()
    result.get()

    result.reset()

    assert result.get() is None


def test_waiting_ends_when_the_value_is_there(double, consumer):
    began = time.monotonic()

    assert double(1).get(blocking=True, timeout=2 * PATIENCE) == 2

    assert time.monotonic() - began < PATIENCE


def test_waiting_for_a_task_that_returned_none_gives_none_at_once(nothing, work):
    result = nothing()
    work()
    assert result.is_ready()

    assert result.get(blocking=True, timeout=PATIENCE) is None


def test_waiting_for_a_task_that_will_return_none_ends(nothing, consumer):
    assert nothing().get(blocking=True, timeout=PATIENCE) is None


def test_values_that_are_false_are_values(huey, work):
    echo = huey.task(name="echo")(lambda value: value)

    group = echo.map([(0,), ("",), ([],), (False,)])
    work()

    assert group.get(blocking=True, timeout=PATIENCE) == [0, "", [], False]


def test_a_wait_that_is_over_says_so(double):
    result = double(1)

    with pytest.raises(ResultTimeout, match=f"{result.id} within 0.01 s"):
        result.get(blocking=True, timeout=0.01)
    with pytest.raises(ResultTimeout):
        result.get(blocking=True, timeout=0)


def test_a_task_can_be_revoked_when_the_wait_is_over(double, work):
    result = double(1)

    with pytest.raises(ResultTimeout):
        result.get(blocking=True, timeout=0.01, revoke_on_timeout=True)

    assert result.is_revoked()
    work()
    with pytest.raises(TaskRevoked):
        result.get(blocking=True)


def test_a_group_waits_no_longer_than_it_was_told_to(double):
    with pytest.raises(ResultTimeout):
        double.map([1, 2, 3]).get(blocking=True, timeout=0.01)


def test_a_result_wakes_a_caller_in_another_thread(double, work):
    result = double(1)

    with started(lambda: result.get(blocking=True, timeout=PATIENCE)) as (caller,):
        work()
        assert caller.value() == 2


def test_a_value_can_be_read_by_the_id_of_its_task(huey, double, consumer):
    result = double(1)

    assert huey.result(result.id, blocking=True, timeout=PATIENCE) == 2


def test_a_result_says_which_task_it_is_of(huey, double):
    task = double.s(1)

    assert repr(Result(huey, task)) == f"<Result: task {task.id}>"


# --- tasks that never have a value -----------------------------------------------------------


def revoked(huey):
    result = huey.task(name="waiting")(lambda: 1)()
    result.revoke()
    return result


def expired(huey):
    return huey.enqueue(huey.task(name="waiting")(lambda: 1).s(expires=-1))


def canceled(huey):
    def cancel():
        raise CancelExecution

    return huey.task()(cancel)()


NO_VALUE = [(revoked, TaskRevoked), (expired, TaskExpired), (canceled, TaskCanceled)]


@pytest.mark.parametrize(("end", "expected"), NO_VALUE)
def test_waiting_for_a_value_that_never_comes_says_so_at_once(huey, work, end, expected):
    result = end(huey)
    work()

    for _ in range(2):
        with pytest.raises(expected) as raised:
            result.get(blocking=True)
    assert isinstance(raised.value, TaskException)
    assert raised.value.metadata["task_id"] == result.id


@pytest.mark.parametrize(("end", "expected"), NO_VALUE)
def test_a_wait_that_goes_on_ends_when_it_is_known_that_no_value_comes(huey, work, end, expected):
    result = end(huey)

    with started(lambda: result.get(blocking=True, timeout=PATIENCE)) as (caller,):
        work()
        with pytest.raises(expected):
            caller.value()


@pytest.mark.parametrize(("end", "expected"), NO_VALUE)
def test_without_waiting_a_value_that_never_comes_is_none(huey, work, end, expected):
    result = end(huey)
    work()

    assert result.get() is None
    assert result.is_ready()
    assert huey.all_results() == {}


def test_a_failed_task_raises_each_time_it_is_asked(huey, work):
    result = huey.task(name="fail")(lambda: 1 / 0)()
    work()

    for _ in range(2):
        with pytest.raises(TaskException, match="ZeroDivisionError"):
            result.get()
    with pytest.raises(TaskException):
        result.get(blocking=True)


def test_an_error_may_stand_in_the_store_as_what_it_is(huey, work):
    result = huey.task(name="fail")(lambda: 1 / 0)()
    work()

    error = huey.get(result.id, peek=True)

    assert isinstance(error, Error)
    assert repr(error) == "<Error: ZeroDivisionError('division by zero')>"


def test_a_huey_may_be_called_by_its_file_alone(tmp_path):
    huey = SqliteHuey(f"{tmp_path}/queue.db")

    assert huey.storage.filename == f"{tmp_path}/queue.db"
    assert huey.name == "huey"


def test_a_group_is_a_frame_of_values_and_errors():
    huey = MemoryHuey()

    @huey.task()
    def divide(n):
        return 12 // n

    group = divide.map([0, 3])
    with huey.create_consumer():
        assert group[1].get(blocking=True, timeout=PATIENCE, preserve=True) == 4
        eventually(group.is_ready)
        frame = group.as_frame()

    assert list(frame["status"]) == ["error", "complete"]
    assert frame["value"][1] == 4
    assert "ZeroDivisionError" in frame["error"][0]
    assert list(frame["arguments"]) == ["0", "3"]
    assert group[1].get() == 4
