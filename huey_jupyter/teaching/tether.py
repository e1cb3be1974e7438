"""A program that ends with whoever started it, however that ends. Run as a script, by its path.

The starter writes a line of JSON, ``{"program": [...], "feeds": "..."}``, and keeps the pipe open.
The program gets what it is fed on its standard input; its process id is answered in a line. It
ends when the pipe is closed, as a killed process's pipes are, or the starter is not the parent any
more.

Only the standard library is imported here, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
from types import FrameType
from typing import IO, Final, NoReturn, cast

GLANCE: Final = 0.5  # seconds between two looks whether both live
PATIENCE: Final = 5.0  # seconds that the program has to end


def main() -> int:
    """Run the program until it ends or its time is over; return the exit code."""
    signal.signal(signal.SIGTERM, _leave)
    bell = _bell_for_children()
    parent = os.getppid()
    order = json.loads(sys.stdin.buffer.readline())
    process = subprocess.Popen(  # noqa: S603 - what whoever started this one has chosen
        order["program"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent,  # there is but one thread here
    )
    try:
        with contextlib.suppress(OSError), cast(IO[bytes], process.stdin) as food:
            food.write(order["feeds"].encode())
        print(process.pid, flush=True)
        ready: list[object] = []
        while sys.stdin not in ready and process.poll() is None and os.getppid() == parent:
            ready, _, _ = select.select([sys.stdin, bell], [], [], GLANCE)
            if bell in ready:
                bell.recv(64)
    finally:
        _end(process)
    return process.returncode


def _bell_for_children() -> socket.socket:
    """Return what can be read as soon as a child has ended."""
    bell, button = socket.socketpair()
    button.setblocking(False)
    signal.set_wakeup_fd(button.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return bell


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    """Have Linux end the program if this process is killed (prctl(2))."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
