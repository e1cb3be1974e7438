"""Tasks with a period of their own, seconds or hours, and periodic tasks in a time zone."""

import datetime
import threading
import time

import pytest
from waiting import PATIENCE, at_once

from huey import MemoryHuey, crontab, every
from huey.api import PeriodicTask
from huey.exceptions import ConfigurationError

NOON = datetime.datetime(2030, 6, 1, 12, tzinfo=datetime.UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "seconds"),
    [
        (every(seconds=15), 15),
        (every(minutes=2), 120),
        (every(hours=1, minutes=30), 5400),
        (every(seconds=0.1), 0.1),
    ],
    ids=repr,
)
def test_a_period_is_counted_from_the_epoch(period, seconds):
    assert period.seconds == seconds
    assert period.moment(NOON) == pytest.approx(1000 * NOON, abs=1000 * seconds)
    assert period.moment(period.next(NOON) + seconds / 2) > period.moment(NOON)
    assert NOON < period.next(NOON) <= NOON + seconds + 1e-6


@pytest.mark.parametrize("wrong", [{}, {"seconds": 0}, {"seconds": -5}, {"seconds": 0.01}])
def test_a_period_that_is_too_short_is_an_error_that_says_how_to_write_one(wrong):
    with pytest.raises(ValueError, match=r"every\(seconds=10\)"):
        every(**wrong)


def test_a_consumer_runs_a_task_in_each_of_its_periods(huey):
    ran = threading.Semaphore(0)

    @huey.periodic_task(every(seconds=0.1))
    def tick():
        ran.release()

    with huey.create_consumer(scheduler_interval=10 * PATIENCE):
        for _ in range(3):
            assert ran.acquire(timeout=PATIENCE)
    assert huey.all_results() == {}


def test_a_period_is_run_once_however_many_consumers_there_are(huey):
    @huey.periodic_task(every(seconds=5))
    def tick():
        pass

    name, period = tick.task_class.name, every(seconds=5)
    taken = at_once(*[lambda: huey.enqueue_every(name, period.moment(NOON))] * 4)

    assert sorted(taken) == [False, False, False, True]
    assert huey.enqueue_every(name, period.moment(NOON + 5))
    assert not huey.enqueue_every(name, period.moment(NOON))
    assert len(huey) == 2
    assert huey.all_results() == {}


def test_the_scheduler_waits_until_the_next_period_and_no_longer(huey, pass_time):
    huey.periodic_task(every(seconds=5))(lambda: None)
    scheduler = huey.create_consumer(scheduler_interval=60).scheduler

    assert scheduler.step() <= 5
    assert len(huey) == 1
    scheduler.step()
    pass_time(5)
    scheduler.step()
    assert len(huey) == 2


def test_what_is_declared_while_the_scheduler_sleeps_begins_at_once(huey, monkeypatch):
    monkeypatch.setattr("huey.consumer.CALM", 10 * PATIENCE)
    ran = threading.Semaphore(0)
    early = huey.task(name="early")(lambda: 1)

    with huey.create_consumer(scheduler_interval=10 * PATIENCE):
        assert early.schedule(delay=0.05).get(blocking=True, timeout=PATIENCE) == 1
        huey.periodic_task(every(seconds=0.1), name="tick")(lambda: ran.release())
        for _ in range(3):
            assert ran.acquire(timeout=PATIENCE)


def test_a_task_may_change_from_a_period_to_a_crontab_and_back(huey):
    def report():
        pass

    report.__module__ = "__main__"
    for n in range(4):
        when = every(seconds=30) if n % 2 else crontab()
        name = huey.periodic_task(when)(report).task_class.name
        if n % 2:
            assert huey.enqueue_every(name, every(seconds=30).moment(NOON + 60 * n))
        else:
            assert huey.enqueue_periodic(int(NOON // 60) + n) == 1


def test_a_task_that_is_not_known_any_more_is_not_run(huey):
    assert not huey.enqueue_every("gone", 1)


def test_periodic_tasks_are_periodic_tasks(huey):
    wrapper = huey.periodic_task(crontab())(lambda: None)

    assert isinstance(wrapper.s(), PeriodicTask)
    assert wrapper.s().periodic


# --- time zones ------------------------------------------------------------------------------


def minute_of(text):
    return int(datetime.datetime.fromisoformat(text).timestamp() // 60)


@pytest.fixture
def berlin(make_huey):
    return make_huey(timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("utc", "count"), [("2030-01-15T08:00Z", 1), ("2030-07-15T07:00Z", 1), ("2030-07-15T09:00Z", 0)]
)
def test_a_crontab_is_told_in_the_time_zone_of_the_huey(berlin, utc, count):
    berlin.periodic_task(crontab(hour=9, minute=0))(lambda: None)

    assert berlin.enqueue_periodic(minute_of(utc)) == count


def hours_run(huey, day):
    """Return the hours in UTC, of a day from midnight on, in which something was enqueued."""
    first = minute_of(f"{day}T00:00Z")
    return [n // 60 for n in range(24 * 60) if huey.enqueue_periodic(first + n)]


AUTUMN, SPRING = "2030-10-27", "2030-03-31"  # when clocks change in Berlin, at 01:00 UTC


def test_an_hour_that_comes_twice_is_run_once(berlin):
    berlin.periodic_task(crontab(hour=2, minute=30))(lambda: None)

    assert hours_run(berlin, AUTUMN) == [0]


def test_a_task_of_every_hour_runs_in_the_hour_that_comes_twice_both_times(berlin):
    berlin.periodic_task(crontab(minute=30))(lambda: None)

    assert hours_run(berlin, AUTUMN) == list(range(24))


def test_an_hour_that_is_left_out_is_not_run(berlin):
    berlin.periodic_task(crontab(hour=2, minute=30))(lambda: None)

    assert hours_run(berlin, SPRING) == []


def test_a_zone_object_serves_as_well():
    zone = datetime.timezone(datetime.timedelta(hours=3))
    huey = MemoryHuey(timezone=zone)
    huey.periodic_task(crontab(hour=3, minute=0))(lambda: None)

    assert huey.enqueue_periodic(minute_of("2030-01-01T00:00Z")) == 1


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../../etc/passwd", ""])
def test_a_zone_that_there_is_not_is_an_error_that_says_how_names_look(name):
    with pytest.raises(ConfigurationError, match="names are like 'Europe/Berlin'"):
        MemoryHuey(timezone=name)


@pytest.fixture
def in_berlin(monkeypatch):
    """Be in Berlin an hour and a half before clocks go back, where local time comes twice."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    now = datetime.datetime.fromisoformat("2030-10-27T00:15Z").timestamp()
    monkeypatch.setattr(time, "time", lambda: now)
    yield now
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("utc", [True, False])
@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("aware", [True, False])
def test_a_time_that_comes_twice_is_the_one_that_its_fold_says(
    make_huey, work_off, in_berlin, utc, fold, aware
):
    huey = make_huey(utc=utc)
    double = huey.task(name="double")(lambda n: 2 * n)
    eta = datetime.datetime(2030, 10, 27, 2, 10, fold=fold)  # 00:10 or 01:10 in UTC
    result = double.schedule((1,), eta=eta.astimezone() if aware else eta)

    work_off(huey)

    assert result() == (None if fold else 2)
    assert huey.scheduled_count() == fold
