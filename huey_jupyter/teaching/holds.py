"""Who had which lock and when, and who asked in vain: noted where each lock passes, the storage.

The stream of events says nothing of locks, so that a lesson listens to them itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, NamedTuple

from huey.tasks import current_run

TAPPED: Final = ("acquire_lock", "release_lock")
GRAIN: Final = 0.002  # seconds; refusals of one task within this are kept as one


class Note(NamedTuple):
    """What somebody did with a lock: ``taken``, ``refused`` or ``freed``.

    :param holder: the storage's name for who has it; None if it was freed whosever it was.
    :param task: the id of the task that did it, empty outside of tasks.
    :param number: how often, one right after the other.
    """

    at: float
    what: str
    lock: str
    holder: str | None
    task: str
    number: int = 1


class Hold(NamedTuple):
    """A stretch of time in which a task had a lock; `end` is None while it has it."""

    lock: str
    task: str
    start: float
    end: float | None = None


class Refusal(NamedTuple):
    """A task that asked for a lock while somebody had it."""

    lock: str
    task: str
    at: float
    number: int = 1


class Wait(NamedTuple):
    """The time from a task's first refusal until it had the lock; `end` is None if it never had."""

    lock: str
    task: str
    start: float
    end: float | None = None


class Tap:
    """Listens to the locks of a storage, as far as this process takes and frees them.

    A hold is noted from just after it began to just before it ends: two that overlap did.

    :param storage: whose locks.
    """

    def __init__(self, storage: Any) -> None:
        self.storage = storage
        self._notes: dict[int, Note] = {}
        self._places = count()
        self._before: dict[str, Any] = {}
        self._refused: dict[tuple[str, str], int] = {}  # places of the last refusals

    @property
    def notes(self) -> list[Note]:
        """Everything that was noted."""
        return list(self._notes.values())

    def open(self) -> None:
        """Listen from now on."""
        own = vars(self.storage)
        self._before = {name: own[name] for name in TAPPED if name in own}
        self._acquire, self._release = (getattr(self.storage, name) for name in TAPPED)
        own.update(acquire_lock=self._on_acquire, release_lock=self._on_release)

    def close(self) -> None:
        """Leave the storage as it was."""
        own = vars(self.storage)
        for name in TAPPED:
            own.pop(name, None)
        own.update(self._before)

    def _on_acquire(self, key: str, holder: str, ttl: float | None = None) -> bool:
        taken, task = bool(self._acquire(key, holder, ttl)), _task()
        if taken:
            self._refused.pop((key, task), None)
            self._keep(Note(time.time(), "taken", key, holder, task))
        else:
            self._refuse(Note(time.time(), "refused", key, holder, task))
        return taken

    def _refuse(self, note: Note) -> None:
        """Keep a refusal; a task that asks again and again without a pause fills no memory."""
        place = self._refused.get((note.lock, note.task))
        last = None if place is None else self._notes[place]
        if place is not None and last is not None and note.at - last.at < GRAIN:
            self._notes[place] = last._replace(number=last.number + 1)
        else:
            self._refused[note.lock, note.task] = self._keep(note)

    def _keep(self, note: Note) -> int:
        """Keep a note, and return its place; without a lock, as tasks are interrupted anywhere."""
        place = next(self._places)
        self._notes[place] = note
        return place

    def _on_release(self, key: str, holder: str | None = None) -> bool:
        at = time.time()
        freed = bool(self._release(key, holder))
        if freed:
            self._keep(Note(at, "freed", key, holder, _task()))
        return freed


@dataclass
class Holds:
    """All holds and refusals, in the order in which they began."""

    holds: list[Hold] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    _open: dict[str, int] = field(default_factory=dict)  # the hold's place by its holder

    @classmethod
    def of(cls, notes: Iterable[Note]) -> Holds:
        """Return what notes say."""
        holds = cls()
        for note in notes:
            holds.fold(note)
        return holds

    def fold(self, note: Note) -> None:
        """Take in one note."""
        if note.what == "refused":
            self.refusals.append(Refusal(note.lock, note.task, note.at, note.number))
        elif note.what == "taken" and note.holder is not None:
            self._open[note.holder] = len(self.holds)
            self.holds.append(Hold(note.lock, note.task, note.at))
        elif note.what == "freed":
            holder = note.holder or self._oldest(note.lock)
            place = self._open.pop(holder, None)
            if place is not None:  # None: it was taken before anybody listened
                self.holds[place] = self.holds[place]._replace(end=note.at)

    @property
    def locks(self) -> list[str]:
        """The names of all locks, the one that was used first at the beginning."""
        used = sorted([(one.start, one.lock) for one in self.holds] + self._refused())
        return list(dict.fromkeys(lock for _, lock in used))

    def waits(self) -> list[Wait]:
        """Return how long each task waited for a lock that it was refused."""
        begun: dict[tuple[str, str], float] = {}
        steps: list[tuple[float, bool, str, str]] = [
            (one.at, False, one.lock, one.task) for one in self.refusals if one.task
        ]
        steps += [(one.start, True, one.lock, one.task) for one in self.holds if one.task]
        found = []
        for at, has_it, lock, task in sorted(steps):
            if not has_it:
                begun.setdefault((lock, task), at)
            elif (lock, task) in begun:
                found.append(Wait(lock, task, begun.pop((lock, task)), at))
        found += [Wait(lock, task, start) for (lock, task), start in begun.items()]
        return sorted(found, key=lambda wait: wait.start)

    def _oldest(self, lock: str) -> str:
        """Return who has had a lock longest; empty if nobody is known to."""
        holders = (one for one, place in self._open.items() if self.holds[place].lock == lock)
        return next(holders, "")

    def _refused(self) -> list[tuple[float, str]]:
        return [(one.at, one.lock) for one in self.refusals]


def most_holders(holds: Iterable[Hold], until: float) -> int:
    """Return how many had one and the same lock at the same time, at most."""
    steps = []
    for one in holds:
        end = until if one.end is None else one.end
        steps += [(one.start, 1, one.lock), (end, -1, one.lock)]
    having: dict[str, int] = {}
    most = 0
    for _, step, lock in sorted(steps):
        having[lock] = having.get(lock, 0) + step
        most = max(most, having[lock])
    return most


def _task() -> str:
    run = current_run()
    return "" if run is None else run.task.id
