"""All places of the notebook where something is shown: live while it goes on, plain HTML after."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from huey.tasks import current_run
from huey_jupyter.cards import Board, Changes
from huey_jupyter.display.notices import Notices
from huey_jupyter.display.outputs import CardView, Output, Verbs, View
from huey_jupyter.display.publisher import AT_ONCE, PAUSE, Publisher
from huey_jupyter.views.offers import DASHBOARD
from huey_jupyter.views.widget import CardWidget, HubWidget, size_of

# A page that was loaded anew does not know where an end belongs that is told as an update, and a
# task may run again; so the last outputs stay known with their widgets.
OUTPUTS_KEPT = 200

PYTHON_CLIENT = re.compile(r"_\d+_\d+$")  # how a client written in Python ends a message's id
LOOK_EVERY = 0.5  # seconds between two looks at a view that is not a card

Listener = Callable[[str, str], None]
Verb = Callable[[str, str], None]
"""Called with what a button asks for and the id of the task."""


class Displays:
    """All outputs.

    :param ip: the shell.
    :param board: where the cards are.
    :param lock: held while the board is read.
    :param on_verb: called when a button is pressed, on any thread; it must not block.
    :param verbs: what a card offers now; by default to be cancelled.
    """

    def __init__(
        self,
        ip: Any,
        board: Board,
        lock: threading.RLock,
        on_verb: Verb,
        verbs: Verbs | None = None,
    ) -> None:
        self.ip = ip
        self.board = board
        self.lock = lock
        self.on_verb = on_verb
        self.verbs = verbs
        self.in_kernel = getattr(ip, "kernel", None) is not None
        self.listeners: dict[str, Listener] = {}  # of views that are no cards
        self._outputs: dict[str, list[Output]] = {}
        self._over: deque[Output] = deque()
        self._unheard: dict[Output, None] = {}  # replaced while no cell ran
        self._in_cell = True
        self._has_page = True
        self._hub: HubWidget | None = None
        self._publisher = Publisher(lock, self._replace)
        self._notices = Notices(board, lock, self._notify)

    # -- showing --------------------------------------------------------------------------------

    def show(self, key: str) -> None:
        """Show a card or a group where the running cell's output goes."""
        self._show(Output(CardView(self.board, key, self.verbs), key))

    def show_view(self, view: View, key: str = DASHBOARD, listener: Listener | None = None) -> None:
        """Show something that is not a card, and look twice a second how it is.

        :param key: what its buttons name instead of a task.
        :param listener: called for its buttons and sliders, with what they ask for and what stands
            behind a ``#`` in their key.
        """
        if listener is not None:
            self.listeners[key] = listener
        self._show(Output(view, key, every=LOOK_EVERY))

    def say(self, text: str) -> None:
        """Show plain text where the running cell's output goes."""
        self._publish({"text/plain": text})

    def expect(self, key: str) -> None:
        """Tell the reader when a card or a group is over, wherever they look then."""
        if self.in_kernel:
            self._open_hub()
            self._publisher.expect_notice()
        self._notices.expect(key)

    def settle(self) -> None:
        """Bring whatever is over into its last form, here and now."""
        self._publisher.settle()

    # -- keeping up to date ---------------------------------------------------------------------

    def publish(self, changes: Changes) -> None:
        """Bring the outputs of what changed up to date, soon."""
        changed = dict.fromkeys((*changes.groups, *changes.cards))
        with self.lock:
            outputs = [output for key in changed for output in self._outputs.get(key, ())]
        if outputs:
            self._publisher.note(outputs)
        self._notices.look(changed)

    def begin_cell(self) -> None:
        """Say again what has ended since the last cell: some front ends did not listen then."""
        with self.lock:
            self._in_cell = True
            unheard, self._unheard = self._unheard, {}
        for number, output in enumerate(unheard):
            if output.over:
                self._publish(output.saved, display_id=output.display_id, update=True)
            if number >= AT_ONCE:
                time.sleep(PAUSE)
        self._publisher.settle()

    def end_cell(self) -> None:
        """Turn what is over into plain HTML before the running cell ends."""
        self._publisher.settle()
        with self.lock:
            self._in_cell = False

    def close(self) -> None:
        """Turn every live output into plain HTML as it is now."""
        self._publisher.stop()
        for output in [one for outputs in self._outputs.values() for one in outputs]:
            if not output.over:
                self._replace(output, final=True)
        self._outputs.clear()
        if self._hub is not None:
            self._hub.close()

    # -- within ---------------------------------------------------------------------------------

    def _show(self, output: Output) -> None:
        with self.lock:
            others = self._outputs.get(output.key, ())
            output.run = max((other.run for other in others), default=0)
            output.saved, terminal = output.bundle(), output.view.terminal
        if not self.in_kernel or current_run() is not None:
            self._publish(output.saved)
            return
        hub = self._open_hub()
        data = output.saved if terminal else output.live_bundle(self._make_widget(output, hub))
        self._publish(data, display_id=output.display_id)
        with self.lock:  # only now: an end must not be published before the beginning
            self._outputs.setdefault(output.key, []).append(output)
            output.over = terminal
            if terminal:
                self._let_go(output)
            else:
                self.board.hold(output.key)
        self._publisher.note([output])
        if output.every:
            self._publisher.watch(output)

    def _notify(self, text: str) -> None:
        if self.in_kernel:
            self._publisher.notify(text)
        else:
            print(f"\a{text}", flush=True)

    def _open_hub(self) -> HubWidget:
        with self.lock:
            if self._hub is None:
                self._hub = HubWidget()
                self._hub.on_verb(self._hear)
                self._hub.on_missing(self._send_whole)
                self._publisher.start(self._hub)
                self._has_page = _has_page(self.ip)
                if not self._has_page:
                    self._hub.leave_no_state()
            return self._hub

    def _make_widget(self, output: Output, hub: HubWidget) -> CardWidget:
        with self.lock:
            html = output.view.html(live=True)
        widget = CardWidget(html=html, key=output.key, hub=hub.name, run=output.run)
        widget.on_verb(self._hear)
        if not self._has_page:
            widget.leave_no_state()
        return widget

    def _hear(self, verb: str, key: str) -> None:
        self._publisher.hear(verb, key)
        self.on_verb(verb, key)

    def _send_whole(self, name: str) -> None:
        """Send a card anew to a page that has missed something."""
        with self.lock:
            known = [output for outputs in self._outputs.values() for output in outputs]
        for output in known:
            if output.widget is not None and output.widget.name == name:
                output.missed = True
                self._publisher.note([output])

    def _replace(self, output: Output, *, final: bool = False) -> int:
        """Put in an output's place how it ended, or its widget where it began again.

        :param final: take it for ended.
        :returns: about how many bytes were sent.
        """
        with self.lock:
            terminal, bundle = final or output.view.terminal, output.bundle()
        if terminal == output.over and (not terminal or bundle == output.saved):
            return 0
        output.saved = data = bundle
        if not terminal and self._hub is not None:
            output.run += 1
            data = output.live_bundle(output.widget or self._make_widget(output, self._hub))
        self._publish(data, display_id=output.display_id, update=True)
        with self.lock:
            if not self._in_cell:
                self._unheard[output] = None
        if terminal != output.over:
            self._keep_books(output, over=terminal)
        return size_of(data)

    def _keep_books(self, output: Output, *, over: bool) -> None:
        with self.lock:
            output.over = over
            if over:
                self.board.release(output.key)
                self._let_go(output)
            else:
                self.board.hold(output.key)
                self._over.remove(output)
                self._publisher.note([output])

    def _let_go(self, output: Output) -> None:
        """Know one more output that is over, and the oldest of too many no more."""
        self._over.append(output)
        if len(self._over) <= OUTPUTS_KEPT:
            return
        oldest = self._over.popleft()
        self._outputs[oldest.key].remove(oldest)
        last = not self._outputs[oldest.key]
        if last:
            del self._outputs[oldest.key]
        self._publisher.forget(oldest, last=last)

    def _publish(self, data: dict[str, Any], display_id: str = "", update: bool = False) -> None:
        transient = {"display_id": display_id} if display_id else {}
        run = current_run()
        if run is not None:
            run.write("display", data)
        elif self.in_kernel:
            self.ip.display_pub.publish(data=data, transient=transient, update=update)
        elif not update:
            print(data["text/plain"])


def _has_page(ip: Any) -> bool:
    """Say whether somebody may look on, and not nbclient, nbconvert or papermill run the cells.

    Those number their messages as the Python client does, and no server has begun the kernel.
    """
    if not hasattr(ip.kernel, "get_parent"):  # a kernel that lives in the page itself
        return True
    asked = ip.kernel.get_parent().get("header", {}).get("msg_id", "")
    return "JPY_SESSION_NAME" in os.environ or not PYTHON_CLIENT.search(asked)
