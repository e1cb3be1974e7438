"""A picture of a line that moves: it can be paused, and is told in a sentence now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from huey.utils import make_id
from huey_jupyter.views.offers import LINE_OFFERS
from huey_jupyter.views.render import render

if TYPE_CHECKING:
    from huey_jupyter.teaching.line import Line

TELL_EVERY: Final = 2.0  # seconds; whoever listens to the text is not told more often


class Facts(Protocol):
    """What a picture shows of one moment."""

    @property
    def going(self) -> bool: ...


F = TypeVar("F", bound=Facts)


class Told:
    """Has a sentence about itself that does not change all the time."""

    _told = ""
    _told_at = 0.0

    def _tell(self, sentence: str, going: bool) -> str:
        """Return the sentence, a new one every two seconds at most while it goes on."""
        now = time.monotonic()
        if not self._told or not going or now - self._told_at >= TELL_EVERY:
            self._told, self._told_at = sentence, now
        return self._told


class Picture(Told, Generic[F]):
    """A line as it is shown; the reader can pause the picture, and the line goes on.

    :param line: what is shown.
    """

    gone = False
    template = ""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.key = f"line {make_id()}"
        self._held: F | None = None

    @property
    def terminal(self) -> bool:
        return self.line.is_over

    def hear(self, verb: str, what: str) -> None:
        """Do what a button or a slider asks for."""
        if verb == "hold":
            self._held = self._facts()
        elif verb == "go_on":
            self._held = None
        elif verb == "end":
            self.line.stop()
        elif verb == "set":
            name, _, value = what.partition("=")
            self.line.change(name, float(value))

    def html(self, *, live: bool) -> str:
        facts = self._held if live and self._held else self._facts()
        told = {"key": self.key, "facts": facts, "offers": self._offers(facts) if live else []}
        return render(self.template, live, now=time.time(), **told, **self._shown(facts, live))

    def text(self) -> str:
        raise NotImplementedError

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _facts(self) -> F:
        """Return how things stand now."""
        raise NotImplementedError

    def _shown(self, facts: F, live: bool) -> dict[str, Any]:
        """Return what else the template takes."""
        raise NotImplementedError

    def _offers(self, facts: F) -> list[tuple[str, str]]:
        if not facts.going:
            return []
        hidden = "hold" if self._held else "go_on"
        return [offer for offer in LINE_OFFERS if offer[0] != hidden]
