"""What a task prints and displays goes to the task, not to whichever cell runs meanwhile.

The streams and display functions of the process are replaced once; each call looks whether it
comes from within a task (a ContextVar says so) and otherwise goes on as if nothing were there.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from IPython.core import display_functions

from huey.tasks import current_run


class Router(io.TextIOBase):
    """A stream that hands what a task writes to the task, and the rest to the stream it replaces.

    :param base: the stream replaced.
    :param name: ``stdout`` or ``stderr``.
    """

    def __init__(self, base: Any, name: str) -> None:
        self.base = base
        self.stream_name = name

    def write(self, text: str) -> int:
        run = current_run()
        if run is None:
            written: int = self.base.write(text)
            return written
        if not isinstance(text, str):
            raise TypeError(f"write() takes a str, not {type(text).__name__}")
        run.write(self.stream_name, text)
        return len(text)

    def flush(self) -> None:
        if current_run() is None:
            self.base.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self.base.isatty())

    def fileno(self) -> int:
        return int(self.base.fileno())

    def close(self) -> None:
        """Leave the stream alone: it is not ours to close."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return str(self.base.encoding)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)


class Capture:
    """Replaces streams and display functions, and puts back what it found.

    :param ip: the shell.
    """

    def __init__(self, ip: Any) -> None:
        self.ip = ip
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Replace what tasks must not reach directly."""
        for name in ("stdout", "stderr"):
            self._replace(sys, name, Router(getattr(sys, name), name))
        publish = display_functions.publish_display_data
        self._replace(display_functions, "publish_display_data", _publish_or(publish))
        publisher = self.ip.display_pub
        self._replace(publisher, "clear_output", _clear_or(publisher.clear_output))
        self._replace(self.ip, "_showtraceback", _tell_or(self.ip._showtraceback))
        kernel = getattr(self.ip, "kernel", None)
        if kernel is not None:
            self._replace(kernel, "raw_input", _refuse_or(kernel.raw_input))

    def stop(self) -> None:
        """Put back what was found, save where somebody else has put something over it."""
        while self._undo:
            self._undo.pop()()

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        own = vars(owner).get(name, self)  # self: nothing of its own, only its class's
        setattr(owner, name, new)

        def undo() -> None:
            if vars(owner).get(name) is not new:
                return
            if own is self:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        self._undo.append(undo)


def _publish_or(publish: Callable[..., Any]) -> Callable[..., Any]:
    def publish_display_data(data: Any, metadata: Any = None, **kwargs: Any) -> Any:
        run = current_run()
        if run is None:
            return publish(data, metadata, **kwargs)
        run.write("display", dict(data))
        return None

    return publish_display_data


def _clear_or(clear: Callable[..., Any]) -> Callable[..., Any]:
    def clear_output(wait: bool = False) -> Any:
        run = current_run()
        if run is None:
            return clear(wait)
        run.write("clear", wait)
        return None

    return clear_output


def _tell_or(show: Callable[..., Any]) -> Callable[..., Any]:
    """Tracebacks that IPython shows by itself, say of a formatter that failed."""

    def _showtraceback(etype: Any, evalue: Any, stb: list[str]) -> Any:
        run = current_run()
        if run is None:
            return show(etype, evalue, stb)
        run.write("stderr", "\n".join(stb) + "\n")
        return None

    return _showtraceback


def _refuse_or(read: Callable[..., Any]) -> Callable[..., Any]:
    def raw_input(prompt: str = "") -> Any:
        if current_run() is None:
            return read(prompt)
        raise RuntimeError("a task cannot ask for input: read it before, and pass it in")

    return raw_input
