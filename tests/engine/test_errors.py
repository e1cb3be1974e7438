"""Tasks that fail: what the caller learns, and that the worker goes on."""

import pytest
from waiting import PATIENCE

from huey.exceptions import TaskException


@pytest.fixture
def failing(huey, work):
    """Run a function as a task and return the exception that its caller gets."""

    def failing(func, *args, **settings):
        result = huey.task(name="failing", **settings)(func)(*args)
        work()
        with pytest.raises(TaskException) as raised:
            result.get(blocking=True, timeout=PATIENCE)
        assert raised.value.metadata["task_id"] == result.id
        return raised.value

    return failing


@pytest.fixture
def still_works(huey, work):
    yield
    result = huey.task(name="afterwards")(lambda: "fine")()
    work()
    assert result() == "fine"


pytestmark = pytest.mark.usefixtures("still_works")


def divide(a, b):
    return a / b


def test_the_caller_learns_what_was_raised(failing):
    error = failing(divide, 1, 0)

    assert str(error) == "ZeroDivisionError('division by zero')"
    assert error.metadata["error"] == "ZeroDivisionError('division by zero')"
    assert error.metadata["retries"] == 0


def test_a_traceback_begins_at_the_users_own_frame(failing):
    lines = failing(divide, 1, 0).metadata["traceback"].splitlines()

    assert lines[0] == "Traceback (most recent call last):"
    assert __file__ in lines[1]
    assert "in divide" in lines[1]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert not any("/huey/executor.py" in line or "/huey/tasks.py" in line for line in lines)


def test_a_call_with_the_wrong_arguments_fails_with_what_python_says(failing):
    error = failing(divide, 1)

    assert "missing 1 required positional argument: 'b'" in error.metadata["error"]
    assert error.metadata["traceback"].startswith("TypeError: ")


def test_an_error_event_tells_the_same_in_one_line(huey, failing):
    def fail():
        raise ValueError("two\nlines")

    failing(fail)
    (event,) = [event for _, event in huey.events.read() if event["kind"] == "error"]

    assert event["error"] == "ValueError: two lines"
    assert event["traceback"].endswith("ValueError: two\nlines\n")
    assert (event["retries"], event["name"]) == (0, f"{__name__}.failing")


class Broken(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Demanding(Exception):
    """Cannot be unpickled: it wants two arguments and gives one to its base."""

    def __init__(self, one, two):
        super().__init__(one)


def deep():
    deep()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Broken(), "Broken"),
        (Demanding("one", "two"), "Demanding('one')"),
        (Exception(), "Exception()"),
        (Exception(lambda: None), "lambda"),
        (ExceptionGroup("several", [ValueError("a"), TypeError("b")]), "several"),
        (SyntaxError("bad"), "SyntaxError('bad')"),
        (StopIteration(1), "StopIteration(1)"),
        (SystemExit(3), "SystemExit(3)"),
        (KeyboardInterrupt(), "KeyboardInterrupt()"),
        (GeneratorExit(), "GeneratorExit()"),
        (BaseException("base"), "BaseException('base')"),
        (MemoryError(), "MemoryError()"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_a_task_raises_is_its_failure_alone(failing, error, expected):
    def fail():
        raise error

    assert expected in failing(fail).metadata["error"]


def test_a_task_that_recurses_without_end_fails(failing):
    assert "RecursionError" in failing(deep).metadata["error"]


def test_the_cause_of_an_error_is_in_its_traceback(failing):
    def fail():
        try:
            divide(1, 0)
        except ZeroDivisionError as error:
            raise ValueError("cannot") from error

    text = failing(fail).metadata["traceback"]

    assert "ZeroDivisionError: division by zero" in text
    assert text.rstrip().endswith("ValueError: cannot")


def test_what_is_stored_of_an_error_can_be_added_to(huey, failing, monkeypatch):
    build = huey.build_error_result

    def with_arguments(task, error):
        failed = build(task, error)
        failed.metadata["args"] = task.args
        return failed

    monkeypatch.setattr(huey, "build_error_result", with_arguments)

    assert failing(divide, 1, 0).metadata["args"] == (1, 0)


def test_a_mistake_in_what_adds_to_an_error_does_not_hide_the_error(huey, failing, monkeypatch):
    monkeypatch.setattr(huey, "build_error_result", divide)

    assert failing(divide, 1, 0).metadata["error"] == "ZeroDivisionError('division by zero')"
