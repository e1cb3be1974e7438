"""The card as a widget: HTML out, clicks in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anywidget
import traitlets

from huey_jupyter.views.offers import VERBS

OnVerb = Callable[[str, str], object]

HERE: Final = Path(__file__).parent / "static"
PICTURE: Final = re.compile(r' src="(data:[^"]{2000,})"')


class CardWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget is Any to the type checker
    """A card, or a group, that moves.

    Set `html` as often as there is news, from any thread; what it holds is what `card_html(...,
    live=True)` gave. Big pictures in it are taken out and sent once.
    """

    _esm = HERE / "card.js"
    _css = HERE / "card.css"

    html = traitlets.Unicode("").tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)

    def __init__(self, html: str = "", **traits: Any) -> None:
        self._receivers: list[OnVerb] = []
        super().__init__(html=html, **traits)
        self.on_msg(self._hear)

    def on_verb(self, receiver: OnVerb) -> None:
        """Call `receiver(verb, task)` for each click on a button.

        It may be called in any thread, the one that runs a cell included, so it must not block.
        """
        self._receivers.append(receiver)

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

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        match content:
            case {"verb": str(verb), "task": str(task)} if verb in VERBS:
                for receiver in self._receivers:
                    receiver(verb, task)
