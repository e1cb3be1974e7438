"""Cells on their way: handed to the queue, run again, waiting for another one, brought back."""

from __future__ import annotations

import datetime
import hashlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from huey.exceptions import HueyException
from huey.results import Result, ResultGroup
from huey.storage import Batch
from huey.tasks import Task
from huey.utils import from_timestamp
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.cards import Board, Card, State
from huey_jupyter.cells import MISSING, Brought, Cell, Snapshot, compile_cell
from huey_jupyter.options import CellOptions, parse_cron
from huey_jupyter.work import NOTHING, Shared, Work, take_made

SOURCES_KEPT: Final = 1_000  # cells that can be run again
KEPT_APART: Final = 50  # cells of which values are kept that the notebook has not taken


class Source(NamedTuple):
    """A cell as it was handed over, enough to do that again."""

    text: str
    line: str
    label: str
    options: CellOptions

    @property
    def key(self) -> str:
        """What stays the same for as long as the cell does."""
        return hashlib.sha256(f"{self.line}\n{self.text}".encode()).hexdigest()


class HandedOver(NamedTuple):
    """A cell in the hands of the queue: its names, what comes back, and who waits for it."""

    names: Any
    export: set[str] | None
    handle: weakref.ref[Result[Any]]


class Later(NamedTuple):
    """A cell that is handed over when others are done."""

    task_id: str
    source: Source
    cell: Cell
    waits_for: list[str]
    result: weakref.ref[Result[Any]]


class Handing:
    """Hands cells to a queue, and brings back the names that they bind.

    :param ip: the shell.
    :param huey: whose queue.
    :param board: where the cards are, under ``lock``.
    :param lock: held while the board is read or written.
    :param catch_up: brings the board up to date.
    """

    def __init__(
        self,
        ip: Any,
        huey: NotebookHuey,
        board: Board,
        lock: threading.RLock,
        catch_up: Callable[[], None],
    ) -> None:
        self.ip = ip
        self.huey = huey
        self.board = board
        self.lock = lock
        self._catch_up = catch_up
        self._handed_over: dict[str, HandedOver] = {}
        self._brought: Brought = {}
        self._apart: dict[str, dict[str, Any]] = {}
        self._asked: list[str] = []
        self._later: dict[str, Later] = {}
        self._sources: dict[str, Source] = {}

    # -- handing over -----------------------------------------------------------------------------

    def hand_over(self, source: Source) -> Result[Any]:
        """Hand a cell to the queue, or keep it until those are done that it waits for.

        :raises SyntaxError: if the source is not Python.
        """
        cell = compile_cell(self.ip, source.text, source.line)
        if source.options.after is not None:
            return self._keep_for_later(source, cell)
        work = self._work(source, cell)
        return self._note(source, work, self.huey.enqueue(self._task(source, work)))

    def hand_over_each(
        self, source: Source, targets: str, items: Iterable[Any]
    ) -> ResultGroup[Any]:
        """Hand a cell to the queue once for each item.

        :param targets: the names that an item is bound to, as in a ``for``.
        """
        cell = compile_cell(self.ip, source.text, source.line)
        first = self._work(source, cell)
        bind = compile(f"{targets} = __huey_item__", "<%%huey_map>", "exec")
        bound = [_bound(targets, bind, item) for item in items]
        works = [self._work(source, cell, first.names, one) for one in bound]
        return self.huey.enqueue_many([self._task(source, work) for work in works])

    def repeat(self, source: Source) -> str:
        """Have a cell handed over in the minutes that its options name; return its name.

        A cell that is so already is replaced.
        """
        compile_cell(self.ip, source.text, source.line)  # a mistake is told now
        matches = parse_cron(source.options.every)
        once = source._replace(options=replace(source.options, every=""))

        def hand_over_in(minute: datetime.datetime) -> bool:
            if matches(self._on_the_wall(minute)):
                self.hand_over(once)
            return False  # the engine's own task has no names to run on

        def cell() -> None:
            """Stand in the registry for the cell."""

        cell.__module__ = "__main__"
        declare = self.huey.periodic_task(hand_over_in, name=source.label)
        return declare(cell).task_class.name

    def _on_the_wall(self, minute: datetime.datetime) -> datetime.datetime:
        """Return the reader's local time, unless the Huey has a time zone of its own."""
        if self.huey.timezone is not None:
            return minute
        return from_timestamp(self.huey.timestamp(minute), utc=False)

    def hand_over_again(self, task_id: str, held: Result[Any] | None) -> Result[Any] | None:
        """Run a cell once more whose task is over; None if its source is not kept any more.

        :param held: the result that somebody holds, if anybody does: it gets the new value.
        """
        source = self._sources.get(task_id)
        if source is None:
            return None
        work = self._work(source, compile_cell(self.ip, source.text, source.line))
        anew = self.huey.run_again(self._task(source, work, task_id))
        return self._note(source, work, held or anew)

    def is_kept(self, task_id: str) -> bool:
        """Say whether `hand_over_again` can do that."""
        return task_id in self._sources

    # -- waiting for others -----------------------------------------------------------------------

    def kept_back(self) -> list[str]:
        """Return the ids of cells that wait for others, and are in no queue yet."""
        return list(self._later)

    def start_what_waited(self) -> None:
        """Hand over cells whose predecessors are done; end those whose predecessors are not.

        Called when cards have changed, on any thread.
        """
        for later in list(self._later.values()):
            with self.lock:
                cards = [self.board.cards.get(one) or self._recall(one) for one in later.waits_for]
                failed = next((c for c in cards if c.terminal and c.state is not State.done), None)
                ready = all(card.state is State.done for card in cards)
            if failed is not None:
                self.drop(later.task_id, f"{failed.title} ({failed.short}) is not done")
            elif ready and self._later.pop(later.task_id, None) is not None:
                self._start(later)

    def drop(self, task_id: str, why: str = "") -> bool:
        """End a cell that waits for others; False if it does not."""
        later = self._later.pop(task_id, None)
        if later is None:
            return False
        task = self._task(later.source, self._work(later.source, later.cell), task_id)
        events = self.huey.events.of("canceled", task, error=why)
        self.huey.storage.write(Batch(endings=[(task_id, "canceled")], events=events))
        return True

    # -- bringing back ----------------------------------------------------------------------------

    def take(self, task_id: str) -> None:
        """Bind, before the next cell, those names of a cell that the notebook has bound too."""
        self._asked.append(task_id)
        with self.lock:
            card = self.board.card(task_id)
            card.note = f"{_quoted(list(card.unbound))}: the task's, from the next cell on"
            card.unbound = ()
            self.board.touch(task_id)

    def bring_back(self) -> None:
        """Bind the names that finished cells made, in the notebook's own thread."""
        self._catch_up()
        self._take_what_was_asked_for()
        names = self.ip.user_ns  # what the notebook has bound anew or deleted is let go
        self._brought = {n: v for n, v in self._brought.items() if names.get(n, MISSING) is v[0]}
        for task_id, handed in list(self._handed_over.items()):
            with self.lock:
                card = self.board.cards.get(task_id) or self._recall(task_id)
                if not card.terminal:
                    continue
                del self._handed_over[task_id]
                if card.state is State.done:
                    self._bind(card, handed)
                handed.names.forget()
            self._keep_while_held(task_id, handed.handle())
        self._catch_up()

    # -- within -----------------------------------------------------------------------------------

    def _recall(self, task_id: str) -> Card:
        """Return what is known of a task that the board does not know, or has forgotten."""
        status = self.huey.task_info(task_id).status
        if status in ("scheduled", "pending", "waiting", "running"):
            return Card(task_id)
        over_well = status in ("complete", "unknown")
        return Card(task_id, state=State.done if over_well else State.failed)

    def _start(self, later: Later) -> None:
        """Hand over a cell that has waited, with the names that its predecessors made."""
        work = self._work(later.source, later.cell)
        for one in later.waits_for:
            handed = self._handed_over.get(one)
            if handed is not None and not later.source.options.share:
                self._say(one, self._receive(one, handed.names))
                work.names.names.update(handed.names.made)
        task = self._task(later.source, work, later.task_id)
        self._note(later.source, work, self.huey.enqueue(task), later.result)

    def _work(
        self,
        source: Source,
        cell: Cell,
        names: Snapshot | Shared | None = None,
        bound: Mapping[str, Any] = NOTHING,
    ) -> Work:
        notebook, share = self.ip.user_ns, source.options.share
        if share and self.huey.durable:
            raise HueyException("--share needs the queue in memory: %huey use memory")
        names = names or (Shared(notebook) if share else Snapshot(notebook))
        return Work(cell, names, self.huey.courier, bound, source.options.lock)

    def _note(
        self, source: Source, work: Work, result: Result[Any], held: Any = None
    ) -> Result[Any]:
        """Take note that a cell is in the hands of the queue; return its result."""
        self._keep(source, result.id)
        export = None if source.options.export is None else set(source.options.export)
        held = held or weakref.ref(result)
        self._handed_over[result.id] = HandedOver(work.names, export, held)
        return result

    def _task(self, source: Source, work: Work, task_id: str | None = None) -> Task[Any]:
        options, declared = source.options, self.huey.cell
        args = (work, source.label, options.retries)
        when = declared.s(eta=options.eta, delay=options.delay).eta
        return declared.task_class(args, id=task_id, eta=when, **options.of_task)

    def _keep(self, source: Source, task_id: str) -> None:
        self._sources.pop(task_id, None)
        self._sources[task_id] = source
        while len(self._sources) > SOURCES_KEPT:
            del self._sources[next(iter(self._sources))]

    def _keep_for_later(self, source: Source, cell: Cell) -> Result[Any]:
        after = source.options.after
        before = list(after) if isinstance(after, ResultGroup) else [after]
        task = self._task(source, self._work(source, cell))
        result = Result(self.huey, task)
        ids = [one.id for one in before if one is not None]
        later = Later(task.id, source, cell, ids, weakref.ref(result))
        with self.lock:
            card = self.board.card(task.id)
            card.label, card.created = source.label, time.time()
            card.note = "starts when done: " + ", ".join(one[:4] for one in later.waits_for)
        self._keep(source, task.id)
        self._later[task.id] = later
        return result

    def _bind(self, card: Card, handed: HandedOver) -> None:
        notes = self._receive(card.id, handed.names)
        kept, missing = handed.names.bring_back(handed.export, self._brought)
        if kept:
            gone = [name for name in kept if name not in self.ip.user_ns]
            bound = [name for name in kept if name not in gone]
            if bound:
                notes.append(f"you have bound {_quoted(bound)} meanwhile: yours is kept")
            if gone:
                notes.append(f"you have deleted {_quoted(gone)} meanwhile: it stays so")
            self._keep_apart(card, handed.names, kept)
        if missing:
            notes.append(f"the cell bound no {_quoted(missing)}")
        self._say(card.id, notes)

    def _say(self, task_id: str, notes: list[str]) -> None:
        """Have a card say what there is to say of the names that came back."""
        if notes:
            with self.lock:
                self.board.card(task_id).note = "; ".join(notes)
                self.board.touch(task_id)

    def _keep_apart(self, card: Card, names: Snapshot, kept: list[str]) -> None:
        """Keep what a cell made of names that the notebook has bound itself, to be asked for."""
        card.unbound = tuple(kept)
        self._apart[card.id] = {name: names.made[name] for name in kept}
        while len(self._apart) > KEPT_APART:
            with self.lock:
                oldest = next(iter(self._apart))
                if oldest in self.board.cards:
                    self.board.cards[oldest].unbound = ()
            del self._apart[oldest]

    def _take_what_was_asked_for(self) -> None:
        for task_id in [self._asked.pop() for _ in range(len(self._asked))]:
            self.ip.user_ns.update(self._apart.pop(task_id, {}))
            with self.lock:
                card = self.board.card(task_id)
                card.unbound, card.note = (), ""
                self.board.touch(task_id)

    def _receive(self, task_id: str, names: Any) -> list[str]:
        """Take over what a cell made in another process; return what could not come."""
        if isinstance(names, Shared) or names.made:
            return []
        try:
            made = take_made(self.huey.courier, task_id)
        except HueyException as error:
            return [f"what it made cannot be read here: {error}"]
        if made is None:
            return []
        names.receive(made)
        return [f"`{name}` cannot come back: it is {what}" for name, what in made.left_out.items()]

    def _keep_while_held(self, task_id: str, result: Result[Any] | None) -> None:
        """Let a cell's value go when nobody holds its result any more; the card stays.

        Only in memory: elsewhere it may be wanted after a restart, and removing it takes time.
        """
        if self.huey.durable:
            return
        drop = self.huey.storage.pop_data
        if result is None:
            drop(task_id)
        else:
            weakref.finalize(result, drop, task_id).atexit = False


def _bound(names: str, bind: Any, item: Any) -> dict[str, Any]:
    """Return the names that an item is bound to.

    :param bind: the assignment that a ``for`` would make, of an item to its targets.
    """
    bound = {"__huey_item__": item}
    try:
        exec(bind, bound)  # noqa: S102 - an assignment, made of the names that the user wrote
    except (TypeError, ValueError) as error:
        raise ValueError(f"{names} cannot be bound to {item!r:.200}: {error}") from None
    return {name: value for name, value in bound.items() if not name.startswith("__")}


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
