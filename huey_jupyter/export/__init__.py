"""The notebook's task functions as a module that a consumer can import."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from huey import Huey
from huey.exceptions import ConfigurationError
from huey.storage import FileStorage, MemoryStorage, SqliteStorage
from huey_jupyter.export.belongings import Belongings
from huey_jupyter.export.imports import import_lines
from huey_jupyter.export.module_huey import huey_statement
from huey_jupyter.export.sources import (
    TASK_MAGICS,
    Definition,
    Source,
    Statement,
    history,
    statements,
)

MARK: Final = "# Made by %huey export"
FIRST_LINE: Final = re.compile(re.escape(MARK) + r" \((\w+)\)[^\n]*\n")


class CannotExport(ConfigurationError):
    """The module was not written; the message names each thing in the way and says what to do."""


class Module(NamedTuple):
    """A module's text, and what is in it.

    :param tasks: the names of the task functions.
    :param others: the names of what they use, as far as the notebook made it.
    :param huey: the name of the Huey.
    :param left_out: how many cells under ``%%huey_task`` it leaves out.
    """

    text: str
    tasks: tuple[str, ...]
    others: tuple[str, ...]
    huey: str
    left_out: int


class Exported(NamedTuple):
    """What `export` has written."""

    path: Path
    module: Module

    @property
    def consumer(self) -> str:
        """The command that runs the tasks."""
        return f"huey_consumer {self.path.stem}.{self.module.huey}"

    def __str__(self) -> str:
        tasks, cells = _count(len(self.module.tasks), "task function"), self.module.left_out
        others = f" and what they use ({', '.join(self.module.others)})"
        said = f"{self.path}: {tasks}{others if self.module.others else ''}. Run them with: "
        left = f"\nLeft out: {_count(cells, 'cell')} under %%huey_task." if cells else ""
        return f"{said}{self.consumer}{left}"


def export(
    ip: Any, huey: Huey, path: str | os.PathLike[str], url: str = "", *, force: bool = False
) -> Exported:
    """Write the notebook's task functions, what they use and the Huey to a file.

    :param ip: the shell.
    :param huey: whose task functions are written.
    :param path: the file, such as ``tasks.py``.
    :param url: where the queue is; by default the Huey is asked.
    :param force: replace a file also if it is not as an export has left it.
    :raises CannotExport: if something cannot go along, or the file must not be written.
    """
    file = _target(Path(path).expanduser(), force=force)
    url, sources = url or url_of(huey), history(ip)
    module = export_module(ip.user_ns, huey, sources, url, name=file.stem, folder=file.parent)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(module.text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise CannotExport(f"{path} cannot be written: {error.strerror or error}") from None
    return Exported(Path(path), module)


def export_module(
    names: Mapping[str, Any],
    huey: Huey,
    sources: Sequence[Source],
    url: str,
    *,
    name: str = "tasks",
    folder: str | os.PathLike[str] = ".",
) -> Module:
    """Return a module with the task functions of a notebook and what they use.

    :param names: the notebook's names.
    :param huey: whose task functions are wanted.
    :param sources: the cells that it has run, see `history`.
    :param url: where the queue is, empty if only the notebook knows how the Huey is made.
    :param name: the module's name, by which its queue is called too if the notebook's is not.
    :param folder: where it is to be.
    :raises CannotExport: naming everything that cannot go along.
    """
    known = statements(sources)
    needs = Belongings(names, huey, known, own_huey=not url)
    own = needs.huey_name
    if not needs.tasks:
        needs.problems.append("there is no task function: write @huey.task() above a function")
    elif not own:
        needs.problems.append("the Huey has no name of its own: give it one, huey = ...")
    if needs.problems:
        raise CannotExport("\n".join([f"{name}.py is not written.", *needs.problems]))
    left_out = len({s.text for s in sources if s.magic in TASK_MAGICS})
    queue = name if name != huey.name else f"{name}-module"
    made = huey_statement(needs.hueys, url, queue, folder, names)
    text = _text(needs, known, made, left_out)
    text = f"# A consumer runs these tasks with: huey_consumer {name}.{own}\n{text}"
    first = f"{MARK} ({_digest(text)}) from the cells of a notebook.\n"
    compile(first + text, f"{name}.py", "exec")
    others = tuple(n for n in needs.made if n not in (*needs.tasks, own))
    return Module(first + text, tuple(needs.tasks), others, own, left_out)


def url_of(huey: Huey) -> str:
    """Return where a queue is, as far as the Huey can tell; empty if it cannot."""
    known = getattr(huey, "url", "")
    match huey.storage:
        case _ if known:
            return str(known)
        case MemoryStorage():
            return "memory"
        case SqliteStorage(filename=file):
            return f"sqlite:{file}"
        case FileStorage(path=folder):
            return f"file:{folder}"
    return ""


def _text(needs: Belongings, known: Sequence[Statement], own: Any, left_out: int) -> str:
    """Return the module below its first lines."""
    bodies = _in_order(needs)
    future = "annotations" if any(_is_future(one.node) for one in known) else ""
    parts = []
    if left_out:
        cells = _count(left_out, "cell")
        parts.append(f"# Left out: {cells} under %%huey_task: a cell is no function.\n")
    parts.append("from __future__ import annotations\n" if future else "")
    parts.append(import_lines(needs, known, own.imports))
    parts.append(own.text)
    return "\n".join(filter(None, parts)) + _bodies(bodies)


def _bodies(found: Iterable[Statement]) -> str:
    """Return statements below each other, two lines of air around functions and classes."""
    text, air = "", "\n"
    for statement in found:
        function = isinstance(statement.node, Definition)
        text += "\n\n" if function else air
        text += statement.text.strip("\n") + "\n"
        air = "\n\n" if function else ""
    return text


def _in_order(needs: Belongings) -> list[Statement]:
    """Return the statements so that each comes after what it needs when it is executed.

    Apart from that they stand in the order in which the notebook has run them.
    """
    placed: dict[Statement, None] = {}
    begun: set[Statement] = set()

    def put(statement: Statement) -> None:
        if statement in begun:
            return
        begun.add(statement)
        for before in _by_order(needs.needed_at_once(statement)):
            put(before)
        placed[statement] = None

    for statement in _by_order(needs.providers.values()):
        put(statement)
    return [one for one in placed if not isinstance(one.node, ast.Import | ast.ImportFrom)]


def _by_order(found: Iterable[Statement]) -> list[Statement]:
    return sorted(set(found), key=lambda statement: statement.order)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


# --- the file ---


def _target(path: Path, *, force: bool) -> Path:
    """Return the file to write, if it may be written."""
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise CannotExport(f"{path} cannot be imported: give it a name like tasks.py")
    if name in sys.stdlib_module_names or name in ("huey", "huey_jupyter"):
        raise CannotExport(f"{path} would hide the module {name}: give it another name")
    if not path.parent.is_dir():
        raise CannotExport(f"there is no folder {path.parent}: make it first")
    if path.exists() and not force:
        first = FIRST_LINE.match(path.read_text(encoding="utf-8", errors="replace"))
        if first is None:
            raise CannotExport(f"{path} was not made by an export: take another name, or --force")
        if first[1] != _digest(first.string[first.end() :]):
            raise CannotExport(f"{path} was edited since: take another name, or --force")
    return path.absolute()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
