"""A semaphore for tasks."""

import threading

import pytest
from waiting import PATIENCE

from huey.contrib.helpers import lock_task_semaphore
from huey.exceptions import ConfigurationError, TaskLockedException


def test_so_many_may_enter(huey):
    semaphore = lock_task_semaphore(huey, "places", 2)

    with semaphore, semaphore:
        with pytest.raises(TaskLockedException, match="places"):
            semaphore.acquire()
        assert semaphore.release()
        assert semaphore.acquire()

    assert not semaphore.release()
    assert huey.storage.locks() == []


def test_without_a_number_it_is_a_lock(huey):
    with lock_task_semaphore(huey, "places") as semaphore, pytest.raises(TaskLockedException):
        semaphore.acquire()


def test_a_decorated_task_runs_so_many_times_at_once(huey):
    inside, most = [], []
    two_inside = threading.Barrier(2)

    @huey.task(retries=1000, retry_delay=0.01)
    @lock_task_semaphore(huey, "places", value=2)
    def crowd(n):
        inside.append(n)
        most.append(len(inside))
        two_inside.wait(PATIENCE)
        inside.remove(n)
        return n

    with huey.create_consumer(workers=4):
        values = crowd.map(range(10)).get(blocking=True, timeout=PATIENCE)

    assert values == list(range(10))
    assert max(most) == 2
    assert huey.storage.locks() == []


def test_nobody_at_once_is_too_few(huey):
    with pytest.raises(ConfigurationError, match="1 or more, not 0"):
        lock_task_semaphore(huey, "places", 0)
