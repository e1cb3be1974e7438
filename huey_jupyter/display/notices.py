"""Notices: what a reader is told when something ends that they wait for, wherever they look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from huey_jupyter.cards import Board
from huey_jupyter.views import card_notice, group_notice


class Notices:
    """Tells once of the end of each task or group that somebody waits for.

    :param board: where the cards are.
    :param lock: held while the board is read; never while something is told.
    :param tell: called with a line of text, on any thread.
    """

    def __init__(self, board: Board, lock: threading.RLock, tell: Callable[[str], None]) -> None:
        self.board = board
        self.lock = lock
        self._tell = tell
        self._expected: set[str] = set()

    def expect(self, key: str) -> None:
        """Tell of this end; at once if it is over."""
        with self.lock:
            self._expected.add(key)
        self.look([key])

    def look(self, changed: Iterable[str]) -> None:
        """Tell which of these are over."""
        with self.lock:
            found = [self._notice(key) for key in self._expected.intersection(changed)]
        for text in filter(None, found):
            self._tell(text)

    def _notice(self, key: str) -> str:
        """Return what is to be said of a task or group; nothing while it goes on."""
        group, card = self.board.groups.get(key), self.board.cards.get(key)
        if group is not None and group.terminal:
            text = group_notice(group)
        elif card is not None and card.terminal:
            text = card_notice(card)
        else:
            return ""
        self._expected.discard(key)
        return text
