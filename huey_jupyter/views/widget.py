"""The card as a widget, and the hub that brings all cards their news in one message."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from huey.utils import make_id
from huey_jupyter.views.deltas import cut, delta
from huey_jupyter.views.offers import VERBS

OnVerb = Callable[[str, str], object]
News = dict[str, Any]

HERE: Final = Path(__file__).parent / "static"
PICTURE: Final = re.compile(r' src="(data:[^"]{2000,})"')
WORTH: Final = 0.6  # of the whole: a delta that is longer is not worth it


def _script(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


class Quiet(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget is Any to the type checker
    """A widget whose state stays fresh in the kernel, for a page that is loaded anew.

    What changes of it is not sent: the hub tells it. Its buttons send a verb and a task.
    """

    _css = HERE / "card.css"

    name = traitlets.Unicode("").tag(sync=True)  # its model id, for the page

    def __init__(self, **traits: Any) -> None:
        self._receivers: list[OnVerb] = []
        self._lock = threading.RLock()
        name = make_id()
        super().__init__(model_id=name, name=name, **traits)
        self.on_msg(self._hear)
        _answer_while_busy(self)

    def on_verb(self, receiver: OnVerb) -> None:
        """Call `receiver(verb, task)` for each click on a button.

        It may be called in any thread, the one that runs a cell included, so it must not block.
        """
        self._receivers.append(receiver)

    def get_state(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Return traits that belong together as they are at one moment."""
        with self._lock:
            state: dict[str, Any] = super().get_state(*args, **options)
            return state

    def send_state(self, key: str | Iterable[str] | None = None) -> None:
        """Send all that there is when the page asks for it, else nothing."""
        if key is None:
            super().send_state()

    def leave_no_state(self) -> None:
        """Empty what a client without a page has noted of it, script and stylesheet above all.

        Such a client writes the last state of each widget into the notebook's file, 30 kB a card
        of which nothing is shown any more.
        """
        emptied = {"_esm": "", "_css": "", "html": "", "pictures": {}, "offers": {}}
        state = {key: value for key, value in emptied.items() if self.has_trait(key)}
        if self.comm is not None:
            self.comm.send({"method": "update", "state": state, "buffer_paths": []})

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"verb": str(verb), "task": str(task)} if verb in VERBS:
                for receiver in self._receivers:
                    receiver(verb, task)


class CardWidget(Quiet):
    """A card, or a group, that moves.

    :param html: what `card_html(..., live=True)` gave. Big pictures in it are taken out and sent
        once.
    :param key: id of the task or of the group.
    :param hub: name of the hub.
    """

    _esm = _script("live.js", "card.js")

    html = traitlets.Unicode("").tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)
    run = traitlets.Int(0).tag(sync=True)  # how many times it began again after an end
    key = traitlets.Unicode("").tag(sync=True)
    hub = traitlets.Unicode("").tag(sync=True)

    def __init__(self, html: str = "", **traits: Any) -> None:
        super().__init__(html=html, **traits)
        self._pieces = cut(self.html)

    def news(self, html: str, *, run: int = 0) -> News | None:
        """Take in the card's HTML; return what the page must be told, None if nothing changed."""
        with self._lock:
            old, known = self._pieces, self.pictures
            self.html = html
            new = cut(self.html)
            if new == old and run == self.run:
                return None
            self._pieces, self.run = new, run
            self.version += 1
            changes = delta(old, new)
            small = sum(len(change.text) + 12 for change in changes) < WORTH * len(self.html)
            told = {"changes": changes} if small else {"html": self.html}
            fresh = {key: data for key, data in self.pictures.items() if key not in known}
            return {"version": self.version, "run": run, **told, "pictures": fresh}

    def whole(self) -> News:
        """Return all that the page must know, for one that has missed something."""
        with self._lock:
            facts = {"html": self.html, "pictures": self.pictures}
            return {"version": self.version, "run": self.run, **facts}

    @traitlets.validate("html")  # type: ignore[untyped-decorator]
    def _take_pictures(self, proposal: dict[str, Any]) -> str:
        found: dict[str, str] = {}

        def name(picture: re.Match[str]) -> str:
            key = hashlib.sha256(picture[1].encode()).hexdigest()[:16]
            found[key] = picture[1]
            return f' data-picture="{key}"'

        html = PICTURE.sub(name, proposal["value"])
        if found != self.pictures:
            self.pictures = found
        return html


class HubWidget(Quiet):
    """Brings all cards of the notebook their news; nothing of it is seen.

    On the page it gives the finished cards, which are plain HTML, the buttons named in `offers`:
    a verb and a label each, by task.
    """

    _esm = _script("live.js", "hub.js")

    offers = traitlets.Dict().tag(sync=True)

    def __init__(self) -> None:
        self._missing: list[Callable[[str], object]] = []
        super().__init__()

    def on_missing(self, receiver: Callable[[str], object]) -> None:
        """Call `receiver(name)` with the name of a card of whose news the page has missed some."""
        self._missing.append(receiver)

    def _hear(self, widget: object, content: object, buffers: object) -> None:
        match content:
            case {"missing": str(name)}:
                for receiver in self._missing:
                    receiver(name)
        super()._hear(widget, content, buffers)


def size_of(news: object) -> int:
    """Return about how many bytes something takes in a message."""
    match news:
        case str():
            return len(news)
        case dict():
            return sum(size_of(key) + size_of(value) + 6 for key, value in news.items())
        case list() | tuple():
            return sum(size_of(one) + 2 for one in news)
    return 6


def _answer_while_busy(widget: anywidget.AnyWidget) -> None:
    """Let the widget's buttons act while a cell runs, where the kernel has a way for it.

    ipykernel 7.4 sends a widget's messages to the shell that made it, which is the busy one;
    without that wish the front end's choice stands, a shell beside it.
    """
    comm = widget.comm
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
