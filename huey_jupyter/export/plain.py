"""Which expressions a module may evaluate when it is imported: those that only make a value."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import enum
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Final

from huey import Huey

# Modules whose functions and classes only make values, and in some those that do more.
PLAIN: Final = {
    "builtins": "__import__ breakpoint compile eval exec globals help input locals open print vars",
    "pathlib": "chmod glob hardlink_to mkdir open read_bytes read_text rename replace rglob rmdir "
    "symlink_to touch unlink write_bytes write_text",
    "numpy": "fromfile genfromtxt load loadtxt memmap save savetxt savez savez_compressed",
    "datetime": "now today utcnow",
}
ALL_PLAIN: Final = frozenset(
    (
        *("_contextvars", "_functools", "_operator", "_thread", "abc", "cmath"),
        *("collections", "contextvars", "dataclasses", "decimal", "enum", "fractions"),
        *("functools", "huey", "itertools", "logging", "math", "ntpath", "operator"),
        *("posixpath", "re", "string", "threading", "types", "typing", "uuid"),
        "zoneinfo",
    )
)
FEW_OF: Final = {"os": {"getenv"}, "random": {"Random"}}
OF_A_HUEY: Final = frozenset(
    {"task", "periodic_task", "context_task", "lock_task", "rate_limit"}
)  # what declares and does not enqueue
UNKNOWN: Final = object()


def why_not(node: ast.AST, names: Mapping[str, Any]) -> str:
    """Return what keeps a module from evaluating an expression at its import; empty if nothing.

    :param names: the notebook's names, to know what is called.
    """
    for inner in _evaluated(node):
        if isinstance(inner, ast.Await | ast.Yield | ast.YieldFrom):
            return "waits for something"
        if isinstance(inner, ast.Call) and not _is_plain(inner.func, names):
            if _is_shell(inner):
                return "comes from a magic or a command of the shell"
            return f"is made by a call of `{ast.unparse(inner.func)}`"
    return ""


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """Yield an expression's parts; the body of a lambda is evaluated later, if at all."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Lambda) and child is node.body):
            yield from _evaluated(child)


def _is_shell(call: ast.Call) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "get_ipython" for n in ast.walk(call))


def _is_plain(func: ast.expr, names: Mapping[str, Any]) -> bool:
    if isinstance(func, ast.Call):  # huey.task(retries=2)(function)
        return _declares(func.func, names)
    if isinstance(func, ast.Attribute) and _declares(func, names):
        return True
    called = _value(func, names)
    if isinstance(called, type) and called.__module__ == "__main__":
        return _has_no_init_of_its_own(called)
    module, name = _home(called), getattr(called, "__name__", "")
    top = module.partition(".")[0]
    if top in ALL_PLAIN or name in FEW_OF.get(top, ()):
        return True
    return top in PLAIN and name not in PLAIN[top].split()


def _home(called: Any) -> str:
    """Return the module where a function, a method or a class comes from."""
    owner = getattr(called, "__objclass__", None) or getattr(called, "__self__", None)
    kind = owner if isinstance(owner, type) else None
    return getattr(called, "__module__", None) or getattr(kind, "__module__", None) or ""


def _declares(func: ast.expr, names: Mapping[str, Any]) -> bool:
    match func:
        case ast.Attribute(ast.Name(name), attribute):
            return isinstance(names.get(name), Huey) and attribute in OF_A_HUEY
    return False


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what an expression names: a function, a class, a class's method."""
    match node:
        case ast.Name(name):
            return names.get(name, getattr(builtins, name, UNKNOWN))
        case ast.Attribute(base, attribute):
            known = _value(base, names)
            if isinstance(known, ModuleType | type):
                return getattr(known, attribute, UNKNOWN)
            kind = type(known) if known is not UNKNOWN else _kind(base, names)
            return getattr(kind, attribute, UNKNOWN)
    return UNKNOWN


def _kind(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the class of which an expression's value will be, as far as it can be told."""
    match node:
        case ast.Constant(value):
            return type(value)
        case ast.JoinedStr():
            return str
        case ast.List() | ast.ListComp():
            return list
        case ast.Dict() | ast.DictComp():
            return dict
        case ast.Set() | ast.SetComp():
            return set
        case ast.Tuple():
            return tuple
        case ast.Call(func):
            called = _value(func, names)
            return called if isinstance(called, type) else UNKNOWN
    return UNKNOWN


def _has_no_init_of_its_own(kind: type) -> bool:
    """Say whether to make an instance runs nothing that the notebook wrote."""
    if issubclass(kind, enum.Enum):
        return True
    made = dataclasses.is_dataclass(kind) and not hasattr(kind, "__post_init__")
    own = [one for one in kind.__mro__ if one.__module__ == "__main__"]
    return (
        made
        or not any({"__init__", "__new__"} & set(vars(one)) for one in own)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )
