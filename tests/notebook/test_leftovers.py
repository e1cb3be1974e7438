"""What is swept out of a storage, and what stays because a task needs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from notebook_worker import Notebook
from redis_server import RedisServer
from waiting import PATIENCE, eventually

from huey.results import Result
from huey.tasks import Task
from huey_jupyter import Session
from huey_jupyter.leftovers import sweep


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    started = RedisServer()
    yield started
    started.end()


@pytest.fixture(params=["sqlite", "file", pytest.param("redis", marks=pytest.mark.server)])
def notebook(request: Any, tmp_path: Path) -> Iterator[Notebook]:
    if request.param == "redis":
        url = request.getfixturevalue("server").url
    else:
        url = f"{request.param}:{tmp_path}/queue"
    notebook = Notebook(url, tmp_path.name)
    yield notebook
    notebook.huey.flush()
    notebook.close()


def code_of(notebook: Notebook) -> set[str]:
    return {key for key in notebook.huey.storage.result_items() if key.startswith("code:")}


def work_off(notebook: Notebook, *results: Any) -> list[Any]:
    with notebook.huey.create_consumer():
        return [result.get(blocking=True, timeout=PATIENCE) for result in results]


def test_code_goes_that_no_message_names(notebook: Notebook) -> None:
    for version in range(3):
        notebook.cell(f"@huey.task()\ndef f(): return {version}")
        assert work_off(notebook, notebook.f()) == [version]
    assert len(code_of(notebook)) == 3

    assert sweep(notebook.huey.storage, set()) > 100
    assert code_of(notebook) == set()
    assert work_off(notebook, notebook.f()) == [2]


def test_code_stays_that_waiting_and_scheduled_tasks_need(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task()
        def first(n): return n + 1

        @huey.task()
        def second(n): return first.call_local(n) * 10

        @huey.task()
        def third(n): return n
    """)
    notebook.first.schedule((5,), delay=3600)
    with notebook.huey.create_consumer():
        eventually(lambda: notebook.huey.scheduled_count() == 1)
    line = notebook.huey.enqueue(notebook.third.s(1).then(notebook.second))
    storage, needed = notebook.huey.storage, code_of(notebook)

    assert sweep(storage, set()) == 0
    assert work_off(notebook, line) == [[1, 20]]
    assert sweep(storage, set()) > 0
    assert code_of(notebook) < needed
    assert notebook.huey.scheduled_count() == 1


def test_code_stays_that_a_running_task_will_call(notebook: Notebook) -> None:
    notebook.cell("""
        @huey.task()
        def behind(): return "behind"

        @huey.task()
        def ahead(): return behind().id
    """)
    result = notebook.ahead()
    storage = notebook.huey.storage
    storage.register("slot", {})
    claim = storage.claim("slot")
    sweep(storage, set())
    storage.release("slot", claim)
    storage.unregister("slot")

    [behind] = work_off(notebook, result)
    assert work_off(notebook, Result(notebook.huey, Task(id=behind))) == ["behind"]


def test_what_cells_made_stays_while_somebody_waits(notebook: Notebook) -> None:
    storage = notebook.huey.storage
    storage.put_data("made:awaited", b"1")
    storage.put_data("made:of-a-kernel-that-died", b"12")

    assert sweep(storage, {"awaited"}) == 2
    assert storage.has_data_for_key("made:awaited")
    assert not storage.has_data_for_key("made:of-a-kernel-that-died")


def test_clearing_a_session_sweeps_its_storage(session: Session, tmp_path: Path) -> None:
    session.use(f"sqlite:{tmp_path}/queue.db")
    storage = session.huey.storage
    storage.put_data("code:0123456789abcdef", b"old")

    session.clear()

    assert not storage.has_data_for_key("code:0123456789abcdef")
