"""Values out of events, checked: an event may come from anywhere."""

from __future__ import annotations

import math


def number(value: object) -> float | None:
    """Return a finite number as it is, anything else as None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer with hundreds of digits
        return None


def one_line(value: object, limit: int) -> str:
    """Return a text on one line, cut to so many characters; anything else as nothing."""
    if not isinstance(value, str):
        return ""
    line = " ".join(value[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
