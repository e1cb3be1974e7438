"""Changes to the files of a folder, each in one step: a lock, and a journal that is done again.

A file system moves one file in one step, not several. So a change is written down first, in the
journal, with a sum over it; when all of it is there, the change has happened. Then it is carried
out and the journal marked as empty. Whoever takes the lock next and finds something there, because
a process was killed meanwhile, carries it out again: each step may be done twice.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from huey.exceptions import StorageError
from huey.storage import names

try:
    import fcntl

    if not hasattr(fcntl, "flock"):  # JupyterLite has an empty module of that name
        raise ImportError
except ImportError:  # a system without POSIX file locks
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("huey.storage")

_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", -1)})
_PASSING_AT_START: Final = _FULL | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_IN_THE_WAY: Final = frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR})

_PER_MILLISECOND: Final = 1000
_STAMP: Final = len(names.stamp(0, 0))
_HEAD: Final = struct.Struct(">II")  # of the journal: how long the rest is, 0 if empty; its sum

_mutexes: dict[tuple[int, str], threading.Lock] = {}  # by process and folder
_open: weakref.WeakSet[Journal] = weakref.WeakSet()


def _close_after_fork() -> None:
    """Close in a forked child what it inherited, or it would keep a dead parent's lock."""
    for journal in list(_open):
        journal.close_files()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_after_fork)


class Change:
    """Steps that happen all or not at all, once `Journal.commit` is called.

    All paths are relative to the journal's folder.
    """

    def __init__(self, journal: Journal) -> None:
        self.steps: list[tuple[Any, ...]] = []
        self.written = 0
        self.made: set[str] = set()
        self.afterwards: list[Callable[[], None]] = []  # called when it has happened
        self._journal = journal

    def put(self, path: str, data: bytes) -> None:
        """Make a file, in the place of an older one."""
        hidden = f".tmp/{self.written}"
        self.written += 1
        self._journal.write(hidden, data)
        self.move(hidden, path)

    def move(self, path: str, to: str) -> None:
        """Rename a file."""
        self.steps.append(("move", path, to))
        self.made.add(to)

    def drop(self, path: str) -> None:
        """Remove a file if it is there."""
        self.steps.append(("drop", path))
        self.made.discard(path)

    def drop_folder(self, path: str) -> None:
        """Remove a folder if it is empty."""
        self.steps.append(("drop_folder", path))

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write at the end of a file, which is at ``offset``."""
        self.steps.append(("append", path, offset, data.decode("latin-1")))

    def has(self, path: str) -> bool:
        """Say whether there is a file, or will be."""
        return path in self.made or self._journal.has(path)


class Journal:
    """The files of one folder, for threads and processes in turn.

    :param folder: made if there is none.
    :param threads_only: keep out the threads of this process and no other processes.
    """

    def __init__(self, folder: str, threads_only: bool = False) -> None:
        self.folder = folder
        self.threads_only = threads_only or fcntl is None
        self.began = self.order = ""  # the last stamp given, when the turn began and now
        self.opened = 0  # how many times; what was known of the files may not be true any more
        # Open: the lock, the last stamp, and the journal, which is written anew in its place, as
        # to make, rename and remove a file takes a file system hundreds of times as long.
        self._files: tuple[int, int, int] | None = None
        self._pid = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep all others out; what a killed process had begun is finished first."""
        with self._mutex():
            try:
                stamps, journal = self._take_lock()
                self._redo(journal)
                text = os.pread(stamps, _STAMP, 0).decode("latin-1")
                self.began = self.order = text if len(text) == _STAMP else names.stamp(0, 0)
                yield
            except OSError as error:
                raise self._explained(error) from error
            finally:
                self._give_lock()

    def close(self) -> None:
        """Close the files, after the turn that goes on; the next one opens them again."""
        with self._mutex():
            self.close_files()

    def close_files(self) -> None:
        """Close the files at once, as a child does with its parent's."""
        files, self._files = self._files, None
        for file in files or ():
            os.close(file)

    # -- within a turn ------------------------------------------------------------------------

    def stamp(self) -> str:
        """Return the next place in the order of arrival, whatever the clock says."""
        last, number = self.order.split(".")
        milliseconds, now = int(last, 16), int(time.time() * 1000)
        if now > milliseconds:
            self.order = names.stamp(now, 0)
        elif int(number) + 1 < _PER_MILLISECOND:
            self.order = names.stamp(milliseconds, int(number) + 1)
        else:
            self.order = names.stamp(milliseconds + 1, 0)
        return self.order

    def path(self, path: str) -> str:
        """Return where a file is."""
        return os.path.join(self.folder, path)

    def has(self, path: str) -> bool:
        """Say whether there is a file."""
        return os.path.exists(self.path(path))

    def size(self, path: str) -> int | None:
        """Return how large a file is, None if there is none."""
        try:
            return os.stat(self.path(path)).st_size
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes | None:
        """Return what is in a file, None if there is none."""
        try:
            with open(self.path(path), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def names(self, path: str) -> list[str]:
        """Return the names in a folder; it may be missing."""
        try:
            return os.listdir(self.path(path))
        except FileNotFoundError:
            return []

    def write(self, path: str, data: bytes) -> None:
        """Make a file, without a promise of being whole when the process is killed."""
        file = self._open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        try:
            _write_all(file, data, 0)
        except OSError:
            os.ftruncate(file, 0)  # a full disk has other uses for the room
            raise
        finally:
            os.close(file)

    def make_folder(self, path: str) -> None:
        """Make a folder unless it is there."""
        _make_folders(self.path(path))

    def change(self) -> Change:
        """Return a change with nothing in it; there is one at a time."""
        return Change(self)

    def commit(self, change: Change) -> None:
        """Let a change happen.

        Once it is in the journal, it has: an error after that is left to the next turn, which
        cannot go on before this is done.
        """
        _, stamps, journal = self._files or self._open_files()
        if self.order != self.began:
            os.pwrite(stamps, self.order.encode(), 0)
        if len(change.steps) == 1 and change.steps[0][0] != "append":
            self._carry_out(change.steps)
        elif change.steps:
            _fill(journal, json.dumps(change.steps).encode())
            with contextlib.suppress(OSError):
                self._carry_out(change.steps)
                _empty(journal)
                for call in change.afterwards:
                    call()

    # -- steps, each of which may be done twice -----------------------------------------------

    def _carry_out(self, steps: list[Any]) -> None:
        for kind, *arguments in steps:
            getattr(self, f"_{kind}")(*arguments)

    def _move(self, path: str, to: str) -> None:
        here, there = self.path(path), self.path(to)
        try:
            os.replace(here, there)
        except FileNotFoundError:
            if os.path.exists(here):
                _make_folders(os.path.dirname(there))
                os.replace(here, there)

    def _drop(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(path))

    def _drop_folder(self, path: str) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(self.path(path))

    def _append(self, path: str, offset: int, text: str) -> None:
        file = self._open(path, os.O_CREAT | os.O_WRONLY)
        try:
            _write_all(file, text.encode("latin-1"), offset)
        finally:
            os.close(file)

    def _redo(self, journal: int) -> None:
        head = os.pread(journal, _HEAD.size, 0)
        length, found = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
        if not length:
            return
        there = min(length, os.fstat(journal).st_size)  # a length may be a mistake, and huge
        text = os.pread(journal, there, _HEAD.size)
        if (len(text), zlib.crc32(text)) == (length, found):
            self._carry_out(json.loads(text))
        else:
            logger.warning("%s: a change was cut short and has not happened", self.folder)
        _empty(journal)

    # -- the lock -----------------------------------------------------------------------------

    def _mutex(self) -> threading.Lock:
        """Return the lock of this process's threads, one for all who use the folder."""
        if self._pid != os.getpid():
            self.close_files()
            place = (os.getpid(), os.path.realpath(self.folder))
            self._lock = _mutexes.setdefault(place, threading.Lock())
            self._pid = os.getpid()
        return self._lock

    def _take_lock(self) -> tuple[int, int]:
        """Lock the folder and return the open files with the last stamp and the journal."""
        while True:
            lock, stamps, journal = self._files or self._open_files()
            if not self.threads_only:
                fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_there(lock):
                return stamps, journal
            self.close_files()  # the whole folder was removed, and perhaps made again

    def _give_lock(self) -> None:
        if self._files is not None and not self.threads_only:
            fcntl.flock(self._files[0], fcntl.LOCK_UN)

    def _is_there(self, lock: int) -> bool:
        try:
            return os.path.samestat(os.stat(self.path(".lock")), os.fstat(lock))
        except FileNotFoundError:
            return False

    def _open_files(self) -> tuple[int, int, int]:
        opened: list[int] = []
        try:
            for path in (".lock", ".order", ".journal"):
                opened.append(self._open(path))
        except OSError as error:
            for file in opened:
                os.close(file)
            if error.errno in _PASSING_AT_START:
                raise
            raise StorageError(
                f"cannot use {self.folder} as a queue: {error}. Check that it is a folder or can "
                f"be made, and that it can be written to, or give another path"
            ) from error
        lock, stamps, journal = opened
        self._files = lock, stamps, journal
        self.opened += 1
        _open.add(self)
        return self._files

    def _open(self, path: str, flags: int = os.O_CREAT | os.O_RDWR) -> int:
        """Open a file, readable by its owner alone, in a folder made if there is none."""
        try:
            return os.open(self.path(path), flags, 0o600)
        except FileNotFoundError:
            _make_folders(os.path.dirname(self.path(path)))
            return os.open(self.path(path), flags, 0o600)

    def _explained(self, error: OSError) -> Exception:
        """Return an error that says what to do."""
        path = error.filename or self.folder
        if error.errno in _IN_THE_WAY:
            return StorageError(
                f"{path}: {error.strerror}: a file stands where a folder should be, or the other "
                f"way round. Move it away, or give another path"
            )
        if error.errno in _FULL:
            return OSError(error.errno, f"{error.strerror}: make room and try again", path)
        if error.errno is None:
            return error
        hint = "check that the folder is there and can be written to"
        return OSError(error.errno, f"{error.strerror}: {hint}", path)


def _write_all(file: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        count = os.pwrite(file, left, offset)
        left, offset = left[count:], offset + count


def _fill(journal: int, text: bytes) -> None:
    try:
        _write_all(journal, _HEAD.pack(len(text), zlib.crc32(text)) + text, 0)
    except OSError:
        _empty(journal)
        raise


def _empty(journal: int) -> None:
    os.pwrite(journal, bytes(_HEAD.size), 0)


def _make_folders(path: str) -> None:
    """Make a folder and those above it, for their owner alone."""
    if os.path.isdir(path):
        return
    _make_folders(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:  # somebody was faster, or it is a file
        if not os.path.isdir(path):
            raise
