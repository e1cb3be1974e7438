"""Who is alive, on one host and without clocks: a process holds a lock on its own file.

The kernel frees the lock when the process dies, however it dies, so that others find out.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
import weakref
from typing import IO, NamedTuple

from huey.utils import make_id

try:
    import fcntl

    if not hasattr(fcntl, "flock"):  # JupyterLite has an empty module of that name
        raise ImportError
except ImportError:  # a system without POSIX file locks
    fcntl = None  # type: ignore[assignment]

PREFIX = "slot."

_CAN_LOCK: bool = fcntl is not None

_held: weakref.WeakSet[Liveness] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    """Close in a forked child what it inherited, or the parent's locks would outlive the parent."""
    for liveness in list(_held):
        liveness.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_after_fork)


class Liveness:
    """The slots of the processes that work on one storage.

    :param folder: where the slot files are; must exist.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._file: IO[bytes] | None = None
        self._pid = 0
        self.slot = ""

    def hold(self) -> str:
        """Return this process's slot, taking one if it has none yet."""
        if self._pid != os.getpid():
            self._take()
        return self.slot

    def alive(self, slot: str) -> bool:
        """Say whether the process of a slot lives; True if that cannot be known."""
        if fcntl is None or (slot == self.slot and self._pid == os.getpid()):
            return True
        try:
            with open(os.path.join(self.folder, slot), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def known(self, slot: str) -> bool:
        """Say whether a slot's file is here, without which nothing can be said of it."""
        return os.path.exists(os.path.join(self.folder, slot))

    def touch(self) -> None:
        """Make this process's file look new, so that no cleaning of temporary files takes it."""
        if self._file is not None and self._pid == os.getpid():
            with contextlib.suppress(OSError):
                os.utime(os.path.join(self.folder, self.slot))

    def tidy(self, unseen: float = 0.0) -> None:
        """Remove the files of the dead; call it after their claims are released.

        :param unseen: only those that were not touched for so many seconds.
        """
        before = time.time() - unseen
        for name in os.listdir(self.folder):
            if unseen and _modified(os.path.join(self.folder, name)) > before:
                continue
            if name.startswith(PREFIX) and not self.alive(name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, name))

    def leave(self) -> None:
        """Give this process's slot back."""
        if self._file is None or self._pid != os.getpid():
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, self.slot))
        self.forget()

    def forget(self) -> None:
        """Close the file, as a child does with its parent's."""
        file, self._file = self._file, None
        self._pid, self.slot = 0, ""
        if file is not None:
            file.close()

    def _take(self) -> None:
        self.forget()
        slot = f"{PREFIX}{os.getpid()}.{make_id()[:8]}"
        # Made under another name and renamed once it is locked: nobody sees it unlocked.
        hidden = os.path.join(self.folder, f".{slot}")
        file = open(hidden, "wb")  # noqa: SIM115 - held for as long as the process works
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        os.rename(hidden, os.path.join(self.folder, slot))
        self._file, self._pid, self.slot = file, os.getpid(), slot
        _held.add(self)


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


class Host(NamedTuple):
    """A folder that all processes of one user on one host share, and what it is called."""

    folder: str
    name: str


def find_host() -> Host | None:
    """Return the folder for storages that have none of their own; None where none can be had.

    It is in the folder for temporary files. Whoever sees the same folder can judge each other by
    the locks in it; a random name in it says to others whether they see the same one.
    """
    if not _CAN_LOCK:
        return None
    import tempfile  # brings compressors with it, and the door is to open fast

    folder = os.path.join(tempfile.gettempdir(), f"huey-{os.geteuid()}")
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None  # somebody else's, who could make the living look dead
        return Host(folder, _name_of_host(os.path.join(folder, "host")))
    except OSError:
        return None


def _name_of_host(path: str) -> str:
    """Return the name in a file, made by whoever comes first."""
    hidden = f"{path}.{make_id()}"
    if not os.path.exists(path):
        with open(hidden, "x", encoding="ascii") as file:
            file.write(make_id())
        with contextlib.suppress(FileExistsError):
            os.link(hidden, path)
        os.unlink(hidden)
    with open(path, encoding="ascii") as file:
        return file.read()
