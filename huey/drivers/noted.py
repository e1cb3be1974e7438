"""The signals of the operating system, noted by a handler and acted upon elsewhere."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import Any


class Noted:
    """Signals noted in the order in which they came, in a ``with`` block.

    The handlers found are put back afterwards. For the main thread only.

    :param numbers: which signals.
    :param at_once: hear them even while the main thread is busy in a C call; then one may be
        noted twice.
    """

    def __init__(self, numbers: Sequence[int], at_once: bool = False) -> None:
        self.numbers = numbers
        self.at_once = at_once
        self._found: dict[int, Any] = {}
        self._came: deque[int] = deque()
        self.socket, self._bell = socket.socketpair()
        for one in (self.socket, self._bell):
            one.setblocking(False)

    def __enter__(self) -> Noted:
        if self.at_once:
            signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        self._found = {number: signal.signal(number, self._note) for number in self.numbers}
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._found.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self.at_once:
            signal.set_wakeup_fd(-1)
        self.socket.close()
        self._bell.close()

    def __bool__(self) -> bool:
        return bool(self._came)

    def wait(self, timeout: float) -> bool:
        """Wait until there is one, at most so many seconds; say whether there is."""
        if not self._came:
            select.select([self.socket], [], [], timeout)
        return bool(self._came)

    def take(self) -> int | None:
        """Return the next one, None if there is none."""
        with contextlib.suppress(BlockingIOError):
            self._came.extend(n for n in self.socket.recv(256) if n in self.numbers)
        return self._came.popleft() if self._came else None

    def wake(self) -> None:
        """End a `wait`, the one going on or the next; from any thread."""
        with contextlib.suppress(OSError):
            self._bell.send(b"\0")

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)
        self.wake()
