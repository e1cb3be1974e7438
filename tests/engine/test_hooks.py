"""Hooks: functions that an application hangs onto a moment in a task's life."""

import re

import pytest
from waiting import PATIENCE, eventually

from huey import CancelExecution, current_task
from huey.exceptions import ConfigurationError, TaskCanceled
from huey.tasks import current_run


@pytest.fixture
def told():
    return []


@pytest.fixture
def double(huey, told):
    @huey.task()
    def double(n):
        told.append("the task")
        return 2 * n

    return double


def test_hooks_are_called_before_and_after_the_task_in_their_order(huey, work, double, told):
    huey.post_execute("third")(lambda task, value, error: told.append("third"))
    huey.post_execute("fourth")(lambda task, value, error: told.append("fourth"))
    huey.pre_execute("first")(lambda task: told.append("first"))
    huey.pre_execute("second")(lambda task: told.append("second"))

    double(1)
    work()

    assert told == ["first", "second", "the task", "third", "fourth"]


def test_hooks_come_between_the_signals(huey, work, double, told):
    huey.signal()(lambda signal, task: told.append(signal))
    huey.pre_execute("pre")(lambda task: told.append("pre"))
    huey.post_execute("post")(lambda task, value, error: told.append("post"))

    double(1)
    work()

    assert told == ["enqueued", "executing", "pre", "the task", "post", "complete"]


def test_a_hook_is_given_the_task_its_value_and_its_error(huey, work, told):
    huey.pre_execute("pre")(lambda task: told.append(task.id))
    huey.post_execute("post")(lambda task, value, error: told.append((task.id, value, error)))
    problem = ValueError("no")

    @huey.task()
    def check(good):
        if not good:
            raise problem
        return "fine"

    good, bad = check(True), check(False)
    work()

    assert told[:2] == [good.id, (good.id, "fine", None)]
    assert told[2:] == [bad.id, (bad.id, None, problem)]


def test_a_hook_is_part_of_the_run(huey, work, double, told):
    huey.pre_execute("pre")(lambda task: told.append(current_task() is task))
    huey.post_execute("post")(lambda task, value, error: told.append(current_task() is task))

    double(1)
    work()

    assert told == [True, "the task", True]


def test_a_hook_before_the_task_can_cancel_it(huey, work, double, told, story):
    @huey.pre_execute()
    def not_on_sundays(task):
        raise CancelExecution("it is Sunday")

    result = double(1)
    work()

    assert told == []
    assert story(result) == ["enqueued", "executing", "canceled"]
    with pytest.raises(TaskCanceled, match="it is Sunday"):
        result.get(blocking=True, timeout=PATIENCE)


@pytest.mark.parametrize("why", ["half \ud83d a character", "a\nb: \0c", "ab" * 1000])
def test_a_task_is_cancelled_whatever_it_gives_as_the_reason(huey, work, why):
    @huey.task()
    def refuse():
        raise CancelExecution(why)

    result = refuse()
    work()

    assert result.status() == "canceled"
    with pytest.raises(TaskCanceled, match=re.escape(why[:4])):
        result.get(blocking=True, timeout=PATIENCE)


def test_after_a_cancelled_task_the_other_hooks_are_told_why(huey, work, double, told):
    huey.post_execute("post")(lambda task, value, error: told.append(str(error)))

    @huey.pre_execute()
    def not_on_sundays(task):
        raise CancelExecution("it is Sunday")

    double(1)
    work()

    assert told == ["it is Sunday"]


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("moment", ["pre_execute", "post_execute"])
def test_a_failing_hook_is_logged_and_does_not_matter(
    huey, work, double, told, caplog, moment, error
):
    @getattr(huey, moment)("failing")
    def fail(*args):
        raise error

    getattr(huey, moment)("next")(lambda *args: told.append("next"))

    result = double(1)
    work()

    assert result() == 2
    assert sorted(told) == ["next", "the task"]
    assert f"{moment} hook 'failing' failed" in caplog.text


def test_a_hook_that_cancels_after_the_task_is_too_late(huey, work, double, caplog):
    @huey.post_execute()
    def cancel(task, value, error):
        raise CancelExecution

    result = double(1)
    work()

    assert result() == 2


def test_a_hook_can_be_taken_away_by_name_or_function(huey, work, double, told):
    def first(task):
        told.append("first")

    huey.pre_execute()(first)
    huey.pre_execute("named")(lambda task: told.append("named"))

    assert huey.unregister_pre_execute(first)
    assert huey.unregister_pre_execute("named")
    assert not huey.unregister_pre_execute("named")

    double(1)
    work()
    assert told == ["the task"]


def test_two_hooks_of_one_name_are_an_error(huey):
    huey.pre_execute("same")(print)

    with pytest.raises(ConfigurationError, match="hook named 'same' is registered"):
        huey.pre_execute("same")(repr)


def test_each_worker_calls_the_hooks_of_its_beginning_and_end(huey, told):
    huey.on_startup("start")(lambda: told.append("start"))
    huey.on_shutdown("end")(lambda: told.append("end"))

    with huey.create_consumer(workers=3):
        eventually(lambda: told == ["start"] * 3)

    assert told == ["start"] * 3 + ["end"] * 3


def test_a_worker_starts_and_stops_though_its_hooks_fail(huey, double, caplog):
    @huey.on_startup()
    def fail():
        raise SystemExit

    huey.on_shutdown("end")(lambda: 1 / 0)

    with huey.create_consumer():
        assert double(1).get(blocking=True, timeout=PATIENCE) == 2

    assert "on_startup hook 'fail' failed" in caplog.text
    assert "on_shutdown hook 'end' failed" in caplog.text
    assert huey.unregister_on_startup("fail")
    assert huey.unregister_on_shutdown("end")
    assert not huey.unregister_post_execute("none")


def test_what_was_put_off_until_the_end_is_done_in_the_task_before_the_hooks(huey, work, told):
    @huey.task()
    def puts_off(fail):
        current_run().at_end.append(lambda: told.append(f"first put off by {current_task().args}"))
        current_run().at_end.append(lambda: told.append("last put off"))
        current_run().at_end.append(lambda: 1 / 0)
        return 1 / fail

    huey.post_execute("post")(lambda task, value, error: told.append("post"))
    for fail in (0, 1):
        puts_off(fail)
        work()

        assert told == ["last put off", f"first put off by ({fail},)", "post"]
        told.clear()
