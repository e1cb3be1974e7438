"""What goes on beside the cells: in a thread, or on the kernel's loop where none can be started."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from huey.alone import is_alone

PATIENCE: Final = 0.02  # seconds between two attempts to wake a thread that has to end


class Rests(Protocol):
    """How it rests between two things that it does."""

    def wake(self) -> None: ...

    def stop(self) -> None: ...

    async def rest(self, seconds: float) -> None: ...

    async def wait(self, seconds: float | None) -> None: ...


class Beside:
    """Does something again and again beside the cells, until it is stopped.

    It is a coroutine that awaits nothing but its `rest` and its `wait`. A thread runs it through
    in one go, as both block there; on the loop it gives way in them.

    :param name: of the thread.
    :param go_on: the coroutine; looks at ``stopping``.
    """

    def __init__(self, name: str, go_on: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.name = name
        self.stopping = False
        self._go_on = go_on
        self._thread: threading.Thread | None = None
        self._strand: asyncio.Task[None] | None = None
        self._rests: Rests = _InLoop() if is_alone() else _InThread()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        strand, thread = self._strand, self._thread
        in_thread = thread is not None and thread.is_alive()
        return in_thread or (strand is not None and not strand.done())

    def start(self) -> None:
        """Begin."""
        if is_alone():
            self._strand = asyncio.get_running_loop().create_task(self._go_on())
        else:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def stop(self, wake: Callable[[], object] = bool, patience: float | None = None) -> None:
        """Have it end; wait for that in a thread, for so many seconds at most.

        :param wake: ends what it waits for besides.
        """
        self.stopping = True
        self._rests.stop()
        if self._strand is not None:
            self._strand.cancel()
        wake()
        thread, left = self._thread, patience
        while thread is not None and thread.is_alive() and (left is None or left > 0):
            wake()
            thread.join(PATIENCE)
            left = None if left is None else left - PATIENCE

    def wake(self) -> None:
        """End a `wait`, the one going on or the next."""
        self._rests.wake()

    async def rest(self, seconds: float) -> None:
        """Rest so many seconds, or until it has to end."""
        await self._rests.rest(seconds)

    async def wait(self, seconds: float | None = None) -> None:
        """Rest so many seconds, None for as long as it takes, or until it is woken."""
        await self._rests.wait(seconds)

    def _run(self) -> None:
        with contextlib.suppress(StopIteration):  # as it ends; it never gives way in between
            self._go_on().send(None)


class _InThread:
    def __init__(self) -> None:
        self._bell, self._end = threading.Event(), threading.Event()

    def wake(self) -> None:
        self._bell.set()

    def stop(self) -> None:
        self._end.set()
        self._bell.set()

    async def rest(self, seconds: float) -> None:
        self._end.wait(seconds)

    async def wait(self, seconds: float | None) -> None:
        self._bell.wait(seconds)
        if not self._end.is_set():
            self._bell.clear()


class _InLoop:
    def __init__(self) -> None:
        self._bell = asyncio.Event()

    def wake(self) -> None:
        self._bell.set()

    def stop(self) -> None:
        """Do nothing: its coroutine is cancelled."""

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        self._bell.clear()
