"""Who is alive, on one host and without clocks: a process holds a lock on its own file.

The kernel frees the lock when the process dies, however it dies, so that others find out.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import IO

from huey.utils import make_id

try:
    import fcntl
except ImportError:  # a system without POSIX file locks
    fcntl = None  # type: ignore[assignment]

PREFIX = "slot."

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

    def tidy(self) -> None:
        """Remove the files of the dead; call it after their claims are released."""
        for name in os.listdir(self.folder):
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
