"""Attributes put in the place of others for a while, and given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NOTHING = object()


class Replaced:
    """What was replaced, and what stood there before."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def put(self, owner: Any, name: str, new: Any) -> None:
        """Give a module, class or object another attribute of that name.

        :raises AttributeError: if the owner does not take one.
        """
        found = vars(owner).get(name, _NOTHING)  # nothing of its own: its class's shows through
        setattr(owner, name, new)
        self._undo.append(lambda: _put_back(owner, name, new, found))

    def give_back(self) -> None:
        """Put back what was found, save where somebody else has put something over it."""
        while self._undo:
            self._undo.pop()()


def _put_back(owner: Any, name: str, new: Any, found: Any) -> None:
    if vars(owner).get(name, _NOTHING) is not new:
        return
    if found is _NOTHING:
        delattr(owner, name)
    else:
        setattr(owner, name, found)
