"""What an output shows, and the output itself: one place in the notebook."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from huey.utils import make_id
from huey_jupyter.cards import Board, Card, Group, State
from huey_jupyter.overview import Overview
from huey_jupyter.views import (
    card_html,
    card_text,
    dashboard_html,
    dashboard_text,
    group_html,
    group_text,
)
from huey_jupyter.views.offers import (
    DEFAULT_VERBS,
    VERBS,
    offers_of,
    offers_of_group,
)
from huey_jupyter.views.widget import CardWidget, News

Verbs = Callable[[Card], frozenset[str]]

# What a group can be asked for, and what one of its cards must offer for that.
NEEDED: Final = {
    "cancel": ("cancel", None),
    "cancel_queued": ("cancel", State.queued),
    "retry_failed": ("retry", State.failed),
}


class View(Protocol):
    """Something to show that changes; read under the lock of whoever calls."""

    @property
    def terminal(self) -> bool: ...

    @property
    def gone(self) -> bool:
        """Whether nothing is known any more of what it shows: what is saved of it stays."""

    def html(self, *, live: bool) -> str: ...

    def text(self) -> str: ...

    def bundle(self) -> dict[str, str]:
        """Return it as it is saved, with nothing that needs a kernel."""


class CardView:
    """A card, or a group of them.

    :param board: where the cards are.
    :param key: id of the task or of the group.
    :param verbs: what a card offers now.
    """

    def __init__(self, board: Board, key: str, verbs: Verbs | None = None) -> None:
        self.board = board
        self.key = key
        self._verbs = verbs or _default_verbs

    @property
    def _group(self) -> Group | None:
        return self.board.groups.get(self.key)

    @property
    def terminal(self) -> bool:
        group = self._group
        if group is not None:
            return group.terminal
        card = self.board.cards.get(self.key)
        return card is None or card.terminal  # none: it was over, and the board let it go

    @property
    def gone(self) -> bool:
        return self._group is None and self.key not in self.board.cards

    def html(self, *, live: bool) -> str:
        group, now, verbs = self._group, time.time(), self._offered() if live else frozenset()
        if group is None:
            card = self.board.card(self.key)
            return _sendable(card_html(card, now=now, live=live, verbs=verbs))
        members = self.board.members(group)
        return _sendable(group_html(group, members, now=now, live=live, verbs=verbs))

    def text(self) -> str:
        group, now = self._group, time.time()
        if group is None:
            return _sendable(card_text(self.board.card(self.key), now))
        return _sendable(group_text(group, self.board.members(group), now))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def offers(self) -> list[tuple[str, str]]:
        """Return the buttons there are now, as verb and label."""
        group, verbs = self._group, self._offered()
        if group is None:
            card = self.board.cards.get(self.key)
            return [] if card is None else offers_of(card, verbs)
        return offers_of_group(group, verbs)

    def _offered(self) -> frozenset[str]:
        group = self._group
        if group is None:
            return self._verbs(self.board.card(self.key))
        examples = {card.state: card for card in self.board.members(group)}
        offered = {state: self._verbs(card) for state, card in examples.items()}
        for_all = frozenset(
            verb
            for verb, (needed, state) in NEEDED.items()
            if any(needed in offered[one] for one in offered if state in (None, one))
        )
        return for_all.union(*offered.values())  # the rest is for the one that is chosen


class DashboardView:
    """The whole queue at a glance.

    :param look: returns it as it is.
    """

    terminal = False
    gone = False

    def __init__(self, look: Callable[[], Overview]) -> None:
        self._look = look

    def html(self, *, live: bool) -> str:
        return _sendable(dashboard_html(self._look(), live=live, verbs=VERBS))

    def text(self) -> str:
        return _sendable(dashboard_text(self._look()))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}


def _default_verbs(_card: Card) -> frozenset[str]:
    return DEFAULT_VERBS


def _sendable(text: str) -> str:
    """Return a text without half characters, which no message can carry."""
    return text.encode("utf-8", "replace").decode()


class Output:
    """One place in the notebook where a view was shown.

    :param key: id of the task or of the group, or the name of the view.
    :param every: seconds between two looks at it; 0 for what is looked at when it has changed.
    """

    def __init__(self, view: View, key: str, every: float = 0.0) -> None:
        self.view = view
        self.key = key
        self.every = every
        self.display_id = make_id()
        self.widget: CardWidget | None = None  # made when it is first live
        self.over = False
        self.run = 0  # how many times it began again after an end
        self.missed = False  # the page needs all of it
        self.saved: dict[str, str] = {}  # what the file has of it

    def bundle(self) -> dict[str, str]:
        """Return the view as it is saved, and which of its runs that is."""
        if self.saved and self.view.gone:
            return self.saved
        bundle = self.view.bundle()
        if self.run:
            html = bundle["text/html"].replace(
                " data-task=", f' data-run="{self.run}" data-task=', 1
            )
            bundle["text/html"] = html
        return bundle

    def news(self, html: str) -> News | None:
        """Return what the page must be told; None if nothing."""
        if self.widget is None:
            return None
        news = self.widget.news(html, run=self.run)
        missed, self.missed = self.missed, False
        return self.widget.whole() if missed else news

    def live_bundle(self, widget: CardWidget) -> dict[str, Any]:
        """Return what shows the widget, and beside it what a file without a kernel shows."""
        self.widget = widget
        mimebundle = widget._repr_mimebundle_() or {}
        data = mimebundle[0] if isinstance(mimebundle, tuple) else mimebundle
        return {**data, **self.saved}
