"""What can be done with a task from its card or by ``%huey``: stop it, hurry it, run it again."""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final

from huey import Huey
from huey.exceptions import HueyException
from huey.results import Result
from huey.tasks import Task
from huey_jupyter.beside import Beside
from huey_jupyter.cards import Board, Card, State
from huey_jupyter.handing import Handing

logger = logging.getLogger("huey.jupyter")

FAILED_KEPT: Final = 1_000  # failed tasks that can be tried again though nobody holds their result
WENT_WRONG: Final = frozenset(
    {State.failed, State.canceled, State.expired, State.locked, State.lost}
)
CANCELS: Final = frozenset({"cancel", "give_up", "cancel_queued"})
WAITING: Final = frozenset({State.queued, State.scheduled, State.retry})


class Control:
    """Carries out verbs on the tasks of a board.

    :param huey: whose tasks.
    :param board: read under ``lock``.
    :param lock: held while the board is read.
    :param handing: knows how cells are run again.
    """

    def __init__(self, huey: Huey, board: Board, lock: threading.RLock, handing: Handing) -> None:
        self.huey = huey
        self.board = board
        self.lock = lock
        self.handing = handing
        self.workers: Any = None  # whoever runs the tasks: asked to cancel and to kill
        self._results: weakref.WeakValueDictionary[str, Result[Any]] = weakref.WeakValueDictionary()
        self._failed: dict[str, Task[Any]] = {}

    def remember(self, result: Result[Any]) -> None:
        """Take note of a result, whose task can be run again while somebody holds it."""
        self._results[result.id] = result

    def is_held(self, task_id: str) -> bool:
        """Say whether somebody holds a result of which `remember` was told."""
        return task_id in self._results

    def result(self, task_id: str) -> Result[Any]:
        """Return the way to a task's value."""
        return self._results.get(task_id) or Result(self.huey, Task(id=task_id))

    def keep_failed(self, ids: Iterable[str]) -> None:
        """Keep those of the tasks that did not come to their end well, to be tried again."""
        for task_id in ids:
            card, result = self.board.cards.get(task_id), self._results.get(task_id)
            if card is None or not card.terminal:
                continue
            self._failed.pop(task_id, None)
            if card.state in WENT_WRONG and result is not None and result.task.name:
                self._failed[task_id] = result.task
        while len(self._failed) > FAILED_KEPT:
            del self._failed[next(iter(self._failed))]

    # -- verbs ------------------------------------------------------------------------------------

    def verbs(self, card: Card) -> frozenset[str]:
        """Return what can be done with a task now."""
        if card.state is State.stopping:
            return frozenset({"kill"} if self._can_kill() else ())
        if card.terminal:
            again = ("run_again", "retry") if self._can_run_again(card.id) else ()
            return frozenset((*again, "copy", "take"))
        if card.asked is not None:
            return frozenset()
        return frozenset({"cancel", "run_now", "retry_now", "give_up"})

    def cancel(self, *task_ids: str) -> int:
        """Stop tasks: keep them from starting or, where they run, ask them to end; count them."""
        why = "cancelled before it was handed over"
        rest = [one for one in task_ids if not self.handing.drop(one, why)]
        tasks = [self.result(one).task for one in rest]  # which know for when they are
        return len(task_ids) - len(rest) + self.huey.cancel_many(tasks)

    def kill(self, task_id: str) -> None:
        """End the process that runs a task; only worker processes can be."""
        if not self._can_kill():
            raise HueyException("only a task in a worker process can be killed")
        self.workers.kill(task_id)

    def run_now(self, task_id: str) -> None:
        """Run a task now that waits for its time, or for its next try."""
        if not self.huey.run_now(task_id):
            raise HueyException("it does not wait for its time any more")

    def run_again(self, task_id: str) -> Result[Any]:
        """Run a task once more that is over; its card goes on with the new run.

        :raises HueyException: if it is not over, or if nobody remembers its call any more.
        """
        result = self._results.get(task_id)
        if result is not None:
            result.reset()
        again = self.handing.hand_over_again(task_id, result)
        if again is not None:
            return again
        task = self._failed.pop(task_id, None) if result is None else result.task
        if task is None:
            raise HueyException("its call is not kept any more: call the function again")
        return self.huey.run_again(task)

    def act(self, verb: str, ids: Iterable[str]) -> int:
        """Carry out a verb on tasks; return on how many. What goes wrong is on the card."""
        if verb in CANCELS:
            return self.cancel(*ids)
        verbs: dict[str, Callable[[str], object]] = {
            **dict.fromkeys(("run_now", "retry_now"), self.run_now),
            **dict.fromkeys(("run_again", "retry", "retry_failed"), self.run_again),
            "kill": self.kill,
            "take": self.handing.take,
        }
        done = 0
        for task_id in list(ids):
            try:
                verbs[verb](task_id)
                done += 1
            except Exception as error:
                self._tell(task_id, error)
        return done

    def reached(self, verb: str, key: str) -> list[str]:
        """Return the tasks that a verb on a card or a group is about."""
        with self.lock:
            group = self.board.groups.get(key)
            if group is None:
                return [key] if key in self.board.cards else []
            cards = self.board.members(group)
        return [card.id for card in cards if is_meant(verb, card)]

    # -- within -----------------------------------------------------------------------------------

    def _can_kill(self) -> bool:
        return self.workers is not None and self.workers.kind == "process"

    def _can_run_again(self, task_id: str) -> bool:
        return self.handing.is_kept(task_id) or task_id in self._failed or task_id in self._results

    def _tell(self, task_id: str, error: Exception) -> None:
        if not isinstance(error, HueyException):
            logger.error("a button did not do what it says", exc_info=error)
        with self.lock:
            self.board.card(task_id).note = f"{error}"
            self.board.touch(task_id)


def is_meant(verb: str, card: Card) -> bool:
    """Say whether a verb on a group is about one of its tasks."""
    if verb == "cancel":
        return not card.terminal
    if verb == "cancel_queued":
        return card.state in WAITING
    return card.state in WENT_WRONG


class Errands:
    """Carries out what buttons ask for, one after the other and beside the cells.

    Their clicks arrive in threads that must not wait, say for a server.

    :param carry_out: called with each verb and key.
    """

    def __init__(self, carry_out: Callable[[str, str], None]) -> None:
        self._carry_out = carry_out
        self._asked: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._beside = Beside("huey buttons", self._go)

    def start(self) -> None:
        """Begin."""
        self._beside.start()

    def stop(self) -> None:
        """Carry out what was asked for, and end."""
        self._beside.stop()
        self._go_round()

    def ask(self, verb: str, key: str) -> None:
        """Have something done soon."""
        self._asked.put((verb, key))
        self._beside.wake()

    async def _go(self) -> None:
        """Carry out until `stop`."""
        while not self._beside.stopping:
            await self._beside.wait()
            self._go_round()

    def _go_round(self) -> None:
        """Carry out what was asked for until now."""
        while not self._asked.empty():
            try:
                self._carry_out(*self._asked.get())
            except Exception:
                logger.exception("a button did not do what it says")
