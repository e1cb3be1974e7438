"""Wake-ups: threads of one process that wait, and what rings when there is something for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class BellWaiter:
    """One thread's wait, in a ``with`` block. Good for one ring; make a new one for the next.

    ``rung`` says whether it rang; that is final once the block was left.
    """

    def __init__(self, bell: Bell, key: str) -> None:
        self.key = key
        self.rung = False
        self._bell = bell
        self._ringing = threading.Lock()
        self._ringing.acquire()
        self._call: Callable[[], object] | None = None

    def __enter__(self) -> BellWaiter:
        self._bell.admit(self)
        return self

    def __exit__(self, *raised: object) -> None:
        self._bell.forget(self)

    def wait(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds; True if it rang."""
        return self.rung or self._ringing.acquire(timeout=max(0.0, timeout))

    def ring(self) -> None:
        """End the wait, the one going on or the next."""
        self.rung = True
        self._ringing.release()
        if self._call is not None:
            self._call()

    def tell(self, call: Callable[[], object]) -> None:
        """Have ``call`` called when it rings, or now if it has; by whoever rings, so be brief."""
        self._call = call
        if self.rung:
            call()


class Bell:
    """Wake threads of this process by a key that they wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[str, list[BellWaiter]] = {}

    @property
    def waited_for(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiters)

    def waiting(self, key: str) -> BellWaiter:
        """Return a waiter for ``key``; enter it, look for what you want, then wait."""
        return BellWaiter(self, key)

    def ring(self, key: str) -> bool:
        """Wake all that wait for ``key``; True if there was one."""
        if key not in self._waiters:
            return False
        with self._lock:
            waiters = self._waiters.pop(key, [])
            for waiter in waiters:
                waiter.ring()
        return bool(waiters)

    def ring_some(self, key: str, count: int = 1) -> int:
        """Wake at most ``count`` that wait for ``key``, the last come first; return how many."""
        if key not in self._waiters:
            return 0
        with self._lock:
            waiters = self._waiters.get(key, [])
            woken = [waiters.pop() for _ in range(min(count, len(waiters)))]
            if not waiters:
                self._waiters.pop(key, None)
            for waiter in woken:
                waiter.ring()
        return len(woken)

    def ring_all(self) -> None:
        """Wake everybody."""
        for key in list(self._waiters):
            self.ring(key)

    def admit(self, waiter: BellWaiter) -> None:
        """Ring this waiter from now on."""
        with self._lock:
            self._waiters.setdefault(waiter.key, []).append(waiter)

    def forget(self, waiter: BellWaiter) -> None:
        """Ring this waiter no more."""
        if waiter.rung:  # those who were rung are forgotten already
            return
        with self._lock:
            waiters = self._waiters.get(waiter.key)
            if waiters and waiter in waiters:
                waiters.remove(waiter)
                if not waiters:
                    del self._waiters[waiter.key]


class Lookout:
    """One of those who wait looks by itself now and then, for what comes without a ring."""

    def __init__(self) -> None:
        self._manned = threading.Lock()

    @property
    def is_manned(self) -> bool:
        """Whether somebody looks out. Who leaves with work may ring for somebody if not."""
        return self._manned.locked()

    def wait(
        self, waiter: BellWaiter, timeout: float, every: float, look: Callable[[], object]
    ) -> bool:
        """Wait at most ``timeout`` seconds, until it rings or ``look`` sees something.

        :param every: seconds between two looks, if nobody else looks out.
        :returns: whether it rang.
        """
        if not self._manned.acquire(blocking=False):
            return waiter.wait(timeout)
        try:
            deadline = time.monotonic() + timeout
            while not waiter.wait(min(every, deadline - time.monotonic())):
                if look() or time.monotonic() >= deadline:
                    return False
            return True
        finally:
            self._manned.release()
