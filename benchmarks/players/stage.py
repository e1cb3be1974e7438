"""What every player does: hear what to play, play it, and say what came of it.

A player is a process of a contender's own environment, so this file needs the standard library
alone. It reads a line of standard input for each round and answers with a line of JSON. What
libraries print goes to standard error.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

PATIENCE = 120.0  # seconds; nothing that is measured takes as long unless it is broken

Figures = dict[str, float]


class Settings(NamedTuple):
    """What a player is told at its start.

    :param workload: what to play.
    :param storage: on what.
    :param folder: a folder of the player's own.
    :param socket: of the Redis server.
    :param db: the number of the player's own database there.
    :param count: how many tasks, or calls, in a round.
    :param seconds: how long to idle.
    """

    workload: str
    storage: str
    folder: str
    socket: str
    db: int
    count: int
    seconds: float

    @property
    def url(self) -> str:
        """Where the player's database is."""
        return f"unix://{self.socket}?db={self.db}"


Act = Callable[[Settings], Iterator[Figures]]
"""Plays one workload: what it yields are the figures of one round."""


def each_round(play: Callable[[Settings], Figures]) -> Act:
    """Make an act of a function that plays one round and leaves nothing behind."""

    @functools.wraps(play)
    def act(settings: Settings) -> Iterator[Figures]:
        while True:
            yield play(settings)

    return act


def perform(acts: Mapping[str, Act], version: str) -> None:
    """Play round after round, until standard input ends.

    :param acts: what this player can play.
    :param version: what it plays with, in words.
    """
    out = _own_output()
    settings = Settings(**json.loads(sys.argv[1]))
    act: Any = acts[settings.workload](settings)
    _say(out, {"version": version})
    try:
        for _ in sys.stdin:
            _say(out, next(act))
    finally:
        act.close()


def _own_output() -> Any:
    """Return what was standard output; what anybody prints from now on goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def _say(out: Any, what: Mapping[str, Any]) -> None:
    out.write(json.dumps(what) + "\n")
    out.flush()


@contextmanager
def fresh_place(settings: Settings) -> Iterator[str]:
    """Give an empty folder, gone with the block, and have the player's database empty."""
    _empty_database(settings)
    folder = tempfile.mkdtemp(dir=settings.folder)
    try:
        yield folder
    finally:
        _empty_database(settings)
        shutil.rmtree(folder, ignore_errors=True)


def _empty_database(settings: Settings) -> None:
    if "redis" in settings.storage:
        client(settings).flushdb()


def client(settings: Settings) -> Any:
    """Return a redis-py client of the player's database."""
    import redis

    return redis.Redis(unix_socket_path=settings.socket, db=settings.db)


# --- time --------------------------------------------------------------------------------------


def seconds_of(func: Callable[[], Any]) -> float:
    """Call a function; return how long it took."""
    began = time.perf_counter()
    func()
    return time.perf_counter() - began


def wait_until(look: Callable[[], Any], pause: float = 0.005) -> None:
    """Look again and again until there is something true."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of {look} within {PATIENCE} s")
        time.sleep(pause)


def latency(call: Callable[[], Any], times: int) -> Figures:
    """Return the median and the 95th percentile of so many calls, in microseconds."""
    seconds = sorted(seconds_of(call) for _ in range(times))
    return {"p50": 1e6 * _quantile(seconds, 0.5), "p95": 1e6 * _quantile(seconds, 0.95)}


def _quantile(ordered: list[float], part: float) -> float:
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
