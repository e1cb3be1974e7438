"""Play workloads: a process for each contender, and their rounds in turn, A B C A B C.

Who is not at turn waits for a line and has no consumer running, so all of them have the machine for
themselves in turn, and a busy machine slows all of them alike.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from benchmarks.contenders import CONTENDERS, REDIS, Contender
from benchmarks.environments import interpreter
from benchmarks.server import redis_server
from benchmarks.workloads import Workload

PLAYERS = Path(__file__).parent / "players"
PATIENCE = 180.0  # seconds that a round may take, beside what it has to wait
TAIL = 12  # lines of what a player that failed has said

Figures = dict[str, float]


class Entry(NamedTuple):
    """What one contender came to in one workload on one storage.

    :param count: tasks or calls in a round.
    :param rounds: the figures of each.
    :param error: why there are no more, empty if there are all.
    :param date: when it was played.
    :param commit: of this engine, at that time.
    """

    workload: str
    storage: str
    contender: str
    version: str
    count: int
    rounds: list[Figures]
    error: str = ""
    date: str = ""
    commit: str = ""


class PlayerFailed(Exception):
    """A player ended before it had played."""


class Player:
    """A process that plays one workload on one storage for one contender.

    :param settings: what it is told, see `benchmarks.players.stage.Settings`.
    :param patience: seconds that a round may take.
    """

    def __init__(self, contender: Contender, settings: dict[str, Any], patience: float) -> None:
        self.contender = contender
        self.settings = settings
        self.rounds: list[Figures] = []
        self.error = ""
        self._patience = patience
        self._log = Path(settings["folder"]) / "log"

    def __enter__(self) -> Player:
        command = [interpreter(self.contender), "-u", PLAYERS / self.contender.player]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [*command, json.dumps(self.settings)],
                cwd=self.settings["folder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # its group is what can be ended with it
            )
        self.version = self._attempt(self._hear).get("version", "")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0 if kind else 30)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # whom it has left behind
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def play(self) -> Figures:
        """Play a round; after a failure nothing is played any more."""
        return {} if self.error else self._attempt(self._ask)

    def _attempt(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (PlayerFailed, OSError) as error:
            self.error = str(error)
            return {}

    def _ask(self) -> Figures:
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        silent = threading.Timer(self._patience, self._process.kill)
        silent.start()
        try:
            line = self._process.stdout.readline()
        finally:
            silent.cancel()
        if not line:
            said = self._log.read_text(errors="replace").splitlines()[-TAIL:]
            raise PlayerFailed("\n".join(said) or f"nothing within {self._patience:.0f} s")
        return json.loads(line)


class Match:
    """The workloads of one run, on one Redis server.

    :param folder: where players have their files.
    :param socket: of the server, None if there is none.
    :param names: of the contenders.
    :param storages: on which to play.
    :param seconds: how long to idle.
    """

    def __init__(
        self,
        folder: Path,
        socket: Path | None,
        names: Sequence[str],
        storages: Sequence[str],
        seconds: float,
    ) -> None:
        self._folder = folder
        self._socket = socket
        self._names = names
        self._storages = storages
        self._seconds = seconds

    def play(self, workload: Workload, rounds: int) -> Iterator[Entry]:
        """Play a workload; yield what came of it, storage by storage."""
        storages = [storage for storage in workload.counts if storage in self._storages]
        if workload.at_once:
            yield from self._play_group(workload, storages, _play_at_once)
            return
        turns = partial(_take_turns, rounds=workload.rounds or rounds)
        for storage in storages:
            yield from self._play_group(workload, [storage], turns)

    def _play_group(
        self,
        workload: Workload,
        storages: Sequence[str],
        play: Callable[[Sequence[Player]], None],
    ) -> list[Entry]:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder, ExitStack() as stack:
            players = [
                stack.enter_context(self._player(workload, storage, name, folder))
                for storage in storages
                for name in self._names
                if storage in CONTENDERS[name].plays.get(workload.name, ())
            ]
            play(players)
            return [_entry(each) for each in players]

    def _player(self, workload: Workload, storage: str, name: str, folder: str) -> Player:
        place = Path(folder) / f"{storage}-{name}"
        place.mkdir()
        settings = {
            "workload": workload.name,
            "storage": storage,
            "folder": str(place),
            "socket": str(self._socket or ""),
            "db": list(CONTENDERS).index(name),
            "count": workload.count(storage, name),
            "seconds": self._seconds,
        }
        return Player(CONTENDERS[name], settings, PATIENCE + self._seconds)


def _take_turns(players: Sequence[Player], rounds: int) -> None:
    for _ in range(rounds):
        for player in players:
            if figures := player.play():
                player.rounds.append(figures)


def _play_at_once(players: Sequence[Player]) -> None:
    """Start one after the other, let all wait side by side, then hear one after the other."""
    for player in players:
        player.play()
    threads = [threading.Thread(target=player.play) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _take_turns(players, 1)


def _entry(player: Player) -> Entry:
    told = player.settings
    return Entry(
        told["workload"],
        told["storage"],
        player.contender.name,
        player.version,
        told["count"],
        player.rounds,
        player.error,
    )


@contextmanager
def match(names: Sequence[str], storages: Sequence[str], seconds: float) -> Iterator[Match]:
    """Give a match; its server, its players and its files are gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        socket = None
        if any(REDIS in storage for storage in storages):
            socket = stack.enter_context(redis_server(Path(folder), len(CONTENDERS)))
        yield Match(Path(folder), socket, names, storages, seconds)
