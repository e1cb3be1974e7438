"""Whoever waits for a result and is interrupted stops waiting; the task goes on."""

import asyncio
import signal
import threading
from contextlib import contextmanager
from functools import partial

import pytest
from waiting import PATIENCE, started

from huey import chord
from huey.awaiting import _tickers

ONE = "no longer waiting; the task goes on: cancel() stops it"
ALL = "no longer waiting; the tasks go on: cancel() stops them"


@pytest.fixture
def echo(huey):
    return huey.task(name="echo")(lambda value: value)


class Telling:
    """A waiter that says when somebody waits: an interrupt is to come then, not on the way."""

    def __init__(self, waiter, waits):
        self._waiter = waiter
        self._waits = waits

    def wait(self, timeout):
        self._waits.set()
        return self._waiter.wait(timeout)


@pytest.fixture
def interrupt(huey, monkeypatch):
    """Call a function in the main thread, and interrupt it when it waits for a result."""
    waits = threading.Event()
    real = huey.storage.waiting_for_result

    @contextmanager
    def waiting_for_result(*args):
        with real(*args) as waiter:
            yield Telling(waiter, waits)

    monkeypatch.setattr(huey.storage, "waiting_for_result", waiting_for_result)
    return partial(interrupted_when, waits)


def interrupted_when(waits, func):
    main = threading.main_thread().ident
    send = lambda: waits.wait(PATIENCE) and signal.pthread_kill(main, signal.SIGINT)  # noqa: E731
    with started(send), pytest.raises(KeyboardInterrupt) as caught:
        func()
    waits.clear()
    return str(caught.value)


def test_an_interrupt_ends_a_wait_and_says_that_the_task_goes_on(echo, work, interrupt):
    result = echo(1)

    assert interrupt(partial(result.get, blocking=True)) == ONE

    assert result.status() == "pending"
    work()
    assert result.get(blocking=True, timeout=PATIENCE) == 1


def test_an_interrupt_of_a_wait_for_many_says_so(huey, echo, work, interrupt):
    group = echo.map([1, 2])
    both = huey.enqueue(chord([echo.s(1)], echo))

    assert interrupt(partial(group.get, blocking=True)) == ALL
    assert interrupt(partial(group.get, blocking=True, timeout=PATIENCE)) == ALL
    assert interrupt(partial(both.get, blocking=True)) == ALL

    work()
    assert group.get(blocking=True, timeout=PATIENCE) == [1, 2]


def test_an_interrupt_of_a_wait_for_the_next_says_so(memory_huey, monkeypatch):
    group = memory_huey.task(name="echo")(lambda value: value).map([1, 2])
    waits = threading.Event()
    monkeypatch.setattr("huey.awaiting._ready", lambda results: waits.set() or [])

    assert interrupted_when(waits, lambda: list(group.as_completed())) == ALL

    assert len(memory_huey) == 2


def test_a_value_is_not_lost_when_the_wait_is_interrupted_while_it_is_read(
    huey, echo, work, monkeypatch
):
    result = echo(1)
    work()

    def interrupted(data):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(huey.serializer, "deserialize", interrupted)
        with pytest.raises(KeyboardInterrupt, match="no longer waiting"):
            result.get(blocking=True)

    assert result.get() == 1


async def stop(awaitable, *message):
    """Await something, cancel that in the middle, and return what the cancellation says."""
    task = asyncio.ensure_future(awaitable)
    while not _tickers:
        await asyncio.sleep(0.001)
    task.cancel(*message)
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return str(caught.value)


async def all_of(completed):
    return [result async for result in completed]


async def wait_for(result):
    return await result


def test_a_cancelled_await_says_that_the_task_goes_on(huey, echo, work):
    group = echo.map([1, 2])
    both = huey.enqueue(chord([echo.s(1)], echo))

    async def main():
        return [
            await stop(wait_for(group[0])),
            await stop(wait_for(group)),
            await stop(wait_for(both)),
            await stop(all_of(group.as_completed())),
            await stop(wait_for(group[0]), "somebody's own reason"),
        ]

    assert asyncio.run(main()) == [ONE, ALL, ALL, ALL, "somebody's own reason"]
    assert _tickers == {}
    work()
    assert group.get() == [1, 2]


def test_a_loop_looks_around_while_somebody_waits_in_it(echo):
    """A signal's handler in a kernel asks a sleeping loop to do something, which wakes nobody."""

    async def main():
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(wait_for(echo(1)))
        while not _tickers:
            await asyncio.sleep(0.001)
        # As a handler does it: not by call_soon_threadsafe, which would wake the loop.
        handler = lambda *_: loop.call_soon(task.cancel)  # noqa: E731
        before = signal.signal(signal.SIGUSR1, handler)
        try:
            timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGUSR1])
            timer.start()
            with pytest.raises(asyncio.CancelledError):
                await task
            timer.join()
        finally:
            signal.signal(signal.SIGUSR1, before)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
