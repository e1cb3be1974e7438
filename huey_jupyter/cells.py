"""A cell's source compiled, run on a snapshot of the notebook's names, its new names kept."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import itertools
import keyword
import tokenize
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from huey.constants import EmptyData
from huey.tasks import Task, TaskWrapper, current_task
from huey_jupyter.baggage import LARGE, CannotTravel, inspect_code
from huey_jupyter.needs import needed_names
from huey_jupyter.shipping import Courier

MISSING = object()

Brought = dict[str, tuple[Any, int]]
"""Names that cells have brought back: the value, and the number of the cell's snapshot."""

_snapshot_numbers = itertools.count(1)

MADE = "made:"  # before the keys of what sent cells have made

SENT_CELL = f"{__name__}.sent_cell"  # the task of a cell that runs in another process

_LEAVING = ("exit", "quit")
_VALUE = "__huey_value__"  # the name that a cell's last expression is bound to while it runs


@dataclass
class Cell:
    """A cell ready to run; its last expression, if any, is bound to a name of its own.

    :param text: what was compiled, in which magics are calls.
    :param filename: under which tracebacks find its lines.
    """

    code: CodeType
    text: str = ""
    filename: str = ""
    flags: int = 0

    def run(self, namespace: dict[str, Any]) -> Any:
        """Execute the cell in ``namespace``; return the last expression's value."""
        done = eval(self.code, namespace)  # noqa: S307 - running the user's cell is the point
        if self.code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(done)
        return namespace.pop(_VALUE, None)


def compile_cell(ip: Any, source: str, line: str = "") -> Cell:
    """Compile a cell as IPython would, with the line numbers that its author sees.

    :param ip: the shell; its input transformations apply, so ``!ls`` and ``%time`` work.
    :param source: the cell's text below its first line.
    :param line: that first line; it takes its place as a comment, unless the body begins with a
        cell magic, which must be first.
    :raises SyntaxError: if the text is not Python.
    """
    raw = source if source.lstrip().startswith("%%") else f"# {line.strip()}\n{source}"
    text = ip.transform_cell(raw)
    filename = ip.compile.cache(text, ip.displayhook.prompt_count, raw_code=raw)
    return _compile(ip.transform_ast(ast.parse(text, filename)), text, filename, ip.compile.flags)


def _compile(tree: ast.Module, text: str, filename: str, flags: int) -> Cell:
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr) and not ends_in_semicolon(text):
        bound = ast.Assign([ast.Name(_VALUE, ast.Store())], last.value)
        tree.body[-1] = ast.fix_missing_locations(ast.copy_location(bound, last))
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(tree, filename, "exec", flags, dont_inherit=True)
    return Cell(code, text, filename, flags)


def ends_in_semicolon(text: str) -> bool:
    """Say whether a cell's last token is a semicolon, comments left aside."""
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    words = [token.string for token in tokens if token.type not in quiet]
    return bool(words) and words[-1] == ";"


def rebind(function: FunctionType, names: dict[str, Any]) -> FunctionType:
    """Return the same function with other globals."""
    new = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    new.__kwdefaults__ = function.__kwdefaults__
    new.__annotations__ = function.__annotations__
    new.__qualname__ = function.__qualname__
    new.__module__ = function.__module__
    new.__doc__ = function.__doc__
    new.__dict__.update(function.__dict__)
    return new


def _leave(code: Any = None) -> None:
    raise SystemExit(code)


class Snapshot:
    """A notebook's names as they were when a cell was handed over, and what the cell made of them.

    Functions of the notebook see the snapshot too while the cell runs them, and functions that
    the cell made see the notebook once they are brought back.

    :param names: the notebook's names; a copy is kept until `forget`.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = dict(names)
        self.number = next(_snapshot_numbers)
        self.made: dict[str, Any] = {}
        self.notebook = names
        self._namespace: dict[str, Any] = {}

    def run(self, cell: Cell) -> Any:
        """Run the cell on a copy of the names; each try begins with the same."""
        namespace = dict(self.names)
        for name, bound in self.names.items():
            if isinstance(bound, FunctionType) and bound.__globals__ is self.notebook:
                namespace[name] = rebind(bound, namespace)
            elif name in _LEAVING:  # the kernel's own would end the kernel
                namespace[name] = _leave
        given = dict(namespace)
        value = cell.run(namespace)
        self._namespace = namespace
        self.made = _bound_anew(namespace, given)
        return value

    def receive(self, made: Made) -> None:
        """Take over what the cell made in another process, to be brought back from there."""
        self.made, self._namespace = made.names, made.anchor.__globals__

    def bring_back(self, wanted: set[str] | None, brought: Brought) -> tuple[list[str], list[str]]:
        """Bind what the cell made in the notebook, save what the notebook bound meanwhile.

        :param wanted: only these; None for all.
        :param brought: what cells have brought back before; this one's is added. Such a name is
            not the notebook's own: of two cells the one handed over later wins.
        :returns: the names left alone, and wanted names that the cell did not make.
        """
        made = {n: v for n, v in self.made.items() if wanted is None or n in wanted}
        kept = []
        for name, bound in made.items():
            now = self.notebook.get(name, MISSING)
            last, number = brought.get(name, (MISSING, 0))
            if now is last and last is not MISSING:
                if number < self.number:
                    self._bind(name, bound, brought)
            elif now is bound or now is self.names.get(name, MISSING):
                self._bind(name, bound, brought)
            else:
                kept.append(name)
        return kept, sorted((wanted or set()) - set(made))

    def _bind(self, name: str, bound: Any, brought: Brought) -> None:
        if isinstance(bound, FunctionType) and bound.__globals__ is self._namespace:
            bound = rebind(bound, self.notebook)
        self.notebook[name] = bound
        brought[name] = (bound, self.number)

    def forget(self) -> None:
        """Let go of the notebook's objects."""
        self.names, self.made, self._namespace = {}, {}, {}


class CellTask(Task[Any]):
    """The task of a cell: the last two arguments are its label and its retries at first."""

    @property
    def attempt(self) -> int:
        return max(1, int(self.args[-1]) - self.retries + 1)

    def describe(self) -> dict[str, str]:
        return {"label": self.args[-2]}


def run_cell(snapshot: Snapshot, cell: Cell, label: str, retries: int) -> Any:
    """Run a cell: the function of every `CellTask`."""
    return snapshot.run(cell)


# -- by value: a cell that runs in another process --------------------------------------------


class SentCell(NamedTuple):
    """A cell as it travels.

    :param text: Python, in which magics are calls already.
    :param filename: under which tracebacks find its lines.
    :param flags: of the compiler.
    :param names: what it needs of the notebook, see `Made`.
    :param carries: what of that takes long to send, for people.
    """

    text: str
    filename: str
    flags: int
    names: bytes
    carries: str


class Made(NamedTuple):
    """Names on their way between a notebook and a cell's worker.

    :param names: what is bound to each.
    :param anchor: a function with the same globals as the functions among them.
    :param left_out: names whose values cannot travel, and what they are.
    """

    names: dict[str, Any]
    anchor: Any
    left_out: dict[str, str]


class SentCellTask(CellTask):
    """The task of a cell that runs in another process."""

    def describe(self) -> dict[str, str]:
        carries = self.args[0].carries
        return {**super().describe(), **({"carries": carries} if carries else {})}


def send_cell(courier: Courier, ip: Any, source: str, line: str, names: dict[str, Any]) -> SentCell:
    """Return a cell as it travels, with what it needs of the notebook's names.

    :param ip: the shell.
    :param source: the cell's text below its first line.
    :param line: that first line.
    :param names: the notebook's names, the dict itself: its functions are known by it.
    :raises SyntaxError: if the text is not Python.
    :raises CannotTravel: if something that it needs cannot be sent; then nothing is.
    """
    return _send(courier, compile_cell(ip, source, line), names, names)


def send_waiting(courier: Courier, snapshot: Snapshot, cell: Cell) -> SentCell:
    """Return a cell as it travels that was to run in this process; see `send_cell`."""
    return _send(courier, cell, snapshot.names, snapshot.notebook)


def _send(
    courier: Courier, cell: Cell, names: dict[str, Any], notebook: dict[str, Any]
) -> SentCell:
    needed = needed_names(ast.parse(cell.text))
    sent = {n: names[n] for n in sorted(needed & names.keys()) if n not in _LEAVING}
    with courier.parcel():
        try:
            data = courier.pack_names(Made(sent, _anchor(notebook), {}), cell.filename)
        except Exception as error:
            inspect_code(cell.code, sent, courier.weigh).refuse("the cell")
            why = f"{type(error).__name__}: {error}"
            raise CannotTravel(f"the cell cannot be sent to a worker: {why}") from error
    large = len(data) >= LARGE
    carries = inspect_code(cell.code, sent, courier.weigh).carries if large else ""
    return SentCell(cell.text, cell.filename, cell.flags, data, carries)


def register_sent_cells(courier: Courier) -> TaskWrapper[..., Any]:
    """Make a Huey know the task of sent cells, ``huey_jupyter.cells.sent_cell``; return it."""

    def run_sent_cell(sent: SentCell, label: str, at_first: int) -> Any:
        value, namespace, made = _run_sent(courier, sent)
        task = current_task()
        if task is not None and made:
            data = _pack_made(courier, made, namespace)
            courier.huey.storage.put_data(f"{MADE}{task.id}", data)
        return value

    run_sent_cell.__module__ = __name__
    return TaskWrapper(courier.huey, run_sent_cell, name="sent_cell", task_base=SentCellTask)


def take_made(courier: Courier, task_id: str) -> Made | None:
    """Take what a sent cell has made out of the storage; None if it made nothing.

    :raises UnreadableMessage: if it was made by another Python.
    """
    data = courier.huey.storage.pop_data(f"{MADE}{task_id}")
    if data is EmptyData:
        return None
    made: Made = courier.unpack_names(data)
    return made


def _run_sent(courier: Courier, sent: SentCell) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Run a sent cell in the globals of the functions that came with it.

    :returns: its value, its namespace, and what it bound there.
    """
    came: Made = courier.unpack_names(sent.names, to_worker=True)
    namespace = came.anchor.__globals__
    namespace.update({"__name__": "__main__", **dict.fromkeys(_LEAVING, _leave), **came.names})
    given = dict(namespace)
    tree = ast.parse(sent.text, sent.filename)
    value = _compile(tree, sent.text, sent.filename, sent.flags).run(namespace)
    return value, namespace, _bound_anew(namespace, given)


def _pack_made(courier: Courier, made: dict[str, Any], namespace: dict[str, Any]) -> bytes:
    anchor = _anchor(namespace)
    try:
        return courier.pack_names(Made(made, anchor, {}))
    except Exception:
        stuck = {n: what for n, v in made.items() if (what := courier.obstacle(v))}
        rest = {name: bound for name, bound in made.items() if name not in stuck}
        return courier.pack_names(Made(rest, anchor, stuck))


def _anchor(names: dict[str, Any]) -> FunctionType:
    """Return a function whose globals these are: others that travel with it keep sharing them."""
    anchor = FunctionType((lambda: None).__code__, names, "anchor")
    anchor.__module__ = "__main__"
    return anchor


def _bound_anew(namespace: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the names of a namespace that are bound to something else than was given."""
    return {
        name: bound
        for name, bound in namespace.items()
        if not name.startswith("_") and bound is not given.get(name, MISSING)
    }


def is_name(text: str) -> bool:
    """Say whether a variable can be called so."""
    return text.isidentifier() and not keyword.iskeyword(text)


def parse_export(text: str) -> set[str] | None:
    """Return which names a cell gives back: ``auto`` is None (all), ``none`` is the empty set.

    :raises ValueError: if a name is not one.
    """
    if text == "auto":
        return None
    if text == "none":
        return set()
    names = {name.strip() for name in text.split(",") if name.strip()}
    wrong = sorted(name for name in names if not is_name(name))
    if wrong:
        raise ValueError(
            f"--export takes auto, none or names with commas between, not {wrong[0]!r}"
        )
    return names
