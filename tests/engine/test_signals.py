"""Signals: what happens to a task, told in this process."""

import pytest
from waiting import PATIENCE

from huey import CancelExecution
from huey.signals import SIGNAL_COMPLETE, SIGNAL_ENQUEUED, SIGNAL_ERROR


@pytest.fixture
def double(huey):
    return huey.task(name="double")(lambda n: 2 * n)


def names(signals):
    return [signal for signal, *_ in signals]


def test_a_task_that_succeeds_is_enqueued_executing_complete(double, work, signals):
    double(1)
    assert names(signals) == ["enqueued"]

    work()
    assert names(signals) == ["enqueued", "executing", "complete"]


def test_an_error_is_told_with_the_exception(huey, work, signals):
    problem = ValueError("no")

    @huey.task(retries=1)
    def fail():
        raise problem

    result = fail()
    work()

    assert signals == [
        ("enqueued", result.id),
        ("executing", result.id),
        ("error", result.id, problem),
        ("retrying", result.id),
        ("executing", result.id),
        ("error", result.id, problem),
    ]


def test_a_task_for_later_is_scheduled_and_enqueued_again(huey, double, work, signals, pass_time):
    double.schedule((1,), delay=60)
    work()
    pass_time(61)
    huey.move_due()
    work()

    assert names(signals) == ["enqueued", "scheduled", "enqueued", "executing", "complete"]


def test_tasks_that_do_not_run_are_told_too(huey, double, work, signals):
    def cancel():
        raise CancelExecution

    double(1).revoke()
    huey.enqueue(double.s(1, expires=-1))
    huey.task()(cancel)()
    signals.clear()
    work()

    assert names(signals) == ["revoked", "expired", "executing", "canceled"]


def test_each_task_of_a_map_is_told(double, signals):
    group = double.map([1, 2])

    assert signals == [("enqueued", group[0].id), ("enqueued", group[1].id)]


def test_a_receiver_is_told_only_what_it_asked_for(huey, double, work):
    some, all_of_them = [], []
    huey.signal(SIGNAL_COMPLETE, SIGNAL_ERROR)(lambda signal, task, *args: some.append(signal))
    huey.signal()(lambda signal, task, *args: all_of_them.append(signal))

    double(1)
    double("x", "y")
    work()

    assert some == ["complete", "error"]
    assert all_of_them == ["enqueued"] * 2 + ["executing", "complete", "executing", "error"]


def test_a_receiver_can_be_disconnected_from_some_signals_or_all(huey, double, work):
    told = []

    @huey.signal()
    def note(signal, task, *args):
        told.append(signal)

    huey.disconnect_signal(note, SIGNAL_ENQUEUED)
    double(1)
    work()
    assert told == ["executing", "complete"]

    huey.disconnect_signal(note)
    huey.disconnect_signal(note)
    double(1)
    work()
    assert told == ["executing", "complete"]


def test_a_receiver_connected_twice_is_told_once(huey, double):
    told = []

    def note(signal, task):
        told.append(signal)

    huey.signal(SIGNAL_ENQUEUED)(note)
    huey.signal(SIGNAL_COMPLETE, SIGNAL_ENQUEUED)(note)
    double(1)

    assert told == ["enqueued"]


@pytest.mark.parametrize("error", [ValueError("oops"), SystemExit(1)], ids=repr)
def test_a_failing_receiver_is_logged_and_does_not_matter(huey, double, work, caplog, error):
    told = []

    @huey.signal()
    def fail(signal, task, *args):
        raise error

    huey.signal()(lambda signal, task, *args: told.append(signal))
    result = double(1)
    work()

    assert result() == 2
    assert told == ["enqueued", "executing", "complete"]
    assert caplog.text.count("failed for signal") == 3


def test_a_receiver_may_use_the_queue(huey, double, work, signals):
    follow_up = huey.task(name="follow_up")(lambda: None)

    @huey.signal(SIGNAL_COMPLETE)
    def go_on(signal, task):
        if task.name.endswith("double"):
            follow_up()

    double(1)
    assert work() == 2


def test_a_task_is_told_as_enqueued_before_it_can_run(huey, consumer):
    told = []
    huey.signal()(lambda signal, task, *args: told.append((task.id, signal)))
    double = huey.task(name="quick")(lambda n: n)

    results = [double(n) for n in range(50)] + list(double.map(range(50)))
    for result in results:
        result.get(blocking=True, timeout=PATIENCE)

    consumer.stop(graceful=True)
    for result in results:
        kinds = [signal for task_id, signal in told if task_id == result.id]
        assert kinds == ["enqueued", "executing", "complete"]
