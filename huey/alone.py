"""One thread alone: where no other can be started, as in a browser, waiting is another matter.

Workers are then coroutines on the one event loop. A plain function that waits stops them all,
unless the interpreter can lay its stack aside meanwhile, as Pyodide does in browsers with JSPI.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from huey.exceptions import ConfigurationError

if TYPE_CHECKING:
    from huey.storage.base import Waiter

T = TypeVar("T")

BREATH: Final = 0.04  # seconds that a plain function runs before others have a turn
TURN: Final = 0.004  # seconds that others have then; a shorter wait comes before their timers
LOOK_AGAIN: Final = 0.05  # seconds between two looks, where nobody can ring


@functools.cache
def is_alone() -> bool:
    """Say whether this process can start no thread; found out once, by trying."""
    if threading.active_count() > 1:
        return False
    probe = threading.Thread(target=int, name="huey probe", daemon=True)
    try:
        probe.start()
    except RuntimeError:
        return True
    probe.join()
    return False


def can_wait() -> bool:
    """Say whether a plain function, called here, can wait while others go on."""
    try:
        from pyodide.ffi import can_run_sync
    except ImportError:
        return False
    return bool(can_run_sync())


def complete(coroutine: Coroutine[Any, Any, T], instead: str) -> T:
    """Run a coroutine to its end in a plain function, while others go on.

    :param instead: what to write where that is impossible.
    :raises ConfigurationError: there.
    """
    if not can_wait():
        coroutine.close()
        raise ConfigurationError(
            f"waiting here would stop the workers, which share the one thread: {instead}"
        )
    from pyodide.ffi import run_sync

    value: T = run_sync(coroutine)
    return value


def wait(waiter: Waiter, seconds: float) -> bool:
    """Wait for a ring at most so many seconds; with the workers in this thread, let them work.

    :raises ConfigurationError: if a plain function cannot wait here.
    """
    if not is_alone():
        return waiter.wait(seconds)
    return complete(_rung(waiter, seconds), "write `await result`, or look with result.get()")


def sleep(seconds: float, instead: str) -> None:
    """Sleep, and with the workers in this thread, let them work.

    :param instead: what to write where that is impossible.
    """
    if not is_alone():
        time.sleep(seconds)
    else:
        import asyncio

        complete(asyncio.sleep(seconds), instead)


async def _rung(waiter: Waiter, seconds: float) -> bool:
    import asyncio

    rang, tell = asyncio.Event(), getattr(waiter, "tell", None)
    if tell is None:
        await asyncio.sleep(min(seconds, LOOK_AGAIN))
        return False
    tell(rang.set)
    try:
        async with asyncio.timeout(seconds):
            return await rang.wait()
    except TimeoutError:
        return False


class Breath:
    """Lets others have a turn while a plain function computes, if it has done so for a while."""

    def __init__(self) -> None:
        self._next = time.monotonic() + BREATH

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            if can_wait():
                sleep(TURN, "")
            self._next = time.monotonic() + BREATH
