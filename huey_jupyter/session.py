"""The notebook's one Huey, its workers and its board."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import Any

from huey import Huey, MemoryHuey
from huey.consumer import Consumer
from huey.exceptions import HueyException
from huey.results import Result, ResultGroup
from huey.tasks import TaskWrapper
from huey_jupyter.capture import Capture
from huey_jupyter.cards import Board, Card, State
from huey_jupyter.cells import Cell, CellTask, Snapshot, compile_cell
from huey_jupyter.display import Displays
from huey_jupyter.reprs import Reprs, Storyteller
from huey_jupyter.views import card_text, group_text
from huey_jupyter.watch import Watcher

WORKERS = 2
# Seconds between two offers of the interpreter to another thread while workers run: a tenth of
# the default, so that the notebook stays quick beside a busy task.
SWITCH_INTERVAL = 0.0005
# A wait in the foreground looks this often (seconds), so that an interrupt reaches it.
TICK = 0.05


class Session:
    """What ``%load_ext huey_jupyter`` makes: a queue in memory and workers in this kernel.

    Every magic is one call of a method here.

    :param ip: the shell.
    :param workers: how many tasks run at once.
    """

    def __init__(self, ip: Any, workers: int = WORKERS) -> None:
        self.ip = ip
        self.huey: Huey = MemoryHuey("notebook", events=True)
        self.consumer: Consumer = self.huey.create_consumer(workers=workers)
        self.lock = threading.RLock()
        self.board = Board()
        self.displays = Displays(ip, self.board, self.lock, self._press)
        self.watcher = Watcher(self.huey, self.board, self.lock, self.displays.publish)
        self.capture = Capture(ip)
        self.reprs = Reprs(ip, self.show, self.describe)
        self._storyteller = Storyteller(ip)
        self._snapshots: dict[str, tuple[Snapshot, set[str] | None]] = {}
        self._switch_interval: float | None = None

    # -- beginning and end ----------------------------------------------------------------------

    def open(self) -> None:
        """Start the workers and begin to show what they do."""
        self.capture.start()
        self.reprs.start()
        self.huey.post_execute("huey_jupyter")(self._storyteller)
        self.ip.events.register("pre_run_cell", self._before_cell)
        self.ip.events.register("post_run_cell", self._after_cell)
        self.watcher.start()
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self.consumer.start()

    def close(self) -> None:
        """Interrupt what runs, and give back everything that `open` took."""
        self.consumer.stop()
        if self._switch_interval is not None:
            sys.setswitchinterval(self._switch_interval)
        self.watcher.stop()
        self._lose("the extension was unloaded, and the queue in memory ended with it")
        self.displays.close()
        self.ip.events.unregister("post_run_cell", self._after_cell)
        self.ip.events.unregister("pre_run_cell", self._before_cell)
        self.huey.unregister_post_execute("huey_jupyter")
        self.reprs.stop()
        self.capture.stop()

    # -- handing over ---------------------------------------------------------------------------

    def run_cell(
        self,
        source: str,
        name: str = "",
        *,
        line: str = "",
        export: set[str] | None = None,
        retries: int = 0,
        retry_delay: float = 0,
    ) -> Result[Any]:
        """Hand a cell's source to the queue and show its card.

        The cell runs on a snapshot of the notebook's names; its last expression is the value.

        :param name: what the card calls it; by default ``cell_`` and its number.
        :param line: the cell's first line, which counts in line numbers.
        :param export: names that come back into the notebook when it is done; None for all that
            it binds.
        :param retries: how many times it is tried again after an error.
        :param retry_delay: seconds between tries.
        :raises SyntaxError: if the source is not Python.
        """
        cell = compile_cell(self.ip, source, line)
        snapshot = Snapshot(dict(self.ip.user_ns))
        name = name or f"cell_{self._number}"
        wrapper = TaskWrapper(
            self.huey, _body(name), retries, retry_delay, name=name, task_base=CellTask
        )
        task = wrapper.s(snapshot, cell)
        self._snapshots[task.id] = (snapshot, export)
        result = self.huey.enqueue(task)
        self.show(result)
        return result

    # -- showing --------------------------------------------------------------------------------

    def show(self, result: Result[Any] | ResultGroup[Any]) -> None:
        """Show the card of a result, or the grid of a group, under the running cell."""
        with self.lock:
            for single in [result] if isinstance(result, Result) else result:
                card = self._know(single)
                card.prompt = card.prompt or f"In[{self._number}]"
            key = self._key(result)
        self.watcher.catch_up()
        self.displays.show(key)

    def describe(self, result: Result[Any] | ResultGroup[Any]) -> str:
        """Return in plain text what `show` shows."""
        self.watcher.catch_up()
        with self.lock:
            cards = [self._know(r) for r in ([result] if isinstance(result, Result) else result)]
            key = self._key(result)
            if isinstance(result, Result):
                return card_text(cards[0], time.time())
            return group_text(self.board.groups[key], cards, time.time())

    def status(self) -> dict[str, Any]:
        """Return what is going on: workers, counts of tasks by state, the storage."""
        self.watcher.catch_up()
        with self.lock:
            states = [card.state for card in self.board.cards.values()]
        return {
            "workers": len(self.consumer.workers) if self.consumer.running else 0,
            "kind": self.consumer.worker_type,
            "running": states.count(State.running) + states.count(State.stopping),
            "queued": states.count(State.queued) + states.count(State.retry),
            "scheduled": states.count(State.scheduled),
            "done": states.count(State.done),
            "failed": states.count(State.failed) + states.count(State.lost),
            "cancelled": states.count(State.canceled),
            "storage": "memory: the queue ends with the kernel",
        }

    # -- waiting and stopping -------------------------------------------------------------------

    def wait(self, task_id: str = "") -> bool:
        """Wait until a task has ended, or all that are not scheduled for later.

        An interrupt ends the waiting, not the tasks.

        :param task_id: the id, or enough of its beginning; all tasks if empty.
        :returns: whether they have ended.
        """
        wanted = [self._find(task_id)] if task_id else None
        try:
            while not self._over(wanted):
                time.sleep(TICK)
        except KeyboardInterrupt:
            print("No longer waiting. The tasks go on; %huey cancel all stops them.")
            return False
        self._bring_back()
        return True

    def cancel(self, task_id: str) -> int:
        """Cancel a task, or ``all``; return how many were asked to stop.

        :param task_id: the id, or enough of its beginning.
        """
        if task_id == "all":
            with self.lock:
                open_ids = [card.id for card in self.board.cards.values() if not card.terminal]
        else:
            open_ids = [self._find(task_id)]
        for one in open_ids:
            self.huey.cancel(one)
        return len(open_ids)

    # -- within ---------------------------------------------------------------------------------

    @property
    def _number(self) -> int:
        return int(self.ip.displayhook.prompt_count)

    def _know(self, result: Result[Any]) -> Card:
        """Return a result's card, also if its events are not kept any more."""
        card = self.board.card(result.id)
        card.name = card.name or result.task.name
        card.args = card.args or result.task.describe()
        return card

    def _key(self, result: Result[Any] | ResultGroup[Any]) -> str:
        if isinstance(result, Result):
            return result.id
        ids = [single.id for single in result]
        group = self.board.group(result.id or "-".join(ids[:1]), ids=ids, expected=len(ids))
        group.prompt = group.prompt or f"In[{self._number}]"
        return group.id

    def _find(self, beginning: str) -> str:
        """Return the one task id that begins so.

        :raises LookupError: if there is none, or more than one.
        """
        with self.lock:
            found = [task_id for task_id in self.board.cards if task_id.startswith(beginning)]
        if len(found) != 1:
            what = "no task" if not found else f"{len(found)} tasks"
            raise LookupError(f"{what} with an id that begins with {beginning!r}")
        return found[0]

    def _over(self, wanted: list[str] | None) -> bool:
        self.watcher.catch_up()
        with self.lock:
            if wanted is not None:
                return all(self.board.card(task_id).terminal for task_id in wanted)
            cards = list(self.board.cards.values())
        return all(card.terminal or card.state is State.scheduled for card in cards)

    def _press(self, verb: str, key: str) -> None:
        """Do what a button asks for; called on any thread."""
        if verb != "cancel":
            return
        with self.lock:
            group = self.board.groups.get(key)
            ids = [card.id for card in self.board.members(group)] if group else [key]
            known = [i for i in ids if i in self.board.cards and not self.board.cards[i].terminal]
        for task_id in known:
            with contextlib.suppress(HueyException):
                self.huey.cancel(task_id)

    def _before_cell(self, info: Any) -> None:
        self._bring_back()

    def _after_cell(self, result: Any) -> None:
        """Show the ends of tasks before the cell's own end: some front ends listen no longer."""
        self._bring_back()

    def _bring_back(self) -> None:
        """Bind the names that finished cells made, in the notebook's own thread."""
        self.watcher.catch_up()
        for task_id, (snapshot, export) in list(self._snapshots.items()):
            with self.lock:
                card = self.board.card(task_id)
                if not card.terminal:
                    continue
                del self._snapshots[task_id]
                if card.state is State.done:
                    self._note_kept(card, snapshot.bring_back(self.ip.user_ns, export))
                snapshot.forget()
        self.watcher.catch_up()

    def _lose(self, why: str) -> None:
        """Tell the cards of tasks that nobody will run any more."""
        with self.lock:
            for card in list(self.board.cards.values()):
                if not card.terminal:
                    self.board.fold(
                        {"kind": "lost", "task": card.id, "at": time.time(), "error": why}
                    )

    def _note_kept(self, card: Card, kept: list[str]) -> None:
        if kept:
            names = ", ".join(f"`{name}`" for name in kept)
            card.note = f"you have bound {names} meanwhile: yours is kept"
            self.board.touch(card.id)


def _body(name: str) -> Any:
    """Return the function of a cell's task, under the notebook's own module."""

    def body(snapshot: Snapshot, cell: Cell) -> Any:
        return snapshot.run(cell)

    body.__name__ = body.__qualname__ = name
    body.__module__ = "__main__"
    return body
