"""Calls of a storage drawn as arrows to its places: as a table, in words, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from huey_jupyter.views.render import render

QUEUE: Final = "queue"
SCHEDULE: Final = "schedule"
VALUES: Final = "values"
EVENTS: Final = "events"  # which a storage may do without, so they have a lane only if used

WIDE: Final = 17  # characters of the longest name of a call


class Way(StrEnum):
    """What a call does; each way has a line and a head of its own."""

    put = "put in"
    take = "taken out"
    look = "looked at"
    clear = "emptied"

    @property
    def line(self) -> str:
        """The arrow in plain text, the place at its right."""
        return {"put": "───▶", "take": "◀───", "look": "◁┄┄┄", "clear": "───✕"}[self.name]

    @property
    def tip(self) -> str:
        return self.line[0] if self.comes_back else self.line[-1]

    @property
    def comes_back(self) -> bool:
        """Whether the arrow points to the engine."""
        return self in (Way.take, Way.look)

    @property
    def tone(self) -> str:
        return {"put": "run", "take": "wait", "look": "idle", "clear": "bad"}[self.name]


class Call(NamedTuple):
    """One call of a storage.

    :param name: of the method.
    :param place: where to.
    :param way: what it does there.
    :param sizes: of what went or came, in bytes; None for an object that is no bytes. Empty for a
        call that moved nothing.
    :param answer: what it was told, where that is not what the place keeps: a number, yes or no.
    :param about: the key, the time or the priority.
    :param times: how often the same happened in a row.
    """

    name: str
    place: str
    way: Way
    sizes: tuple[int | None, ...] = ()
    answer: str = ""
    about: str = ""
    times: int = 1

    @property
    def told(self) -> str:
        """What went or came, in a few characters."""
        if self.answer or self.way is Way.clear:
            return self.answer or "all"
        if not self.sizes:
            return "refused" if self.way is Way.put else "nothing"
        known = [size for size in self.sizes if size is not None]
        many = f"{len(self.sizes)} × " if len(self.sizes) > 1 else ""
        if len(known) < len(self.sizes):
            return f"{many}object"
        return f"{len(known)} with {sum(known):,} B" if many else f"{known[0]:,} B"

    @property
    def says(self) -> str:
        """What happened, in words."""
        came = self.sizes or self.answer
        verb = self.way.value
        if self.way is not Way.clear and not came:
            verb = "not put in" if self.way is Way.put else "nothing there"
        again = f"{self.times:,} times" if self.times > 1 else ""
        return ", ".join(filter(None, (verb, self.about, again)))


class Lane(NamedTuple):
    """What a row shows of one place: nothing, a line that passes, or the line's end."""

    part: str = "none"
    told: str = ""


class Row(NamedTuple):
    """A row of the drawing: a call, or a heading between calls."""

    heading: str = ""
    number: int = 0
    call: Call | None = None
    lanes: tuple[Lane, ...] = ()


Line = Call | str
"""A call, or the heading of those that follow."""


def html(lines: Sequence[Line], left_out: int = 0) -> str:
    """Return the drawing; so many calls before these are not in it."""
    lanes = _lanes(lines)
    return render(
        "arrows.html.j2",
        False,
        now=0.0,
        lanes=lanes,
        lane_width=47 / len(lanes),
        rows=list(_rows(lines, lanes, left_out)),
        summary=sentence(lines, left_out),
    )


def text(lines: Sequence[Line], left_out: int = 0) -> str:
    """Return the same in plain text."""
    written = [sentence(lines, left_out)]
    for row in _rows(lines, _lanes(lines), left_out):
        call = row.call
        if call is None:
            written.append(row.heading)
            continue
        arrow = f"{call.way.line} {call.place}"
        start = f"{row.number:>3}  {call.name:{WIDE}}  {arrow:13}"
        written.append(f"{start}  {call.told:>12}  {call.says}")
    return "\n".join(written)


def sentence(lines: Sequence[Line], left_out: int = 0) -> str:
    """Return what the drawing shows, in words."""
    calls = [line for line in lines if isinstance(line, Call)]
    if not calls:
        return "No call yet."
    counts = [(sum(c.times for c in calls if c.place == place), place) for place in _lanes(lines)]
    total = sum(count for count, _ in counts)
    to = ", ".join(f"{count} to the {place}" for count, place in counts if count)
    went, came = (_bytes(calls, *ways) for ways in ((Way.put,), (Way.take, Way.look)))
    before = f"; {left_out:,} calls before them are not shown" if left_out else ""
    calls_word = "call" if total == 1 else "calls"
    return f"{total} {calls_word}: {to}. {went:,} B went in, {came:,} B came out{before}."


def _bytes(calls: Sequence[Call], *ways: Way) -> int:
    return sum(size or 0 for call in calls if call.way in ways for size in call.sizes)


def _lanes(lines: Sequence[Line]) -> list[str]:
    used = {line.place for line in lines if isinstance(line, Call)}
    return [QUEUE, SCHEDULE, VALUES] + [EVENTS] * (EVENTS in used)


def _rows(lines: Sequence[Line], lanes: Sequence[str], left_out: int) -> Iterator[Row]:
    number = left_out
    for line in lines:
        if isinstance(line, str):
            yield Row(heading=line)
            continue
        number += 1
        end = lanes.index(line.place)
        cells = [Lane("pass")] * end + [Lane("end", line.told)]
        cells += [Lane()] * (len(lanes) - len(cells))
        yield Row(number=number, call=line, lanes=tuple(cells))
