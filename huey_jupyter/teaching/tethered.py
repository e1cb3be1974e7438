"""A program outside the kernel that ends with it, however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, cast

from huey_jupyter.teaching import tether

STOP_PATIENCE: Final = 10.0  # seconds that it has to end


class Tethered:
    """A program, started at once; a small process between it and the kernel holds it.

    Both are in a session of their own: an interrupt of the kernel is not meant for them.

    :param program: the program and its arguments.
    :param feeds: what it reads from its standard input. Others could read a command line.
    :param folder: where it runs, by default where the kernel does.
    :param environment: its variables, by default the kernel's.
    """

    def __init__(
        self,
        program: Sequence[str],
        feeds: str = "",
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._holder = subprocess.Popen(  # noqa: S603 - this interpreter, and a file of ours
            [sys.executable, "-I", str(Path(tether.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
            env=environment,
        )
        self._leash = cast(IO[bytes], self._holder.stdin)
        order = json.dumps({"program": program, "feeds": feeds})
        self._leash.write(order.encode() + b"\n")
        self._leash.flush()
        with cast(IO[bytes], self._holder.stdout) as answer:
            self.pid = int(answer.readline() or 0)

    @property
    def holder(self) -> int:
        """The id of the process that holds it."""
        return self._holder.pid

    @property
    def running(self) -> bool:
        return self._holder.poll() is None

    def interrupt(self, timeout: float | None = None) -> bool:
        """Send it SIGINT and wait for its end; say whether it has ended."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._holder.wait(timeout)
        return not self.running

    def stop(self) -> None:
        """End it; once more does nothing."""
        with contextlib.suppress(OSError):
            self._leash.close()
        try:
            self._holder.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._holder.kill()
            self._holder.wait()
