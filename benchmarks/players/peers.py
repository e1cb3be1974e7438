"""What the other queues on Redis play, each by the six methods of a `Peer`.

Their workers are processes of their own, started by their own commands. How fast they drain is
measured between the first and the last task, so that their start does not count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bodies import Marks
from clocks import cpu_seconds
from fresh_start import imports
from processes import end
from stage import (
    Act,
    Figures,
    Settings,
    client,
    each_round,
    fresh_place,
    seconds_of,
)
from stage import latency as latency_of

URL = "BENCHMARK_URL"  # the environment variable that names the database
SETTLING = 2.0  # seconds from a worker's first task until it counts as idle


class Peer:
    """A queue on Redis.

    :param url: of its database.
    """

    def __init__(self, url: str) -> None:
        raise NotImplementedError

    def send(self, body: str) -> Any:
        """Enqueue a call of one of the `bodies`; return what `get` takes."""
        raise NotImplementedError

    def get(self, sent: Any) -> Any:
        """Wait for a result."""
        raise NotImplementedError

    def map(self, pairs: Sequence[tuple[int, int]]) -> Any:
        """Enqueue ``add`` for all pairs, as the manual does it for many; return all results."""
        raise NotImplementedError

    def threads(self, count: int) -> list[str]:
        """Return the command of a worker with so many threads, or what comes nearest to it."""
        raise NotImplementedError

    def processes(self, count: int) -> list[str]:
        """Return the command of a worker with so many processes."""
        raise NotImplementedError


Open = Callable[[str], Peer]


@contextmanager
def fresh_peer(settings: Settings, open_peer: Open) -> Iterator[tuple[Peer, Marks, str]]:
    """Give a peer with nothing in its database, marks, and a folder."""
    with fresh_place(settings) as place:
        os.environ[URL] = settings.url
        yield open_peer(settings.url), Marks(place), place


@contextmanager
def worker(command: Sequence[str], place: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; it is gone when the block ends."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=place, env=env)
    try:
        yield process
    finally:
        end(process)


def call(peer: Peer) -> None:
    """Have ``add`` run and wait for its result."""
    assert peer.get(peer.send("add")) == 3


def latency(open_peer: Open, settings: Settings) -> Figures:
    with (
        fresh_peer(settings, open_peer) as (peer, _, place),
        worker(peer.threads(2), place),
    ):
        call(peer)
        return latency_of(partial(call, peer), settings.count)


def idle(open_peer: Open, settings: Settings) -> Iterator[Figures]:
    with (
        fresh_peer(settings, open_peer) as (peer, _, place),
        worker(peer.threads(4), place) as process,
    ):
        call(peer)
        time.sleep(SETTLING)
        yield {}
        before = cpu_seconds(process.pid)
        time.sleep(settings.seconds)
        cpu = 1000 * (cpu_seconds(process.pid) - before) / settings.seconds
        yield {}
        yield {"cpu": cpu, "first": 1000 * seconds_of(partial(call, peer))}


def fill(peer: Peer, body: str, count: int) -> None:
    """Enqueue one call after the other."""
    for _ in range(count):
        peer.send(body)


def enqueue(open_peer: Open, settings: Settings) -> Figures:
    with fresh_peer(settings, open_peer) as (peer, _, _):
        peer.send("add")
        took = seconds_of(lambda: fill(peer, "add", settings.count))
    return {"rate": settings.count / took}


def drain(open_peer: Open, settings: Settings) -> Figures:
    with fresh_peer(settings, open_peer) as (peer, marks, place):
        fill(peer, "mark", settings.count)
        with worker(peer.threads(4), place):
            return marks.rate(settings.count)


def drain_processes(open_peer: Open, settings: Settings) -> Figures:
    with fresh_peer(settings, open_peer) as (peer, marks, place):
        fill(peer, "mark", settings.count)
        with worker(peer.processes(2), place):
            return marks.rate(settings.count)


def trips(open_peer: Open, settings: Settings) -> Figures:
    with fresh_peer(settings, open_peer) as (peer, marks, place):
        fill(peer, "mark", settings.count)
        server = client(settings)
        before = server.info("stats")["total_reads_processed"]
        with worker(peer.threads(1), place):
            marks.wait(settings.count)
            after = server.info("stats")["total_reads_processed"]
    return {"trips": (after - before - 1) / settings.count}


def gather(open_peer: Open, settings: Settings) -> Figures:
    pairs = [(n, 1) for n in range(settings.count)]
    with (
        fresh_peer(settings, open_peer) as (peer, _, place),
        worker(peer.threads(4), place),
    ):
        call(peer)
        found: list[Any] = []
        took = seconds_of(lambda: found.extend(peer.map(pairs)))
    assert found == [n + 1 for n in range(settings.count)]
    return {"rate": settings.count / took}


ROUNDS = {
    "latency": latency,
    "enqueue": enqueue,
    "drain": drain,
    "drain-processes": drain_processes,
    "trips": trips,
    "map": gather,
}


def acts_of(open_peer: Open, module: str) -> dict[str, Act]:
    """Return the acts of a peer.

    :param module: which a program that uses it imports.
    """
    rounds = {name: each_round(partial(play, open_peer)) for name, play in ROUNDS.items()}
    return {**rounds, "idle": partial(idle, open_peer), "import": imports(module)}
