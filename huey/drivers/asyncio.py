"""Workers whose ``async def`` tasks run side by side on one event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from huey.coroutines import SharedLoop
from huey.drivers.caller import Caller
from huey.drivers.thread import ThreadDriver
from huey.drivers.window import Window

if TYPE_CHECKING:
    from huey.consumer import Consumer

T = TypeVar("T")


class AsyncioDriver(ThreadDriver):
    """Runs coroutines on one loop in one thread, and plain functions in their workers' threads."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self._loop = SharedLoop()

    def make_caller(self) -> Caller:
        return Caller(Window(), Lent(self._loop))

    def close(self) -> None:
        super().close()
        self._loop.close()


class Lent:
    """A loop that many use, so that none of them closes it."""

    def __init__(self, loop: SharedLoop) -> None:
        self._loop = loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(coroutine)

    def close(self) -> None:
        pass
