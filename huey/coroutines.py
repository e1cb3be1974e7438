"""Where coroutines run: what an ``async def`` task gives back becomes a value here."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar

from huey.alone import complete, is_alone

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

CO_COROUTINE = 0x80  # of an async def's code, as `inspect` has it, whose import takes its time


def is_coroutine(value: object) -> TypeGuard[Coroutine[Any, Any, Any]]:
    """Say whether a function's value is a call of an ``async def`` that has yet to run.

    Other awaitables, such as a `Result`, are values like any other.
    """
    return isinstance(value, CoroutineType)


def is_coroutine_function(func: Callable[..., Any]) -> bool:
    """Say whether a function is an ``async def``."""
    code = getattr(func, "__code__", None)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end here and now, and return its value.

    Inside a running event loop, such as a notebook's, it runs in a thread beside it, which the
    caller waits for; in the caller's context either way.
    """
    import asyncio

    context = contextvars.copy_context()

    def run() -> T:
        with asyncio.Runner() as runner:
            return runner.run(coroutine, context=context)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    if is_alone():
        return complete(coroutine, "await the coroutine itself")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "huey coroutine") as beside:
        return beside.submit(run).result()


class Loop(Protocol):
    """An event loop for the coroutines of a worker."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, in the caller's context; wait for it."""
        ...

    def close(self) -> None:
        """End what still runs, and give the loop back."""
        ...


class OwnLoop:
    """An event loop of one worker's own, in the worker's thread; made when first needed."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        import asyncio

        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine, context=contextvars.copy_context())

    def close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()


class SharedLoop:
    """One event loop for many workers, in a thread of its own; made when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        import asyncio

        return asyncio.run_coroutine_threadsafe(coroutine, self._started()).result()

    def close(self) -> None:
        import asyncio

        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="huey loop", daemon=True
                )
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        asyncio.set_event_loop(None)


async def _end_all(patience: float = 1.0) -> None:
    """Cancel what runs on this loop, and give it a moment to end."""
    import asyncio

    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=patience)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
