"""``sys.stdout``, ``sys.stderr`` and ``sys.stdin``, of which every task sees its own."""

from __future__ import annotations

import importlib
import io
import sys
import weakref
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from huey.tasks import Run

Which = Callable[[], Run | None]
"""Tells the run that the calling code is part of; None where nothing is to be captured."""


class Router(io.TextIOBase):
    """A stream that hands what a task writes to the task, and the rest to the stream behind it.

    :param base: the stream that the foreground uses.
    :param name: ``stdout`` or ``stderr``.
    :param which: tells whose output it is.
    """

    def __init__(self, base: Any, name: str, which: Which) -> None:
        self.base = self._found = base
        self.given: Any = self  # what the foreground finds in ``sys``
        self.stream_name = name
        self._which = which
        self._redirected: weakref.WeakKeyDictionary[Run, Any] = weakref.WeakKeyDictionary()

    def seen(self) -> Any:
        """Return the stream that the caller finds in ``sys``."""
        run = self._which()
        return self.given if run is None else self._redirected.get(run, self)

    def left(self) -> Any:
        """Return the stream that the foreground is to find when this one is gone."""
        return self._found if self.given is self else self.given

    def assign(self, stream: Any) -> None:
        """Take a stream that the caller puts into ``sys``: for its task alone if it is in one."""
        run = self._which()
        if run is None:
            self.given = stream
            self.base = self.left()
        elif stream is self or stream is self.base:
            self._redirected.pop(run, None)
        else:
            self._redirected[run] = stream

    def write(self, text: str) -> int:
        run = self._which()
        stream = self.base if run is None else self._redirected.get(run, self)
        if run is not None and stream is self:
            return give(run, self.stream_name, text)
        written: int = stream.write(text)
        return written

    def flush(self) -> None:
        if self._which() is None:
            self.base.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._which() is None and bool(self.base.isatty())

    def fileno(self) -> int:
        own = getattr(self.base, "fileno", None)  # in a browser a stream has no such method
        return int(own() if own is not None else super().fileno())

    def close(self) -> None:
        """Leave the stream alone: it is not ours to close."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self.base.encoding)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)


class Keyboard(Router):
    """The stream that is read from; a task has none."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def read(self, size: int | None = -1) -> str:
        return str(self._foreground().read(size))

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        return str(self._foreground().readline(size))

    def fileno(self) -> int:
        return int(self._foreground().fileno())

    def _foreground(self) -> Any:
        refuse_input(self._which())
        return self.base


def give(run: Run, name: str, text: str) -> int:
    """Add a text to a task's output; return its length, as `write` does."""
    if not isinstance(text, str):
        raise TypeError(f"write() takes a str, not {type(text).__name__}")
    run.write(name, text)
    return len(text)


def refuse_input(run: Run | None) -> None:
    """Raise an error if a task asks for input: nobody knows which one asks."""
    if run is not None:
        raise RuntimeError("a task cannot ask for input: read it before, and pass it in")


class Streams:
    """Puts a router into each of the three places, and takes it out again.

    Whoever asks ``sys`` for a kernel's stream in the foreground gets the one that is really there,
    and may put another: ``redirect_stdout`` and ``%%capture`` see nothing of a task, and a task
    nothing of them. That stream is routed too, for a log handler that has held it since before.

    :param which: tells whose output it is.
    """

    def __init__(self, which: Which) -> None:
        self._which = which
        self._changed: list[Changed] = []
        self._routers: dict[str, Router] = {}

    def start(self) -> None:
        """Put the routers in."""
        for name in ("stdout", "stderr", "stdin"):
            found = getattr(sys, name)
            if found is not None:
                kind = Keyboard if name == "stdin" else Router
                self._routers[name] = kind(found, name, self._which)
        for name in self._routers.keys() & {"stdout", "stderr"}:
            router = self._routers[name]
            if self._change(router.base, write=_routed(type(router.base), name, self._which)):
                router.given = router.base
        vars(sys).update(self._routers)
        doors = {name: _door(router) for name, router in self._routers.items()}
        self._change(sys, **doors, __reduce__=_import_sys)

    def stop(self) -> None:
        """Leave in each place the stream that the foreground sees there."""
        while self._changed:
            if self._changed.pop().give_back() is sys:
                vars(sys).update({name: one.left() for name, one in self._routers.items()})

    def _change(self, owner: Any, **properties: Any) -> bool:
        """Give one object a class of its own; say whether it took it."""
        try:
            self._changed.append(Changed(owner, properties))
        except TypeError:  # not of a class made in Python
            return False
        return True


class Changed:
    """An object whose attributes are properties for a while.

    IPython puts a `write` of its own onto the kernel's streams while a cell runs, and whoever
    redirects assigns to ``sys``: a property sees both, where an attribute would be lost.
    """

    def __init__(self, owner: Any, properties: dict[str, Any]) -> None:
        self._owner = owner
        self._found = type(owner)
        self._kind = type(self._found.__name__, (self._found,), properties)
        owner.__class__ = self._kind

    def give_back(self) -> Any:
        """Give the object its class back, and return it; None if somebody else has changed it."""
        if type(self._owner) is not self._kind:
            return None
        self._owner.__class__ = self._found
        return self._owner


def _routed(kind: type, name: str, which: Which) -> property:
    """Return the `write` of a stream, which in a task is the task's."""

    plain: Callable[..., Any] = kind.write  # type: ignore[attr-defined]  # a stream has one

    def get(stream: Any) -> Callable[[str], Any]:
        run = which()
        if run is not None:
            return partial(give, run, name)
        own: Callable[[str], Any] | None = vars(stream).get("write")
        return own or partial(plain, stream)

    def put(stream: Any, write: Callable[[str], Any]) -> None:
        vars(stream)["write"] = write

    return property(get, put, lambda stream: vars(stream).pop("write"))


def _door(router: Router) -> property:
    """Return what stands for a stream in the class of ``sys``; `print` finds the router itself."""
    return property(lambda module: router.seen(), lambda module, stream: router.assign(stream))


def _import_sys(module: ModuleType) -> tuple[Any, ...]:
    """Have ``sys`` pickled by its name, as cloudpickle does with modules of the common class."""
    return importlib.import_module, ("sys",)
