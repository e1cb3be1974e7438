"""A notebook's cells as statements: what each one binds, what it uses, and how it was written."""

from __future__ import annotations

import ast
import inspect
import linecache
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

# Cell magics whose body is Python that binds names in the notebook.
PYTHON_MAGICS: Final = frozenset({"huey_task", "time", "capture", "prun"})
TASK_MAGICS: Final = frozenset({"huey_task", "huey_map"})

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Source(NamedTuple):
    """What a cell ran, as Python: magics and commands are calls of ``get_ipython()``.

    :param cell: what it is called in messages, such as ``In[3]``.
    :param above: how many lines stand above it in its cell.
    :param magic: the cell magic whose body it is, if any.
    """

    cell: str
    text: str
    above: int = 0
    magic: str = ""


@dataclass(eq=False)
class Statement:
    """A statement at the top of a cell.

    :param order: its place among all that the notebook has run.
    :param text: as written, with the comment lines directly above it.
    """

    node: ast.stmt
    text: str
    source: Source
    order: int

    @cached_property
    def binds(self) -> frozenset[str]:
        """The names that it binds in the notebook."""
        top = self._tables[0].get_symbols() if self._tables else []
        return frozenset(s.get_name() for s in top if s.is_assigned() or s.is_imported())

    @cached_property
    def uses(self) -> frozenset[str]:
        """The names that it takes from the notebook, at once or when its functions are called."""
        return frozenset(
            symbol.get_name()
            for table in self._tables
            for symbol in table.get_symbols()
            if symbol.is_global() and (symbol.is_referenced() or self._sets(table, symbol))
        )

    @cached_property
    def sets(self) -> frozenset[str]:
        """The names of the notebook that its functions bind anew, declared as ``global``."""
        return frozenset(
            symbol.get_name()
            for table in self._tables
            for symbol in table.get_symbols()
            if self._sets(table, symbol)
        )

    @cached_property
    def at_once(self) -> frozenset[str]:
        """The names that it needs when it is executed, the insides of functions left aside."""
        return frozenset(_at_once(self.node))

    def where(self, name: str) -> str:
        """Return where a name is used in it: the cell and the line there."""
        lines = [
            node.lineno
            for node in ast.walk(self.node)
            if isinstance(node, ast.Name) and node.id == name
        ]
        return f"{self.source.cell}, line {min(lines, default=self._first) + self.source.above}"

    @property
    def place(self) -> str:
        """Where it stands: the cell and the line there."""
        return f"{self.source.cell}, line {self._first + self.source.above}"

    @property
    def _first(self) -> int:
        return first_line(self.node)

    @cached_property
    def _tables(self) -> list[symtable.SymbolTable]:
        """The scopes of the statement, the notebook's own first."""
        try:
            tables = [symtable.symtable(self.text, self.source.cell, "exec")]
        except SyntaxError:  # `return` outside a function: the cell did not run
            return []
        for table in tables:  # grows as it goes
            tables += table.get_children()
        return tables

    @staticmethod
    def _sets(table: symtable.SymbolTable, symbol: symtable.Symbol) -> bool:
        return table.get_type() != "module" and symbol.is_global() and symbol.is_assigned()


def history(ip: Any) -> list[Source]:
    """Return what the notebook has run so far, in order."""
    cells = enumerate(ip.history_manager.input_hist_parsed)
    return [one for number, text in cells if text for one in _sources(ip, f"In[{number}]", text)]


def statements(sources: Sequence[Source]) -> list[Statement]:
    """Return all statements of cells, in order; a cell that is not Python has none."""
    found = [(source, node) for source in sources for node in _parse(source.text)]
    return [
        Statement(node, _written(source.text, node), source, order)
        for order, (source, node) in enumerate(found, 1)
    ]


def definition(value: Any) -> Statement | None:
    """Return the statement that made a function, found by the lines that its code remembers."""
    code = getattr(_innermost(value), "__code__", None)
    if code is None:
        return None
    text = "".join(linecache.getlines(code.co_filename))
    for node in _parse(text):
        named = isinstance(node, Definition) and node.name == code.co_name
        if named and first_line(node) == code.co_firstlineno:
            file = code.co_filename.rpartition("/")[2]
            return Statement(node, _written(text, node), Source(file, text), 0)
    return None


def first_line(node: ast.stmt) -> int:
    """Return the line where a statement begins, its decorators included."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _sources(ip: Any, cell: str, text: str, above: int = 0, magic: str = "") -> Iterator[Source]:
    called = _cell_magic(text)
    if called is None:
        yield Source(cell, text, above, magic)
    elif called[0] in PYTHON_MAGICS:
        yield from _sources(ip, cell, ip.transform_cell(called[1]), above + 1, called[0])
    elif called[0] in TASK_MAGICS:
        yield Source(cell, "", above, called[0])


def _cell_magic(text: str) -> tuple[str, str] | None:
    """Return the name and the body of the cell magic that a cell calls."""
    match _parse(text):
        case [
            ast.Expr(
                ast.Call(
                    ast.Attribute(attr="run_cell_magic"),
                    [ast.Constant(str(name)), _, ast.Constant(str(body))],
                )
            )
        ]:
            return name, body
    return None


def _parse(text: str) -> list[ast.stmt]:
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError):
        return []


def _written(text: str, node: ast.stmt) -> str:
    """Return a statement as it was written; several on one line are taken apart."""
    lines = text.split("\n")
    first, last = first_line(node) - 1, (node.end_lineno or node.lineno) - 1
    before = lines[node.lineno - 1].encode()[: node.col_offset].strip()
    after = lines[last].encode()[node.end_col_offset or 0 :].strip()
    if before not in (b"", b"@") or not (after == b"" or after.startswith(b"#")):
        return ast.get_source_segment(text, node) or ast.unparse(node)
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return "\n".join(lines[first : last + 1])


def _innermost(value: Any) -> Any:
    """Return the function that a notebook's `def` made, below task function and decorators."""
    try:
        return inspect.unwrap(value)
    except ValueError:  # it goes round in a circle
        return value


def _at_once(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for field, value in ast.iter_fields(node):
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if function and field == "body":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _at_once(child)
