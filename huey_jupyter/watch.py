"""Follow the events of a Huey, fold them into cards, and say which cards changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from huey.alone import is_alone
from huey.constants import EmptyData
from huey.executor import one_line
from huey.lifecycle import reasoned
from huey.results import Error
from huey_jupyter.beside import Beside
from huey_jupyter.cards import Board, Changes

if TYPE_CHECKING:
    from huey import Huey

logger = logging.getLogger("huey.jupyter")

PUBLISH_EVERY = 0.1  # seconds between two updates of what is shown
MANY = 1000  # events read at once, after which there is no pause: more are waiting


# Where an ending has another name as event.
ENDINGS = {"none": "complete", "skipped": "canceled", "withdrawn": "canceled"}


class Watcher:
    """Keeps a board up to date and tells a publisher, ten times a second at most.

    :param huey: whose events.
    :param board: folded into, under ``lock``.
    :param lock: held while the board is folded or read.
    :param publish: called with what changed, by one thread at a time and without the lock.
    :param kept_back: returns the ids of tasks that are not in the queue yet.
    """

    def __init__(
        self,
        huey: Huey,
        board: Board,
        lock: threading.RLock,
        publish: Callable[[Changes], None],
        kept_back: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.huey = huey
        self.board = board
        self.lock = lock
        self._publish = publish
        self._kept_back = kept_back
        self.outage = ""  # why the storage could not be read when it was tried last
        self._cursor = huey.storage.last_event()
        self._version = 0
        self._missed = False
        self._turn = threading.RLock()
        self._beside = Beside("huey watcher", self._follow)
        # On the loop there is no waiting within the storage: it is looked at ten times a second.
        self._patience = None if is_alone() else 1.0

    def start(self) -> None:
        """Begin to follow."""
        self._beside.start()

    def stop(self) -> None:
        """Publish what there is and end."""
        self._beside.stop(wake=lambda: self.huey.storage.wake_readers())
        self.catch_up()

    def catch_up(self) -> None:
        """Fold and publish, here and now, everything that has happened until now.

        A storage that cannot be reached has nothing to tell: `outage` says why.
        """
        try:
            self.huey.events.flush()
            with self._turn:
                while self._fold(MANY) >= MANY:
                    continue
                self._tell()
            self.outage = ""
        except Exception as error:
            if not self.huey.storage.is_outage(error):
                raise
            self.outage = one_line(error)

    def follow_on(self) -> None:
        """Go on from the end of the stream, as it is another one now."""
        with self._turn:
            self._cursor = self.huey.storage.last_event()

    def read_all(self) -> None:
        """Fold everything that the stream still holds, what was folded before included."""
        with self._turn:
            self._cursor = None
            self._missed = False
        self.catch_up()
        self._ask_storage()
        self._tell()

    async def _follow(self) -> None:
        """Fold and publish until `stop`."""
        while not self._beside.stopping:
            try:
                found = self._wait_and_fold()
            except Exception:
                logger.exception("the cards could not be brought up to date; trying again")
                found = 0
            if found < MANY:
                await self._beside.rest(PUBLISH_EVERY)

    def _wait_and_fold(self) -> int:
        self.huey.storage.read_events(self._cursor, limit=1, timeout=self._patience)
        with self._turn:
            found = self._fold(MANY)
            self._tell()
        return found

    def _fold(self, limit: int) -> int:
        events = self.huey.events.read(self._cursor, limit=limit)
        with self.lock:
            if events and events[0][0] != (self._cursor or 0) + 1:
                self._missed = True
            for cursor, event in events:
                self.board.fold(event)
                self._cursor = cursor
        if self._missed and len(events) < MANY:
            self._missed = False
            self._ask_storage()
        return len(events)

    def _ask_storage(self) -> None:
        """Find out how tasks ended whose events were dropped before they were read.

        The stream is bounded, so a flood of short tasks can outrun this reader.
        """
        with self.lock:
            open_ids = {card.id for card in self.board.cards.values() if not card.terminal}
        open_ids.difference_update(self._kept_back())
        open_ids -= {task.id for task in (*self.huey.scheduled(), *self.huey.pending())}
        in_hand = self.huey.storage.inflight()  # asked last: what is in none of the three has ended
        endings = {task_id: self._ending(task_id) for task_id in open_ids}
        with self.lock:
            for task_id, ending in endings.items():
                if ending is None and in_hand:
                    self._missed = True  # it may be one of those: ask again
                else:
                    facts = ending or {"kind": "complete"}  # the value was taken already
                    self.board.fold({"task": task_id, "at": time.time(), **facts})

    def _ending(self, task_id: str) -> dict[str, Any] | None:
        """Return what the storage tells of a task's end, None if nothing."""
        data = self.huey.storage.peek_data(task_id)
        if data is EmptyData:
            ending = self.huey.storage.peek_ending(task_id)
            if not ending:
                return None
            word, why = reasoned(ending)
            return {"kind": ENDINGS.get(word, word), "error": why}
        value = self.huey.serializer.deserialize(data)
        return (
            {"kind": "error", **value.metadata}
            if isinstance(value, Error)
            else {"kind": "complete"}
        )

    def _tell(self) -> None:
        with self.lock:
            changes = self.board.changes(self._version)
        self._version = changes.version
        if changes.cards or changes.groups:
            self._publish(changes)
