"""``sys.stdout``, ``sys.stderr`` and ``sys.stdin``, of which every task sees its own."""

from __future__ import annotations

import contextlib
import io
import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from huey.tasks import Run
from huey_jupyter.replaced import Replaced

Which = Callable[[], Run | None]
"""Tells the run that the calling code is part of; None where nothing is to be captured."""


class Router(io.TextIOBase):
    """A stream that hands what a task writes to the task, and the rest to the stream behind it.

    :param base: the stream that the foreground uses.
    :param name: ``stdout`` or ``stderr``.
    :param which: tells whose output it is.
    """

    def __init__(self, base: Any, name: str, which: Which) -> None:
        self.base = base
        self.stream_name = name
        self._which = which
        self._redirected: weakref.WeakKeyDictionary[Run, Any] = weakref.WeakKeyDictionary()

    def seen(self) -> Any:
        """Return the stream that the caller finds in ``sys``."""
        run = self._which()
        return self.base if run is None else self._redirected.get(run, self)

    def assign(self, stream: Any) -> None:
        """Take a stream that the caller puts into ``sys``: for its task alone if it is in one."""
        run = self._which()
        if run is None:
            self.base = self.base if stream is self else stream
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
        return int(self.base.fileno())

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

    Whoever asks ``sys`` for a stream in the foreground gets the one that is really there, and may
    put another: ``redirect_stdout`` and ``%%capture`` see nothing of a task, and a task nothing of
    them. The streams found are routed too, for a log handler that has held one since before.

    :param which: tells whose output it is.
    """

    def __init__(self, which: Which) -> None:
        self._which = which
        self._replaced = Replaced()
        self._routers: dict[str, Router] = {}

    def start(self) -> None:
        """Put the routers in."""
        for name in ("stdout", "stderr", "stdin"):
            found = getattr(sys, name)
            if found is not None:
                kind = Keyboard if name == "stdin" else Router
                self._routers[name] = kind(found, name, self._which)
        for name in self._routers.keys() & {"stdout", "stderr"}:
            self._route(self._routers[name].base, name)
        vars(sys).update(self._routers)
        doors = {name: _door(router) for name, router in self._routers.items()}
        self._found, self._kind = type(sys), type("sys", (type(sys),), doors)
        _set_class(sys, self._kind)

    def stop(self) -> None:
        """Leave in each place the stream that the foreground sees there."""
        self._replaced.give_back()
        if type(sys) is self._kind:
            _set_class(sys, self._found)
            vars(sys).update({name: router.base for name, router in self._routers.items()})

    def _route(self, stream: Any, name: str) -> None:
        """Have a stream itself hand to tasks what they write, by whatever way they came to it."""
        plain = stream.write

        def write(text: str) -> Any:
            run = self._which()
            return plain(text) if run is None else give(run, name, text)

        with contextlib.suppress(AttributeError, TypeError):  # some take no attributes
            self._replaced.put(stream, "write", write)


def _door(router: Router) -> property:
    """Return what stands for a stream in the class of ``sys``; `print` finds the router itself."""
    return property(lambda module: router.seen(), lambda module, stream: router.assign(stream))


def _set_class(module: ModuleType, kind: type[ModuleType]) -> None:
    module.__class__ = kind
