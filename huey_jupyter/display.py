"""One output that is live while its tasks run and plain HTML when they are done."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from huey.tasks import current_run
from huey.utils import make_id
from huey_jupyter.cards import Board, Changes, Group
from huey_jupyter.views import card_html, card_text, group_html, group_text
from huey_jupyter.views.widget import CardWidget

# A page that was loaded anew does not know where an end belongs that is told as an update; its
# widget goes on and shows the end, so the last outputs stay known with their widgets.
OUTPUTS_KEPT = 200

Verb = Callable[[str, str], None]
"""Called with what a button asks for and the id of the task."""


class View:
    """What one output shows: a card, or a group of them.

    :param board: where the cards are; read under the lock of whoever calls.
    :param key: id of the task or of the group.
    """

    def __init__(self, board: Board, key: str) -> None:
        self.board = board
        self.key = key

    @property
    def _group(self) -> Group | None:
        return self.board.groups.get(self.key)

    @property
    def terminal(self) -> bool:
        group = self._group
        return self.board.card(self.key).terminal if group is None else group.terminal

    def html(self, *, live: bool) -> str:
        group, now = self._group, time.time()
        if group is None:
            return _sendable(card_html(self.board.card(self.key), now=now, live=live))
        return _sendable(group_html(group, self.board.members(group), now=now, live=live))

    def text(self) -> str:
        group, now = self._group, time.time()
        if group is None:
            return _sendable(card_text(self.board.card(self.key), now))
        return _sendable(group_text(group, self.board.members(group), now))

    def bundle(self) -> dict[str, str]:
        """Return the view as it is saved, with nothing that needs a kernel."""
        return {"text/html": self.html(live=False), "text/plain": self.text()}


def _sendable(text: str) -> str:
    """Return a text without half characters, which no message can carry."""
    return text.encode("utf-8", "replace").decode()


class Output:
    """One place in the notebook where a view was shown.

    :param view: what it shows.
    :param widget: its live widget.
    """

    def __init__(self, view: View, widget: CardWidget) -> None:
        self.view = view
        self.widget = widget
        self.display_id = make_id()


class Displays:
    """All outputs that are live.

    :param ip: the shell.
    :param board: where the cards are.
    :param lock: held while the board is read.
    :param on_verb: called when a button is pressed, on any thread.
    """

    def __init__(self, ip: Any, board: Board, lock: threading.RLock, on_verb: Verb) -> None:
        self.ip = ip
        self.board = board
        self.lock = lock
        self.on_verb = on_verb
        self.in_kernel = getattr(ip, "kernel", None) is not None
        self._live: dict[str, list[Output]] = {}
        self._over: deque[Output] = deque()

    def show(self, key: str) -> None:
        """Show a card or a group where the running cell's output goes."""
        with self.lock:
            view = View(self.board, key)
            bundle, terminal = view.bundle(), view.terminal
            live = self.in_kernel and not terminal and current_run() is None
            output = self._make_output(view) if live else None
        if output is None:
            self._publish(bundle)
            return
        mimebundle = output.widget._repr_mimebundle_() or {}
        data = mimebundle[0] if isinstance(mimebundle, tuple) else mimebundle
        self._publish({**data, **bundle}, display_id=output.display_id)
        with self.lock:  # only now: an end must not be published before the beginning
            self._live.setdefault(key, []).append(output)
            self._touch(key)

    def say(self, text: str) -> None:
        """Show plain text where the running cell's output goes."""
        self._publish({"text/plain": text})

    def publish(self, changes: Changes) -> None:
        """Bring the outputs of what changed up to date; those that are over become plain HTML."""
        changed = dict.fromkeys((*changes.groups, *changes.cards))
        over = [output for output in list(self._over) if output.view.key in changed]
        for key in changed:
            for output in list(self._live.get(key, ())):
                self._update(output)
        for output in over:  # something was added: a note, or it runs again
            self._show_end(output)

    def close(self) -> None:
        """Turn every live output into plain HTML as it is now."""
        for outputs in list(self._live.values()):
            for output in list(outputs):
                self._end(output)

    def _make_output(self, view: View) -> Output:
        widget = CardWidget(html=view.html(live=True))
        widget.on_verb(self.on_verb)
        _answer_while_busy(widget)
        self.board.hold(view.key)
        return Output(view, widget)

    def _update(self, output: Output) -> None:
        with self.lock:
            terminal = output.view.terminal
            html = "" if terminal else output.view.html(live=True)
        if terminal:
            self._end(output)
        else:
            output.widget.html = html

    def _end(self, output: Output) -> None:
        key = output.view.key
        with self.lock:
            outputs = self._live.get(key, [])
            if output not in outputs:
                return
            outputs.remove(output)
            if not outputs:
                del self._live[key]
        self._show_end(output)
        self._over.append(output)
        if len(self._over) > OUTPUTS_KEPT:
            self._over.popleft().widget.close()
        with self.lock:
            self.board.release(key)

    def _show_end(self, output: Output) -> None:
        with self.lock:
            bundle = output.view.bundle()
        output.widget.html = bundle["text/html"]
        self._publish(bundle, display_id=output.display_id, update=True)

    def _publish(self, data: dict[str, Any], display_id: str = "", update: bool = False) -> None:
        transient = {"display_id": display_id} if display_id else {}
        run = current_run()
        if run is not None:
            run.write("display", data)
        elif self.in_kernel:
            self.ip.display_pub.publish(data=data, transient=transient, update=update)
        elif not update:
            print(data["text/plain"])

    def _touch(self, key: str) -> None:
        if key in self.board.groups:
            self.board.group(key)
        else:
            self.board.touch(key)


def _answer_while_busy(widget: CardWidget) -> None:
    """Let the widget's buttons act while a cell runs, where the kernel has a way for it.

    ipykernel 7.4 sends a widget's messages to the shell that made it, which is the busy one;
    without that wish the front end's choice stands, a shell beside it.
    """
    comm = widget.comm
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
