"""A cell's source compiled, run on a snapshot of the notebook's names, its new names kept."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import tokenize
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from huey.tasks import Task

MISSING = object()


@dataclass
class Cell:
    """A cell ready to run: its statements and, if it ends in one, its last expression."""

    statements: CodeType
    expression: CodeType | None

    def run(self, namespace: dict[str, Any]) -> Any:
        """Execute the cell in ``namespace``; return the last expression's value."""
        _evaluate(self.statements, namespace)
        return None if self.expression is None else _evaluate(self.expression, namespace)


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
    tree = ip.transform_ast(ast.parse(text, filename))
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body.pop() if not ends_in_semicolon(text) else None
    flags = ip.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    statements = compile(tree, filename, "exec", flags, dont_inherit=True)
    if last is None:
        return Cell(statements, None)
    expression = ast.Expression(last.value)
    return Cell(statements, compile(expression, filename, "eval", flags, dont_inherit=True))


def ends_in_semicolon(text: str) -> bool:
    """Say whether a cell's last token is a semicolon, comments left aside."""
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    words = [token.string for token in tokens if token.type not in quiet]
    return bool(words) and words[-1] == ";"


def _evaluate(code: CodeType, namespace: dict[str, Any]) -> Any:
    value = eval(code, namespace)  # noqa: S307 - running the user's cell is the point
    if code.co_flags & inspect.CO_COROUTINE:
        return asyncio.run(value)
    return value


@dataclass
class Snapshot:
    """A notebook's names as they were when a cell was handed over, and what the cell made of them.

    :param names: the names then; emptied by `forget`.
    :param made: names that the cell bound anew, with their values; None until it is done.
    """

    names: dict[str, Any]
    made: dict[str, Any] | None = field(default=None)

    def run(self, cell: Cell) -> Any:
        """Run the cell on a copy of the names; each try begins with the same."""
        namespace = dict(self.names)
        value = cell.run(namespace)
        self.made = {
            name: bound
            for name, bound in namespace.items()
            if not name.startswith("_") and bound is not self.names.get(name, MISSING)
        }
        return value

    def bring_back(self, names: dict[str, Any], wanted: set[str] | None) -> list[str]:
        """Bind what the cell made in ``names``, save what was bound there meanwhile.

        :param wanted: only these; None for all.
        :returns: the names left alone.
        """
        made = {n: v for n, v in (self.made or {}).items() if wanted is None or n in wanted}
        kept = [n for n in made if names.get(n, MISSING) is not self.names.get(n, MISSING)]
        names.update({n: v for n, v in made.items() if n not in kept})
        return kept

    def forget(self) -> None:
        """Let go of the notebook's objects."""
        self.names, self.made = {}, None


class CellTask(Task[Any]):
    """The task of a cell; what it is given is of no interest to people."""

    def describe(self) -> str:
        return ""


def parse_export(text: str) -> set[str] | None:
    """Return which names a cell gives back: ``auto`` is None (all), ``none`` is the empty set.

    :raises ValueError: if a name is not one.
    """
    if text == "auto":
        return None
    if text == "none":
        return set()
    names = {name.strip() for name in text.split(",")}
    wrong = sorted(name for name in names if not name.isidentifier())
    if wrong:
        raise ValueError(
            f"--export takes auto, none or names with commas between, not {wrong[0]!r}"
        )
    return names
