"""Locks: one task at a time, and what becomes of a lock whose holder is gone."""

import asyncio
import logging
import threading
from contextlib import suppress

import pytest
from processes import running
from waiting import PATIENCE, at_once, eventually, started

from huey import SqliteHuey
from huey.exceptions import ConfigurationError, TaskLockedException, TaskLockedOut
from huey.locks import TaskLock


@pytest.fixture
def locked(huey):
    """A task that finds its lock taken."""
    held = huey.lock_task("lock")
    held.acquire()

    @huey.task(name="locked")
    @huey.lock_task("lock")
    def locked():
        return "ran"

    locked.held = held
    return locked


# --- by hand ---------------------------------------------------------------------------------


def test_a_lock_is_taken_once(huey):
    lock = huey.lock_task("lock")

    assert isinstance(lock, TaskLock)
    assert not lock.locked()
    assert lock.acquire()
    with pytest.raises(TaskLockedException, match="lock"):
        lock.acquire()
    with pytest.raises(TaskLockedException):
        huey.lock_task("lock").acquire()
    assert huey.is_locked("lock")
    assert lock.release()
    assert not huey.is_locked("lock")
    assert not lock.release()


def test_a_block_holds_a_lock_and_gives_it_back_after_an_error(huey):
    lock = huey.lock_task("lock")

    def fail():
        with lock as entered:
            assert entered is lock
            assert huey.is_locked("lock")
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        fail()
    assert not lock.is_locked()


def test_locks_of_other_names_and_hueys_are_others(huey, memory_huey):
    with huey.lock_task("one"), huey.lock_task("two"), memory_huey.lock_task("one"):
        assert huey.is_locked("one")
        assert huey.is_locked("two")
    assert not huey.is_locked("one")
    assert not huey.is_locked("two")
    assert not memory_huey.is_locked("one")


def test_who_was_locked_out_gives_nothing_back(huey):
    lock = huey.lock_task("lock")
    lock.acquire()

    def try_to():
        own = huey.lock_task("lock")
        with suppress(TaskLockedException), own:
            raise AssertionError("it is taken")
        return own.release()

    with started(try_to) as (other,):
        assert not other.value()
    assert lock.locked()
    assert lock.release()


def test_another_thread_may_give_a_lock_back(huey):
    lock = huey.lock_task("lock")
    lock.acquire()

    with started(lock.release) as (other,):
        assert other.value()

    assert not lock.locked()


def test_a_holder_whose_lock_was_cleared_frees_nobody_elses(huey):
    lock = huey.lock_task("lock")
    with lock:
        assert lock.clear()
        with started(huey.lock_task("lock").acquire) as (other,):
            assert other.value()
    assert lock.locked()
    assert lock.clear()
    assert not lock.clear()


def test_two_threads_fight_for_a_lock(huey):
    lock = huey.lock_task("lock")
    inside, most, entered = [], [], []

    def fight():
        while len(entered) < 200:
            with suppress(TaskLockedException), lock:
                inside.append(1)
                most.append(len(inside))
                entered.append(threading.get_ident())
                inside.pop()

    at_once(fight, fight)

    assert set(most) == {1}
    assert not lock.locked()


def test_flushing_frees_the_locks_of_decorators_and_modules_and_those_named(huey):
    @huey.lock_task("decorator")
    def decorated():
        pass

    of_module = huey.lock_task("module")
    of_module.acquire()
    for name in ("decorator", "nested", "left alone"):
        huey.lock_task(name).acquire()

    assert huey.flush_locks("nested", "free") == {"decorator", "module", "nested"}

    assert huey.flush_locks() == set()
    assert huey.is_locked("left alone")
    assert huey.flush_locks("left alone") == {"left alone"}


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_lock_needs_a_name(huey, name):
    with pytest.raises(ConfigurationError, match="text as its name"):
        huey.lock_task(name)


def test_a_lease_takes_time(huey):
    with pytest.raises(ConfigurationError, match="above 0 or None, not 0"):
        huey.lock_task("lock", ttl=0)
    with huey.lock_task("lock", ttl=10) as lock:
        assert lock.locked()


# --- tasks -----------------------------------------------------------------------------------


def test_a_locked_out_task_is_dropped_and_its_caller_told_at_once(huey, locked, work, caplog):
    result = locked()
    with caplog.at_level(logging.WARNING, "huey"):
        work()

    assert "locked out and dropped" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    assert result.get() is None
    assert huey.all_results() == {}
    with pytest.raises(TaskLockedOut, match="locked out"):
        result.get(blocking=True, timeout=PATIENCE)


def test_a_locked_out_task_is_retried_and_nothing_is_stored_meanwhile(
    huey, work, story, signals, caplog
):
    held = huey.lock_task("lock")
    held.acquire()
    seen = []

    @huey.task(retries=2)
    @huey.lock_task("lock")
    def patient():
        return "ran"

    @huey.post_execute()
    def look(task, value, error):
        seen.append(dict(huey.all_results()))
        if len(seen) == 2:
            held.release()

    result = patient()
    with caplog.at_level(logging.WARNING, "huey"):
        work()

    assert result.get() == "ran"
    assert seen == [{}, {}, {}]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    locked_out = ["executing", "locked", "retrying"]
    assert story(result) == ["enqueued", *locked_out, *locked_out, "executing", "complete"]
    told = [name for name, *_ in signals]
    assert told == ["enqueued", *locked_out, *locked_out, "executing", "complete"]


def test_a_dropped_task_sends_its_signal(locked, work, signals, story):
    result = locked()
    work()

    assert signals[-1] == ("locked", result.id)
    assert story(result)[-1] == "locked"


def test_what_stands_behind_a_dropped_task_does_not_run(huey, locked, work):
    first, second = huey.enqueue(locked.s().then(locked))
    work()

    for result in (first, second):
        with pytest.raises(Exception, match=r"locked out|before it in the pipeline"):
            result.get(blocking=True, timeout=PATIENCE)


def test_a_lock_may_stand_above_the_task_too(huey, work):
    @huey.lock_task("lock")
    @huey.task(context=True)
    def above(task=None):
        return huey.is_locked("lock"), task is not None

    result = above()
    assert not huey.is_locked("lock")
    work()

    assert result.get() == (True, True)
    assert above.call_local() == (True, False)
    assert not huey.is_locked("lock")


def test_an_async_function_holds_its_lock_until_it_is_done(huey):
    @huey.lock_task("lock")
    async def slow():
        await asyncio.sleep(0)
        return huey.is_locked("lock")

    async def twice():
        return await asyncio.gather(slow(), slow(), return_exceptions=True)

    first, second = asyncio.run(twice())

    assert first is True
    assert isinstance(second, TaskLockedException)
    assert not huey.is_locked("lock")
    assert slow.__name__ == "slow"


def test_a_lock_that_a_task_did_not_give_back_is_free_when_it_ends(huey, work):
    @huey.task(retries=1)
    def forgetful(fail):
        huey.lock_task("lock").acquire()
        if fail:
            raise ValueError("bad")
        return "ran"

    first, second, third = forgetful(False), forgetful(True), forgetful(False)
    work()

    assert first.get() == third.get() == "ran"
    with pytest.raises(Exception, match="bad"):
        second.get()
    assert not huey.is_locked("lock")


def test_a_lock_that_a_task_holds_is_free_when_the_task_is_cancelled(huey):
    begun = threading.Event()

    @huey.task()
    def endless():
        huey.lock_task("left").acquire()
        with huey.lock_task("lock"):
            begun.set()
            while True:
                pass

    with huey.create_consumer():
        result = endless()
        assert begun.wait(PATIENCE)
        result.cancel()
        eventually(result.is_ready)

    assert not huey.is_locked("lock")
    assert not huey.is_locked("left")


def test_workers_share_a_lock_and_every_task_runs(huey):
    inside, most = [], []

    @huey.task(retries=1000, retry_delay=0.005)
    @huey.lock_task("lock")
    def one_at_a_time(n):
        inside.append(n)
        most.append(len(inside))
        inside.remove(n)
        return n

    with huey.create_consumer(workers=4):
        values = one_at_a_time.map(range(40)).get(blocking=True, timeout=PATIENCE)

    assert values == list(range(40))
    assert set(most) == {1}


def test_in_immediate_mode_a_locked_out_task_is_dropped_too(huey):
    huey.immediate = True

    @huey.task()
    @huey.lock_task("lock")
    def locked():
        return "ran"

    with huey.lock_task("lock"):
        result = locked()
    assert result.get() is None
    with pytest.raises(TaskLockedOut):
        result.get(blocking=True)
    assert locked().get() == "ran"


# --- processes -------------------------------------------------------------------------------

APP = """
    import sys, time
    from huey import SqliteHuey

    huey = SqliteHuey("app", filename=sys.argv[1])

    @huey.task()
    @huey.lock_task("lock")
    def hold(seconds):
        print("has it", flush=True)
        time.sleep(seconds)
        return "ran"
"""


def test_a_lock_is_free_soon_after_its_process_was_killed(tmp_path):
    huey = SqliteHuey("app", filename=tmp_path / "app.db")
    # The task of the killed process runs again, here, with the lock; by then it does not sleep.
    hold = huey.task(name="hold")(huey.lock_task("lock")(lambda seconds: "ran"))
    hold.task_class.name = "__main__.hold"
    huey.registry.register(hold.task_class)
    serve = f"{APP}\n    huey.create_consumer().run()"
    with running(serve, tmp_path / "app.db") as child:
        result = hold(1000)
        assert child.hear() == "has it"
        assert huey.is_locked("lock")
        with pytest.raises(TaskLockedException):
            huey.lock_task("lock").acquire()

        child.kill()

        eventually(lambda: not huey.is_locked("lock"), within=2)
    with huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) == "ran"
    assert not huey.is_locked("lock")
    huey.storage.close()
