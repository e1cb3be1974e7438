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

from huey.alone import complete, is_alone

MISSING = object()

Brought = dict[str, tuple[Any, int]]
"""Names that cells have brought back: the value, and the number of the cell's snapshot."""

_snapshot_numbers = itertools.count(1)

LEAVING = ("exit", "quit")  # the kernel's own would end it
_VALUE = "__huey_value__"  # the name that a cell's last expression is bound to while it runs


@dataclass
class Cell:
    """A cell ready to run; its last expression, if any, is bound to a name of its own.

    :param text: what was compiled, in which magics are calls.
    :param filename: under which tracebacks find its lines.
    :param flags: of the compiler.
    """

    code: CodeType
    text: str
    filename: str
    flags: int

    def run(self, namespace: dict[str, Any]) -> Any:
        """Execute the cell in ``namespace``; return the last expression's value."""
        done = eval(self.code, namespace)  # noqa: S307 - running the user's cell is the point
        if self.code.co_flags & inspect.CO_COROUTINE:
            if is_alone():
                complete(done, "move what awaits into a task that is `async def`")
            else:
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
    return compile_tree(
        ip.transform_ast(ast.parse(text, filename)), text, filename, ip.compile.flags
    )


def compile_tree(tree: ast.Module, text: str, filename: str, flags: int) -> Cell:
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


def leave(code: Any = None) -> None:
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
            elif name in LEAVING:
                namespace[name] = leave
        given = dict(namespace)
        value = cell.run(namespace)
        self._namespace = namespace
        self.made = bound_anew(namespace, given)
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


class Made(NamedTuple):
    """Names on their way between a notebook and a cell's worker.

    :param names: what is bound to each.
    :param anchor: a function with the same globals as the functions among them.
    :param left_out: names whose values cannot travel, and what they are.
    """

    names: dict[str, Any]
    anchor: Any
    left_out: dict[str, str]


def anchor_in(names: dict[str, Any]) -> FunctionType:
    """Return a function whose globals these are: others that travel with it keep sharing them."""
    anchor = FunctionType((lambda: None).__code__, names, "anchor")
    anchor.__module__ = "__main__"
    return anchor


def bound_anew(namespace: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
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
