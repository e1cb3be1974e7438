"""The messages in a folder in their order, without reading the folder each time."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable
from typing import Any, Final

from huey.storage.journal import Journal

# Files that huey adds leave no trace but the folder's time: that is looked at this often (seconds),
# or less often where the folder is so large that reading it would take more than a twentieth of it.
_LOOK_AGAIN: Final = 0.5
_AT_MOST_A: Final = 20


class Listing:
    """Messages by their names, for the turns of a `Journal`.

    It knows of all that was added by way of the journal. What others have removed is noticed when
    its turn comes.

    :param folder: within the journal's.
    :param read: what a name says, None for a name that is no message's.
    """

    def __init__(self, journal: Journal, folder: str, read: Callable[[str], Any]) -> None:
        self.folder = folder
        self._journal = journal
        self._read = read
        self._known_at = (0, "")
        self._heap: list[Any] = []
        self._names: set[str] = set()
        self._listed = 0.0
        self._pause = _LOOK_AGAIN
        self._changed = 0

    def all(self) -> list[Any]:
        """Return all messages in order."""
        return sorted(filter(None, map(self._read, self._journal.names(self.folder))))

    def first(self) -> Any:
        """Return the message that is first, None if there is none."""
        fresh = self._is_stale()
        if fresh:
            self._list()
        found = self.known()
        if found is None and not fresh:
            self._list()
            found = self.known()
        return found

    def known(self) -> Any:
        """Return the message that is first of those known, None if there is none."""
        while self._heap:
            if self._journal.has(f"{self.folder}/{self._heap[0].name}"):
                return self._heap[0]
            self.pop()
        return None

    def is_first(self, message: Any) -> bool:
        """Say whether a message that was the first still is, after others were added."""
        return bool(self._heap) and self._heap[0] is message

    def pop(self) -> None:
        """Leave the first one out from now on."""
        self._names.discard(heapq.heappop(self._heap).name)

    def add(self, name: str) -> None:
        """Take note of a message that is added in this turn."""
        if name not in self._names:
            self._names.add(name)
            heapq.heappush(self._heap, self._read(name))

    def keep_up(self) -> None:
        """At the end of a turn: what was added in it is known."""
        if self._known_at == (self._journal.opened, self._journal.began):
            self._known_at = (self._journal.opened, self._journal.order)

    def forget(self) -> None:
        """Read the folder the next time."""
        self._known_at = (0, "")

    def _is_stale(self) -> bool:
        if self._known_at != (self._journal.opened, self._journal.began):
            return True
        return time.monotonic() - self._listed > self._pause and self._changed != self._time()

    def _list(self) -> None:
        self._known_at = (self._journal.opened, self._journal.began)
        began = time.monotonic()
        self._changed = self._time()
        self._heap = self.all()  # sorted, so a heap
        self._names = {message.name for message in self._heap}
        self._listed = time.monotonic()
        self._pause = max(_LOOK_AGAIN, _AT_MOST_A * (self._listed - began))

    def _time(self) -> int:
        try:
            return os.stat(self._journal.path(self.folder)).st_mtime_ns
        except FileNotFoundError:
            return 0
