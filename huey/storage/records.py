"""Numbered records in files of some hundred each, the last so many of which are kept."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from huey.storage.journal import Change, Journal

PER_FILE = 1000

_LENGTH = struct.Struct(">I")  # before each record


class _End(NamedTuple):
    """Where the next record goes, and its number."""

    name: str
    offset: int
    number: int


_UNKNOWN = _End("", 0, 0)


class Records:
    """Records numbered from 1 on, for the turns of a `Journal`.

    Each file is named after the number of its first record, in hex, so that names sort.

    :param folder: within the journal's.
    :param kept: how many records, at least, are kept.
    """

    def __init__(self, journal: Journal, folder: str, kept: int) -> None:
        self.folder = folder
        self.kept = kept
        self._journal = journal
        self._opened = 0
        self._known = self._resume = _UNKNOWN  # where the last file and the last reader ended

    def append(self, change: Change, records: Sequence[bytes]) -> None:
        """Add records, once in a change; those too old go."""
        if not records:
            return
        files = self._files()
        end = self._end(files)
        if end.number - int(end.name, 16) >= PER_FILE:
            end = _End(_name(end.number), 0, end.number)
            self._drop_old(change, [*files, end.name], end.number)
        framed = b"".join(_LENGTH.pack(len(record)) + record for record in records)
        change.append(f"{self.folder}/{end.name}", end.offset, framed)
        known = _End(end.name, end.offset + len(framed), end.number + len(records))
        change.afterwards.append(partial(self._know, known))

    def read(self, after: int | None, limit: int | None = None) -> list[tuple[int, bytes]]:
        """Return records with their numbers, the oldest first."""
        files = self._files()
        end = self._end(files)
        after = max(after or 0, end.number - 1 - self.kept)
        found: list[tuple[int, bytes]] = []
        for name, following in itertools.pairwise([*files, _name(end.number)]):
            if int(following, 16) <= after + 1:
                continue
            for number, record in self._read_file(name, after):
                if len(found) == limit:
                    return found
                found.append((number, record))
        return found

    def last(self) -> int | None:
        """Return the number of the newest record, None if there is none."""
        files = self._files()
        number = self._end(files).number
        return number - 1 if files and number > int(files[0], 16) else None

    def flush(self, change: Change) -> None:
        """Remove all records; numbers go on counting."""
        files = self._files()
        name = _name(self._end(files).number)
        if files == [name]:
            return
        change.append(f"{self.folder}/{name}", 0, b"")
        for old in files:
            if old != name:
                change.drop(f"{self.folder}/{old}")

    def _know(self, end: _End) -> None:
        """Remember where the last record ended, so that it need not be looked for."""
        self._known = end

    def _files(self) -> list[str]:
        if self._opened != self._journal.opened:
            self._opened = self._journal.opened
            self._known = self._resume = _UNKNOWN
        return sorted(self._journal.names(self.folder))

    def _end(self, files: Sequence[str]) -> _End:
        if not files:
            return _End(_name(1), 0, 1)
        name = files[-1]
        size = os.stat(self._journal.path(f"{self.folder}/{name}")).st_size
        if (name, size) != self._known[:2]:
            start = self._known if self._known.name == name and self._known.offset <= size else None
            *_, self._known = self._ends(name, start or _End(name, 0, int(name, 16)))
        return self._known

    def _ends(self, name: str, start: _End) -> Iterator[_End]:
        """Yield ``start`` and the end of each record behind it."""
        yield start
        for end, _ in self._frames(start):
            yield end

    def _read_file(self, name: str, after: int) -> Iterator[tuple[int, bytes]]:
        """Yield the records of a file that come after a number."""
        start = _End(name, 0, int(name, 16))
        if self._resume.name == name and self._resume.number <= after + 1:
            start = self._resume
        for end, record in self._frames(start):
            if end.number > after + 1:
                yield end.number - 1, record
            self._resume = end

    def _frames(self, start: _End) -> Iterator[tuple[_End, bytes]]:
        """Yield the records of a file from somewhere on, each with where it ends."""
        with open(self._journal.path(f"{self.folder}/{start.name}"), "rb") as file:
            file.seek(start.offset)
            data = file.read()
        at, number = 0, start.number
        while at + _LENGTH.size <= len(data):
            stop = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
            if stop > len(data):  # cut off: what comes next is written over it
                return
            number += 1
            yield _End(start.name, start.offset + stop, number), data[at + _LENGTH.size : stop]
            at = stop

    def _drop_old(self, change: Change, files: Sequence[str], following: int) -> None:
        """Drop the files all of whose records are older than the last that are kept."""
        for name, after in itertools.pairwise(files):
            if int(after, 16) < following - self.kept:
                change.drop(f"{self.folder}/{name}")


def _name(number: int) -> str:
    return f"{number:012x}"
