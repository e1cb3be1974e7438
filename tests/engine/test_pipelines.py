"""Tasks one after the other, each with the value of the one before."""

from __future__ import annotations

from typing import Any

import pytest
from waiting import eventually

from huey import Huey
from huey.exceptions import TaskCanceled, TaskException


@pytest.fixture
def add(huey: Huey) -> Any:
    @huey.task(name="add")
    def add(a: int, b: int) -> int:
        return a + b

    return add


def run(huey: Huey, task: Any) -> Any:
    with huey.create_consumer(workers=2):
        return huey.enqueue(task).get(blocking=True, timeout=20)


def test_each_task_gets_the_value_before(huey: Huey, add: Any) -> None:
    assert run(huey, add.s(1, 2).then(add, 3).then(add, 4).then(add, 5)) == [3, 6, 10, 15]


def test_a_tuple_becomes_the_arguments(huey: Huey) -> None:
    @huey.task()
    def fib(a: int, b: int = 1) -> tuple[int, int]:
        return (a + b, a)

    assert run(huey, fib.s(1).then(fib).then(fib)) == [(2, 1), (3, 2), (5, 3)]


def test_a_dict_fills_in_keywords_and_what_was_given_wins(huey: Huey) -> None:
    @huey.task()
    def facts() -> dict[str, int]:
        return {"a": 1, "b": 2}

    @huey.task()
    def show(a: int, b: int) -> str:
        return f"{a} {b}"

    assert run(huey, facts.s().then(show, b=30))[1] == "1 30"


def test_none_adds_nothing(huey: Huey) -> None:
    @huey.task()
    def nothing() -> None:
        pass

    @huey.task()
    def count(*args: Any) -> int:
        return len(args)

    assert run(huey, nothing.s().then(count, 1)) == [None, 1]


def test_the_value_comes_after_the_arguments_given(huey: Huey) -> None:
    @huey.task()
    def give() -> str:
        return "value"

    @huey.task()
    def show(*args: str) -> list[str]:
        return list(args)

    assert run(huey, give.s().then(show, "given"))[1] == ["given", "value"]


def test_a_made_task_can_follow_too(huey: Huey, add: Any) -> None:
    assert run(huey, add.s(1, 2).then(add.s(10))) == [3, 13]


def test_an_error_handler_gets_the_exception_once_all_tries_have_failed(huey: Huey) -> None:
    @huey.task(retries=2)
    def fail() -> None:
        raise ValueError("bad")

    @huey.task()
    def note(name: str, error: Exception) -> None:
        huey.put("noted", [*(huey.get("noted") or []), f"{name}: {error!r}"])

    with huey.create_consumer():
        result = huey.enqueue(fail.s().error(note, "seen"))
        with pytest.raises(TaskException, match="bad"):
            result.get(blocking=True, timeout=20)
        noted = eventually(lambda: huey.get("noted"))

    assert noted == ["seen: ValueError('bad')"]
    assert len(huey) == 0


def test_what_stands_behind_a_failure_does_not_run_and_says_so(huey: Huey, add: Any) -> None:
    with huey.create_consumer():
        first, second, third = huey.enqueue(add.s(1, "x").then(add, 1).then(add, 2))
        with pytest.raises(TaskException, match="TypeError"):
            first.get(blocking=True, timeout=20)
        for behind in (second, third):
            with pytest.raises(TaskCanceled, match="before it in the pipeline"):
                behind.get(blocking=True, timeout=20)


def test_an_overridden_enqueue_sees_every_task_pass(make_huey: Any) -> None:
    huey = make_huey()
    seen: list[str] = []
    enqueue = huey.enqueue

    def watch(task: Any) -> Any:
        seen.append(task.id)
        return enqueue(task)

    huey.enqueue = watch

    @huey.task()
    def add(a: int, b: int) -> int:
        return a + b

    with huey.create_consumer():
        group = huey.enqueue(add.s(1, 2).then(add, 3))
        assert group.get(blocking=True, timeout=20) == [3, 6]

    assert seen == [result.id for result in group]
