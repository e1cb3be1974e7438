"""What the engine has noted of an answer: events, their order, who ran what and when."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from huey.exceptions import TaskException
from huey.results import Result, ResultGroup
from huey.signals import ALL_SIGNALS
from huey_jupyter.teaching.exercises import NotYet

if TYPE_CHECKING:
    from huey_jupyter.cards import Card
    from huey_jupyter.session import Session

PATIENCE: Final = 30.0  # seconds that a check waits for tasks to end
SHORT: Final = 2.0  # the same, while the workers are paused
TICK: Final = 0.02  # seconds between two looks


class Run(NamedTuple):
    """When and by whom a task was run, in epoch seconds."""

    start: float
    end: float
    worker: str


class Facts:
    """What a session's queue knows.

    :param session: whose queue.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def value(self, result: Result[Any]) -> Any:
        """Wait for a task's end and return its value, which stays where it is.

        :raises TaskException: if it failed.
        :raises NotYet: if it does not end.
        """
        self.ended([result])
        return result.get(preserve=True)

    def error(self, result: Result[Any]) -> str:
        """Wait for a task's end and return how it failed, in a line; empty if it did not."""
        try:
            self.value(result)
        except TaskException as error:
            return str(error)
        return ""

    def story(self, result: Result[Any]) -> list[str]:
        """Return what happened to a task, by the names of signals, in order."""
        self.session.watcher.catch_up()
        events = self.session.huey.events.read()
        kinds = [event["kind"] for _, event in events if event["task"] == result.id]
        return [kind for kind in kinds if kind in ALL_SIGNALS]

    def card(self, result: Result[Any]) -> Card:
        """Return the card of a task.

        :raises NotYet: if it is not in this notebook's queue.
        """
        if result.huey.storage is not self.session.huey.storage:
            raise NotYet("This handle belongs to another queue than `huey`, the notebook's own.")
        self.session.watcher.catch_up()
        return self.session.board.card(result.id)

    def ended(self, results: Iterable[Result[Any]]) -> list[Card]:
        """Wait until tasks have ended; return their cards.

        :raises NotYet: if they do not, or are not in this notebook's queue.
        """
        began = time.monotonic()
        cards = [self.card(result) for result in results]
        while not all(card.terminal for card in cards):
            paused = self.session.workers.paused
            if paused and time.monotonic() > began + SHORT:
                raise NotYet("The queue is paused, so your tasks do not begin: run %huey resume.")
            if time.monotonic() > began + PATIENCE:
                raise NotYet("A task of yours has not ended. %huey says what it waits for.")
            time.sleep(TICK)
            self.session.watcher.catch_up()
        return cards

    def runs(self, results: Iterable[Result[Any]]) -> list[Run]:
        """Wait until tasks have ended; return who ran each and when, the first first."""
        cards = self.ended(results)
        return sorted(
            Run(card.started, card.ended, card.worker)
            for card in cards
            if card.started is not None and card.ended is not None
        )

    def is_unwritten(self, answers: Sequence[Any]) -> bool:
        """Say whether an answer is a task whose body still is what the exercise came with."""
        results = [one for one in answers if isinstance(one, Result)]
        results += [one for group in answers if isinstance(group, ResultGroup) for one in group]
        return any(self._is_unwritten(one) for one in results[:3] if self._is_now(one))

    def _is_unwritten(self, result: Result[Any]) -> bool:
        return self.error(result).startswith("NotImplementedError")

    def _is_now(self, result: Result[Any]) -> bool:
        """Say whether a task of ours is not for later, which nobody would wait for."""
        ours = result.huey.storage is self.session.huey.storage
        return ours and (result.task.eta is None or self.card(result).terminal)


def most_at_once(runs: Sequence[Run]) -> int:
    """Return how many of the runs went on at the same time, at most."""
    steps = sorted([(run.start, 1) for run in runs] + [(run.end, -1) for run in runs])
    most = going = 0
    for _, step in steps:
        going += step
        most = max(most, going)
    return most
