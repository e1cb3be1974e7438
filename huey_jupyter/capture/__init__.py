"""What a task prints and displays goes to the task, not to whichever cell runs meanwhile.

Streams, display functions and what starts threads and programs are replaced once; each call looks
whether it comes from within a task (a ContextVar says so) and otherwise goes on as if nothing were
there.
"""

from __future__ import annotations

import base64
import builtins
import getpass
import weakref
from collections.abc import Callable
from typing import Any

from IPython.core import display_functions
from IPython.utils.capture import capture_output

from huey.tasks import Run, current_run
from huey_jupyter.capture.bars import Bars
from huey_jupyter.capture.figures import Figures
from huey_jupyter.capture.offspring import Offspring
from huey_jupyter.capture.replaced import Replaced
from huey_jupyter.capture.streams import Streams, Which, refuse_input


class Capture:
    """Replaces what tasks must not reach directly, and puts back what it found.

    :param ip: the shell.
    """

    def __init__(self, ip: Any) -> None:
        self.ip = ip
        self._on = False
        self._replaced = Replaced()
        self._shown: weakref.WeakKeyDictionary[Run, set[str]] = weakref.WeakKeyDictionary()
        which = self.run
        self._parts = (Streams(which), Offspring(which), Figures(ip, which), Bars(which))

    def run(self) -> Run | None:
        """Return the run whose output is captured here and now; None outside a task."""
        return current_run() if self._on else None

    def start(self) -> None:
        """Replace what tasks must not reach directly."""
        self._on = True
        for part in self._parts:
            part.start()
        put, publisher = self._replaced.put, self.ip.display_pub
        publish = display_functions.publish_display_data
        put(display_functions, "publish_display_data", self._publish_or(publish))
        put(publisher, "publish", self._publish_or(publisher.publish))
        put(publisher, "clear_output", _clear_or(publisher.clear_output, self.run))
        put(self.ip, "_showtraceback", _tell_or(self.ip._showtraceback, self.run))
        put(capture_output, "__enter__", _enter_or(capture_output.__enter__, self.run))
        kernel = getattr(self.ip, "kernel", None)
        if kernel is not None and hasattr(kernel, "raw_input"):
            put(kernel, "raw_input", _refuse_or(kernel.raw_input, self.run))
            put(kernel, "getpass", _refuse_or(kernel.getpass, self.run))
        elif kernel is not None:  # one in a browser, which has functions instead
            put(builtins, "input", _refuse_or(builtins.input, self.run))
            put(getpass, "getpass", _refuse_or(getpass.getpass, self.run))

    def stop(self) -> None:
        """Put back what was found, save where somebody else has put something over it.

        What lies under somebody else's does nothing any more.
        """
        self._replaced.give_back()
        for part in reversed(self._parts):
            part.stop()
        self._on = False

    def _publish_or(self, publish: Callable[..., Any]) -> Callable[..., Any]:
        def publish_own(data: Any, metadata: Any = None, *args: Any, **options: Any) -> Any:
            run = self.run()
            if run is None or not self._display(run, data, options):
                return publish(data, metadata, *args, **options)
            return None

        return publish_own

    def _display(self, run: Run, data: Any, options: dict[str, Any]) -> bool:
        """Add a display to a task's output; False if it changes one that is not the task's own."""
        display_id = (options.get("transient") or {}).get("display_id")
        shown = self._shown.setdefault(run, set())
        if not display_id:
            run.write("display", _sendable(data))
        elif not options.get("update"):
            shown.add(display_id)
            run.write("named display", [display_id, _sendable(data)])
        elif display_id in shown or getattr(self.ip, "kernel", None) is None:
            run.write("update", [display_id, _sendable(data)])
        else:
            return False
        return True


def _sendable(data: Any) -> dict[str, Any]:
    """Return a mime bundle with images as a notebook holds them, in base64."""
    return {
        mime: base64.b64encode(content).decode() if isinstance(content, bytes) else content
        for mime, content in dict(data).items()
    }


def _clear_or(clear: Callable[..., Any], which: Which) -> Callable[..., Any]:
    def clear_output(wait: bool = False) -> Any:
        run = which()
        if run is None:
            return clear(wait)
        run.write("clear", wait)
        return None

    return clear_output


def _tell_or(show: Callable[..., Any], which: Which) -> Callable[..., Any]:
    """Tracebacks that IPython shows by itself, say of a formatter that failed."""

    def _showtraceback(etype: Any, evalue: Any, stb: list[str]) -> Any:
        run = which()
        if run is None:
            return show(etype, evalue, stb)
        run.write("stderr", "\n".join(stb) + "\n")
        return None

    return _showtraceback


def _enter_or(enter: Callable[..., Any], which: Which) -> Callable[..., Any]:
    """A task captures what it prints; the shell's way of displaying is everybody's."""

    def __enter__(self: Any) -> Any:
        self.display = self.display and which() is None
        return enter(self)

    return __enter__


def _refuse_or(ask: Callable[..., Any], which: Which) -> Callable[..., Any]:
    def ask_in_foreground(*args: Any, **options: Any) -> Any:
        refuse_input(which())
        return ask(*args, **options)

    return ask_in_foreground
