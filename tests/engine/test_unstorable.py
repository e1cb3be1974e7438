"""What cannot be stored, on a storage that keeps bytes."""

import json
import pickle
import threading

import pytest
from waiting import PATIENCE

from huey import SqliteHuey
from huey.exceptions import TaskException


@pytest.fixture
def huey(tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    yield huey
    huey.storage.close()


def deeply_nested():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


class Exits:
    def __reduce__(self):
        raise SystemExit


@pytest.mark.parametrize(
    ("value", "kind"),
    [(lambda: None, "function"), (Exits(), "Exits"), (threading.Lock(), "lock")],
)
def test_a_value_that_cannot_be_stored_is_an_error_that_says_so(huey, work_off, value, kind):
    result = huey.task(name="strange")(lambda: value)()
    work_off(huey)

    with pytest.raises(TaskException, match=f"the result, a {kind}, cannot be stored: "):
        result.get(blocking=True, timeout=PATIENCE)
    kinds = [event["kind"] for _, event in huey.events.read()]
    assert kinds == ["enqueued", "executing", "error"]


def test_a_value_that_is_too_deep_is_an_error_that_says_so(huey, work_off):
    result = huey.task(name="deep")(deeply_nested)()
    work_off(huey)

    with pytest.raises(TaskException, match="a list, cannot be stored: RecursionError"):
        result.get(blocking=True, timeout=PATIENCE)


def test_arguments_that_cannot_be_stored_are_an_error_at_the_call(huey):
    echo = huey.task(name="echo")(lambda value: value)

    with pytest.raises((pickle.PicklingError, AttributeError)):
        echo(lambda: None)

    assert len(huey) == 0
    assert huey.events.read() == []


def test_a_retry_whose_arguments_cannot_be_stored_any_more_is_an_error(huey, work_off):
    def spoil(things):
        things.append(lambda: None)
        raise ValueError("again")

    result = huey.task(name="spoil", retries=3)(spoil)([])
    assert work_off(huey) == 1

    with pytest.raises(TaskException, match="pickle"):
        result.get(blocking=True, timeout=PATIENCE)


def test_events_of_errors_are_json(huey, work_off):
    def fail():
        raise ValueError("\udc80 \x1b[31m \0")

    huey.task()(fail)()
    work_off(huey)

    events = [json.loads(data) for _, data in huey.storage.read_events()]
    assert [kind for kind, *_ in events] == ["enqueued", "executing", "error"]
