"""The notebook's one Huey, its workers and its board."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from typing import Any, NamedTuple

from huey import Huey, MemoryHuey
from huey.consumer import Consumer
from huey.exceptions import HueyException
from huey.results import Result, ResultGroup
from huey.storage import Batch
from huey.tasks import TaskWrapper, current_run
from huey_jupyter.capture import Capture
from huey_jupyter.cards import Board, Card, State
from huey_jupyter.cells import MISSING, Brought, CellTask, Snapshot, compile_cell, run_cell
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


class HandedOver(NamedTuple):
    """A cell in the hands of the queue: its snapshot, what comes back, and who waits for it."""

    snapshot: Snapshot
    export: set[str] | None
    handle: weakref.ref[Result[Any]]


class Session:
    """What ``%load_ext huey_jupyter`` makes: a queue in memory and workers in this kernel.

    Every magic is one call of a method here.

    :param ip: the shell.
    :param huey: a queue in memory to go on with, whose task functions are known; by default new.
    :param workers: how many tasks run at once.
    """

    def __init__(self, ip: Any, huey: Huey | None = None, workers: int = WORKERS) -> None:
        self.ip = ip
        self.huey = huey or MemoryHuey("notebook", events=True)
        self.consumer: Consumer = self.huey.create_consumer(workers=workers)
        self.lock = threading.RLock()
        self.board = Board()
        self.displays = Displays(ip, self.board, self.lock, self._press)
        self.watcher = Watcher(self.huey, self.board, self.lock, self.displays.publish)
        self.capture = Capture(ip)
        self.reprs = Reprs(ip, self.show, self.describe)
        self._storyteller = Storyteller(ip)
        self._handed_over: dict[str, HandedOver] = {}
        self._brought: Brought = {}
        self.huey.registry.unregister(f"{run_cell.__module__}.cell")
        self._cell = TaskWrapper(self.huey, run_cell, name="cell", task_base=CellTask)
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
        snapshot = Snapshot(self.ip.user_ns)
        task = self._cell.s(snapshot, cell, name or f"cell_{self._number}", retries)
        task.retries, task.retry_delay = retries, retry_delay
        result = self.huey.enqueue(task)
        self._handed_over[task.id] = HandedOver(snapshot, export, weakref.ref(result))
        self.show(result)
        return result

    # -- showing --------------------------------------------------------------------------------

    def show(self, result: Result[Any] | ResultGroup[Any]) -> None:
        """Show the card of a result, or the grid of a group, under the running cell.

        A result of another Huey than the session's is shown as plain text.
        """
        if not self._is_ours(result):
            self.displays.say(repr(result))
            return
        with self.lock:
            for single in [result] if isinstance(result, Result) else result:
                card = self._know(single)
                card.prompt = card.prompt or f"In[{self._number}]"
            key = self._key(result)
        self.watcher.catch_up()
        self.displays.show(key)

    def describe(self, result: Result[Any] | ResultGroup[Any]) -> str:
        """Return in plain text what `show` shows."""
        if not self._is_ours(result):
            return repr(result)
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
        :raises HueyException: inside a task, which would wait for itself.
        """
        if current_run() is not None:
            raise HueyException("a task cannot wait for the queue that it is in")
        wanted = [self._find(task_id)] if task_id else None
        try:
            while not self._over(wanted):
                time.sleep(TICK)
        except KeyboardInterrupt:
            return False
        self._bring_back()
        return True

    def cancel(self, task_id: str) -> int:
        """Cancel a task, or ``all``; return how many were asked to stop.

        :param task_id: the id, or enough of its beginning.
        """
        self.watcher.catch_up()
        wanted = None if task_id == "all" else self._find(task_id)
        with self.lock:
            cards = [c for c in self.board.cards.values() if wanted in (None, c.id)]
        open_ids = [card.id for card in cards if not (card.terminal or card.asked)]
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
        known = result.task.describe()
        card.name = card.name or result.task.name
        card.args = card.args or known.get("args", "")
        card.label = card.label or known.get("label", "")
        return card

    def _is_ours(self, result: Result[Any] | ResultGroup[Any]) -> bool:
        singles = [result] if isinstance(result, Result) else result
        return all(single.huey is self.huey for single in singles)

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
        self.displays.settle()

    def _after_cell(self, result: Any) -> None:
        """Show the ends of tasks before the cell's own end: some front ends listen no longer."""
        self._bring_back()
        self.displays.settle()

    def _bring_back(self) -> None:
        """Bind the names that finished cells made, in the notebook's own thread."""
        self.watcher.catch_up()
        names = self.ip.user_ns  # what the notebook has bound anew or deleted is let go
        self._brought = {n: v for n, v in self._brought.items() if names.get(n, MISSING) is v[0]}
        for task_id, handed in list(self._handed_over.items()):
            with self.lock:
                card = self.board.card(task_id)
                if not card.terminal:
                    continue
                del self._handed_over[task_id]
                if card.state is State.done:
                    self._bind(card, handed)
                handed.snapshot.forget()
            self._keep_while_held(task_id, handed.handle())
        self.watcher.catch_up()

    def _bind(self, card: Card, handed: HandedOver) -> None:
        kept, missing = handed.snapshot.bring_back(handed.export, self._brought)
        notes = []
        if kept:
            notes.append(f"you have bound {_quoted(kept)} meanwhile: yours is kept")
        if missing:
            notes.append(f"the cell bound no {_quoted(missing)}")
        if notes:
            card.note = "; ".join(notes)
            self.board.touch(card.id)

    def _keep_while_held(self, task_id: str, result: Result[Any] | None) -> None:
        """Let a cell's value go when nobody holds its result any more; the card stays."""
        drop = self.huey.storage.pop_data
        if result is None:
            drop(task_id)
        else:
            weakref.finalize(result, drop, task_id).atexit = False

    def _lose(self, why: str) -> None:
        """End what nobody will run any more, for cards and for callers that wait."""
        self.huey.storage.flush_queue()
        self.huey.storage.flush_schedule()
        with self.lock:
            lost = [card.id for card in self.board.cards.values() if not card.terminal]
            for one in lost:
                self.board.fold({"kind": "lost", "task": one, "at": time.time(), "error": why})
        self.huey.storage.write(Batch(endings=[(one, "lost") for one in lost]))


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
