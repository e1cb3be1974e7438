"""What a function of the notebook takes along to another process, and what cannot go."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from huey.exceptions import ConfigurationError
from huey.tasks import TaskWrapper

LARGE = 1_000_000  # bytes from which on people are told what goes along
_WORTH_NAMING = 100_000
_DEPTH = 3  # containers within containers that are looked into for what cannot go

_KINDS = {
    "_thread.lock": "a lock",
    "_thread.RLock": "a lock",
    "_thread._local": "a thread's own data",
    "_io.TextIOWrapper": "an open file",
    "_io.BufferedReader": "an open file",
    "_io.BufferedWriter": "an open file",
    "_io.BufferedRandom": "an open file",
    "_io.FileIO": "an open file",
    "sqlite3.Connection": "a connection to a database",
    "sqlite3.Cursor": "a cursor of a database",
    "builtins.generator": "a generator",
    "socket.socket": "a socket",
}
_CURES = {
    "a lock": "make it inside the function, or use huey.lock_task(…)",
    "an open file": "open it inside the function, or pass its path",
    "a connection to a database": "connect inside the function, or pass the path",
    "a cursor of a database": "connect inside the function, or pass the path",
    "a generator": "make it inside the function, or a list of it",
}
_READING = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_NAME")
_CURE = "make it inside the function"

Dumps = Callable[[Any], bytes]


class CannotTravel(ConfigurationError):
    """Something that a function uses cannot be sent to another process."""


class Item(NamedTuple):
    """One thing that a function uses.

    :param name: what the notebook calls it.
    :param what: what it is, in words; of what can go, its type's name.
    :param size: bytes, 0 of what cannot go.
    :param line: of the cell or file, in which it is used first; None if unknown.
    :param user: the function that uses it.
    """

    name: str
    what: str
    size: int
    line: int | None
    user: str


class Report(NamedTuple):
    """What goes along with a function, the largest first, and what cannot."""

    along: list[Item]
    stuck: list[Item]

    @property
    def carries(self) -> str:
        """What of it takes long to send, such as "`df`, 38 MB"."""
        found = [item for item in self.along if item.size >= _WORTH_NAMING]
        return ", ".join(f"`{item.name}`, {in_words(item.size)}" for item in found[:3])

    def refuse(self, label: str) -> None:
        """Raise `CannotTravel` if anything cannot go.

        :param label: what is to be sent, for people.
        """
        if self.stuck:
            found = "; ".join(_complaint(item, label) for item in self.stuck)
            raise CannotTravel(f"{label} cannot be sent to a worker: {found}") from None


class Use(NamedTuple):
    """A value that code uses under a name."""

    name: str
    value: Any
    line: int | None
    user: str


def inspect_function(func: Any, dumps: Dumps) -> Report:
    """Return what goes along with a function.

    :param func: a function, or a task function.
    :param dumps: turns one object into bytes, or raises what is in the way.
    """
    return _weigh(_uses_of(unwrapped(func), set()), dumps)


def inspect_code(code: CodeType, names: Mapping[str, Any], dumps: Dumps) -> Report:
    """Return what goes along with a cell's code that runs on some of the notebook's names."""
    seen: set[int] = set()
    return _weigh(_uses_of_code(code, names, "", seen), dumps)


def unwrapped(func: Any) -> Any:
    """Return the function of a task function; anything else as it is."""
    return func.func if isinstance(func, TaskWrapper) else func


def is_by_value(thing: Any) -> bool:
    """Say whether a function or class is the notebook's own, which no worker can import."""
    return getattr(thing, "__module__", None) == "__main__"


def in_words(size: int) -> str:
    """Return a number of bytes as people say it."""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= LARGE else f"{max(1, round(size / 1e3))} kB"


def lines_of(code: CodeType) -> dict[str, int | None]:
    """Return the global names that code uses, that of functions in it too, each with its line."""
    found: dict[str, int | None] = {}
    for step in dis.get_instructions(code):
        if step.opname in _READING:
            found.setdefault(step.argval, step.positions.lineno if step.positions else None)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found = lines_of(inner) | found
    return found


# -- what is used -----------------------------------------------------------------------------


def _uses_of(thing: Any, seen: set[int]) -> Iterator[Use]:
    """Yield what a function or class of the notebook uses, and what those that it uses do."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, FunctionType):
        yield from _uses_of_function(thing, seen)
    elif isinstance(thing, type):
        for name, value in vars(thing).items():
            if not name.startswith("__") or isinstance(value, FunctionType):
                inner = getattr(value, "__func__", getattr(value, "fget", value))
                line = _first_line(inner)
                yield from _uses_behind(Use(f"{thing.__name__}.{name}", inner, line, ""), seen)


def _uses_of_function(func: FunctionType, seen: set[int]) -> Iterator[Use]:
    label, code = func.__name__, func.__code__
    yield from _uses_of_code(code, func.__globals__, label, seen)
    for name, cell in zip(code.co_freevars, func.__closure__ or (), strict=True):
        line = _line_of_free(code, name)
        yield from _uses_behind(Use(name, _content(cell), line, label), seen)
    defaults = dict(
        zip(reversed(_parameters(code)), reversed(func.__defaults__ or ()), strict=False)
    )
    for name, value in {**defaults, **(func.__kwdefaults__ or {})}.items():
        yield from _uses_behind(Use(name, value, code.co_firstlineno, label), seen)


def _uses_of_code(
    code: CodeType, names: Mapping[str, Any], user: str, seen: set[int]
) -> Iterator[Use]:
    for name, line in lines_of(code).items():
        if name in names:
            yield from _uses_behind(Use(name, names[name], line, user), seen)


def _uses_behind(use: Use, seen: set[int]) -> Iterator[Use]:
    """Yield a use, or of the notebook's functions and classes what they use themselves."""
    inner = unwrapped(use.value)
    if isinstance(inner, (FunctionType, type)) and is_by_value(inner):
        yield from _uses_of(inner, seen)
    else:
        yield use


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is still empty
        return None


def _parameters(code: CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount]


def _first_line(thing: Any) -> int | None:
    return thing.__code__.co_firstlineno if isinstance(thing, FunctionType) else None


def _line_of_free(code: CodeType, name: str) -> int | None:
    for step in dis.get_instructions(code):
        if step.argval == name and step.opname.startswith(("LOAD_DEREF", "LOAD_CLOSURE")):
            return step.positions.lineno if step.positions else None
    return None


# -- whether it can go ------------------------------------------------------------------------


def _weigh(uses: Iterator[Use], dumps: Dumps) -> Report:
    along: list[Item] = []
    stuck: list[Item] = []
    seen: set[tuple[str, int]] = set()
    for name, value, line, user in uses:
        if (name, id(value)) in seen:
            continue
        seen.add((name, id(value)))
        size = _size(value, dumps)
        if size is None:
            stuck.append(Item(name, describe(value, dumps), 0, line, user))
        else:
            along.append(Item(name, type(value).__name__, size, line, user))
    return Report(sorted(along, key=lambda item: -item.size), stuck)


def _size(value: Any, dumps: Dumps) -> int | None:
    """Return how many bytes a value comes to, None if it cannot go."""
    try:
        return len(dumps(value))
    except Exception:
        return None


def describe(value: Any, dumps: Dumps, depth: int = _DEPTH) -> str:
    """Say what a value is that cannot go, and what in it is in the way."""
    kind = type(value)
    known = _KINDS.get(f"{kind.__module__}.{kind.__qualname__}")
    if known is not None:
        return known
    told = f"{_article(kind.__name__)} {kind.__name__}"
    if depth:
        for inner in _parts(value):
            if _size(inner, dumps) is None:
                return f"{told} that holds {describe(inner, dumps, depth - 1)}"
    return told


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    return list(getattr(value, "__dict__", {}).values())


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"


def _complaint(item: Item, label: str) -> str:
    where = "" if item.line is None else f", used in line {item.line}"
    if where and item.user and item.user != label:
        where += f" of {item.user}"
    holds = item.what.rpartition(" holds ")[2]
    return f"`{item.name}` is {item.what}{where}: {_CURES.get(holds, _CURE)}"
