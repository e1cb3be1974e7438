"""What a card cannot know of itself: its place in the queue, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from huey.alone import is_alone
from huey_jupyter.beside import Beside
from huey_jupyter.cards import Board, Card, State
from huey_jupyter.views.words import NO_WORKER

REFRESH_EVERY: Final = 1.0  # seconds
LAG: Final = 0.3  # seconds of lateness from which a kernel is hard to work with
PATIENCE: Final = 3.0  # seconds of that before a card says so

PAUSED: Final = "paused: %huey resume"
GONE: Final = "its worker is gone: another one will run it again"
HOLDS: Final = "holds the interpreter: %%huey_task --process"
HOLDS_ALL: Final = "holds the only thread: progress() lets the notebook go on"


def idle_because(running: bool, paused: bool) -> str:
    """Return why workers begin nothing, and what helps; empty if they do."""
    if not running:
        return NO_WORKER
    return PAUSED if paused else ""


def refresh(
    board: Board, idle_because: str, lags: bool, living: frozenset[int] | None = None
) -> None:
    """Set place and hint of every card that is not over.

    :param board: whose lock the caller holds.
    :param idle_because: why nothing is being run; empty if workers work.
    :param lags: whether the kernel has been late for some time.
    :param living: the processes of all workers that live; None where that is not known.
    """
    cards = [card for card in board.cards.values() if not card.terminal]
    queued = [card for card in cards if card.state is State.queued]
    queued.sort(key=lambda card: card.created or 0.0)
    places = {card.id: place for place, card in enumerate(queued, 1)}
    culprit = _culprit(cards) if lags else None
    for card in cards:
        hint = idle_because if card.id in places else ""
        if card is culprit:
            hint = HOLDS_ALL if is_alone() else HOLDS
        if living is not None and _is_left(card, living):
            hint = GONE
        place = places.get(card.id)
        if (hint, place) != (card.hint, card.place):
            card.hint, card.place = hint, place
            board.touch(card.id)


def _culprit(cards: list[Card]) -> Card | None:
    """Return the running task that has given no sign of life for longest."""
    running = [card for card in cards if card.state in (State.running, State.stopping)]
    here = [card for card in running if card.worker.startswith("thread")]
    return min(here, key=lambda card: card.updated, default=None)


def _is_left(card: Card, living: frozenset[int]) -> bool:
    """Say whether nobody runs a card any more that was begun."""
    began = card.state in (State.running, State.stopping)
    return began and card.pid is not None and card.pid not in living


class Pulse:
    """Calls a function once a second beside the cells.

    :param beat: the function.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._beside = Beside("huey hints", self._go)

    def start(self) -> None:
        """Begin."""
        self._beside.start()

    def stop(self) -> None:
        """End."""
        self._beside.stop()

    async def _go(self) -> None:
        """Beat until `stop`."""
        while True:
            await self._beside.rest(REFRESH_EVERY)
            if self._beside.stopping:
                return
            self._beat()
