"""Immediate mode: the same code paths in the caller's thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from huey import Huey, MemoryHuey, RetryTask, SqliteHuey
from huey.exceptions import TaskException


@pytest.fixture
def now(huey: Huey) -> Huey:
    huey.immediate = True
    return huey


def test_a_task_has_run_when_the_call_returns(now: Huey) -> None:
    threads = []

    @now.task()
    def add(a: int, b: int) -> int:
        threads.append(threading.current_thread())
        return a + b

    assert add(1, 2).get() == 3
    assert add.map([(1, 1), (2, 2)]).get() == [2, 4]
    assert threads == [threading.current_thread()] * 3


def test_errors_retries_and_pipelines_are_as_with_a_consumer(now: Huey) -> None:
    tries = []

    @now.task(retries=2)
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    @now.task()
    def fail() -> None:
        raise ValueError("bad")

    @now.task()
    def add(a: int, b: int) -> int:
        return a + b

    assert flaky().get() == 3
    with pytest.raises(TaskException, match="bad"):
        fail().get()
    assert now.enqueue(add.s(1, 2).then(add, 3)).get() == [3, 6]


def test_a_task_that_is_not_due_waits_in_the_schedule(now: Huey) -> None:
    @now.task()
    def later() -> None:
        raise AssertionError("not yet")

    result = later.schedule(delay=100)

    assert result.get() is None
    assert [task.id for task in now.scheduled()] == [result.id]


def test_a_task_may_call_another_one(now: Huey) -> None:
    @now.task()
    def inner(n: int) -> int:
        return n + 1

    @now.task()
    def outer(n: int) -> Any:
        return inner(n).get()

    assert outer(1).get() == 2


def test_the_real_storage_is_left_alone(tmp_path: Path) -> None:
    huey = SqliteHuey("app", filename=str(tmp_path / "app.db"), immediate=True)

    @huey.task()
    def one() -> int:
        return 1

    assert one().get(preserve=True) == 1
    assert not (tmp_path / "app.db").exists()
    huey.immediate = False
    assert len(huey.all_results()) == 0
    one()
    assert len(huey) == 1
    huey.storage.close()


def test_the_real_storage_can_be_used_and_what_waits_there_is_not_run(tmp_path: Path) -> None:
    huey = SqliteHuey("app", filename=str(tmp_path / "app.db"), immediate_use_memory=False)

    @huey.task()
    def one() -> int:
        return 1

    waiting = one()
    huey.immediate = True
    result = one()

    assert result.get(preserve=True) == 1
    assert list(huey.all_results()) == [result.id]
    assert [task.id for task in huey.pending()] == [waiting.id]
    huey.storage.close()


def test_what_cannot_be_pickled_shows_in_immediate_mode_too(tmp_path: Path) -> None:
    huey = SqliteHuey("app", filename=str(tmp_path / "app.db"), immediate=True)

    @huey.task()
    def lock() -> Any:
        return threading.Lock()

    with pytest.raises(TaskException, match="cannot be stored"):
        lock().get()
    huey.storage.close()


def test_an_interrupt_reaches_the_caller() -> None:
    huey = MemoryHuey(immediate=True)

    @huey.task()
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_a_task_may_ask_to_be_run_again() -> None:
    huey = MemoryHuey(immediate=True)
    tries = []

    @huey.task()
    def again() -> int:
        tries.append(1)
        if len(tries) < 4:
            raise RetryTask("once more")
        return len(tries)

    assert again().get() == 4
