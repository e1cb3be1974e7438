"""A Redis server of the run's own: on a socket in its folder, nothing kept on a disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 20.0  # seconds until it must answer


class NoServer(Exception):
    """There is no Redis server on this machine."""


@contextmanager
def redis_server(folder: Path, databases: int) -> Iterator[Path]:
    """Give the socket of a server, which is gone when the block ends.

    :param folder: short enough for a socket's path, which has about a hundred characters.
    :param databases: how many it has.
    :raises NoServer: if none is installed.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise NoServer("no Redis server: sudo apt-get install redis-server, or leave out redis")
    socket = folder / "redis.sock"
    place = ("--port", "0", "--unixsocket", str(socket), "--dir", str(folder))
    kept = ("--save", "", "--appendonly", "no", "--databases", str(databases))
    process = subprocess.Popen([program, *place, *kept], stdout=subprocess.DEVNULL)
    try:
        _wait_for(socket)
        yield socket
    finally:
        process.kill()
        process.wait()


def _wait_for(socket: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not socket.exists():
        if time.monotonic() > deadline:
            raise NoServer(f"the Redis server did not make {socket} within {PATIENCE} s")
        time.sleep(0.02)
