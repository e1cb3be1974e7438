"""A Redis server of the notebook's own, which ends with its kernel."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import sys
import threading
import time
from typing import Final, Self

from IPython.display import display

from huey_jupyter.teaching.skipping import skip_cells
from huey_jupyter.teaching.tethered import Tethered
from huey_jupyter.views.render import render

PROGRAMS: Final = ("redis-server", "valkey-server")
HOST: Final = "127.0.0.1"
START_PATIENCE: Final = 10.0  # seconds that a server has to answer
TICK: Final = 0.01  # seconds between two looks
ATTEMPTS: Final = 5  # somebody else may take a free port first

MISSING: Final = (
    "There is no Redis server on this machine: install one (Debian and Ubuntu: sudo apt-get "
    "install redis-server; macOS: brew install redis) and run this cell again."
)
IN_A_PAGE: Final = (
    "A page cannot start a Redis server: run this lesson on Binder or on your own computer."
)
SKIPPED: Final = "Skipped: it needs the Redis server."

_running: RedisServer | None = None
_starting = threading.Lock()


def redis_server(*, required: bool = False) -> RedisServer | None:
    """Return a Redis server that only this notebook knows; the one that runs, if one does.

    It keeps nothing on a disk and ends with the kernel, however that ends. Where neither Redis nor
    Valkey is installed, a sentence says what to do, and None is returned.

    :param required: without a server, have the cells that follow skipped, until there is one.
    :raises RuntimeError: if the program that is there does not start.
    """
    global _running
    with _starting:
        if _running is not None and _running.running:
            return _running
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if required:
            skip_cells(SKIPPED if program is None else "")
        if program is None:
            display(NoServer())
            return None
        _running = RedisServer(program)
        return _running


class RedisServer:
    """A server on this machine alone, at a free port, behind a password made up for it.

    It can be reached as any other server is, by host, port and database; the password keeps out
    other people on the same machine, since who can write into a queue decides what its workers do.

    What it must know is not on its command line, which others can read.

    :param program: its path.
    :raises RuntimeError: if it does not start.
    """

    host = HOST

    def __init__(self, program: str) -> None:
        self.program = program
        self.password = secrets.token_hex(16)
        for _ in range(ATTEMPTS):
            self.port = free_port()
            self._program = Tethered([program, "-"], self._settings())
            if self._answers_in_time():
                return
            self.stop()
        raise RuntimeError(f"{program} does not start: try it in a terminal, it says why")

    @property
    def url(self) -> str:
        """Where the server is, with the password: for whoever may send it commands."""
        return f"redis://:{self.password}@{self.host}:{self.port}/0"

    @property
    def place(self) -> str:
        """Where the server is, for people."""
        return f"redis://:***@{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._program.pid

    @property
    def running(self) -> bool:
        return self._program.running

    def stop(self) -> None:
        """End the server and forget what it holds; once more does nothing."""
        self._program.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<RedisServer {self.word}: {self.place}>"

    def _repr_html_(self) -> str:
        return render("server.html.j2", False, now=0.0, server=self, note=self.note)

    @property
    def word(self) -> str:
        return "running" if self.running else "stopped"

    @property
    def note(self) -> str:
        """What to know of it, in a sentence or two."""
        if not self.running:
            return "What was in it is gone. redis_server() starts another one."
        return "This notebook's own server: it keeps all in memory and ends with the kernel."

    def _settings(self) -> str:
        return (
            f"bind {self.host}\nport {self.port}\nrequirepass {self.password}\n"
            'save ""\nappendonly no\ndaemonize no\n'
        )

    def _answers_in_time(self) -> bool:
        deadline = time.monotonic() + START_PATIENCE
        while self.running and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(TICK)
        return False

    def _answers(self) -> bool:
        """Say whether this server, and nobody else at this port, answers with PONG."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection((self.host, self.port), 1) as line,
        ):
            line.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
            return b"".join(iter(lambda: line.recv(1024), b"")).startswith(b"+OK\r\n+PONG")
        return False


class NoServer:
    """The sentence that says what to do."""

    place = word = ""
    note = IN_A_PAGE if sys.platform == "emscripten" else MISSING

    def __repr__(self) -> str:
        return self.note

    def _repr_html_(self) -> str:
        return render("server.html.j2", False, now=0.0, server=self, note=self.note)


def free_port() -> int:
    """Return a port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
