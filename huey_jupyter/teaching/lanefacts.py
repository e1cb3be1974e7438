"""What lanes show at one moment, as data, in seconds from the beginning."""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from huey_jupyter.states import State
from huey_jupyter.teaching.holds import Hold, Holds, Refusal, Wait
from huey_jupyter.teaching.turns import Turn

if TYPE_CHECKING:
    from huey_jupyter.teaching.lanes import Lanes

SPANS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)  # seconds of a picture


class Try(NamedTuple):
    """One turn, and what its task had to do with locks meanwhile."""

    turn: Turn
    holds: list[Hold]
    refusals: list[Refusal]

    @property
    def sent_away(self) -> Refusal | None:
        """The refusal that ended it; None if none did."""
        return self.refusals[-1] if self.refusals and self.turn.state is State.locked else None


class Facts(NamedTuple):
    """What lanes show at one moment, times in seconds from the beginning."""

    tries: list[Try]
    holds: list[Hold]
    refusals: list[Refusal]
    waits: list[Wait]
    locks: list[str]
    workers: list[str]
    titles: dict[str, str]
    over: dict[str, State]
    until: float
    going: bool

    @property
    def span(self) -> float:
        """For how many seconds the picture has room."""
        if not self.going:
            return max(self.until, 0.01)
        return next((span for span in SPANS if span >= self.until), self.until)


def facts_of(lanes: Lanes) -> Facts:
    """Return what lanes show now."""
    with lanes.lock:
        lanes.catch_up()
        noted, turns = lanes.noted(), lanes.turns
        begin = lanes.begin if turns.begin is None else turns.begin
        until = lanes.until - begin
        over = {task: card.state for task, card in turns.cards.items() if card.terminal}
        tasks = {*turns.cards, *(one.task for one in noted.holds)}
        tasks.update(one.task for one in noted.refusals)
        own = [_since(begin, turn) for turn in turns.turns]
        holds = [_hold_since(begin, hold) for hold in noted.holds]
        refusals = [one._replace(at=one.at - begin) for one in noted.refusals]
        return Facts(
            tries=_tries(own, holds, refusals),
            holds=holds,
            refusals=refusals,
            waits=_closed(noted, begin, set(over)),
            locks=noted.locks,
            workers=turns.workers,
            titles={task: lanes.title_of(task) for task in tasks},
            over=over,
            until=max(until, 0.0),
            going=not lanes.is_over,
        )


def _tries(turns: list[Turn], holds: list[Hold], refusals: list[Refusal]) -> list[Try]:
    """Return the turns, each with the holds and refusals of its task that began in it."""
    tries = [Try(turn, [], []) for turn in turns]
    by_task: dict[str, list[Try]] = {}
    for one in tries:
        by_task.setdefault(one.turn.task, []).append(one)
    for hold in holds:
        if found := _going_on(by_task.get(hold.task, []), hold.start):
            found.holds.append(hold)
    for refusal in refusals:
        if found := _going_on(by_task.get(refusal.task, []), refusal.at):
            found.refusals.append(refusal)
    return tries


def _going_on(tries: list[Try], at: float) -> Try | None:
    """Return which of a task's tries went on at a time."""
    place = bisect_right(tries, at, key=lambda one: one.turn.start)
    found = tries[place - 1] if place else None
    return None if found is None or at > (found.turn.end or inf) else found


def end_of(facts: Facts, end: float | None) -> float:
    return facts.until if end is None else end


def _closed(noted: Holds, begin: float, over: set[str]) -> list[Wait]:
    """Return the waits; one that came to nothing ends when its task last asked."""
    asked = {(one.lock, one.task): one.at for one in noted.refusals}
    found = []
    for wait in noted.waits():
        end = asked[wait.lock, wait.task] if wait.end is None and wait.task in over else wait.end
        closed = None if end is None else end - begin
        found.append(wait._replace(start=wait.start - begin, end=closed))
    return found


def _since(begin: float, one: Turn) -> Turn:
    end = None if one.end is None else one.end - begin
    return one._replace(start=one.start - begin, end=end)


def _hold_since(begin: float, one: Hold) -> Hold:
    end = None if one.end is None else one.end - begin
    return one._replace(start=one.start - begin, end=end)
