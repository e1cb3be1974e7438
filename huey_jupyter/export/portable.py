"""Which statements of a notebook can stand in a module, and what to do about the others."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from huey.tasks import TaskWrapper
from huey_jupyter.export.plain import UNKNOWN, why_not
from huey_jupyter.export.sources import Definition, Statement

PASSWORD: Final = re.compile(r"//[^/\s:@]*:[^/\s@]+@")
SECRET: Final = re.compile(r"(?i)passw|secret|api_?key")

IN_ONE: Final = "write it in one statement"
ELSE: Final = "make it inside the function, or pass it as an argument"
OTHERS: Final = {
    ast.For: "a loop",
    ast.AsyncFor: "a loop",
    ast.While: "a loop",
    ast.With: "a `with`",
    ast.AsyncWith: "a `with`",
    ast.Match: "a `match`",
    ast.AugAssign: "an assignment that adds to what was there",
    ast.Expr: "an expression that does something else",
}


LABOUR: Final = "huey_jupyter.teaching.labour"  # it needs no notebook


class Fault(NamedTuple):
    """Why a module cannot have a name as the notebook made it, and what to do."""

    why: str
    cure: str


def fault(
    name: str, statement: Statement, names: Mapping[str, Any], known: Sequence[Statement]
) -> Fault | None:
    """Return what is wrong with the statement that bound a name; None if nothing.

    :param names: the notebook's names.
    :param known: all statements that it has run, in order.
    """
    node, place, value = statement.node, statement.place, names.get(name)
    if isinstance(node, ast.Import | ast.ImportFrom):
        home = _module(value)
        ours = home.partition(".")[0] == "huey_jupyter" and home != LABOUR
        return Fault("it belongs to the notebook", "do without it in tasks") if ours else None
    if isinstance(node, Definition):
        return None
    why = _cannot(node, names)
    if why:
        cure = f"write `{name} = {value!r}`" if _is_small(value) else ELSE
        return Fault(f"it {why} ({place})", cure)
    if isinstance(value, TaskWrapper) and value.name == "<lambda>":
        return Fault("a task function needs a name of its own", "write it with `def`")
    if _holds_a_password(node):
        return Fault(f"a password stands in {place}", "take it from os.environ")
    if name in statement.at_once and isinstance(node, ast.Assign | ast.AnnAssign):
        return Fault(f"it is made of what it was before ({place})", IN_ONE)
    return _changed(name, statement, value, known)


def _changed(
    name: str, statement: Statement, value: Any, known: Sequence[Statement]
) -> Fault | None:
    """Return whether a value is not any more what its statement says."""
    written = literal(statement.node)
    if written is not UNKNOWN and written == value:
        return None
    constant = written is not UNKNOWN and not isinstance(written, list | dict | set)
    later = [one for one in known if one.order > statement.order]
    changed = [one for one in later if _changes(one.node, name, calls=written is not UNKNOWN)]
    if changed:
        return Fault(f"it is changed in {changed[0].place}", IN_ONE)
    if constant and not any(name in one.sets for one in known):
        now = repr(value) if _is_small(value) else f"a {type(value).__name__}"
        return Fault(f"it is {now} now, and {statement.place} says otherwise", "assign it anew")
    return None


def literal(node: ast.stmt) -> Any:
    """Return the value of an assignment of a literal to one name; UNKNOWN for all else."""
    match node:
        case ast.Assign([ast.Name()], value) | ast.AnnAssign(ast.Name(), _, ast.expr() as value):
            try:
                return ast.literal_eval(value)
            except (ValueError, TypeError, MemoryError, RecursionError):
                return UNKNOWN
    return UNKNOWN


def _module(value: Any) -> str:
    return str(getattr(value, "__module__", None) or getattr(value, "__name__", ""))


def _cannot(node: ast.stmt, names: Mapping[str, Any]) -> str:
    """Return what keeps a statement from standing at the top of a module; empty if nothing."""
    match node:
        case ast.Assign(targets, value):
            return _no_name(targets) or why_not(value, names)
        case ast.AnnAssign(target, _, ast.expr() as value):
            return _no_name([target]) or why_not(value, names)
        case ast.If(test, body, orelse):
            return why_not(test, names) or _cannot_any([*body, *orelse], names)
        case ast.Try(body, handlers, orelse, final):
            caught = [one for handler in handlers for one in handler.body]
            return _cannot_any([*body, *caught, *orelse, *final], names)
        case ast.Expr(ast.Constant()):
            return ""
    return f"is bound by {OTHERS[type(node)]}" if type(node) in OTHERS else ""


def _cannot_any(nodes: Sequence[ast.stmt], names: Mapping[str, Any]) -> str:
    return next(filter(None, (_cannot(node, names) for node in nodes)), "")


def _no_name(targets: Sequence[ast.expr]) -> str:
    named = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.Store)
    plain = all(isinstance(inner, named) for target in targets for inner in ast.walk(target))
    return "" if plain else "is bound together with a part of something else"


def _is_small(value: Any) -> bool:
    if not isinstance(value, int | float | str | tuple | type(None)):
        return False
    text = repr(value)
    try:
        return len(text) <= 60 and bool(ast.literal_eval(text) == value)
    except (ValueError, SyntaxError):
        return False


def _holds_a_password(node: ast.stmt) -> bool:
    for inner in ast.walk(node):
        match inner:
            case ast.Constant(str(text)) if PASSWORD.search(text):
                return True
            case ast.keyword("password", ast.Constant(str())):
                return True
            case ast.Assign([ast.Name(name)], ast.Constant(str(text))) if SECRET.search(name):
                return bool(text)
    return False


def _changes(node: ast.stmt, name: str, *, calls: bool) -> bool:
    """Say whether a statement, outside of functions, changes the object that a name means.

    :param calls: whether a call of its method counts, which may or may not.
    """
    for inner in [] if isinstance(node, Definition) else ast.walk(node):
        match inner:
            case ast.Attribute() | ast.Subscript() if not isinstance(inner.ctx, ast.Load):
                if _is_part_of(inner, name):
                    return True
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(found)))) if calls and found == name:
                return True
    return False


def _is_part_of(node: ast.AST, name: str) -> bool:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id == name
