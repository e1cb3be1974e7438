"""Child processes as their parent knows them: how they are made, spoken with and outlived."""

from __future__ import annotations

import contextlib
import importlib
import math
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from huey.drivers import child
from huey.drivers.page import Page

if TYPE_CHECKING:
    from huey.consumer_options import Options


class Process(Protocol):
    """A child process."""

    pid: int

    def exit_code(self) -> int | None:
        """Return how it ended, minus the number if by a signal; None while it lives."""
        ...


class Forked:
    """A child made by fork."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def exit_code(self) -> int | None:
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self._code = 1
            else:
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class Spawned:
    """A child that is a new interpreter."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid: int = process.pid

    def exit_code(self) -> int | None:
        code: int | None = self._process.exitcode
        return code


class Kid:
    """One child as its supervisor knows it.

    :param place: which worker, or the scheduler.
    :param page: where it shows what it runs, if it can.
    """

    def __init__(
        self, place: int, process: Process, channel: Connection, page: Page | None = None
    ) -> None:
        self.place = place
        self.process = process
        self.channel = channel
        self.born = time.monotonic()
        self.page = page
        self.deaf_since = math.inf
        self.leaving = False
        self.condemned = False
        self.doomed = ""  # the task that must have ended at
        self.doomsday = math.inf

    @property
    def is_worker(self) -> bool:
        return self.place != child.SCHEDULER

    @property
    def is_deaf(self) -> bool:
        return self.deaf_since < math.inf

    def shows(self, task_id: str) -> bool:
        """Say whether it runs a task."""
        return self.page is not None and self.page.shows(task_id)

    @property
    def is_busy(self) -> bool:
        """Whether it is known to run a task."""
        return self.page is not None and not self.page.is_empty

    def say(self, *words: bytes) -> None:
        if not self.is_deaf:
            with contextlib.suppress(OSError):
                self.channel.send_bytes(b" ".join(words))

    def hear(self) -> bytes:
        """Return what it says; nothing if it is dying."""
        try:
            return self.channel.recv_bytes()
        except (EOFError, OSError):
            self.deaf_since = time.monotonic()
            self.channel.close()
            return b""

    def doom(self, task_id: str, seconds: float) -> None:
        """Give a task so long to end, unless that was done before."""
        if self.doomed != task_id:
            self.doomed, self.doomsday = task_id, time.monotonic() + seconds

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def can_fork() -> bool:
    """Say whether processes are made by fork: where there is one, unless spawning is asked for."""
    return hasattr(os, "fork") and multiprocessing.get_start_method(allow_none=True) != "spawn"


def fork(be: Callable[[], NoReturn]) -> Forked:
    """Make a copy of this process that does nothing but ``be``.

    Signals to end are kept waiting in it until `child.unblock_signals`, so that none meets a
    child that has no handler yet.
    """
    with _signals_blocked():
        pid = os.fork()
        if pid == 0:
            be()
    return Forked(pid)


def spawn(options: Options, place: int, channel: Connection) -> Spawned:
    """Make a new interpreter that is one of a consumer's processes."""
    process = multiprocessing.get_context("spawn").Process(
        target=_be_spawned, args=(options, place, channel, os.getpid())
    )
    process.start()
    return Spawned(process)


def _be_spawned(options: Options, place: int, channel: Connection, parent: int) -> None:
    """Import the Huey, and be what the parent wants."""
    module, _, name = (options.import_path or "").rpartition(".")
    huey = getattr(importlib.import_module(module), name)
    child.be(huey.create_consumer(**vars(options)), place, channel, parent)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Keep signals to end waiting."""
    signal.pthread_sigmask(signal.SIG_BLOCK, child.STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, child.STOP_SIGNALS)
