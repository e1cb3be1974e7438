"""The board: every card the notebook knows, its groups, and what changed since one last looked.

Like a card it is data only, and folded and read under a lock of the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

from huey_jupyter.card import STEPS, Card, Event
from huey_jupyter.group import Group
from huey_jupyter.log import Log
from huey_jupyter.runs import Runs
from huey_jupyter.states import State

__all__ = ["Board", "Card", "Changes", "Event", "Group", "Log", "State"]

MAX_IDLE: Final = 10_000

K = TypeVar("K")


class Changes(NamedTuple):
    """What changed, and the version to ask with next time."""

    version: int
    cards: list[str]
    groups: list[str]


class Board:
    """Cards and groups by id.

    Of the cards that are over, the latest `max_idle` are kept, besides those that somebody holds
    because they are on a screen. `by_state` holds the ids of all cards, each state's in the order
    in which they came to it; `runs` remembers who ran what of late.
    """

    def __init__(self, max_idle: int = MAX_IDLE) -> None:
        self.cards: dict[str, Card] = {}
        self.groups: dict[str, Group] = {}
        self.version = 0
        self.max_idle = max_idle
        self.runs = Runs()
        self.by_state: dict[State, dict[str, None]] = {state: {} for state in State}
        self._changed_cards: dict[str, int] = {}  # oldest change first
        self._changed_groups: dict[str, int] = {}
        self._groups_of: dict[str, list[Group]] = {}
        self._held: Counter[str] = Counter()
        self._idle: dict[str, None] = {}

    def fold(self, event: Event) -> Card | None:
        """Take in one event of any task. Return its card if that shows a change, else None."""
        task, kind = event.get("task"), event.get("kind")
        if not isinstance(task, str) or not task or str(kind) not in STEPS:
            return None
        card = self.card(task)
        before, created = card.state, card.created
        changed = card.fold(event)
        if card.group:
            self._join(self.groups.setdefault(card.group, Group(card.group)), card, before)
        if card.state is not before or card.created != created:
            self._moved(card, before)
        if not changed:
            return None
        self.touch(task)
        return card

    def card(self, task: str) -> Card:
        """Return the card of a task, made now if nothing is known of it yet."""
        if task not in self.cards:
            self.cards[task] = Card(task)
            self.by_state[State.queued][task] = None
            self.touch(task)
        return self.cards[task]

    def group(
        self, group_id: str, title: str = "", ids: Iterable[str] = (), expected: int = 0
    ) -> Group:
        """Return a group, made now if need be; what is given is added to what it has."""
        group = self.groups.setdefault(group_id, Group(group_id))
        group.title = title or group.title
        group.expected = expected or group.expected
        for task in ids:
            card = self.card(task)
            self._join(group, card, card.state)
        self._mark(self._changed_groups, group_id)
        return group

    def pick(self, key: str) -> None:
        """Choose a task of a group, to be told in full; chosen again it is let go.

        :param key: the group's id, `#`, and the task's number from 1.
        """
        group_id, _, number = key.rpartition("#")
        group = self.groups.get(group_id)
        if group is None or not number.isdecimal():
            return
        chosen = int(number) if 0 < int(number) <= len(group.ids) else None
        group.picked = None if chosen == group.picked else chosen
        self._mark(self._changed_groups, group_id)

    def members(self, group: Group) -> list[Card]:
        """Return the cards of a group that are still known, in order."""
        return [self.cards[task] for task in group.ids if task in self.cards]

    def touch(self, task: str) -> None:
        """Say that a card changed, for what is set from outside: its prompt, note or place."""
        self._mark(self._changed_cards, task)
        for group in self._groups_of.get(task, ()):
            self._mark(self._changed_groups, group.id)

    def changes(self, since: int) -> Changes:
        """Return the ids of what changed after that version, oldest change first."""
        cards, groups = _after(self._changed_cards, since), _after(self._changed_groups, since)
        return Changes(self.version, cards, groups)

    def hold(self, key: str) -> None:
        """Keep a card, or a group and all its cards: somebody shows it. Counts."""
        self._held[key] += 1

    def release(self, key: str) -> None:
        """Undo one `hold`."""
        self._held[key] -= 1
        if self._held[key] <= 0:
            del self._held[key]
        tasks = self.groups[key].ids if key in self.groups else [key]
        for task in tasks:
            if task in self.cards and self.cards[task].terminal:
                self._idle[task] = None
        self._let_go()

    def forget(self, tasks: Iterable[str]) -> int:
        """Let go of cards that are over, save those that are held; return of how many."""
        over = [t for t in tasks if t in self.cards and self.cards[t].terminal]
        dropped = [task for task in over if self._drop(task)]
        for task in dropped:
            self._idle.pop(task, None)
        return len(dropped)

    # --- keeping the books ---

    def _join(self, group: Group, card: Card, state: State) -> None:
        """Put a card into a group, counted in that state."""
        groups = self._groups_of.setdefault(card.id, [])
        if group not in groups:
            groups.append(group)
            group.join(card, state)
        group.title = group.title or (card.function if card.name or card.label else "")

    def _moved(self, card: Card, before: State) -> None:
        for group in self._groups_of.get(card.id, ()):
            group.moved(card, before)
        if card.state is not before:
            self.runs.moved(card)
            card.hint = ""  # it was about the state before
            self.by_state[before].pop(card.id, None)
            self.by_state[card.state][card.id] = None
        self._idle.pop(card.id, None)
        if card.terminal:
            self._idle[card.id] = None
            self._let_go()

    def _let_go(self) -> None:
        """Forget the oldest cards above the limit; a held one leaves the line instead."""
        while len(self._idle) > self.max_idle:
            task = next(iter(self._idle))
            del self._idle[task]
            self._drop(task)

    def _drop(self, task: str) -> bool:
        """Forget a card unless it is held; say whether it was forgotten."""
        groups = self._groups_of.get(task, [])
        if self._held[task] or any(self._held[group.id] for group in groups):
            return False
        self.by_state[self.cards.pop(task).state].pop(task, None)
        self._changed_cards.pop(task, None)
        self._groups_of.pop(task, None)
        for group in groups:
            group.let_go(task)
            if group.gone == len(group.ids):
                del self.groups[group.id]
                self._changed_groups.pop(group.id, None)
        return True

    def _mark(self, table: dict[str, int], key: str) -> None:
        self.version += 1
        table.pop(key, None)
        table[key] = self.version


def _after(table: dict[str, int], since: int) -> list[str]:
    newest_first = []
    for key in reversed(table):
        if table[key] <= since:
            break
        newest_first.append(key)
    return newest_first[::-1]
