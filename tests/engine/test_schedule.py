"""Tasks for later, tasks that expire, and tasks put off."""

import datetime
import time

import pytest
from waiting import PATIENCE

from huey.consumer import CALM
from huey.exceptions import TaskExpired, TaskRevoked

FAR_EAST = datetime.timezone(datetime.timedelta(hours=9))


def from_now(seconds, zone=None):
    return datetime.datetime.now(zone) + datetime.timedelta(seconds=seconds)


@pytest.fixture
def double(huey):
    return huey.task(name="double")(lambda n: 2 * n)


@pytest.fixture(params=[None, "Asia/Tokyo", "America/New_York"])
def time_zone(request, monkeypatch):
    """Be somewhere else, where local time is another."""
    if request.param:
        monkeypatch.setenv("TZ", request.param)
        time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("time_zone")
@pytest.mark.parametrize(
    "when",
    [
        lambda: {"delay": 60},
        lambda: {"delay": datetime.timedelta(minutes=1)},
        lambda: {"eta": from_now(60)},
        lambda: {"eta": from_now(60, datetime.UTC)},
        lambda: {"eta": from_now(60, FAR_EAST)},
    ],
    ids=["seconds", "timedelta", "naive", "utc", "another zone"],
)
@pytest.mark.parametrize("utc", [True, False])
def test_a_task_waits_for_its_time(make_huey, work_off, pass_time, utc, when):
    huey = make_huey(utc=utc)
    double = huey.task(name="double")(lambda n: 2 * n)
    result = double.schedule((1,), **when())

    assert work_off(huey) == 1
    assert (len(huey), huey.scheduled_count()) == (0, 1)
    assert huey.storage.next_due() == pytest.approx(time.time() + 60, abs=5)

    pass_time(50)
    assert huey.move_due() == 0
    pass_time(11)
    assert huey.move_due() == 1
    assert work_off(huey) == 1
    assert result() == 2


def test_a_task_whose_time_has_come_runs_at_once(double, work):
    result = double.schedule(args=(1,), eta=from_now(-60))

    assert work() == 1
    assert result() == 2


def test_a_scheduled_call_takes_keywords_too(huey, work):
    power = huey.task(name="power")(lambda base, exponent=1: base**exponent)

    results = [
        power.schedule((2,), {"exponent": 3}, delay=0),
        power.schedule(kwargs={"base": 3, "exponent": 2}, delay=-1),
    ]
    work()

    assert [result() for result in results] == [8, 9]


def test_a_call_is_scheduled_by_a_time_or_a_delay_and_not_by_both_or_neither(double):
    for wrong in ({}, {"eta": from_now(1), "delay": 1}):
        with pytest.raises(ValueError, match="either eta or delay"):
            double.schedule((1,), **wrong)


def test_a_scheduled_task_is_pending_until_a_worker_sees_it(huey, double, work):
    result = double.schedule((1,), delay=60)
    assert [task.id for task in huey.pending()] == [result.id]
    assert huey.scheduled() == []

    work()
    assert huey.pending() == []
    assert [task.id for task in huey.scheduled()] == [result.id]


def test_scheduled_tasks_are_listed_the_next_one_first(huey, double, work):
    ids = {delay: double.schedule((1,), delay=delay).id for delay in (30, 10, 20)}
    work()

    assert [task.id for task in huey.scheduled()] == [ids[10], ids[20], ids[30]]
    assert [task.id for task in huey.scheduled(limit=2)] == [ids[10], ids[20]]
    assert huey.scheduled_count() == 3


def test_a_scheduled_task_keeps_its_priority(huey, work, pass_time):
    ran = []
    slow = huey.task(name="slow")(lambda: ran.append("slow"))
    urgent = huey.task(name="urgent", priority=5)(lambda: ran.append("urgent"))
    slow.schedule(delay=10)
    urgent.schedule(delay=20)
    work()
    pass_time(30)

    huey.move_due()
    work()

    by_priority = huey.storage.orders_by_priority
    assert ran == (["urgent", "slow"] if by_priority else ["slow", "urgent"])


def test_more_tasks_than_fit_in_one_step_become_due_at_once(huey, double, work, pass_time):
    for n in range(30):
        double.schedule((n,), delay=10)
    work()
    pass_time(20)

    assert [huey.move_due(limit=20) for _ in range(3)] == [20, 10, 0]
    assert [task.args for task in huey.pending()] == [(n,) for n in range(30)]


def test_a_consumer_makes_tasks_due_by_itself(double, consumer):
    results = [double.schedule((n,), delay=0.01 * n) for n in range(5)]

    assert [r.get(blocking=True, timeout=PATIENCE) for r in results] == [0, 2, 4, 6, 8]


def test_a_consumer_does_not_wait_longer_than_until_the_next_task_is_due(huey, double):
    began = time.monotonic()

    with huey.create_consumer(scheduler_interval=10 * PATIENCE):
        first = double.schedule((1,), delay=0.05)
        assert first.get(blocking=True, timeout=PATIENCE) == 2
        second = double.schedule((2,), delay=0.05)
        assert second.get(blocking=True, timeout=PATIENCE) == 4

    assert time.monotonic() - began < PATIENCE


def test_the_scheduler_sleeps_longer_where_nothing_comes_from_elsewhere(huey, double, work):
    scheduler = huey.create_consumer(scheduler_interval=1).scheduler

    assert scheduler.step() == (CALM if huey.storage.belongs_to_process else 1)
    double.schedule((1,), delay=0.5)
    work()
    assert scheduler.step() <= 0.5


def test_the_story_of_a_scheduled_task(huey, double, work, pass_time, story):
    result = double.schedule((1,), delay=60)
    work()
    pass_time(61)
    huey.move_due()
    work()

    assert story(result) == ["enqueued", "scheduled", "enqueued", "executing", "complete"]


def test_the_story_of_scheduled_tasks_is_in_order_beside_quick_workers(huey, double, story):
    with huey.create_consumer(workers=3):
        results = [double.schedule((n,), delay=0.03) for n in range(30)]
        for result in results:
            result.get(blocking=True, timeout=PATIENCE)

    expected = ["enqueued", "scheduled", "enqueued", "executing", "complete"]
    assert [story(result) for result in results] == [expected] * 30


# --- expiration ------------------------------------------------------------------------------


@pytest.mark.usefixtures("time_zone")
@pytest.mark.parametrize(
    "expires",
    [
        lambda: 60,
        lambda: 60.5,
        lambda: datetime.timedelta(minutes=1),
        lambda: from_now(60),
        lambda: from_now(60, datetime.UTC),
        lambda: from_now(60, FAR_EAST),
    ],
    ids=["int", "float", "timedelta", "naive", "utc", "another zone"],
)
@pytest.mark.parametrize("utc", [True, False])
def test_a_task_that_was_not_run_in_time_is_not_run(make_huey, work_off, pass_time, utc, expires):
    huey = make_huey(utc=utc)
    double = huey.task(name="double")(lambda n: 2 * n)
    in_time = huey.enqueue(double.s(1, expires=expires()))
    pass_time(50)
    work_off(huey)
    too_late = huey.enqueue(double.s(1, expires=expires()))
    pass_time(70)
    work_off(huey)

    assert in_time.get() == 2
    with pytest.raises(TaskExpired):
        too_late.get(blocking=True, timeout=PATIENCE)


def test_a_relative_expiration_counts_from_the_call(huey, work, pass_time):
    double = huey.task(name="double", expires=60)(lambda n: 2 * n)
    pass_time(1000)

    result = double(1)
    pass_time(50)
    work()

    assert result() == 2


def test_a_retry_does_not_put_off_the_expiration(huey, work, pass_time):
    def fail():
        raise ValueError

    result = huey.task(name="fail", expires=60, retries=5, retry_delay=40)(fail)()
    for _ in range(3):
        work()
        pass_time(41)
        huey.move_due()

    with pytest.raises(TaskExpired):
        result.get(blocking=True, timeout=PATIENCE)


def test_an_expired_task_is_told(huey, double, work, story):
    result = huey.enqueue(double.s(1, expires=-1))
    work()

    assert story(result) == ["enqueued", "expired"]


# --- reschedule ------------------------------------------------------------------------------


def test_a_rescheduled_task_runs_in_place_of_the_first(huey, double, work):
    first = double.schedule((1,), delay=60)

    second = first.reschedule()
    work()

    assert second.id != first.id
    assert second() == 2
    assert first.is_revoked()


def test_a_waiting_task_that_was_rescheduled_is_skipped(double, work):
    first = double(1)
    second = first.reschedule()

    assert work() == 2
    assert second() == 2
    with pytest.raises(TaskRevoked):
        first.get(blocking=True, timeout=PATIENCE)


@pytest.mark.parametrize("when", [{"delay": 60}, {"eta": from_now(100_000)}], ids=["delay", "eta"])
def test_a_task_can_be_rescheduled_for_later(huey, double, work, when):
    double(1).reschedule(**when)
    work()

    assert [task.args for task in huey.scheduled()] == [(1,)]


def test_a_rescheduled_task_keeps_its_settings(huey, work):
    double = huey.task(name="double", retries=3, retry_delay=4, priority=5, expires=60)(int)

    double(1).reschedule()
    double(1).reschedule(expires=30)

    settings = [(t.retries, t.retry_delay, t.priority, t.expires) for t in huey.pending()]
    assert settings == [(3, 4, 5, 60)] * 3 + [(3, 4, 5, 30)]
