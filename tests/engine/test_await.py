"""Awaiting results: the event loop goes on meanwhile."""

import asyncio
import threading

import pytest
from waiting import PATIENCE, eventually, started

from huey import SqliteHuey, chord, group
from huey.exceptions import ResultTimeout, TaskException, TaskLockedOut, TaskRevoked
from huey.results import Result, ResultGroup
from huey.storage.base import BaseStorage


@pytest.fixture
def echo(huey):
    return huey.task(name="echo")(lambda value: value)


def in_time(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


def test_a_result_can_be_awaited(echo, consumer):
    async def main():
        return await echo(1), await echo(None), await echo([])

    assert in_time(main()) == (1, None, [])


def test_a_value_that_is_there_is_awaited_at_once_and_again(echo, work):
    result = echo(1)
    work()

    async def main():
        return await result, await result

    assert in_time(main()) == (1, 1)
    assert result.get() == 1


def test_groups_and_chords_can_be_awaited(huey, echo, consumer):
    total = huey.task(name="total")(sum)

    async def main():
        members = [echo.s(1), echo.s(2)]
        return (
            await echo.map([1, 2]),
            await huey.enqueue(group(members)),
            await huey.enqueue(chord([echo.s(1), echo.s(2)], total)),
            await huey.enqueue(group(echo.s(1).then(echo), chord([echo.s(5)], total))),
        )

    assert in_time(main()) == ([1, 2], [1, 2], 3, [[1, 1], 5])


def test_awaiting_raises_what_blocking_raises(huey, echo, work):
    @huey.task()
    def fail():
        raise ValueError("bad")

    @huey.task()
    @huey.lock_task("lock")
    def locked():
        return 1

    failed, locked_out, revoked = fail(), locked(), echo(1)
    revoked.revoke()
    with huey.lock_task("lock"):
        work()

    async def main():
        for result, kind in ((failed, TaskException), (locked_out, TaskLockedOut)):
            with pytest.raises(kind):
                await result
        with pytest.raises(TaskRevoked):
            await ResultGroup([revoked, failed])

    in_time(main())


def test_an_await_may_have_an_end(echo):
    async def main():
        with pytest.raises(ResultTimeout, match=r"within 0\.01 s"):
            await echo(1).aget(timeout=0.01)
        with pytest.raises(ResultTimeout):
            await echo.map([1, 2]).aget(timeout=0.01)

    in_time(main())


def test_an_await_can_be_cancelled_and_tried_again(echo, work):
    result = echo(1)

    async def main():
        waiting = asyncio.ensure_future(result.aget())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        work()
        return await result

    assert in_time(main()) == 1


def test_a_preserved_value_stays_for_others(huey, echo, consumer):
    async def main():
        result = echo(1)
        await result.aget(preserve=True)
        return await Result(huey, result.task)

    assert in_time(main()) == 1


def test_the_event_loop_goes_on_meanwhile(huey, echo):
    async def main():
        result = echo(1)
        waiting = asyncio.ensure_future(result.aget())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        with huey.create_consumer():
            return await waiting

    assert in_time(main()) == 1


def test_two_may_await_the_same_result(echo, consumer):
    async def main():
        result = echo(1)
        return await asyncio.gather(result, result)

    assert in_time(main()) == [1, 1]


def test_a_thousand_awaits_share_a_handful_of_threads(huey, echo):
    before = threading.active_count()
    results = echo.map(range(1000))

    async def main():
        waiting = asyncio.gather(*results)
        while len(asyncio.all_tasks()) < 1000:
            await asyncio.sleep(0)
        threads = threading.active_count() - before
        with huey.create_consumer(workers=2):
            return await waiting, threads

    values, threads = in_time(main())

    assert values == list(range(1000))
    assert threads <= 33  # the pool of a loop has 32 at most, and the storage listens in one


def test_results_come_to_a_loop_as_they_get_ready(huey):
    may_end = {key: threading.Event() for key in ("first", "second", "third")}

    @huey.task()
    def slow(key):
        assert may_end[key].wait(PATIENCE)
        return key

    async def main():
        order, keys = [], iter(("second", "third", "first", None))
        results = huey.enqueue(group(slow.s(key) for key in may_end))
        may_end[next(keys)].set()
        async for result in results.as_completed(timeout=PATIENCE):
            order.append(await result)
            if (key := next(keys)) is not None:
                may_end[key].set()
        return order

    with huey.create_consumer(workers=3):
        assert in_time(main()) == ["second", "third", "first"]


def test_a_wait_for_the_next_may_be_over_in_a_loop_too(echo):
    async def main():
        async for _ in echo.map([1]).as_completed(timeout=0.01):
            raise AssertionError("nobody ran it")

    with pytest.raises(ResultTimeout, match="1 results are not ready"):
        in_time(main())


def test_a_result_from_another_process_wakes_the_loop(tmp_path):
    here = SqliteHuey("app", filename=tmp_path / "app.db")
    echo = here.task(name="echo")(lambda value: value)
    there = SqliteHuey("app", filename=tmp_path / "app.db")  # another connection and doorbell
    there.registry.register(echo.task_class)

    async def main():
        return await asyncio.gather(*echo.map(range(10)))

    with there.create_consumer():
        assert in_time(main()) == list(range(10))
    here.storage.close()
    there.storage.close()


def test_storages_that_cannot_wake_are_looked_at_again_and_again(memory_huey):
    echo = memory_huey.task(name="echo")(lambda value: value)

    def pausing(key, backoff, max_delay):
        return BaseStorage.waiting_for_result(memory_huey.storage, key, backoff, max_delay)

    memory_huey.storage.waiting_for_result = pausing

    async def main():
        group = echo.map([1, 2])
        async for result in group.as_completed(timeout=PATIENCE):
            await result
        return await group, await echo(3)

    with memory_huey.create_consumer():
        assert in_time(main()) == ([1, 2], 3)


def test_what_was_awaited_in_a_loop_that_is_gone_does_no_harm(echo, work):
    result = echo(1)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(result.aget(), 0.01)

    in_time(main())
    work()

    assert result.get() == 1


def test_a_caller_woken_for_nothing_waits_on(memory_huey):
    result = memory_huey.task(name="echo")(lambda value: value)(1)
    bell = memory_huey.storage._result_bell

    with started(lambda: result.get(blocking=True, timeout=PATIENCE)) as (caller,):
        eventually(lambda: bell.waited_for)
        bell.ring_all()
        eventually(lambda: bell.waited_for)
        with memory_huey.create_consumer():
            assert caller.value() == 1
