"""Waiting for results without a thread for each: in an event loop, and for the first of many.

A storage's waiter that can say who rang has a method ``tell``, see `BellWaiter`; with the others
one looks again and again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from huey.alone import complete, is_alone
from huey.exceptions import ResultTimeout

if TYPE_CHECKING:
    from huey.storage.base import Waiter

# Woken by the storage, one still looks by oneself, less and less often (seconds): a wake-up may
# be lost with a killed process. Where the storage cannot wake, the first look is soon.
LOOK_AGAIN = (1.0, 2.0, 5.0)
POLL = (0.005, 1.15, 1.0)

OUTAGE = 60.0  # seconds for which the storage may be away while somebody waits
PAUSE = 0.1  # seconds between two attempts meanwhile


LOOK_SOON = 0.01  # seconds between two looks at what has arrived, in a thread that is alone
TICK = 0.1  # seconds after which an event loop looks around, see `ticking`

ONE_GOES_ON = "no longer waiting; the task goes on: cancel() stops it"
ALL_GO_ON = "no longer waiting; the tasks go on: cancel() stops them"


class Awaited(Protocol):
    """Something that gets ready: a result, a group of them, a chord's."""

    def is_ready(self) -> bool:
        """Say whether there is something to get."""
        ...

    def waiters(self) -> list[AbstractContextManager[Waiter]]:
        """Return a waiter for each task that it depends on."""
        ...


A = TypeVar("A", bound=Awaited)
T = TypeVar("T")


class _Pauses:
    """How long to wait before the next look: longer each time, and never beyond the deadline."""

    def __init__(self, pauses: tuple[float, float, float], deadline: float | None) -> None:
        self._pause, self._factor, self._longest = pauses
        self._deadline = deadline

    def next(self) -> float:
        """Return the next pause in seconds, 0 or less when the time is over."""
        pause, self._pause = self._pause, min(self._pause * self._factor, self._longest)
        if self._deadline is None:
            return pause
        return min(pause, self._deadline - time.monotonic())


class _Watch:
    """Waiters that are entered in any thread, and left when the ``with`` block is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered: ExitStack | None = ExitStack()  # None once the block was left

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            entered, self._entered = self._entered, None
        if entered is not None:
            entered.close()

    def listen(self, awaited: Awaited, call: Callable[[], object]) -> bool:
        """Have ``call`` called, in any thread, when something may be ready; False if nobody does.

        It may take a while, as a storage far away has to be told.
        """
        heard = True
        with ExitStack() as stack:
            for waiter in awaited.waiters():
                tell = getattr(stack.enter_context(waiter), "tell", None)
                if tell is None:
                    heard = False
                else:
                    tell(call)
            with self._lock:
                if self._entered is not None:
                    self._entered.push(stack.pop_all())
        return heard

    def look(
        self, look: Callable[[], bool], awaited: Awaited, call: Callable[[], object]
    ) -> tuple[bool, bool]:
        """Listen, then look; return what came of both."""
        return self.listen(awaited, call), look()


class Endurance:
    """Whoever waits has begun to, so that an outage of the storage is waited out, for a minute.

    :param is_outage: says whether an error is one that may pass.
    """

    def __init__(self, is_outage: Callable[[BaseException], bool]) -> None:
        self._is_outage = is_outage
        self._last = self._since = -OUTAGE

    def __call__(self, error: BaseException) -> bool:
        """Say whether to go on in spite of an error."""
        now = time.monotonic()
        if now > self._last + 2 * LOOK_AGAIN[-1]:  # another outage than the last one
            self._since = now
        self._last = now
        return self._is_outage(error) and now < self._since + OUTAGE


class interruptible:
    """Wait inside; an interrupt ends it with a message that says what it did not end."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind is KeyboardInterrupt:
            raise KeyboardInterrupt(self._text) from None


@contextmanager
def cancellable(text: str) -> Iterator[None]:
    """Do the same in an event loop, where a notebook's interrupt comes as a cancellation."""
    import asyncio

    with ticking(asyncio.get_running_loop()):
        try:
            yield
        except asyncio.CancelledError as error:
            if error.args in ((), (ONE_GOES_ON,)):  # else somebody has said why
                error.args = (text,)
            raise


class _Ticker:
    """Wakes an event loop again and again, for as many as want that."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.count = 0
        self.tick()

    def tick(self) -> None:
        self._handle = self._loop.call_later(TICK, self.tick)

    def stop(self) -> None:
        self._handle.cancel()


_tickers: dict[Any, _Ticker] = {}  # by event loop, while somebody waits in it


@contextmanager
def ticking(loop: Any) -> Iterator[None]:
    """Have an event loop look around ten times a second.

    A kernel's handler of the interrupt asks the loop to cancel what is awaited. A loop that
    sleeps does not notice before it wakes by itself.
    """
    ticker = _tickers.get(loop) or _tickers.setdefault(loop, _Ticker(loop))
    ticker.count += 1
    try:
        yield
    finally:
        ticker.count -= 1
        if not ticker.count:
            _tickers.pop(loop, None)
            ticker.stop()


async def until(
    look: Callable[[], bool],
    awaited: Awaited,
    timeout: float | None,
    endure: Callable[[BaseException], bool] = lambda error: False,
) -> bool:
    """Wait until ``look`` is true, with the event loop free; False when the time is over.

    :param look: called in a thread of the loop's pool, as a storage may be slow.
    :param endure: says whether to go on after an error; not asked about the first look.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else time.monotonic() + timeout
    pauses = None
    while True:
        rang = asyncio.Event()
        with _Watch() as watch:  # anew each time: a waiter is good for one ring
            call = partial(_call_in, loop, rang.set)
            try:
                heard, found = await _beside(watch.look, look, awaited, call)
            except Exception as error:
                if pauses is None or not endure(error):
                    raise
                found = False
            if found:
                return True
            pauses = pauses or _Pauses(LOOK_AGAIN if heard else POLL, deadline)
            pause = pauses.next()
            if pause <= 0:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await rang.wait()


async def _beside(func: Callable[..., T], *args: Any) -> T:
    """Call a function that may be slow in a thread of the loop's pool, here if there is none."""
    import asyncio

    if is_alone():
        return func(*args)
    return await asyncio.get_running_loop().run_in_executor(None, func, *args)


def _call_in(loop: Any, call: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed, so nobody waits any more
        loop.call_soon_threadsafe(call)


class Completed(Generic[A]):
    """Results in the order in which they get ready, for ``for`` and for ``async for``.

    :param results: what to wait for.
    :param timeout: seconds for all of them together; then `ResultTimeout` is raised.
    """

    def __init__(self, results: Sequence[A], timeout: float | None = None) -> None:
        self._results = results
        self._timeout = timeout

    def __iter__(self) -> Iterator[A]:
        arrived: queue.SimpleQueue[A] = queue.SimpleQueue()
        with interruptible(ALL_GO_ON), _Watch() as watch:
            pauses = self._listen(watch, lambda result: partial(arrived.put, result))
            pending = dict.fromkeys(self._results)
            look = list(pending)
            while True:
                for result in _ready(look):
                    if pending.pop(result, self) is None:
                        yield result
                if not pending:
                    return
                try:
                    look = [self._next(arrived, self._left(pauses, pending))]
                except queue.Empty:
                    look = list(pending)

    async def __aiter__(self) -> AsyncIterator[A]:
        import asyncio

        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[A] = asyncio.Queue()

        def call_for(result: A) -> Callable[[], object]:
            return partial(_call_in, loop, partial(arrived.put_nowait, result))

        with cancellable(ALL_GO_ON), _Watch() as watch:
            pauses = await _beside(self._listen, watch, call_for)
            pending = dict.fromkeys(self._results)
            look = list(pending)
            while True:
                for result in await _beside(_ready, look):
                    if pending.pop(result, self) is None:
                        yield result
                if not pending:
                    return
                try:
                    async with asyncio.timeout(self._left(pauses, pending)):
                        look = [await arrived.get()]
                except TimeoutError:
                    look = list(pending)

    def _listen(self, watch: _Watch, call_for: Callable[[A], Callable[[], object]]) -> _Pauses:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        heard = [watch.listen(result, call_for(result)) for result in self._results]
        return _Pauses(LOOK_AGAIN if all(heard) else POLL, deadline)

    def _next(self, arrived: queue.SimpleQueue[A], seconds: float) -> A:
        """Return the next that is said to be ready; raise `queue.Empty` after so many seconds."""
        if not is_alone():
            return arrived.get(timeout=seconds)
        complete(_pause(arrived, seconds), "write `async for` instead of `for`")
        return arrived.get_nowait()

    def _left(self, pauses: _Pauses, pending: dict[A, None]) -> float:
        pause = pauses.next()
        if pause <= 0:
            raise ResultTimeout(f"{len(pending)} results are not ready within {self._timeout} s")
        return pause


async def _pause(arrived: queue.SimpleQueue[Any], seconds: float) -> None:
    """Wait until something has arrived, at most so many seconds."""
    import asyncio

    deadline = time.monotonic() + seconds
    while arrived.empty() and time.monotonic() < deadline:
        await asyncio.sleep(min(LOOK_SOON, seconds))


def _ready(results: Sequence[A]) -> list[A]:
    return [result for result in results if result.is_ready()]
