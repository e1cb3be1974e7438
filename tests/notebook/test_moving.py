"""A living notebook's queue that moves from one place to another, with all that is in it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from notebook_worker import Notebook, worker_for
from redis_server import RedisServer
from waiting import PATIENCE, eventually

from huey import chord, group
from huey.exceptions import ConfigurationError, TaskException, TaskRevoked, WorkerLost

CELL = """
K = 100
ran = []

@huey.task()
def add(a, b=0):
    ran.append((a, b))
    return a + b

@huey.task()
def total(values):
    return sum(values) + K

@huey.task()
def fail():
    raise ValueError("no")
"""
KINDS = ("memory", "sqlite", "redis", "file")
WAYS = [(a, b) for a in KINDS for b in KINDS if a != b]


def value(result: Any) -> Any:
    return result.get(blocking=True, timeout=PATIENCE)


@pytest.fixture
def places(tmp_path: Path, redis_server: Any) -> dict[str, str]:
    return {
        "memory": "memory",
        "sqlite": f"sqlite:{tmp_path}/queue.db",
        "file": f"file:{tmp_path}/queue",
        "redis": redis_server.url,
    }


@pytest.fixture
def open_in(places: dict[str, str]) -> Iterator[Callable[[str], Notebook]]:
    """Open a notebook whose queue is in a place."""
    notebooks = []

    def open_one(kind: str) -> Notebook:
        notebooks.append(Notebook(places[kind]).cell(CELL))
        return notebooks[-1]

    yield open_one
    for notebook in notebooks:
        notebook.close()


def test_a_hundred_waiting_and_twenty_scheduled_run_once_each(
    open_in: Callable[[str], Notebook], places: dict[str, str], tmp_path: Path
) -> None:
    notebook = open_in("memory").cell("""
        @huey.task()
        def mark(n):
            huey.put(f"ran {n}", (huey.get(f"ran {n}") or 0) + 1)
            return -n
    """)
    huey, mark = notebook.huey, notebook.mark
    scheduled = [mark.schedule((n,), delay=2) for n in range(100, 120)]
    run_some(huey, 20)
    waiting = [mark(n) for n in range(100)]

    moved = huey.move_to(places["redis"], move=True)

    assert (moved.pending, moved.scheduled, moved.left) == (100, 20, 0)
    assert len(huey) == 100
    assert huey.scheduled_count() == 20
    with worker_for(huey, tmp_path / "elsewhere", "process"):
        assert [value(result) for result in waiting + scheduled] == [-n for n in range(120)]
    assert [huey.get(f"ran {n}") for n in range(120)] == [1] * 120
    kinds = Counter(event["kind"] for _, event in huey.events.read())
    assert kinds["executing"] == kinds["complete"] == 120


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_all_that_waits_comes_along(
    open_in: Callable[[str], Notebook], places: dict[str, str], way: tuple[str, str]
) -> None:
    start, end = way
    notebook = open_in(start)
    huey, add, total = notebook.huey, notebook.add, notebook.total
    later = add.schedule((5, 5), delay=2)
    run_some(huey, 1)
    low, high = add.s(1, 1, priority=1), add.s(2, 2, priority=9)
    results = [huey.enqueue(low), huey.enqueue(high)]
    pipeline = huey.enqueue(add.s(1, 2).then(add, 10))
    together = huey.enqueue(group(add.s(n) for n in range(3)))
    gathered = huey.enqueue(chord([add.s(n) for n in range(4)], total.s()))
    nested = huey.enqueue(chord([add.s(1), chord([add.s(2), add.s(3)], total.s())], total.s()))
    eta = huey.scheduled()[0].eta
    revoked = add(7)
    revoked.revoke()
    order = [task.id for task in huey.pending()]

    moved = huey.move_to(places[end], move=True)

    assert moved.pending == len(order)
    if start != "memory":
        left = open_in(start).huey
        assert (len(left), left.scheduled_count(), left.storage.inflight()) == (0, 0, 0)
    assert [task.id for task in huey.pending()] == order
    assert order[0] == high.id
    assert order[-1] == low.id or order[1] == low.id
    assert [task.eta for task in huey.scheduled()] == [eta]
    assert huey.is_revoked(revoked)
    told = [event for _, event in huey.events.read() if event["task"] == together[0].id]
    assert told[0]["kind"] == "enqueued"
    assert told[0]["group"] == together.id
    with huey.create_consumer(workers=2):
        assert [value(result) for result in results] == [2, 4]
        assert value(pipeline) == [3, 13]
        assert value(together) == [0, 1, 2]
        assert value(gathered) == 106
        assert value(nested) == 1 + 105 + 100
        assert value(later) == 10
        with pytest.raises(TaskRevoked):
            value(revoked)


@pytest.mark.parametrize("way", [("memory", "sqlite"), ("sqlite", "redis"), ("redis", "memory")])
def test_a_chord_goes_on_where_it_was(
    open_in: Callable[[str], Notebook], places: dict[str, str], way: tuple[str, str]
) -> None:
    start, end = way
    notebook = open_in(start)
    huey, add = notebook.huey, notebook.add
    half = huey.enqueue(chord([add.s(n, priority=3 - n) for n in range(3)], notebook.total.s()))
    run_some(huey, 2)

    huey.move_to(places[end], move=True)
    whole = huey.enqueue(chord([add.s(n, priority=99) for n in range(3)], notebook.total.s()))
    run_some(huey, 3)
    huey.move_to(places[start], move=True)

    assert [task.name for task in huey.pending()].count("__main__.total") == 1
    with huey.create_consumer():
        assert value(half) == 103
        assert value(whole) == 103
    assert huey.set_aside() == []


def run_some(huey: Any, count: int) -> None:
    """Run so many tasks in this thread."""
    worker = huey.create_consumer()._make_worker(0)
    for _ in range(count):
        assert worker.step(timeout=0)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_results_taken_before_can_be_read_afterwards(
    open_in: Callable[[str], Notebook], places: dict[str, str], way: tuple[str, str]
) -> None:
    start, end = way
    notebook = open_in(start)
    huey = notebook.huey
    done, failed, nothing = notebook.add(1, 2), notebook.fail(), notebook.add(0)
    never = notebook.add(8)
    never.revoke()
    huey.put("mine", {"a": 1})
    with huey.create_consumer():
        eventually(lambda: all(r.is_ready() for r in (done, failed, nothing, never)))

    moved = huey.move_to(places[end])

    assert moved.results == 3
    assert huey.place == moved.place
    assert value(done) == 3
    assert value(nothing) == 0
    assert huey.get("mine") == {"a": 1}
    with pytest.raises(TaskException, match="no"):
        value(failed)
    with pytest.raises(TaskRevoked):
        value(never)
    again = notebook.add(4, 4)
    with huey.create_consumer():
        assert value(again) == 8


def test_a_caller_who_waits_goes_on_waiting_in_the_new_place(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("memory")
    result = notebook.add(1, 2)
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(value(result)))
    waiting.start()

    notebook.huey.move_to(places["sqlite"], move=True)
    with notebook.huey.create_consumer():
        waiting.join(PATIENCE)

    assert got == [3]


def test_it_must_be_said_what_becomes_of_waiting_tasks(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("memory")
    huey = notebook.huey
    result = notebook.add(1)
    notebook.add.schedule((1,), delay=60, priority=1)
    run_some(huey, 1)

    with pytest.raises(ConfigurationError, match=r"1 to be run and 1 .* --move .* --leave"):
        huey.move_to(places["sqlite"])
    with pytest.raises(ConfigurationError, match="either --move or --leave"):
        huey.move_to(places["sqlite"], move=True, leave=True)

    assert huey.place == "memory"
    assert (len(huey), huey.scheduled_count()) == (1, 1)
    with huey.create_consumer():
        assert value(result) == 1
        with pytest.raises(ConfigurationError, match="workers are at work in memory"):
            huey.move_to(places["sqlite"], move=True)


def test_tasks_that_are_left_in_memory_are_lost_and_their_callers_told(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("memory")
    result = notebook.add(1)
    pipeline = notebook.huey.enqueue(notebook.add.s(1).then(notebook.add))

    moved = notebook.huey.move_to(places["sqlite"], leave=True)

    assert (moved.left, moved.pending) == (2, 0)
    assert len(notebook.huey) == 0
    for one in (result, *pipeline):
        with pytest.raises(WorkerLost):
            value(one)


def test_tasks_that_are_left_in_a_file_stay_there(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("sqlite")
    result = notebook.add(1, 1)

    notebook.huey.move_to(places["redis"], leave=True)
    assert len(notebook.huey) == 0
    notebook.huey.move_to(places["sqlite"])

    assert len(notebook.huey) == 1
    with notebook.huey.create_consumer():
        assert value(result) == 2


STUCK = {
    "an argument": ("add(threading.Lock())", "argument 1 of __main__.add .* a lock"),
    "a global": (
        "lock = threading.Lock()\n@huey.task()\ndef f():\n    return lock\nf()",
        r"`lock` is a lock, used in line \d+",
    ),
    "scheduled": (
        "add.schedule((threading.Lock(),), delay=60, priority=1)",
        "argument 1 .* a lock",
    ),
    "behind": ("huey.enqueue(add.s(1).then(add, threading.Lock()))", "cannot be sent .* lock"),
}


@pytest.mark.parametrize("case", STUCK)
def test_what_cannot_be_sent_is_named_and_nothing_is_moved(
    open_in: Callable[[str], Notebook], places: dict[str, str], case: str, tmp_path: Path
) -> None:
    source, expected = STUCK[case]
    notebook = open_in("memory").cell("add(1)").cell(f"import threading\n{source}")
    huey = notebook.huey
    run_some(huey, 1 if case == "scheduled" else 0)
    before = (len(huey), huey.scheduled_count())

    with pytest.raises(ConfigurationError, match=expected):
        huey.move_to(places["sqlite"], move=True)

    assert huey.place == "memory"
    assert (len(huey), huey.scheduled_count()) == before
    other = Notebook(places["sqlite"])
    assert len(other.huey) == 0
    assert other.huey.storage.result_items() == {}
    other.close()


def test_a_result_that_cannot_be_sent_is_named_unless_it_is_left(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("memory").cell("""
        import threading
        @huey.task()
        def f(): return [threading.Lock()]
    """)
    huey = notebook.huey
    stuck, fine = notebook.f(), notebook.add(1)
    with huey.create_consumer():
        eventually(lambda: stuck.is_ready() and fine.is_ready())

    with pytest.raises(ConfigurationError, match=r"nothing was moved: .* a list that holds a lock"):
        huey.move_to(places["sqlite"])
    assert huey.place == "memory"

    assert huey.move_to(places["sqlite"], leave=True).results == 1
    assert value(fine) == 1


def test_a_place_that_cannot_be_used_changes_nothing(
    open_in: Callable[[str], Notebook], tmp_path: Path
) -> None:
    notebook = open_in("memory")
    result = notebook.add(2, 2)

    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        notebook.huey.move_to(f"unix://:secret@{tmp_path}/nobody.sock", move=True)

    assert "secret" not in str(caught.value)
    assert notebook.huey.place == "memory"
    with notebook.huey.create_consumer():
        assert value(result) == 4


def test_a_place_that_cannot_be_reached_can_be_left(tmp_path: Path) -> None:
    server = RedisServer()
    notebook = Notebook(server.url).cell(CELL)
    notebook.add(1)
    server.stop()

    with pytest.raises(ConfigurationError, match=r"cannot be reached .* --leave goes on without"):
        notebook.huey.move_to(f"sqlite:{tmp_path}/queue.db", move=True)
    moved = notebook.huey.move_to(f"sqlite:{tmp_path}/queue.db", leave=True)

    assert moved.left == 0
    result = notebook.add(2, 2)
    with notebook.huey.create_consumer():
        assert value(result) == 4
    notebook.close()
    server.end()


def test_what_is_where_it_should_be_is_not_moved(open_in: Callable[[str], Notebook]) -> None:
    notebook = open_in("memory")
    notebook.add(1)

    assert notebook.huey.move_to("memory").pending == 0
    assert len(notebook.huey) == 1


def test_a_periodic_task_does_not_run_twice_in_its_minute(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("memory").cell("""
        import time
        from huey import crontab
        @huey.periodic_task(crontab())
        def tick(): pass
        minute = int(time.time() // 60)
    """)
    huey = notebook.huey
    assert huey.enqueue_periodic(notebook.minute) == 1

    huey.move_to(places["sqlite"], move=True)

    assert huey.enqueue_periodic(notebook.minute) == 0


def test_messages_set_aside_come_along(
    open_in: Callable[[str], Notebook], places: dict[str, str]
) -> None:
    notebook = open_in("sqlite")
    huey = notebook.huey
    result = notebook.add(3, 4)
    [key] = [key for key in huey.storage.result_items() if key.startswith("code:")]
    code = huey.storage.pop_data(key)
    with huey.create_consumer(), pytest.raises(TaskException, match="no consumer could read"):
        value(result)

    huey.move_to(places["redis"], move=True)
    huey.storage.put_data(key, code)

    assert huey.restore_set_aside() == 1
    result.reset()
    with huey.create_consumer():
        assert value(result) == 7
