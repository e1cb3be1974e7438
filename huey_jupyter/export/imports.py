"""The imports of a module that is written from a notebook: those that are used, in order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence

from huey_jupyter.export.belongings import Belongings
from huey_jupyter.export.sources import Statement


def import_lines(needs: Belongings, known: Sequence[Statement], more: Iterable[str]) -> str:
    """Return the imports as lines: the standard library first, each module once.

    :param known: all statements of the notebook.
    :param more: further imports, as statements.
    """
    nodes = [one.node for one in known]
    wanted = [pair for pair in needs.providers.items() if pair[1].node not in nodes]
    wanted = [*wanted, *((n, s) for n, s in needs.providers.items() if s.node in nodes)]
    found = [item for name, one in wanted for item in _of_name(name, one, known)]
    for line in (*needs.imports, *more):
        found += _items(ast.parse(line).body[0])
    return _written(found)


Item = tuple[str, str, str]
"""A module, what of it (empty for the module itself), and the name that it gets if another."""


def _of_name(name: str, statement: Statement, known: Sequence[Statement]) -> Iterator[Item]:
    for item in _items(statement.node):
        if name == _bound(item):
            yield item
    if isinstance(statement.node, ast.Import):  # `import xml.dom` and `import xml.sax` bind `xml`
        plain = [item for one in known for item in _items(one.node) if not (item[1] or item[2])]
        yield from (item for item in plain if _bound(item) == name and item[0] in sys.modules)


def _items(node: ast.stmt) -> list[Item]:
    match node:
        case ast.Import(names):
            return [(alias.name, "", alias.asname or "") for alias in names]
        case ast.ImportFrom(str(module), names):
            return [(module, alias.name, alias.asname or "") for alias in names]
    return []


def _bound(item: Item) -> str:
    module, what, name = item
    return name or what or module.partition(".")[0]


def _written(items: Iterable[Item]) -> str:
    groups: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
    for module, what, name in sorted(set(items), key=lambda item: (item[0].lower(), item)):
        ours = module.partition(".")[0] in sys.stdlib_module_names
        renamed = f"{what or module} as {name}" if name else what or module
        key = f"from {module} import " if what else f"import {renamed}"
        groups[0 if ours else 1].setdefault(key, []).extend([renamed] if what else [])
    blocks = [_block(group) for group in groups if group]
    return "\n".join(blocks)


def _block(group: dict[str, list[str]]) -> str:
    plain = [key for key in group if key.startswith("import ")]
    from_them = [key + ", ".join(names) for key, names in group.items() if names]
    return "\n".join((*plain, *from_them)) + "\n"
