"""Events in rows, for storages where a row costs more than what is in it.

A row has the events of one write, a line each, and the number of the last. Events are numbered
without a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_EVENTS_A_ROW = 100  # at most, as a reader of one reads them all


def in_rows(events: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return rows: how many events they hold, and those, a line each."""
    count = len(events)
    if count <= _EVENTS_A_ROW:
        return [(count, b"\n".join(events))] if count else []
    starts = range(0, count, _EVENTS_A_ROW)
    pieces = [events[start : start + _EVENTS_A_ROW] for start in starts]
    return [(len(piece), b"\n".join(piece)) for piece in pieces]


def from_rows(
    rows: Iterable[tuple[int, bytes]], after: int, limit: int | None
) -> list[tuple[int, bytes]]:
    """Return the events of rows, with their numbers.

    :param rows: their numbers and the events they hold.
    :param after: only those that come after this number.
    :param limit: at most so many.
    """
    found: list[tuple[int, bytes]] = []
    for last, lines in rows:
        events = lines.split(b"\n")
        first = last - len(events) + 1
        found += enumerate(events[max(0, after + 1 - first) :], max(first, after + 1))
    return found if limit is None or limit < 0 else found[:limit]
