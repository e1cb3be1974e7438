"""A claim tells that nothing keeps its task from running; what comes later is not overlooked."""

import pickle
import time

import pytest
from kinds import kinds, maker
from waiting import PATIENCE

from huey.consumer import JUST_NOW, Worker
from huey.serializer import Serializer, SignedSerializer


class Stepper(Worker):
    """A worker by hand, who claims the next message with the end of each task."""

    def __init__(self, huey):
        super().__init__(huey, "by hand", "hand.1")
        self.goes_on = lambda: True


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(huey, ran):
    return huey.task(name="note")(ran.append)


@pytest.fixture
def worker(huey):
    worker = Stepper(huey)
    yield worker
    worker.release()
    worker.close()


@pytest.fixture
def looks(huey, monkeypatch):
    """The keys that were looked for, look by look."""
    looks, real = [], huey.storage.peek_many
    monkeypatch.setattr(huey.storage, "peek_many", lambda keys: looks.append(keys) or real(keys))
    return looks


def test_nobody_looks_for_revocations_where_a_claim_tells_that_there_are_none(
    huey, note, worker, ran, looks, request, monkeypatch
):
    monkeypatch.setattr("huey.consumer.JUST_NOW", PATIENCE)  # however slow the machine
    note.map(range(10))
    while worker.step(0):
        continue

    assert ran == list(range(10))
    kind = request.node.callspec.params["make_huey"]
    # The first message of a Redis list is claimed by a plain command, which tells nothing.
    assert len(looks) == {"sqlite": 0, "redis": 1, "priority-redis": 0}.get(kind, 10)


@pytest.mark.parametrize("subject", ["task", "function"])
def test_what_is_revoked_after_the_claim_and_before_the_start_does_not_run(
    huey, note, worker, ran, story, subject
):
    note(1)
    result = note(2)
    worker.step(0)

    (result if subject == "task" else note).revoke()
    worker.step(0)

    assert ran == [1]
    assert story(result)[-1] == "revoked"


def test_what_is_cancelled_after_the_claim_and_before_the_start_does_not_run(
    huey, note, worker, ran, story
):
    note(1)
    result = note(2)
    worker.step(0)

    result.cancel()
    worker.step(0)

    assert ran == [1]
    assert story(result)[-1] == "revoked"


def test_a_worker_that_is_asked_to_cancel_what_it_has_not_begun_looks_once_more(
    huey, note, worker, looks
):
    note(1)
    result = note(2)
    worker.step(0)
    looks.clear()

    assert not worker.cancel(result.id)
    worker.step(0)

    assert len(looks) == 1


@pytest.fixture(params=[one for one in kinds() if one.values[0] != "memory"])
def both(request, tmp_path):
    """Two that know nothing of each other and share a place, as in two processes."""
    url = lambda: request.getfixturevalue("redis_server").url  # noqa: E731
    open_huey = maker(request.param, tmp_path, url)
    both = open_huey(), open_huey()
    yield both
    for huey in both:
        huey.storage.close()


def test_what_another_process_revokes_a_moment_after_the_claim_does_not_run(both, ran):
    here, there = both
    note = here.task(name="note")(ran.append)
    worker = Stepper(here)
    note(1)
    result = note(2)
    worker.step(0)

    there.revoke_by_id(result.id)
    time.sleep(1.5 * JUST_NOW)
    worker.step(0)

    assert ran == [1]


@pytest.mark.parametrize("way", ["claim", "finish_and_claim"])
def test_what_another_process_revokes_while_a_worker_waits_for_the_interpreter_does_not_run(
    both, way, ran, monkeypatch
):
    here, there = both
    note = here.task(name="note")(ran.append)
    worker = Stepper(here)
    if way == "finish_and_claim":
        note(1)
    result = note(2)
    real = getattr(here.storage, way)

    def slow(*args):
        answer = real(*args)
        there.revoke_by_id(result.id)
        time.sleep(1.5 * JUST_NOW)  # until other threads let go of the interpreter
        return answer

    monkeypatch.setattr(here.storage, way, slow)
    worker.step(0)
    worker.step(0)

    assert 2 not in ran
    monkeypatch.undo()
    worker.release()


class Old(Serializer):
    """Writes messages as Python 2 did."""

    def serialize(self, data):
        return pickle.dumps(data, 2)


ODD_IDS = ("a\nrt:note", "x" * 255, "x" * 256, "x" * 3000, "", "é", "a\x94\x8c\x04note\x94")
ODD_NAMES = ("a\nb", "note\nrt:other", "n" * 255, "n" * 300, "n" * 2000, "ü", "r:\x94")
FORMATS = {
    "plain": Serializer,
    "old": Old,
    "gzip": lambda: Serializer(compression=True),
    "signed": lambda: SignedSerializer("sixteen bytes or more"),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("subject", ["task", "function", "nothing"])
@pytest.mark.parametrize(
    ("task_id", "name"),
    [*((one, "note") for one in ODD_IDS), *(("an id", name) for name in ODD_NAMES)],
)
def test_odd_messages_run_unless_they_are_revoked(make_huey, ran, form, subject, task_id, name):
    huey = make_huey(serializer=FORMATS[form]())
    one = huey.task(name=name)(ran.append)
    first = huey.task(name="before")(lambda: None)
    worker = Stepper(huey)

    first()
    result = huey.enqueue(one.s(1, id=task_id))
    if subject != "nothing":
        (result if subject == "task" else one).revoke()
    while worker.step(0):
        continue
    worker.close()

    assert ran == ([1] if subject == "nothing" else [])
