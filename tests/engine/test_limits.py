"""Rate limits: so many in each stretch of time."""

import copy
import datetime

import pytest
from waiting import PATIENCE, at_once

from huey.exceptions import ConfigurationError, RateLimitExceeded, TaskException


def turns(limit, count):
    """Try to take so many turns; return how many there were."""
    taken = 0
    for _ in range(count):
        try:
            limit.acquire()
        except RateLimitExceeded:
            continue
        taken += 1
    return taken


def test_there_are_so_many_turns_in_a_window(huey, pass_time):
    limit = huey.rate_limit("limit", 3, 60)

    assert turns(limit, 5) == 3
    pass_time(61)
    assert turns(limit, 5) == 3


def test_the_window_slides_so_there_is_no_double_burst(huey, pass_time):
    limit = huey.rate_limit("limit", 2, 60)

    assert turns(limit, 1) == 1
    pass_time(50)
    assert turns(limit, 5) == 1
    pass_time(15)  # the first turn is out of the window, the second is not
    assert turns(limit, 5) == 1
    pass_time(30)
    assert turns(limit, 5) == 0


def test_who_is_rejected_is_not_counted(huey, pass_time):
    limit = huey.rate_limit("limit", 1, 60)
    assert turns(limit, 100) == 1

    pass_time(61)

    assert turns(limit, 1) == 1


def test_limits_of_other_names_are_others(huey):
    assert turns(huey.rate_limit("one", 1, 60), 2) == 1
    assert turns(huey.rate_limit("two", 1, 60), 2) == 1
    assert turns(huey.rate_limit("one", 1, 60), 2) == 0


def test_a_rejection_says_when_there_is_a_turn(huey):
    limit = huey.rate_limit("limit", 1, 60)
    with limit as entered:
        assert entered is limit
    with pytest.raises(RateLimitExceeded, match="'limit' is used up") as raised:
        limit.acquire()

    error = copy.copy(raised.value)  # by the way that pickle goes too
    assert (error.key, error.retry) == ("limit", True)
    assert 0 < error.delay <= 60


def test_threads_share_the_turns(huey):
    limit = huey.rate_limit("limit", 10, 60)

    assert sum(at_once(*[lambda: turns(limit, 5)] * 4)) == 10


def test_a_rejected_task_waits_in_the_schedule_and_spends_no_retries(huey, work, signals, story):
    @huey.task(retries=1)
    @huey.rate_limit("limit", 1, 60)
    def limited():
        return "ran"

    first, second = limited(), limited()
    work()

    assert first.get() == "ran"
    assert not second.is_ready()
    assert story(second) == ["enqueued", "executing", "rate_limited", "retrying"]
    assert signals[-2:] == [("rate_limited", second.id), ("retrying", second.id)]
    (waiting,) = huey.scheduled()
    assert (waiting.id, waiting.retries) == (second.id, 1)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert datetime.timedelta() < waiting.eta - now <= datetime.timedelta(seconds=60)


def test_every_task_gets_its_turn(huey):
    @huey.task()
    @huey.rate_limit("limit", 2, 0.1)
    def limited(n):
        return n

    with huey.create_consumer(workers=2):
        values = limited.map(range(6)).get(blocking=True, timeout=PATIENCE)

    assert values == list(range(6))


def test_without_retry_a_rejected_task_fails(huey, work, signals):
    @huey.task()
    def note(error):
        huey.put("noted", repr(error))

    @huey.task()
    @huey.rate_limit("limit", 1, 60, retry=False)
    def limited():
        return "ran"

    first, second = limited(), huey.enqueue(limited.s().error(note))
    work()

    assert first.get() == "ran"
    with pytest.raises(TaskException, match="RateLimitExceeded"):
        second.get()
    assert [name for name, key, *_ in signals if key == second.id][-2:] == ["rate_limited", "error"]
    assert "RateLimitExceeded" in huey.get("noted")
    assert huey.scheduled() == []


def test_without_retry_the_tasks_own_retries_are_spent(huey, work):
    @huey.task(retries=1, retry_delay=60)
    @huey.rate_limit("limit", 1, 60, retry=False)
    def limited():
        return "ran"

    limited()
    second = limited()
    work()

    (waiting,) = huey.scheduled()
    assert (waiting.id, waiting.retries) == (second.id, 0)


def test_a_limit_may_stand_above_the_task_too(huey, work):
    @huey.rate_limit("limit", 1, 60)
    @huey.task()
    def limited():
        return "ran"

    results = [limited(), limited()]
    work()

    assert [result.get() for result in results] == ["ran", None]
    assert huey.scheduled_count() == 1


def test_a_limit_in_the_middle_of_a_task_counts_there(huey, work):
    @huey.task()
    def asks(calls):
        for _ in range(calls):
            with huey.rate_limit("service", 3, 60):
                pass
        return calls

    first, second = asks(2), asks(2)
    work()

    assert first.get() == 2
    assert not second.is_ready()
    assert huey.scheduled_count() == 1


def test_turns_are_no_results(huey):
    huey.rate_limit("limit", 1, 60).acquire()

    assert huey.all_results() == {}


def test_in_immediate_mode_a_rejected_task_waits_in_the_schedule(huey):
    huey.immediate = True

    @huey.task()
    @huey.rate_limit("limit", 1, 60)
    def limited():
        return "ran"

    assert limited().get() == "ran"
    assert limited().get() is None
    assert huey.scheduled_count() == 1


@pytest.mark.parametrize(
    ("name", "limit", "per", "cure"),
    [
        ("", 1, 1, "text as its name"),
        ("limit", 0, 1, "1 or more, not 0"),
        ("limit", 0.5, 1, "limit=1, per=60"),
        ("limit", True, 1, "whole number"),
        ("limit", 1, 0, "above 0, not 0"),
        ("limit", 1, -1, "above 0"),
        ("limit", 1, float("nan"), "above 0"),
        ("limit", 1, "60", "above 0, not '60'"),
    ],
)
def test_a_limit_that_cannot_work_says_what_to_write(huey, name, limit, per, cure):
    with pytest.raises(ConfigurationError, match=cure):
        huey.rate_limit(name, limit, per)
