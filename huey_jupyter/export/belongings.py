"""What a notebook's task functions need of the notebook, gathered by name."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from huey import Huey
from huey.tasks import TaskWrapper
from huey_jupyter.export.plain import UNKNOWN
from huey_jupyter.export.portable import ELSE, fault, literal
from huey_jupyter.export.sources import Definition, Statement, definition

# What IPython puts into the namespace; a module has none of it.
NOTEBOOKS_OWN: Final = frozenset({"get_ipython", "In", "Out", "_", "__", "___", "_i", "_ih", "_oh"})
OF_EVERY_MODULE: Final = frozenset({"__name__", "__doc__", "__file__", "__builtins__"})


class Belongings:
    """What must stand in a module so that the task functions of a notebook work there.

    :param names: the notebook's names.
    :param huey: the Huey whose task functions are wanted.
    :param known: what the cells say, in order.
    :param own_huey: whether the Huey is the user's own, made as a cell says.
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        huey: Huey,
        known: Sequence[Statement],
        *,
        own_huey: bool = False,
    ) -> None:
        self.names = names
        self.huey = huey
        self.known = known
        self.own_huey = own_huey
        self.providers: dict[str, Statement] = {}
        """The statements needed, by each name that they are needed for."""
        self.imports: list[str] = []
        """Imports that are needed and stand in no cell."""
        self.hueys: list[str] = []
        """The names of the Huey itself, if no cell says how it is made."""
        self.problems: list[str] = []
        """What is needed and cannot be had: a sentence each."""
        self.tasks = [name for name in names if self._is_task(name)]
        self._seen: set[str] = set()
        for name in [*self.tasks, *self._hooks()]:
            self._need(name, None)

    @property
    def made(self) -> list[str]:
        """The names that are needed and that the notebook made itself."""
        imported = (ast.Import, ast.ImportFrom)
        return [n for n, s in self.providers.items() if not isinstance(s.node, imported)]

    @property
    def huey_name(self) -> str:
        """What the Huey is called in the module; empty if it has no name there."""
        called = [n for n in (*self.hueys, *self.providers) if self.names.get(n) is self.huey]
        return "huey" if "huey" in called else next(iter(called), "")

    def needed_at_once(self, statement: Statement) -> set[Statement]:
        """Return what must stand above a statement.

        That is what it is made of and, as a decorator is called at once, all that the functions
        among this use.
        """
        found = {self.providers[n] for n in statement.at_once if n in self.providers}
        called = [s for s in found if isinstance(s.node, ast.FunctionDef)]
        for function in called:  # grows as it goes
            used = {self.providers[n] for n in function.uses if n in self.providers}
            called += [one for one in used if one not in found]
            found |= used
        return found - {statement}

    # -- what to begin with ---------------------------------------------------------------------

    def _is_task(self, name: str) -> bool:
        value = self.names[name]
        ours = isinstance(value, TaskWrapper) and value.huey is self.huey
        return ours and value.__module__ == "__main__" and not re.fullmatch(r"_+\d*", name)

    def _hooks(self) -> list[str]:
        """Return the functions that the Huey calls for other reasons: signals, start and end."""
        return [
            name
            for statement in self.known
            if isinstance(statement.node, Definition) and self._is_declared(statement.node)
            for name in statement.binds
            if name in self.names and self._agrees(statement, name)
        ]

    def _is_declared(self, node: Definition) -> bool:
        roots = [_root(decorator) for decorator in node.decorator_list]
        return any(isinstance(r, ast.Name) and self.names.get(r.id) is self.huey for r in roots)

    # -- what each needs ------------------------------------------------------------------------

    def _need(self, name: str, by: Statement | None) -> None:
        if name in self._seen or name in OF_EVERY_MODULE:
            return
        self._seen.add(name)
        statement = self._find(name)
        bound = statement is not None and name in self.names
        if name in NOTEBOOKS_OWN:
            self._refuse(name, by, "only a notebook has it", "do without magics and `!commands`")
        elif self.names.get(name) is self.huey and self._is_ours(name, statement):
            self.hueys.append(name)
        elif statement is not None and bound:
            self._take(name, statement, by)
        elif name == "display" and name not in self.names:
            self.imports.append("from IPython.display import display")
        elif not hasattr(builtins, name) or bound:
            self._import(name, by)

    def _is_ours(self, name: str, statement: Statement | None) -> bool:
        """Say whether the session made the Huey that has a name, and no cell can say how."""
        if self.own_huey:
            return False
        return statement is None or bool(fault(name, statement, self.names, self.known))

    def _take(self, name: str, statement: Statement, by: Statement | None) -> None:
        wrong = fault(name, statement, self.names, self.known)
        if wrong:
            self._refuse(name, by, *wrong)
            return
        self.providers[name] = statement
        for used in sorted(statement.uses - {name}):
            self._need(used, statement)

    def _import(self, name: str, by: Statement | None) -> None:
        """Import what no cell binds by name, such as what ``import *`` brought."""
        value = self.names.get(name, UNKNOWN)
        module, own = getattr(value, "__module__", None), getattr(value, "__name__", "")
        if value is UNKNOWN:
            self._refuse(name, by, "it is not defined just now", "run the cell that defines it")
        elif isinstance(value, ModuleType) and sys.modules.get(own) is value:
            self.imports.append(f"import {own}" if own == name else f"import {own} as {name}")
        elif module != "__main__" and getattr(sys.modules.get(module or ""), own, None) is value:
            self.imports.append(
                f"from {module} import {own if own == name else f'{own} as {name}'}"
            )
        else:
            self._refuse(name, by, "no cell that has run binds it", ELSE)

    def _refuse(self, name: str, by: Statement | None, why: str, cure: str) -> None:
        value = self.names.get(name, UNKNOWN)
        kind = "" if value is UNKNOWN else f" ({type(value).__name__})"
        if by is None:
            used = ""
        else:
            users = ", ".join(sorted(f"`{user}`" for user in by.binds))
            used = f", used by {users} in {by.where(name)}"
        self.problems.append(f"`{name}`{kind}{used}: {why}; {cure}")

    # -- which statement it is ------------------------------------------------------------------

    def _find(self, name: str) -> Statement | None:
        """Return the last statement that binds a name to what it is now."""
        found = [statement for statement in self.known if name in statement.binds]
        agreeing = [statement for statement in found if self._agrees(statement, name)]
        if agreeing:
            return agreeing[-1]
        made = definition(self.names.get(name))
        if made is not None and name in made.binds:
            return made
        return found[-1] if found else None

    def _agrees(self, statement: Statement, name: str) -> bool:
        """Say whether a statement can have made what a name is now; a failed cell has not."""
        value, node = self.names.get(name, UNKNOWN), statement.node
        if isinstance(node, Definition):
            made = definition(value)
            return callable(value) if made is None else ast.dump(made.node) == ast.dump(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            return _imports(node, name, value)
        written = literal(node)
        return written is UNKNOWN or type(written) is type(value)


def _root(node: ast.AST) -> ast.AST:
    """Return what a chain of calls and attributes begins with."""
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _imports(node: ast.Import | ast.ImportFrom, name: str, value: Any) -> bool:
    """Say whether an import brings this value; if it cannot be told, it does."""
    for alias in node.names:
        if name != (alias.asname or alias.name.partition(".")[0]):
            continue
        if isinstance(node, ast.Import):
            module = sys.modules.get(alias.name if alias.asname else name, UNKNOWN)
            return module is UNKNOWN or module is value
        found = getattr(sys.modules.get(node.module or ""), alias.name, UNKNOWN)
        return found is UNKNOWN or found is value
    return False
