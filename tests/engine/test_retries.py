"""Tasks that are tried again."""

import datetime

import pytest
from waiting import PATIENCE

from huey import CancelExecution, RetryTask
from huey.exceptions import TaskCanceled, TaskException

SOON = datetime.timedelta(seconds=60)


@pytest.fixture
def flaky(huey):
    """A task function that fails so many times and then says how often it was tried."""
    tries = []

    def flaky(failures, error=ValueError):
        tries.append(1)
        if len(tries) <= failures:
            raise error() if isinstance(error, type) else error
        return len(tries)

    return lambda **settings: huey.task(name="flaky", **settings)(flaky)


def test_a_failed_task_is_tried_again_at_once(flaky, work, story):
    result = flaky(retries=2)(2)

    assert work() == 3
    assert result() == 3
    assert story(result) == [
        *("enqueued", "executing", "error", "retrying"),
        *("executing", "error", "retrying"),
        *("executing", "complete"),
    ]


def test_nothing_is_stored_while_another_try_is_to_come(flaky, huey, consumer):
    result = flaky(retries=2)(2)

    assert result.get(blocking=True, timeout=PATIENCE) == 3


def test_a_task_keeps_its_id_through_all_tries(huey, work):
    seen = []

    @huey.task(retries=1, context=True)
    def fail(task):
        seen.append((task.id, task.retries))
        raise ValueError

    result = fail()
    work()

    assert seen == [(result.id, 1), (result.id, 0)]


def test_when_no_tries_are_left_the_task_has_failed(flaky, work, story):
    result = flaky(retries=1)(5)

    assert work() == 2
    with pytest.raises(TaskException) as raised:
        result.get()
    assert raised.value.metadata["retries"] == 0
    assert story(result, "error", "retrying") == ["error", "retrying", "error"]


def test_events_say_how_many_tries_are_left(flaky, huey, work):
    flaky(retries=2)(5)
    work()

    events = [event for _, event in huey.events.read()]
    assert [e["retries"] for e in events if e["kind"] == "error"] == [1, 0, 0]
    assert [e["attempt"] for e in events if e["kind"] == "executing"] == [1, 2, 3]


def test_a_retry_with_a_delay_waits_in_the_schedule(flaky, huey, work, pass_time):
    result = flaky(retries=1, retry_delay=60)(1)

    assert work() == 1
    assert (len(huey), huey.scheduled_count()) == (0, 1)
    assert huey.move_due() == 0

    pass_time(61)
    assert huey.move_due() == 1
    work()
    assert result() == 2


def test_a_retry_with_a_delay_is_brought_back_by_the_consumer(flaky, consumer):
    result = flaky(retries=2, retry_delay=0.01)(2)

    assert result.get(blocking=True, timeout=PATIENCE) == 3


def test_a_retried_task_keeps_its_priority(flaky, huey, work, pass_time):
    flaky(retries=1, retry_delay=60, priority=7)(1)
    work()
    pass_time(61)
    huey.move_due()

    assert [task.priority for task in huey.pending()] == [7]
    assert [task.retries for task in huey.pending()] == [0]


def test_after_a_failure_the_result_can_be_reset_for_another_try(flaky, huey, work):
    result = flaky()(1)
    work()
    with pytest.raises(TaskException):
        result.get()

    huey.enqueue(result.task)
    result.reset()
    work()

    assert result() == 2


# --- RetryTask -------------------------------------------------------------------------------


def test_a_task_may_ask_for_another_try_without_having_any_left(flaky, work):
    result = flaky()(2, RetryTask("not yet"))

    assert work() == 3
    assert result() == 3


def test_a_try_that_was_asked_for_does_not_count(huey, work):
    left = []

    @huey.task(retries=1, context=True)
    def ask(task):
        left.append(task.retries)
        if len(left) < 3:
            raise RetryTask

    ask()
    work()

    assert left == [1, 1, 1]


def test_a_try_may_be_asked_for_after_a_delay(flaky, huey, work, pass_time):
    result = flaky(retry_delay=1000)(1, RetryTask(delay=60))
    work()

    pass_time(59)
    assert huey.move_due() == 0
    pass_time(2)
    assert huey.move_due() == 1
    work()
    assert result() == 2


def test_a_delay_of_zero_means_at_once(flaky, work):
    result = flaky(retry_delay=1000)(1, RetryTask(delay=0))

    assert work() == 2
    assert result() == 2


@pytest.mark.parametrize("zone", [None, datetime.UTC])
def test_a_try_may_be_asked_for_at_a_time_that_beats_the_delay(flaky, huey, work, pass_time, zone):
    eta = datetime.datetime.now(zone) + SOON
    result = flaky()(1, RetryTask(delay=1000, eta=eta))
    work()

    pass_time(59)
    assert huey.move_due() == 0
    pass_time(2)
    assert huey.move_due() == 1
    work()
    assert result() == 2


# --- CancelExecution -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [CancelExecution(), CancelExecution("why"), CancelExecution(False), CancelExecution],
    ids=repr,
)
def test_a_task_that_cancels_itself_is_not_tried_again(flaky, work, story, error):
    result = flaky(retries=3)(5, error)

    assert work() == 1
    with pytest.raises(TaskCanceled):
        result.get(blocking=True)
    assert story(result) == ["enqueued", "executing", "canceled"]


@pytest.mark.parametrize("error", [CancelExecution(retry=True), CancelExecution(True)], ids=repr)
def test_a_task_that_cancels_itself_for_now_is_tried_again(flaky, work, story, error):
    result = flaky()(2, error)

    assert work() == 3
    assert result() == 3
    assert story(result, "canceled", "retrying", "complete") == [
        *("canceled", "retrying", "canceled", "retrying", "complete"),
    ]


def test_a_task_that_cancels_itself_may_leave_it_to_the_tries_that_are_left(flaky, work):
    result = flaky(retries=1)(9, CancelExecution("perhaps", retry=None))

    assert work() == 2
    with pytest.raises(TaskCanceled):
        result.get(blocking=True)


def test_why_a_task_was_cancelled_is_told(flaky, huey, work):
    flaky()(1, CancelExecution("it is Sunday"))
    work()

    (event,) = [event for _, event in huey.events.read() if event["kind"] == "canceled"]
    assert event["error"] == "it is Sunday"
