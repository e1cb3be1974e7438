"""Work that only takes time, written so that its length can be seen: ``work("...")``."""

from __future__ import annotations

import os
import time
from typing import Final

from huey import progress

NAP: Final = 0.05  # seconds; work can be cancelled between two
SPEED: Final = "HUEY_TUTORIAL_SPEED"
ALPHABET: Final = {".": "a second of work", "!": "something goes wrong here"}


class Mishap(Exception):
    """What work fails with where a ``!`` stands."""


def work(how: str | float, message: str | None = None) -> float:
    """Take time, and report progress if a task is running.

    >>> from huey_jupyter.teaching import work
    >>> work("", "nothing to do")
    0.0

    :param how: a dot for each second; ``!`` is where it fails. Or the seconds as a number.
    :param message: a few words for the card.
    :returns: the seconds that it stands for. The environment variable ``HUEY_TUTORIAL_SPEED``
        makes dots so many times shorter; what is returned stays the same.
    :raises Mishap: at a ``!``.
    :raises ValueError: if it is neither dots nor a number from 0 up.
    """
    if isinstance(how, str):
        return _follow(how, message)
    if not 0 <= how < float("inf"):
        raise ValueError(f"work takes seconds from 0 up, not {how!r}")
    _pass(0, how, how, message, 1)
    return float(how)


def speed() -> float:
    """Return how many times faster than life the lessons run.

    :raises ValueError: if the environment names no such number.
    """
    told = os.environ.get(SPEED) or "1"
    try:
        factor = float(told)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1000:
        raise ValueError(f"{SPEED} is a number above 0 such as 4, not {told!r}")
    return factor


def _follow(letters: str, message: str | None) -> float:
    if strange := set(letters) - ALPHABET.keys():
        known = ", ".join(f"{letter!r} is {meaning}" for letter, meaning in ALPHABET.items())
        raise ValueError(f"work does not know {sorted(strange)[0]!r}: {known}")
    seconds = letters.count(".")
    done = 0
    for letter in letters:
        if letter == "!":
            raise Mishap(message or f"something went wrong after {done} of {seconds} s")
        _pass(done, 1, seconds, message, speed())
        done += 1
    return float(done)


def _pass(done: float, seconds: float, total: float, message: str | None, pace: float) -> None:
    """Let so many seconds of the total go by, at a pace."""
    begin = time.perf_counter()
    takes = seconds / pace
    progress(done, total, message)
    while (left := begin + takes - time.perf_counter()) > 0:
        time.sleep(min(NAP, left))
        share = min(1.0, (time.perf_counter() - begin) / takes)
        progress(done + seconds * share, total, message)
