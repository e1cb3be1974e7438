"""What people write by mistake: each gets a sentence that says what to write."""

import copy
import pickle

import pytest

from huey import MemoryHuey, crontab
from huey.exceptions import ConfigurationError, TaskException

huey = MemoryHuey("mistakes")


@huey.task()
def add(a, b):
    return a + b


@pytest.mark.parametrize("thing", [5, None, add, [], lambda: 1])
def test_only_tasks_groups_and_chords_are_enqueued(thing):
    with pytest.raises(ConfigurationError, match="a task, a group or a chord can be enqueued"):
        huey.enqueue(thing)


@pytest.mark.parametrize("thing", [5, None, lambda: 1])
@pytest.mark.parametrize("method", ["then", "error"])
def test_only_tasks_and_task_functions_follow(method, thing):
    with pytest.raises(ConfigurationError, match="what follows is a task function or a task"):
        getattr(add.s(1, 2), method)(thing)


@pytest.mark.parametrize("option", ["retries", "retry_delay", "retry_backoff", "priority"])
def test_an_option_that_is_no_number_is_refused_where_it_is_given(option):
    with pytest.raises(ConfigurationError, match=f"{option} is a number, not 'x'"):
        huey.task(**{option: "x"}, name="never")(print)
    with pytest.raises(ConfigurationError, match=f"{option} is a number, not 'x'"):
        add(1, 2, **{option: "x"})


def test_times_are_datetimes_and_delays_are_seconds():
    with pytest.raises(
        TypeError, match="a time is a datetime, not 5: seconds from now are a delay"
    ):
        add.schedule((1, 2), eta=5)
    for mistake in ({"delay": "5"}, {"expires": "5"}):
        with pytest.raises(TypeError, match="seconds are a number or a timedelta, not '5'"):
            add(1, 2, **mistake)


@pytest.mark.parametrize(
    "name", ["signal", "pre_execute", "post_execute", "on_startup", "on_shutdown"]
)
def test_a_decorator_without_its_parentheses_swallows_no_function(name):
    with pytest.raises(ConfigurationError, match=rf"write @huey\.{name}\(\) with parentheses"):
        getattr(huey, name)(lambda *args: None)


@pytest.mark.parametrize("when", [5, "* * * * *", None])
def test_a_periodic_task_needs_a_function_of_a_datetime(when):
    with pytest.raises(ConfigurationError, match="such as crontab"):
        huey.periodic_task(when)
    assert huey.periodic_task(crontab(minute=0))


@pytest.mark.parametrize("ttl", [0, -1, "5"])
def test_a_value_is_kept_for_a_number_of_seconds(ttl):
    with pytest.raises(ConfigurationError, match="ttl is a number of seconds above 0 or None"):
        huey.put_if_empty("key", 1, ttl=ttl)
    assert huey.get("key") is None


def test_the_number_of_workers_is_a_number():
    with pytest.raises(ConfigurationError, match="at least 1 worker, not '3'"):
        huey.create_consumer(workers="3")


def test_an_exception_made_with_a_text_shows_it():
    assert str(TaskException("gone")) == "gone"
    assert str(copy.copy(TaskException("gone"))) == "gone"


def test_a_task_function_is_pickled_by_its_name_as_functions_are():
    assert pickle.loads(pickle.dumps(add)) is add  # noqa: S301 - its own
    assert copy.deepcopy(add) is add


def test_a_result_says_why_it_is_not_pickled():
    with pytest.raises(TypeError, match=r"hand on its id"):
        pickle.dumps(add(1, 2))
