"""What a cell's task runs: the cell on names of its own, here or in another process.

On a queue in memory the names are passed on as they are. Where a task is pickled, the cell's text
goes along with the names that it uses, is compiled in the worker, and what it made comes back
through the storage.
"""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from huey import Huey
from huey.constants import EmptyData
from huey.tasks import Task, TaskWrapper, current_task
from huey_jupyter.cells import (
    LEAVING,
    Brought,
    Cell,
    Made,
    Snapshot,
    anchor_in,
    bound_anew,
    compile_tree,
    leave,
)
from huey_jupyter.shipping import Courier
from huey_jupyter.shipping.baggage import LARGE, CannotTravel, inspect_code
from huey_jupyter.shipping.needs import needed_names

MADE: Final = "made:"  # before the keys of what cells have made in other processes
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Shared:
    """The notebook's own names, for a cell that runs on them and not on a copy.

    :param names: the notebook's names.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def run(self, cell: Cell) -> Any:
        """Run the cell on the names themselves."""
        return cell.run(self.names)

    def bring_back(self, wanted: set[str] | None, brought: Brought) -> tuple[list[str], list[str]]:
        """Do nothing: the names are there already."""
        return [], []

    def forget(self) -> None:
        """Keep nothing."""


class Work:
    """A cell and what it runs on.

    :param cell: the cell.
    :param names: a snapshot, or the notebook's own names.
    :param courier: sends it to another process, should it have to go there.
    :param bound: names and values on top of a snapshot's.
    :param lock: the name of a lock to take first, empty for none.
    """

    def __init__(
        self,
        cell: Cell,
        names: Snapshot | Shared,
        courier: Courier,
        bound: Mapping[str, Any] = NOTHING,
        lock: str = "",
    ) -> None:
        self.cell = cell
        self.names = names
        self.courier = courier
        self.bound = bound
        self.lock = lock
        self.carries = ""  # known once it was sent
        self.told = ", ".join(f"{name}={value!r}"[:80] for name, value in bound.items())

    def run(self, courier: Courier) -> Any:
        """Run the cell; return its value."""
        names = self.names
        if self.bound:
            names = copy.copy(names)
            names.names = {**names.names, **self.bound}
        with locked(courier.huey, self.lock):
            return names.run(self.cell)

    def __reduce__(self) -> Any:
        """Travel as text, with the names that the cell uses.

        :raises CannotTravel: if one of them cannot be sent.
        """
        if isinstance(self.names, Shared):
            raise CannotTravel("a cell under --share runs in this kernel, on a queue in memory")
        sent = send_cell(self.courier, self.cell, self.names, self.bound)
        self.carries = sent.carries
        return SentWork, (sent, self.told, self.lock)


class SentCell(NamedTuple):
    """A cell as it travels.

    :param text: Python, in which magics are calls already.
    :param filename: under which tracebacks find its lines.
    :param flags: of the compiler.
    :param names: what it needs of the notebook, see `Made`.
    :param carries: what of that takes long to send, for people.
    :param shared: the key of further names, which other tasks of the cell have too.
    """

    text: str
    filename: str
    flags: int
    names: bytes
    carries: str
    shared: str = ""


class SentWork(NamedTuple):
    """`Work` that has come from a notebook."""

    sent: SentCell
    told: str
    lock: str

    @property
    def carries(self) -> str:
        return self.sent.carries

    def run(self, courier: Courier) -> Any:
        """Run the cell, and leave in the storage what it made; return its value."""
        with locked(courier.huey, self.lock):
            value, namespace, made = _run_sent(courier, self.sent)
        task = current_task()
        if task is not None and made:
            data = _pack_made(courier, made, namespace)
            courier.huey.storage.put_data(f"{MADE}{task.id}", data)
        return value


class CellTask(Task[Any]):
    """The task of a cell: its arguments are work, a label and how many retries it had at first."""

    @property
    def attempt(self) -> int:
        return max(1, int(self.args[2]) - self.retries + 1)

    def describe(self) -> dict[str, str]:
        work = self.args[0]
        known = {"label": self.args[1], "args": work.told, "carries": work.carries}
        return {key: text for key, text in known.items() if text}


def register_cells(courier: Courier) -> TaskWrapper[..., Any]:
    """Make a Huey know the task of cells, ``huey_jupyter.work.cell``; return it."""

    def run_work(work: Work | SentWork, label: str, retries_at_first: int) -> Any:
        return work.run(courier)

    run_work.__module__ = __name__
    return TaskWrapper(courier.huey, run_work, name="cell", task_base=CellTask)


def locked(huey: Huey, lock: str) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which a lock is held, if one is named."""
    return huey.lock_task(lock) if lock else contextlib.nullcontext()


def send_cell(
    courier: Courier, cell: Cell, snapshot: Snapshot, bound: Mapping[str, Any] = NOTHING
) -> SentCell:
    """Return a cell as it travels, with what it needs of the notebook's names.

    :param bound: names and values on top of those, each task's own: then the others, which all
        tasks of the cell have, are written once for all that are sent together.
    :raises CannotTravel: if something that it needs cannot be sent; then nothing is.
    """
    needed = needed_names(ast.parse(cell.text)) - {*LEAVING}
    own = {n: bound[n] for n in sorted(needed & bound.keys())}
    others = {n: snapshot.names[n] for n in sorted((needed - own.keys()) & snapshot.names.keys())}
    with courier.parcel() as parcel:
        if not bound:
            data, carries = _pack_names(courier, cell, snapshot, others)
            return SentCell(cell.text, cell.filename, cell.flags, data, carries)
        common = parcel.share(cell, lambda: _pack_names(courier, cell, snapshot, others))
        data, carries = _pack_names(courier, cell, snapshot, own)
    carried = ", ".join(filter(None, (common.carries, carries)))
    return SentCell(cell.text, cell.filename, cell.flags, data, carried, common.hash)


def _pack_names(
    courier: Courier, cell: Cell, snapshot: Snapshot, names: dict[str, Any]
) -> tuple[bytes, str]:
    """Return names for a cell as they travel, and which of them take long to send.

    :raises CannotTravel: if one cannot be sent.
    """
    try:
        data = courier.pack_names(Made(names, anchor_in(snapshot.notebook), {}), cell.filename)
    except Exception as error:
        inspect_code(cell.code, names, courier.weigh).refuse("the cell")
        why = f"{type(error).__name__}: {error}"
        raise CannotTravel(f"the cell cannot be sent to a worker: {why}") from error
    large = len(data) >= LARGE
    return data, inspect_code(cell.code, names, courier.weigh).carries if large else ""


def take_made(courier: Courier, task_id: str) -> Made | None:
    """Take what a sent cell has made out of the storage; None if it made nothing.

    :raises UnreadableMessage: if it was made by another Python.
    """
    storage, key = courier.huey.storage, f"{MADE}{task_id}"
    data = storage.peek_data(key)
    if data is EmptyData:
        return None
    made: Made = courier.unpack_names(data)
    storage.pop_data(key)  # only now, or it were lost where it cannot be read
    return made


def _run_sent(courier: Courier, sent: SentCell) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Run a sent cell in the globals of the functions that came with it.

    :returns: its value, its namespace, and what it bound there.
    """
    came: Made = courier.unpack_names(sent.names, to_worker=True)
    names = came.names
    if sent.shared:
        own, shared = names, courier.names_of_cells(sent.shared)
        came = courier.unpack_names(shared, to_worker=True)
        names = {**came.names, **own}
    namespace = came.anchor.__globals__
    namespace.update({"__name__": "__main__", **dict.fromkeys(LEAVING, leave), **names})
    given = dict(namespace)
    tree = ast.parse(sent.text, sent.filename)
    value = compile_tree(tree, sent.text, sent.filename, sent.flags).run(namespace)
    return value, namespace, bound_anew(namespace, given)


def _pack_made(courier: Courier, made: dict[str, Any], namespace: dict[str, Any]) -> bytes:
    anchor = anchor_in(namespace)
    try:
        return courier.pack_names(Made(made, anchor, {}))
    except Exception:
        stuck = {n: what for n, v in made.items() if (what := courier.obstacle(v))}
        rest = {name: bound for name, bound in made.items() if name not in stuck}
        return courier.pack_names(Made(rest, anchor, stuck))
