"""Tasks that must not run."""

import datetime

import pytest
from waiting import PATIENCE, at_once

from huey.exceptions import TaskRevoked


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(huey, ran):
    return huey.task(name="note")(ran.append)


def from_now(seconds, zone=None):
    return datetime.datetime.now(zone) + datetime.timedelta(seconds=seconds)


def test_a_revoked_task_does_not_run(note, work, ran, story):
    result = note(1)

    result.revoke()
    assert result.is_revoked()
    work()

    assert ran == []
    assert story(result) == ["enqueued", "revoked"]
    assert not result.is_revoked()


def test_a_restored_task_runs(note, work, ran):
    result = note(1)
    result.revoke()

    assert result.restore()
    assert not result.restore()
    work()

    assert ran == [1]


def test_a_task_can_be_revoked_by_its_id(huey, note, work, ran):
    one, two = note(1), note(2)

    huey.revoke_by_id(one.id)
    huey.revoke_by_id(two.id)
    assert huey.restore_by_id(two.id)
    work()

    assert ran == [2]
    assert huey.is_revoked(one.id)
    assert not huey.is_revoked(two.id)


def test_revoking_for_good_outlasts_a_run(huey, note, work, ran):
    result = note(1)
    result.revoke(revoke_once=False)
    work()
    huey.enqueue(result.task)
    work()

    assert ran == []
    assert result.restore()


def test_a_revoked_function_does_not_run_until_restored(note, work, ran):
    note(1)
    note.revoke()
    note(2)
    assert note.is_revoked()
    work()

    assert note.restore()
    assert not note.restore()
    note(3)
    work()

    assert ran == [3]


def test_a_function_revoked_once_skips_one_call(note, work, ran):
    note.revoke(revoke_once=True)

    note.map([1, 2, 3])
    work()

    assert ran == [2, 3]
    assert not note.is_revoked()


def test_of_many_workers_one_skips_what_was_revoked_once(huey, note, ran):
    for n in range(10):
        note.revoke(revoke_once=True)
        tasks = [note.s(n) for _ in range(4)]

        at_once(*(lambda task=task: huey.execute(task) for task in tasks))

    assert sorted(ran) == sorted(list(range(10)) * 3)


@pytest.mark.parametrize("zone", [None, datetime.UTC])
@pytest.mark.parametrize("utc", [True, False])
def test_a_function_can_be_revoked_until_a_time(make_huey, work_off, pass_time, zone, utc):
    huey, ran = make_huey(utc=utc), []
    note = huey.task(name="note")(ran.append)
    note.revoke(revoke_until=from_now(60, zone))
    assert note.is_revoked()
    assert note.is_revoked(from_now(50, zone))
    assert not note.is_revoked(from_now(70, zone))

    note(1)
    work_off(huey)
    pass_time(61)
    note(2)
    work_off(huey)

    assert ran == [2]
    assert not note.is_revoked()
    assert not note.restore()


def test_a_later_revocation_replaces_an_earlier_one(note, work, ran, pass_time):
    note.revoke()
    note.revoke(revoke_until=from_now(60))
    pass_time(61)

    note(1)
    work()

    assert ran == [1]


def test_a_task_is_revoked_with_its_function(huey, note):
    result = note(1)
    note.revoke()

    assert result.is_revoked()
    assert huey.is_revoked(result.task)
    assert huey.is_revoked(note)
    assert huey.is_revoked(note.task_class)
    assert not huey.is_revoked(result.id)


def test_restoring_a_task_does_not_restore_its_function(note, work, ran):
    result = note(1)
    note.revoke()

    assert not result.restore()
    work()

    assert ran == []


def test_a_task_for_later_can_be_restored_until_it_is_due(huey, note, work, ran, pass_time):
    result = note.schedule((1,), delay=60)
    result.revoke()
    work()
    assert result.is_revoked()
    result.restore()

    pass_time(61)
    huey.move_due()
    work()

    assert ran == [1]


def test_a_task_for_later_that_stays_revoked_does_not_run(huey, note, work, ran, pass_time):
    result = note.schedule((1,), delay=60)
    result.revoke()
    work()
    pass_time(61)
    huey.move_due()
    work()

    assert ran == []
    with pytest.raises(TaskRevoked):
        result.get(blocking=True, timeout=PATIENCE)


def test_revocations_are_no_results(huey, note):
    note(1).revoke()
    note.revoke()

    assert huey.all_results() == {}
