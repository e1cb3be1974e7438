"""What can be known of a task and of the workers while they are at it."""

import threading

import pytest
from waiting import PATIENCE, eventually

from huey.exceptions import TaskException
from huey.inspection import TaskInfo


def test_a_task_that_was_never_enqueued_is_unknown(huey):
    assert huey.task_info("no such id") == TaskInfo("no such id", "unknown")


def test_a_task_is_scheduled_then_pending_then_complete(huey, work, pass_time):
    @huey.task()
    def add(a, b):
        return a + b

    result = add.schedule((1, 2), delay=60)
    assert result.status() == "pending"
    work()
    assert result.status() == "scheduled"
    assert huey.task_info(result.id).task.args == (1, 2)

    pass_time(61)
    huey.move_due()
    assert result.status() == "pending"
    work()
    assert result.status() == "complete"
    assert result.get() == 3
    assert (result.status(), huey.task_info(result.id).status) == ("complete", "complete")


def test_endings_are_told_by_their_names(huey, work):
    @huey.task()
    def fail():
        raise ValueError

    @huey.task()
    def nothing():
        pass

    failed, gave_none, revoked = fail(), nothing(), nothing()
    revoked.revoke()
    expired = huey.enqueue(nothing.s(expires=-1))
    work()

    assert failed.status() == "error"
    assert gave_none.status() == "complete"
    assert revoked.status() == "revoked"
    assert expired.status() == "expired"


def test_what_stands_behind_in_a_pipeline_waits(huey, work):
    @huey.task()
    def add(a, b):
        return a + b

    first, second = huey.enqueue(add.s(1, 2).then(add, 3))

    assert (first.status(), second.status()) == ("pending", "waiting")
    work()
    assert (first.status(), second.status()) == ("complete", "complete")


def test_a_task_that_is_to_be_tried_again_is_scheduled_whoever_read_its_error(
    huey, work, pass_time
):
    huey.store_intermediate_errors = True
    tries = []

    @huey.task(retries=1, retry_delay=60)
    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("first")
        return "second"

    result = flaky()
    work()
    assert result.status() == "scheduled"
    with pytest.raises(TaskException, match="first"):
        result.get()
    assert result.status() == "scheduled"

    pass_time(61)
    huey.move_due()
    work()
    result.reset()
    assert result.status() == "complete"
    assert result.get() == "second"


def test_a_running_task_is_known_with_its_worker(huey):
    begun, go_on = threading.Event(), threading.Event()

    @huey.task()
    def hold():
        begun.set()
        go_on.wait(PATIENCE)

    with huey.create_consumer(workers=2):
        result = hold()
        assert begun.wait(PATIENCE)

        info = huey.task_info(result.id)
        assert (info.status, info.task) == ("running", result.task)
        assert huey.running() == [result.task]
        workers = eventually(lambda: len(huey.workers()) == 2 and huey.workers())
        assert sorted(worker.name for worker in workers) == ["thread 1", "thread 2"]
        assert [worker.task for worker in workers if worker.id == info.worker] == [result.task]
        assert [worker.task for worker in workers if worker.id != info.worker] == [None]
        go_on.set()
        result.get(blocking=True, timeout=PATIENCE)

    assert (huey.workers(), huey.running()) == ([], [])
