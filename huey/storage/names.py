"""File names that say what a message's place is: its priority, when it came, when it is due.

Names sort as the messages do. Those that huey makes are read and, where it has a name for the same
thing, made: ``ffff-01a204377ea6.001`` has priority 0 (65535 less the priority, as hex) and came
second in that millisecond of the epoch.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import NamedTuple
from urllib.parse import quote

_LOWEST = 65_535  # huey's priorities: whole numbers from 0 to this

# A priority that huey has no name for stands as 16 digits: before the whole numbers with a "+",
# behind them with an "n", and after a "." behind the next higher whole number.
_WAITING = re.compile(
    r"(?P<place>(?:(?P<low>[0-9a-f]{4})(?:\.(?P<exact>[0-9a-f]{16}))?|[+n](?P<other>[0-9a-f]{16}))"
    r"-[0-9a-f]{12}(?:\.\d+)?)(?:~(?P<deliveries>\d+))?(?:\.tmp)*"
)
_DUE = re.compile(
    r"(?P<ms>-[0-9a-f]{11,12}|[0-9a-f]{12})"
    r"(?:-(?P<us>[0-9a-f]{3})-(?P<order>[0-9a-f]{12}\.\d{3})(?:-(?P<priority>[0-9a-f]{16}))?)?"
    r"(?:\.\d+)?(?:\.tmp)*"
)
_DIGEST = re.compile(r"[0-9a-f]{32}")

_SIGN = 1 << 63
_ONES = (1 << 64) - 1


class Waiting(NamedTuple):
    """A message on the queue; sorts as it comes out.

    :param place: its name without what does not matter to the order.
    """

    place: str
    name: str
    priority: float
    deliveries: int


class Due(NamedTuple):
    """A message on the schedule; sorts as it comes out.

    :param microseconds: since the epoch, when it is due.
    """

    microseconds: int
    order: str
    name: str
    priority: float | None


def stamp(milliseconds: int, number: int) -> str:
    """Return a place in the order of arrival, for the so many-th of a millisecond."""
    return f"{milliseconds:012x}.{number:03d}"


def waiting(priority: float | None, order: str, deliveries: int = 0) -> str:
    """Return the name of a message on the queue.

    :param order: a `stamp`.
    """
    died = f"~{deliveries}" if deliveries else ""
    return f"{_rank(priority or 0)}-{order.removesuffix('.000')}{died}"


def read_waiting(name: str) -> Waiting | None:
    """Return what a name on the queue says, None if it is no message's."""
    found = _WAITING.fullmatch(name)
    if found is None:
        return None
    exact = found["exact"] or found["other"]
    priority = _number(exact) if exact else _LOWEST - int(found["low"], 16)
    return Waiting(found["place"], name, priority, int(found["deliveries"] or 0))


def due(microseconds: int, order: str, priority: float | None) -> str:
    """Return the name of a message on the schedule.

    :param order: a `stamp`.
    """
    milliseconds, rest = divmod(microseconds, 1000)
    wanted = f"-{_digits(priority)}" if priority else ""
    return f"{milliseconds:012x}-{rest:03x}-{order}{wanted}"


def read_due(name: str) -> Due | None:
    """Return what a name on the schedule says, None if it is no message's."""
    found = _DUE.fullmatch(name)
    if found is None:
        return None
    priority = _number(found["priority"]) if found["priority"] else None
    microseconds = 1000 * int(found["ms"], 16) + int(found["us"] or "0", 16)
    return Due(microseconds, found["order"] or "", name, priority)


def digest(key: str) -> str:
    """Return the name of a key's file; no key becomes part of a path as it is."""
    return hashlib.md5(in_bytes(key), usedforsecurity=False).hexdigest()


def is_digest(name: str) -> bool:
    """Say whether a name could be a key's."""
    return _DIGEST.fullmatch(name) is not None


def in_bytes(key: str) -> bytes:
    """Return a key, any text, as it stands in files."""
    return key.encode("utf-8", "surrogatepass")


def in_text(key: bytes) -> str:
    """Return the key that stands in a file."""
    return key.decode("utf-8", "surrogatepass")


def slot(text: str) -> str:
    """Return a worker's slot fit for a file name, the same for the same slot."""
    quoted = quote(text, safe="", errors="surrogatepass")
    return quoted if len(quoted) <= 100 else digest(text)


def _rank(priority: float) -> str:
    """Return the beginning of a name: the higher the priority, the earlier it sorts."""
    if priority > _LOWEST:
        return f"+{_digits(priority)}"
    if priority < 0 or priority != priority:  # the second is true of NaN
        return f"n{_digits(priority)}"
    above = -int(-priority // 1)  # the next whole number
    exact = "" if above == priority else f".{_digits(priority)}"
    return f"{_LOWEST - above:04x}{exact}"


def _digits(priority: float) -> str:
    """Return 16 digits that sort from the highest number to the lowest, exactly.

    The bits of an IEEE 754 double sort as integers once the sign is seen to.
    """
    try:
        number = -float(priority)
    except OverflowError:  # an integer beyond all floats
        number = float("-inf") if priority > 0 else float("inf")
    bits = int.from_bytes(struct.pack(">d", number), "big")
    return f"{bits ^ (_ONES if bits & _SIGN else _SIGN):016x}"


def _number(digits: str) -> float:
    """Return the number that `_digits` made digits of."""
    bits = int(digits, 16)
    bits ^= _SIGN if bits & _SIGN else _ONES
    number: float = -struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return number
