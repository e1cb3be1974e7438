"""A lane for each worker: which task it ran and when, and who had which lock meanwhile."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import huey_jupyter
from huey.alone import sleep
from huey_jupyter.teaching.holds import Hold, Holds, Tap
from huey_jupyter.teaching.turns import Turn, Turns

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE: Final = 60.0  # seconds for which the end of a block waits for the tasks handed over in it
TICK: Final = 0.02


class Lanes:
    """Shows what the workers do, for as long as a ``with`` block lasts and its tasks take.

    Who ran what is told by the stream of events. Locks are noted where they are taken and freed,
    so those of workers in other processes are not seen.

    :param patience: seconds for which the end of the block waits for the tasks handed over in it.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.session = huey_jupyter.current()
        self.patience = patience
        self.turns = Turns()
        self.lock = threading.RLock()  # of this object; the tasks' own are in `holds`
        self.begin = time.time()
        self._tap = Tap(self.session.huey.storage)
        self._cursor = self.session.huey.storage.last_event()
        self._ended: float | None = None

    def __enter__(self) -> Lanes:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self.stop()

    # -- for the reader -------------------------------------------------------------------------

    def start(self) -> Lanes:
        """Watch from now on, and show it."""
        from huey_jupyter.teaching.lanechart import LanesView

        self.begin, self._cursor = time.time(), self.session.huey.storage.last_event()
        self._tap.open()
        view = LanesView(self)
        self.session.displays.show_view(view, key=view.key)
        return self

    def wait(self) -> Lanes:
        """Wait until each task has ended that was handed over meanwhile, or patience has."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            self.catch_up()
            if self.turns.are_over(time.time() + self.patience):
                break
            sleep(TICK, "look at the lanes, which go on by themselves")
        return self

    def stop(self) -> None:
        """Watch no more; the picture stays."""
        with self.lock:
            if self._ended is None:
                self.catch_up()
                self._tap.close()
                self._ended = time.time()
        self.session.displays.settle()

    @property
    def is_over(self) -> bool:
        """Whether nobody watches any more."""
        return self._ended is not None

    @property
    def until(self) -> float:
        """The present; of lanes that are over, when the last task ended."""
        if self._ended is None:
            return time.time()
        going = any(turn.end is None for turn in self.turns.turns)
        return self._ended if going else max(self.turns.last, self.begin)

    @property
    def runs(self) -> list[Turn]:
        """Who ran what and when, try by try."""
        with self.lock:
            self.catch_up()
            return list(self.turns.turns)

    @property
    def holds(self) -> list[Hold]:
        """Who had which lock and when."""
        return self.noted().holds

    def noted(self) -> Holds:
        """Return everything that was noted of locks."""
        return Holds.of(self._tap.notes)

    def catch_up(self) -> None:
        """Fold what has happened since."""
        with self.lock:
            if self._ended is not None:
                return
            for cursor, event in self.session.huey.events.read(self._cursor):
                self._cursor = cursor
                self.turns.fold(event)

    def title_of(self, task: str) -> str:
        """Return what a task is called; outside of tasks it is the notebook that did something."""
        card = self.turns.cards.get(task)
        return card.title if card is not None else "another task" if task else "the notebook"

    def __repr__(self) -> str:
        many = len(self.turns.turns)
        return f"<Lanes: {many} run{'' if many == 1 else 's'} of tasks>"
