"""Pipes whose far end is a task's output, for what other programs and C code write."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from huey.tasks import running

Write = Callable[[str, str], None]

CHUNK: Final = 65_536
PASSED: Final = 512_000  # bytes of one pipe that a task's output takes in each window
WINDOW: Final = 0.1  # seconds, as often as the output is collected


class Pipe:
    """One pipe; what is written into `entry` comes out in a task's output.

    Any thread may drain it. What comes faster than a card could keep is counted and let go.

    :param stream: ``stdout`` or ``stderr``.
    :param write: called with that and each piece of text.
    """

    def __init__(self, stream: str, write: Write) -> None:
        self.exit, self.entry = os.pipe()
        os.set_blocking(self.exit, False)
        self._stream = stream
        self._write = write
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._lock = threading.Lock()
        self._since = self._passed = self._left_out = 0.0

    def drain(self, limit: int = 16) -> bool:
        """Hand on what is in the pipe; say whether more may come.

        :param limit: reads at most, so that a fast writer does not hold the reader up.
        """
        with self._lock:
            for _ in range(limit):
                try:
                    data = os.read(self.exit, CHUNK)
                except BlockingIOError:
                    return True
                except OSError:  # closed, perhaps by the task itself
                    data = b""
                self._take(data)
                if not data:
                    return False
        return True

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        if now - self._since > WINDOW:
            self._since, self._passed = now, 0
        self._passed += len(data)
        if data and self._passed > PASSED:
            self._left_out += len(data)
        else:
            self._hand_on(self._decode(data, not data))

    def _hand_on(self, text: str) -> None:
        if self._left_out:
            text = f"\n[{self._left_out:,.0f} bytes left out]\n{text}"
            self._left_out = 0
        if text:
            self._write(self._stream, text)


class Records(Pipe):
    """A pipe for whole records, from a copy of this process.

    :param take: called with each.
    """

    def __init__(self, take: Callable[[list[Any]], None]) -> None:
        super().__init__("", lambda stream, text: None)
        self._take_record = take
        self._rest = b""
        self._sending = threading.Lock()

    def send(self, *record: Any) -> None:
        """Write a record into the pipe; what JSON does not know goes as text."""
        data = json.dumps(record, default=str).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):  # nobody listens any more
            while data:
                data = data[os.write(self.entry, data) :]

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take_record(json.loads(line))


class Pipes:
    """All open pipes of this process, read by one thread that is there while any was opened.

    A process forked from this one begins with none.
    """

    def __init__(self) -> None:
        self._pid = 0

    def add(self, pipe: Pipe) -> None:
        """Read a pipe until nobody can write into it any more; its `entry` is left alone."""
        if self._pid != os.getpid():
            self._begin()
        self._selector.register(pipe.exit, selectors.EVENT_READ, pipe)

    def close(self) -> None:
        """Read no more; what still writes into a pipe finds it broken."""
        if self._pid != os.getpid():
            return
        self._pid = 0
        os.write(self._bell, b".")  # a copy of this process may hold it open
        self._thread.join()
        os.close(self._bell)

    def _begin(self) -> None:
        rung, self._bell = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(rung, selectors.EVENT_READ)
        self._thread = threading.Thread(
            target=_read, args=(self._selector, rung), name="huey pipes", daemon=True
        )
        with outside():
            self._thread.start()
        self._pid = os.getpid()


def _read(selector: selectors.BaseSelector, rung: int) -> None:
    """Drain what can be read, until the bell rings."""
    with selector:
        while True:
            for key, _ in selector.select():
                if key.fd == rung:
                    _close_all(selector)
                    return
                if not key.data.drain():
                    selector.unregister(key.fd)
                    _close(key.fd)


def _close_all(selector: selectors.BaseSelector) -> None:
    for key in list(selector.get_map().values()):
        _close(key.fd)


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Be in no task for a moment, so that what is started belongs to none."""
    token = running.set(None)
    try:
        yield
    finally:
        running.reset(token)


def _close(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)
