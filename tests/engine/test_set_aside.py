"""Messages that nobody can read: set aside, never dropped, never in the way."""

import datetime
import pickle

import pytest

from huey import MemoryHuey, SqliteHuey
from huey.registry import Message
from huey.storage import Batch


class Exits:
    def __reduce__(self):
        return (exit, (3,))


class Spoiled:
    def __reduce__(self):
        return (raise_broken, ())


class Broken(Exception):
    def __str__(self):
        raise RuntimeError


def raise_broken():
    raise Broken


LONG_AGO = datetime.datetime(2020, 1, 1)

UNREADABLE = {
    "random bytes": b"\x93\x17 not a message",
    "nothing": b"",
    "a cut message": pickle.dumps(Message(id="1", name="x"))[:-5],
    "another object": pickle.dumps({"id": 1}),
    "None": pickle.dumps(None),
    "an unknown name": pickle.dumps(Message(id="1", name="elsewhere.task")),
    "a module that is missing": b"cnowhere_to_be_found\nThing\n.",
    "a pickle that exits": pickle.dumps(Exits()),
    "a pickle with an error that cannot be printed": pickle.dumps(Spoiled()),
}


@pytest.fixture
def huey(tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    huey.signal()(lambda *args: None)
    yield huey
    huey.storage.close()


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_set_aside_and_the_next_task_runs(huey, work_off, data):
    double = huey.task(name="double")(lambda n: 2 * n)
    huey.storage.enqueue(data, 5)
    result = double(1)

    assert work_off(huey) == 2

    assert result() == 2
    ((message, reason),) = huey.set_aside()
    assert message == data
    assert reason
    assert (len(huey), huey.storage.inflight()) == (0, 0)


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_looking_at_the_queue_leaves_out_what_cannot_be_read(huey, data):
    double = huey.task(name="double")(lambda n: 2 * n)
    huey.storage.write(Batch(enqueue=[(data, None)], schedule=[(data, LONG_AGO, None)]))
    result = double(1)

    assert [task.id for task in huey.pending()] == [result.id]
    assert huey.scheduled() == []
    assert huey.move_due() == 1
    assert len(huey) == 3


def test_the_reason_says_what_to_do_about_an_unknown_name(huey, work_off):
    huey.task(name="known")(lambda: None)
    huey.storage.enqueue(UNREADABLE["an unknown name"])
    work_off(huey)

    ((_, reason),) = huey.set_aside()

    assert reason.startswith("UnreadableMessage: no task named 'elsewhere.task' is known here")
    assert "known" in reason
    assert reason.endswith("import the module that defines it where the consumer starts")


def test_what_was_set_aside_can_be_put_back(huey, work_off):
    huey.storage.enqueue(
        pickle.dumps(Message(id="1", name=f"{__name__}.late", args=(21,), kwargs={}))
    )
    work_off(huey)
    assert len(huey.set_aside()) == 1
    huey.task(name="late")(lambda n: 2 * n)

    assert huey.restore_set_aside() == 1

    assert huey.set_aside() == []
    work_off(huey)
    assert huey.result("1") == 42
    assert huey.restore_set_aside() == 0


def test_what_still_cannot_be_read_is_set_aside_again(huey, work_off):
    huey.storage.enqueue(b"odd")
    work_off(huey)
    huey.restore_set_aside()
    work_off(huey)

    assert [data for data, _ in huey.set_aside()] == [b"odd"]


def test_in_memory_unknown_tasks_are_set_aside_too(work_off):
    huey, other = MemoryHuey(), MemoryHuey()
    other.storage = huey.storage
    result = other.task(name="theirs")(lambda: 1)()
    work_off(huey)
    assert len(huey.set_aside()) == 1

    other.restore_set_aside()
    work_off(other)

    assert result() == 1
