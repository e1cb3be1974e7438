"""How often a task runs, and what becomes of a result that cannot be written."""

import sqlite3
import threading

import pytest
from waiting import PATIENCE, eventually

from huey import MemoryHuey, SqliteHuey
from huey.exceptions import ConfigurationError, TaskException, WorkerLost
from huey.executor import Tried
from huey.storage import Claim
from huey.storage.base import NOTHING


def died_with(huey, times):
    """Have the message on the queue look as if so many workers had died with it."""
    claim = huey.storage.claim("dead")
    huey.storage.finish("dead", claim)
    return Claim(None, claim.data, times)


class Alone:
    """Runs one claim by hand."""

    name, pid, stopping, run, most_deliveries = "by hand", 0, False, None, 3

    def __init__(self, huey):
        self.huey = huey

    def call(self, run, func):
        return Tried(value=func())

    def knows_absent(self, keys):
        return False

    def finish(self, batch):
        self.huey.storage.write(batch)


@pytest.fixture
def ran():
    return []


def test_a_task_whose_worker_died_runs_again_by_default(huey, ran):
    @huey.task()
    def note():
        ran.append(1)

    result = note()
    huey.executor.receive(died_with(huey, 2), Alone(huey))

    assert (ran, result.get(blocking=True)) == ([1], None)


def test_the_events_say_how_many_workers_have_died_with_a_task(make_huey):
    huey = make_huey(events=True)
    huey.task(name="note")(lambda: 1)()
    huey.executor.receive(died_with(huey, 2), Alone(huey))

    assert [e.get("deaths") for _, e in huey.events.read() if e["kind"] == "executing"] == [2]


@pytest.mark.parametrize("way", ["of the task function", "of the queue"])
def test_at_most_once_tells_the_caller_and_does_not_run_again(make_huey, ran, way):
    everywhere = way == "of the queue"
    huey = make_huey(delivery="at-most-once" if everywhere else "at-least-once")

    @huey.task(at_most_once=not everywhere)
    def note():
        ran.append(1)

    result = note()
    huey.executor.receive(died_with(huey, 1), Alone(huey))

    with pytest.raises(WorkerLost, match="its worker died once"):
        result.get(blocking=True)
    assert ran == []


def test_at_most_once_is_lost_when_its_worker_is_stopped(make_huey):
    huey = make_huey(delivery="at-most-once")
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def hold():
        begun.set()
        while not go_on.wait(0.01):
            pass

    with huey.create_consumer() as consumer:
        result = hold()
        assert begun.wait(PATIENCE)
        consumer.stop()

    assert len(huey) == 0
    with pytest.raises(WorkerLost, match="its worker was stopped"):
        result.get(blocking=True)


def test_the_story_of_a_task_that_is_not_run_again_says_that_it_is_lost(make_huey):
    huey = make_huey(delivery="at-most-once", events=True)
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def hold():
        begun.set()
        while not go_on.wait(0.01):
            pass

    with huey.create_consumer() as consumer:
        result = hold()
        assert begun.wait(PATIENCE)
        consumer.stop()

    story = [event["kind"] for _, event in huey.events.read() if event["task"] == result.id]
    assert story == ["enqueued", "executing", "interrupted", "lost"]


def test_an_unknown_way_of_delivery_is_refused():
    with pytest.raises(ConfigurationError, match="at-least-once"):
        MemoryHuey(delivery="exactly-once")


def test_a_value_can_be_taken_once_and_the_next_reader_is_told(huey, work):
    @huey.task()
    def add(a, b):
        return a + b

    result = add(1, 2)
    work()
    assert result.get() == 3

    assert huey.result(result.id) is None
    with pytest.raises(TaskException, match="taken by another reader"):
        huey.result(result.id, blocking=True)


def test_a_caller_of_a_task_that_no_consumer_knows_is_told(huey, work):
    @huey.task()
    def add(a, b):
        return a + b

    result = add(1, 2)
    huey.registry.unregister(result.task.name)
    work()

    with pytest.raises(TaskException, match="set_aside"):
        result.get(blocking=True)
    assert result.status() == "set aside"

    huey.registry.register(type(result.task))
    assert huey.restore_set_aside() == 1
    assert not result.is_ready()
    work()
    assert result.get(blocking=True) == 3


# --- a storage that cannot be written --------------------------------------------------------


@pytest.fixture
def sqlite_huey(tmp_path):
    huey = SqliteHuey(filename=tmp_path / "huey.db", timeout=0.05)
    yield huey
    for consumer in list(huey.consumers):
        consumer.stop()
    huey.storage.close()


def test_a_result_waits_while_the_storage_is_locked(sqlite_huey, tmp_path):
    huey, runs = sqlite_huey, []
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def value():
        runs.append(1)
        begun.set()
        go_on.wait(PATIENCE)
        return 42

    with huey.create_consumer():
        result = value()
        assert begun.wait(PATIENCE)
        other = sqlite3.connect(tmp_path / "huey.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        go_on.set()
        with pytest.raises(sqlite3.OperationalError):  # the producer gets the client's own error
            value()
        other.execute("ROLLBACK")
        other.close()

        assert result.get(blocking=True, timeout=PATIENCE) == 42
    assert runs == [1]


def test_a_value_that_the_storage_does_not_take_is_an_error_of_the_task(sqlite_huey, work_off):
    huey = sqlite_huey
    finish = huey.storage.finish

    def refuse_large(slot, claim, batch=NOTHING):
        if any(len(value) > 100_000 for _, value in batch.results):
            raise sqlite3.DataError("string or blob too big")
        return finish(slot, claim, batch)

    huey.storage.finish = refuse_large

    @huey.task()
    def large():
        return b"x" * 200_000

    result = large()
    work_off(huey)

    with pytest.raises(TaskException, match="too big"):
        result.get(blocking=True)
    assert (len(huey), huey.storage.inflight()) == (0, 0)


def test_a_corrupt_file_is_named_with_the_cure(sqlite_huey, tmp_path):
    huey = sqlite_huey

    @huey.task()
    def nothing():
        pass

    for _ in range(300):
        nothing()
    huey.storage.close()
    with open(tmp_path / "huey.db", "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)

    def fails():
        try:
            huey.storage.enqueued_items()
        except ConfigurationError as error:
            return str(error)

    message = eventually(fails)
    assert str(tmp_path / "huey.db") in message
    assert "recover" in message or "Sqlite database" in message


def test_a_result_waits_while_the_disk_is_full(sqlite_huey, caplog):
    huey, runs = sqlite_huey, []
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def large():
        runs.append(1)
        begun.set()
        go_on.wait(PATIENCE)
        return b"x" * 300_000

    with huey.create_consumer():
        result = large()
        assert begun.wait(PATIENCE)
        huey.storage._execute("PRAGMA max_page_count = 1")  # no page more than there are
        go_on.set()
        eventually(lambda: "keeps a result" in caplog.text)
        assert not result.is_ready()
        huey.storage._execute("PRAGMA max_page_count = 1000000")

        assert result.get(blocking=True, timeout=PATIENCE) == b"x" * 300_000
    assert runs == [1]


def test_a_stop_while_the_storage_cannot_be_written_says_what_it_could_not_do(
    huey, monkeypatch, caplog
):
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def hold():
        begun.set()
        while not go_on.wait(0.01):
            pass

    def refuse(*args):
        raise OSError("full")

    with huey.create_consumer() as consumer:
        hold()
        assert begun.wait(PATIENCE)
        with monkeypatch.context() as away:
            away.setattr(huey.storage, "release", refuse)
            consumer.stop()

    assert "keeps its message until this process ends" in caplog.text
