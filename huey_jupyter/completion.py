"""Tab completes sub-commands, options, ids of tasks and names of variables after the magics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from IPython.core.completer import SimpleCompletion, context_matcher

from huey.results import Result, ResultGroup
from huey_jupyter import commands
from huey_jupyter.magics import ARGUMENTS
from huey_jupyter.options import RERUNS
from huey_jupyter.session import Session

CELL_MAGICS: Final = ("%%huey_task", "%%huey_map")
LINE_MAGIC: Final = "%huey"
FLAGS: Final = sorted({name for one in ARGUMENTS for name in one.args if name.startswith("--")})


class Completion:
    """Tells the shell what may come next on the line of a magic, and takes that back.

    :param ip: the shell.
    :param session: whose tasks are offered.
    """

    def __init__(self, ip: Any, session: Session) -> None:
        self.ip = ip
        self.session = session

    def start(self) -> None:
        """Begin to complete."""
        self.ip.Completer.custom_matchers.append(self._match)

    def stop(self) -> None:
        """Complete nothing more."""
        self.ip.Completer.custom_matchers.remove(self._match)

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython is Any to the type checker
    def _match(self, context: Any) -> dict[str, Any]:
        """Return what may come next, alone: names of Python do not belong there."""
        words = _words(context.text_until_cursor.lstrip())
        magic, begun = words[0], words[-1]
        offers: list[str] = []
        if magic == LINE_MAGIC and len(words) > 1:
            offers = commands.complete(self.session, words[1:])
        elif magic in CELL_MAGICS and len(words) > 1:
            offers = self._after_cell_magic(words)
        fitting = [SimpleCompletion(text=one) for one in offers if one.startswith(begun)]
        return {"completions": fitting, "suppress": bool(fitting), "matched_fragment": begun}

    def _after_cell_magic(self, words: list[str]) -> list[str]:
        offers: dict[str, Callable[[], list[str]]] = {
            "--on-rerun": lambda: list(RERUNS),
            "--export": lambda: ["auto", "none"],
            "--after": self._results,
        }
        if words[-2] in offers:
            return offers[words[-2]]()
        return FLAGS if words[-1].startswith("-") else []

    def _results(self) -> list[str]:
        names = self.ip.user_ns.items()
        kinds = (Result, ResultGroup)
        return [n for n, value in names if isinstance(value, kinds) and not n.startswith("_")]


def _words(line: str) -> list[str]:
    """Return the words up to the cursor; the last one is what is being written, maybe nothing."""
    words = line.split()
    return [*words, ""] if line[-1:].isspace() or not words else words
