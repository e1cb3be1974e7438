"""Tab completes sub-commands, options, ids of tasks and names of variables after the magics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

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
        self.ip.set_hook("complete_command", self._after_huey, str_key=LINE_MAGIC)
        for magic in CELL_MAGICS:
            self.ip.set_hook("complete_command", self._after_cell_magic, str_key=magic)

    def stop(self) -> None:
        """Complete nothing more."""
        known = self.ip.strdispatchers["complete_command"].strs
        for magic in (LINE_MAGIC, *CELL_MAGICS):
            known.pop(magic, None)

    def _after_huey(self, shell: Any, event: Any) -> list[str]:
        return _fitting(commands.complete(self.session, _words(event)[1:]), event.symbol)

    def _after_cell_magic(self, shell: Any, event: Any) -> list[str]:
        words = _words(event)
        before = words[-2] if len(words) > 1 else ""
        offers: dict[str, Callable[[], list[str]]] = {
            "--on-rerun": lambda: list(RERUNS),
            "--export": lambda: ["auto", "none"],
            "--after": self._results,
        }
        found = offers[before]() if before in offers else FLAGS
        return _fitting(found, event.symbol)

    def _results(self) -> list[str]:
        names = self.ip.user_ns.items()
        kinds = (Result, ResultGroup)
        return [n for n, value in names if isinstance(value, kinds) and not n.startswith("_")]


def _words(event: Any) -> list[str]:
    """Return the words up to the cursor; the last one is what is being written, maybe nothing."""
    line: str = event.text_until_cursor
    words = line.split()
    return [*words, ""] if line[-1:].isspace() else words


def _fitting(offers: list[str], begun: str) -> list[str]:
    return [offer for offer in offers if offer.startswith(begun)]
