"""Where a session's queue is: somewhere else from now on, or back where it was before a restart."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from huey import Huey
from huey.exceptions import ConfigurationError
from huey.lifecycle import because
from huey.storage import Batch
from huey_jupyter.backends import MEMORY, parse_url
from huey_jupyter.cards import Card, State
from huey_jupyter.remembered import Remembered
from huey_jupyter.views.words import plural

if TYPE_CHECKING:
    from huey_jupyter.session import Session

SHOWN_SINGLY: Final = 20  # cards that come back one by one; more are shown as a group


class Places:
    """Changes where the queue of a session is, see `Session.use` and `Session.reconnect`.

    :param session: whose queue.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.remembered = Remembered(session.ip, session.huey.name)
        self._left: set[str] = set()  # places where tasks were left

    def use(self, where: str, move: bool, leave: bool) -> None:
        """Keep the queue somewhere else; the workers stop meanwhile."""
        session, theirs = self.session, self._huey_named(where)
        url = "" if theirs is not None else parse_url(where)
        if url == session.huey.url:
            return
        if session.outage and not leave:
            raise ConfigurationError(f"{session.outage}: --leave goes on without what is there")
        self._refuse(url, said=move or leave, borrowed=theirs is not None)
        was_running = session.workers.running
        session.workers.stop(graceful=move)
        try:
            self._change(url, theirs, move, leave)
        finally:
            if was_running:
                session.workers.start()
        outlives = session.huey.durable and theirs is None
        self.remembered.remember(session.huey.url if outlives else "")

    def reconnect(self, where: str) -> int:
        """Go back to an earlier queue and show its cards; return how many tasks it has."""
        where = where or self.remembered.last_place()
        if not where and not self.session.huey.durable:
            raise ConfigurationError(
                "nothing is known of an earlier queue of this notebook: say where it is, like "
                "%huey reconnect sqlite:huey.db"
            )
        if where:
            self.session.use(where)
        self.session.watcher.read_all()
        cards = self.session.tasks()
        self._show(cards)
        return len(cards)

    def lose(self, why: str) -> None:
        """End what nobody will run any more, for cards and for callers that wait."""
        session = self.session
        session.huey.storage.flush_queue()
        session.huey.storage.flush_schedule()
        with session.lock:
            lost = [card.id for card in session.board.cards.values() if not card.terminal]
            for one in lost:
                session.board.fold({"kind": "lost", "task": one, "at": time.time(), "error": why})
        ending = because("lost", why)
        session.huey.storage.write(Batch(endings=[(one, ending) for one in lost]))

    def _huey_named(self, where: str) -> Huey | None:
        """Return the Huey that a variable of the notebook holds, if that is what is meant."""
        found: Any = self.session.ip.user_ns.get(where)
        return found if isinstance(found, Huey) and found is not self.session.huey else None

    def _refuse(self, url: str, said: bool, borrowed: bool) -> None:
        """Refuse what would lose a running task, or leave workers without a queue."""
        going_on = (State.running, State.stopping)
        running = sum(card.state in going_on for card in self.session.tasks())
        if running and not said:
            raise ConfigurationError(
                f"{plural(running, 'task')} still running: wait, or say --move (what runs ends "
                f"first, what waits comes along) or --leave"
            )
        if self.session.workers.kind != "process":
            return
        check_processes(borrowed)
        if url == MEMORY:
            raise ConfigurationError(
                "worker processes cannot see a queue in memory: %huey start -k thread first"
            )

    def _change(self, url: str, theirs: Huey | None, move: bool, leave: bool) -> None:
        session = self.session
        before, place = session.huey.url, session.huey.place
        if leave and not session.huey.durable:
            self.lose("the notebook has left the queue in memory")
        session.watcher.catch_up()
        if theirs is None:
            session.huey.move_to(url, move=move, leave=leave)
        else:
            session.huey.adopt(theirs, move=move, leave=leave)
        session.watcher.follow_on()
        if leave and before != MEMORY:
            self._leave(before, place)
        if url in self._left:
            self._left.remove(url)
            session.watcher.read_all()

    def _leave(self, url: str, place: str) -> None:
        """Have cards say of tasks that were left in a place that they are there."""
        self._left.add(url)
        why, now, session = f"left in {place}: %huey use goes back there", time.time(), self.session
        with session.lock:
            left = [card for card in session.board.cards.values() if not card.terminal]
            for card in left:
                at = now if card.started else card.created or now  # its events will be read again
                session.board.fold({"kind": "lost", "task": card.id, "at": at, "error": why})

    def _show(self, cards: list[Card]) -> None:
        """Show cards that an earlier kernel has shown."""
        session = self.session
        if len(cards) <= SHOWN_SINGLY:
            for card in cards:
                session.displays.show(card.id)
            return
        name, ids = session.huey.name, [card.id for card in cards]
        with session.lock:
            group = session.board.group(f"all {name}", name, ids, len(ids))
        session.displays.show(group.id)


def check_processes(borrowed: bool) -> None:
    """Refuse worker processes for a queue that they could not find.

    :param borrowed: whether the queue is that of a Huey of the user's.
    """
    if borrowed:
        raise ConfigurationError(
            "worker processes know nothing of a Huey that the notebook has made: use "
            "%huey start -k thread, or run huey_consumer on its module"
        )
