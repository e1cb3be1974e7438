"""What changed between two states of a card's HTML, small enough to be sent ten times a second.

HTML is cut after each line and after each square of a group; `hub.js` cuts it at the same places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

PIECE: Final = re.compile(r"[^\n|]*[\n|]|[^\n|]+\Z")


class Change(NamedTuple):
    """From piece `start` on, so many are replaced by the pieces of a text."""

    start: int
    removed: int
    text: str


def cut(html: str) -> list[str]:
    """Return the pieces of a text, which joined are the text again."""
    return PIECE.findall(html)


def delta(old: list[str], new: list[str]) -> list[Change]:
    """Return what makes the new pieces out of the old ones, to be done from last to first."""
    first, behind = _same(old, new), 0
    room = min(len(old), len(new)) - first
    if room:
        behind = min(room, _same(old[: -room - 1 : -1], new[: -room - 1 : -1]))
    stop = min(len(old), len(new)) - behind
    changes = list(_runs(old, new, first, stop))
    if len(old) != len(new):  # a log grows at its end
        rest = "".join(new[stop : len(new) - behind])
        changes.append(Change(stop, len(old) - behind - stop, rest))
    return changes


def _same(one: list[str], other: list[str]) -> int:
    """Return how many pieces at the beginning are the same."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))


def _runs(old: list[str], new: list[str], start: int, stop: int) -> Iterator[Change]:
    """Yield neighbours that are not the same as those in the same place."""
    begun = -1
    for number in range(start, stop + 1):
        same = number == stop or old[number] == new[number]
        if same and begun >= 0:
            yield Change(begun, number - begun, "".join(new[begun:number]))
            begun = -1
        elif not same and begun < 0:
            begun = number
