"""A storage in one Sqlite file, for any number of threads and processes on one host."""

from __future__ import annotations

import datetime
import json
import operator
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from random import Random
from typing import Any, TypeVar

from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, StorageError
from huey.storage import statements
from huey.storage.base import (
    FEW,
    FLAGS,
    NOTHING,
    Aside,
    Batch,
    BatchStorage,
    Claim,
    Earlier,
    Ended,
    Found,
    Join,
    Seen,
    Tell,
    Waiter,
    halve,
    never,
)
from huey.storage.doorbell import Doorbell, Listeners
from huey.storage.lines import from_rows, in_rows
from huey.storage.liveness import Liveness
from huey.storage.wake import BellWaiter, Lookout
from huey.utils import is_filename, is_locked, to_timestamp

EVENTS_KEPT = 10_000  # of all who share a file,
ENDINGS_KEPT = 100_000  # likewise
_AT_ONCE = 1000  # messages that one statement looks at, while others wait
_LAST_ROW = 2**63 - 1
_PRIORITIES = 1000  # of what waits; with so many, looking at each may take longer than counting all
_TRIM_EVERY = 500  # appended events or endings between two looks at how many there are

# Woken by their doorbell, one idle worker of each process still looks by itself this often
# (seconds): producers that know nothing of doorbells may write to the same file.
_LOOK_AGAIN = 0.5

# Of the write-ahead log (16 MB), which is flushed to the disk then: at a thousand, Sqlite's own
# number, workers stand still for a third of the time while others keep the disk busy.
_PAGES_BETWEEN_CHECKPOINTS = 4000

# How long a worker that finds another one at the connection leaves it alone, the first time and the
# next (seconds), before it queues up. A thread that is woken for its turn waits for the interpreter
# until the one that woke it comes for the next turn: with a turn of each in turn, tasks that do
# nothing took half as long again. Whoever is no worker queues up at once, and comes next.
_PAUSES = (0.0002, 0.0004, 0.0008, 0.0016, 0.0032)

_DRIVE = "/drive/"  # where JupyterLite keeps the files that its reader sees

# What Sqlite calls errors after which the file is lost, and those that may pass.
_CORRUPT = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_PASSING = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_PROTOCOL",
    "SQLITE_NOMEM",
)

T = TypeVar("T")

_chance = Random()  # noqa: S311 - not the generator that users seed, and no secrets

_storages: weakref.WeakSet[SqliteStorage] = weakref.WeakSet()
_forking = threading.RLock()
_still: list[threading.RLock] = []  # taken for the time of a fork


def _keep_still() -> None:
    """Let transactions come to their end before a fork.

    Sqlite remembers in the process which locks on the file its connections have. A child that
    inherits a transaction would find its own connection locked out for ever.
    """
    _forking.acquire()
    for storage in list(_storages):
        lock = storage._lock
        lock.acquire()
        _still.append(lock)


def _go_on() -> None:
    while _still:
        _still.pop().release()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_keep_still, after_in_parent=_go_on, after_in_child=_go_on)

_IDLE = ""  # the key that idle workers wait for, one of whom a message wakes
_NEW = "new"  # the key that readers of events wait for, all of whom an event wakes


class SqliteStorage(BatchStorage):
    """Keep everything in one Sqlite file.

    :param name: the Huey's name; several may share a file.
    :param filename: the file; made, readable by its owner alone, if there is none.
    :param cache_mb: page cache in megabytes.
    :param fsync: flush every write to the disk: a loss of power then loses nothing. Without it
        it may lose the last moments; a killed process loses nothing either way.
    :param journal_mode: Sqlite's journal; ``wal`` lets readers go on while one writes.
    :param timeout: seconds to wait for other processes' write lock.
    :param strict_fifo: never use a row number twice.
    :param kwargs: further arguments of ``sqlite3.connect``.

    Each process has one connection, which its threads use in turn; after a fork the child makes
    its own. A folder beside the file, ``FILENAME.live``, holds what processes need to know that
    others live and to wake them.
    """

    def __init__(
        self,
        name: str = "huey",
        filename: str = "huey.db",
        cache_mb: int = 8,
        fsync: bool = False,
        journal_mode: str = "wal",
        timeout: float = 5,
        strict_fifo: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_filename(name) and filename == "huey.db":
            name, filename = "huey", name
        super().__init__(name)
        if sqlite3.sqlite_version_info < (3, 35):
            raise ConfigurationError(
                f"the Sqlite storage needs Sqlite 3.35 or later, this Python has "
                f"{sqlite3.sqlite_version}: use a newer Python build"
            )
        if str(filename) == ":memory:":
            raise ConfigurationError("for a queue in memory use MemoryHuey, not SqliteHuey")
        self.filename = _absolute(filename)
        self.live_folder = f"{self.filename}.live"
        self.cache_mb = cache_mb
        self.fsync = fsync
        self.journal_mode = journal_mode
        self.timeout = timeout
        self.strict_fifo = strict_fifo
        self._connect_options = kwargs
        self._connection: sqlite3.Connection | None = None
        self._tidied = False
        self._begin_anew()
        _storages.add(self)

    def __repr__(self) -> str:
        return f"<SqliteStorage: {self.filename}>"

    def close(self) -> None:
        if self._pid != os.getpid():
            self._after_fork()
        self._close_bells()
        self._liveness.leave()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # -- queue --------------------------------------------------------------------------------

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        row = self.name, data, priority or 0
        if _to_milestone() > 1:
            self._execute(statements.ENQUEUE, row)
        else:
            self._in_one_step(partial(self._insert_milestone, row, ()))
        self._ring_idle(1)

    def dequeue(self) -> Any:
        rows = self._execute(statements.DEQUEUE, (self.name,))
        return rows[0][0] if rows else None

    def queue_size(self) -> int:
        sizes = self._execute(statements.SIZES, {"queue": self.name, "limit": _PRIORITIES})
        if len(sizes) < _PRIORITIES:
            return sum(size for (size,) in sizes)
        return self._count("SELECT count(*) FROM task WHERE queue = ? AND claimed_by IS NULL")

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        return [row[0] for row in self._execute(statements.ENQUEUED, (self.name, _limit(limit)))]

    def flush_queue(self) -> None:
        self._execute("DELETE FROM task WHERE queue = ? AND claimed_by IS NULL", (self.name,))

    # -- messages that wait -------------------------------------------------------------------

    def waiting(self, text: bytes = b"") -> Iterator[Seen]:
        for table in ("schedule", "task"):
            last = 0
            while rows := self._page(table, last, text=text):
                for last, data in rows:
                    if data is not None:
                        yield Seen(data, table == "schedule", (table, last))

    def waiting_about(self, is_earlier: Earlier) -> Iterator[Seen]:
        for table in ("task", "schedule"):
            ((first, last),) = self._execute(statements.ENDS[table])

            def look(row: int, table: str = table) -> tuple[int, Any] | None:
                near = row + _AT_ONCE  # as the rows of another queue may come then, a million
                return next(iter(self._page(table, row - 1, near, 1)), None)

            row = halve(first, last, look, is_earlier)
            for number, data in self._page(table, row - FEW, row + 2 * FEW):
                yield Seen(data, table == "schedule", (table, number))

    def withdraw(self, data: Any, batch: Batch = NOTHING, place: Any = None) -> bool:
        found = self._in_one_step(partial(self._take_out, data, batch, place))
        if found:
            self._ring(batch)
        return found

    # -- claim and acknowledge ----------------------------------------------------------------

    def claim(self, slot: str, timeout: float = 0, ended: Ended = never) -> Claim | None:
        owner = self._owner(slot)
        self._give_way()
        claim = self._claim_if_any(owner)
        if claim is not None or timeout <= 0:
            return claim
        with self._idle_bell.waiting(_IDLE) as waiter:
            claim = self._claim_if_any(owner)
            woken = claim is None and not ended() and self._wait(waiter, timeout)
            claim = claim or self._claim_if_any(owner)
        if waiter.rung and not woken:  # that was for another message, so for another worker
            self._ring_idle(1)
        elif claim is not None and not self._lookout.is_manned:
            self._idle_bell.ring_some(_IDLE)
        return claim

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        owner = self._owner(slot)
        self._give_way()
        ours = self._in_one_step(partial(self._finish, owner, claim, batch))
        self._ring(batch)
        return ours

    def finish_and_claim(
        self, slot: str, claim: Claim, batch: Batch = NOTHING
    ) -> tuple[bool, Claim | None]:
        owner = self._owner(slot)

        def step(db: sqlite3.Connection) -> tuple[bool, Claim | None]:
            return self._finish(owner, claim, batch, db), self._claim(owner, db)

        self._give_way()
        ours, following = self._in_one_step(step)
        self._ring(batch, claimed=int(following is not None))
        return ours, following

    def release(self, slot: str, claim: Claim) -> None:
        self._execute(statements.RELEASE, (claim.token, self._owner(slot)))
        self._ring_idle(1)

    def inflight(self) -> int:
        return self._count("SELECT count(*) FROM task WHERE queue = ? AND claimed_by IS NOT NULL")

    def claims(self) -> list[tuple[str, Any]]:
        sql = "SELECT claimed_by, data FROM task WHERE queue = ? AND claimed_by IS NOT NULL"
        return self._execute(sql, (self.name,))

    def recover(self) -> int:
        processes = self._execute(statements.PROCESSES, {"queue": self.name})
        dead = [process for (process,) in processes if not self._liveness.alive(process)]
        released = sum(self._in_one_step(partial(self._release_all, one)) for one in dead)
        if dead or not self._tidied:
            self._make_live_folder()
            self._liveness.tidy()
            self._tidied = True
        self._ring_idle(released)
        return released

    def register(self, slot: str, facts: Mapping[str, Any]) -> None:
        self._execute(
            "INSERT OR REPLACE INTO worker (queue, name, facts) VALUES (?, ?, ?)",
            (self.name, self._owner(slot), json.dumps(facts)),
        )

    def unregister(self, slot: str) -> None:
        self._execute(
            "DELETE FROM worker WHERE queue = ? AND name = ?", (self.name, self._owner(slot))
        )

    def workers(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self._execute("SELECT name, facts FROM worker WHERE queue = ?", (self.name,))
        return [(name, json.loads(facts)) for name, facts in rows if self._is_alive(name)]

    def leave(self) -> None:
        slot = self._liveness.slot
        if slot and not self._execute("SELECT 1 FROM lock WHERE process = ? LIMIT 1", (slot,)):
            self._liveness.leave()

    def wake_claims(self) -> None:
        self._idle_bell.ring_all()

    def waiting_for_message(self) -> AbstractContextManager[Waiter]:
        return self._idle_bell.waiting(_IDLE)

    def is_outage(self, error: BaseException) -> bool:
        if isinstance(error, sqlite3.OperationalError):
            return _errorname(error).startswith(_PASSING)
        return isinstance(error, OSError)

    # -- several things in one step -----------------------------------------------------------

    def enqueue_and_tell(self, data: Any, priority: float | None, event: Any) -> None:
        row = self.name, data, priority or 0
        if _to_milestone() > 1:
            self._execute(statements.ENQUEUE_AND_TELL, (*row, event))
            self._appended += 1
        else:
            self._in_one_step(partial(self._insert_milestone, row, (event,)))
        others = self._listeners.names()
        self._ring_idle(1, others)
        self._ring_readers(others)

    def write(self, batch: Batch) -> None:
        self._in_one_step(partial(self._apply, batch, True))
        self._ring(batch)

    # -- schedule -----------------------------------------------------------------------------

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        due = {"queue": self.name, "now": to_timestamp(timestamp), "limit": -1}
        return [data for _, _, data, _ in sorted(self._execute(statements.DUE, due))]

    def schedule_size(self) -> int:
        return self._count("SELECT count(*) FROM schedule WHERE queue = ?")

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        sql = "SELECT data FROM schedule WHERE queue = ? ORDER BY timestamp, id LIMIT ?"
        return [row[0] for row in self._execute(sql, (self.name, _limit(limit)))]

    def flush_schedule(self) -> None:
        self._execute("DELETE FROM schedule WHERE queue = ?", (self.name,))

    def move_due(
        self, now: datetime.datetime, limit: int = 1000, tell: Tell | None = None
    ) -> list[Any]:
        due = self.next_due()
        if due is None or due > to_timestamp(now):
            return []
        moved, batch = self._in_one_step(partial(self._move_due, to_timestamp(now), limit, tell))
        self._ring(batch)
        return moved

    def next_due(self) -> float | None:
        rows = self._execute("SELECT min(timestamp) FROM schedule WHERE queue = ?", (self.name,))
        due: float | None = rows[0][0]
        return due

    # -- values and endings -------------------------------------------------------------------

    def peek_data(self, key: str) -> Any:
        rows = self._execute(statements.PEEK, (self.name, time.time(), key))
        return rows[0][0] if rows else EmptyData

    def peek_many(self, keys: Sequence[str]) -> list[Any]:
        sql = statements.PEEK_MANY.format(keys=", ".join("?" * len(keys)))
        found = dict(self._execute(sql, (self.name, time.time(), *keys)))
        return [found.get(key, EmptyData) for key in keys]

    def pop_data(self, key: str) -> Any:
        if not self.has_data_for_key(key):  # a look is cheaper than taking the write lock
            return EmptyData
        rows = self._execute(statements.POP, (self.name, time.time(), key))
        return rows[0][0] if rows else EmptyData

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        now = time.time()
        expires = None if ttl is None else now + ttl
        rows = self._execute(statements.PUT_IF_EMPTY, (self.name, key, value, expires, now))
        self._ring_result(key)
        return bool(rows)

    def has_data_for_key(self, key: str) -> bool:
        return bool(self._execute(statements.HAS, (self.name, time.time(), key)))

    def result_store_size(self) -> int:
        sql = f"SELECT count(*) {statements.VALUES}"
        return int(self._execute(sql, (self.name, time.time()))[0][0])

    def result_items(self) -> dict[str, Any]:
        sql = f"SELECT key, value {statements.VALUES}"
        return dict(self._execute(sql, (self.name, time.time())))

    def flush_results(self) -> None:
        self._execute("DELETE FROM kv WHERE queue = ?", (self.name,))

    def peek_ending(self, key: str) -> str | None:
        sql = "SELECT ending FROM ending WHERE queue = ? AND key = ?"
        rows = self._execute(sql, (self.name, key))
        return rows[0][0] if rows else None

    def ending_items(self) -> dict[str, str]:
        return dict(self._execute("SELECT key, ending FROM ending WHERE queue = ?", (self.name,)))

    def take_result(self, key: str) -> Any:
        return self.take_results([key])[0].value

    def take_results(self, keys: Sequence[str]) -> list[Found]:
        values: dict[str, Any] = {}
        if any(self.has_data_for_key(key) for key in keys):  # cheaper than taking the write lock
            values = self._in_one_step(partial(self._take_values, keys))
        return [
            Found(values.pop(key)) if key in values else Found(ending=self.peek_ending(key))
            for key in keys
        ]

    def waiting_for_result(
        self, key: str, backoff: float, max_delay: float
    ) -> AbstractContextManager[Waiter]:
        self._make_live_folder()
        return self._result_bell.waiting(key)

    # -- counters -----------------------------------------------------------------------------

    def advance(self, key: str, number: int) -> bool:
        value = number.to_bytes(8, "big")  # so that Sqlite compares them as numbers
        return bool(self._execute(statements.ADVANCE, (self.name, key, value)))

    # -- locks and limits ---------------------------------------------------------------------

    def acquire_lock(self, key: str, holder: str, ttl: float | None = None) -> bool:
        mine = self._owner("").rstrip("/")
        return self._in_one_step(partial(self._acquire, key, holder, mine))

    def release_lock(self, key: str, holder: str | None = None) -> bool:
        rows = self._execute(
            "DELETE FROM lock WHERE queue = :queue AND key = :key"
            " AND (:holder IS NULL OR holder = :holder) RETURNING process",
            {"queue": self.name, "key": key, "holder": holder},
        )
        return bool(rows) and self._is_alive(rows[0][0])

    def locks(self) -> list[str]:
        rows = self._execute("SELECT key, process FROM lock WHERE queue = ?", (self.name,))
        return [key for key, process in rows if self._is_alive(process)]

    def take_turn(self, key: str, limit: int, per: float) -> float:
        now = time.time()
        at = {"queue": self.name, "key": key, "now": now, "over": now - per, "limit": limit - 1}
        return self._in_one_step(partial(self._take_turn, at))

    # -- chords -------------------------------------------------------------------------------

    def joined(self, key: str) -> dict[int, Any]:
        sql = "SELECT part, value FROM chord WHERE queue = ? AND key = ?"
        return dict(self._execute(sql, (self.name, key)))

    # -- messages set aside -------------------------------------------------------------------

    def aside_items(self) -> list[Aside]:
        sql = "SELECT data, reason, priority FROM aside WHERE queue = ? ORDER BY id"
        return [Aside(*row) for row in self._execute(sql, (self.name,))]

    def restore_aside(self) -> int:
        restored = self._in_one_step(self._restore_aside)
        self._ring_idle(restored)
        return restored

    # -- events -------------------------------------------------------------------------------

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        events = self._read_events(after, limit)
        if events or not timeout:
            return events
        self._make_live_folder()
        with self._event_bell.waiting(_NEW) as waiter:
            events = self._read_events(after, limit)
            if not events:
                waiter.wait(timeout)
        return events or self._read_events(after, limit)

    def wake_readers(self) -> None:
        self._event_bell.ring_all()

    def last_event(self) -> int | None:
        rows = self._execute(statements.LAST_EVENT, (self.name,))
        return rows[0][0] if rows else None

    def flush_events(self) -> None:
        self._in_one_step(self._flush_events)

    # -- the connection -----------------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Start without a connection, in a new process that is: at first, or after a fork."""
        self._inherited, self._connection = self._connection, None  # a child must not close it
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._appended = _chance.randrange(_TRIM_EVERY)  # as some processes write less than that
        self._live_folder_made = False
        self._lookout = Lookout()
        self._liveness: Liveness = Liveness(self.live_folder)
        self._listeners = Listeners(self.live_folder)
        self._idle_bell = Doorbell(self.live_folder, "idle", self._listeners)
        self._result_bell = Doorbell(self.live_folder, "result", self._listeners)
        self._event_bell = Doorbell(self.live_folder, "event", self._listeners)

    def _after_fork(self) -> None:
        self._close_bells()
        self._begin_anew()

    def _close_bells(self) -> None:
        for bell in (self._idle_bell, self._result_bell, self._event_bell):
            bell.close()

    def _execute(self, sql: str, parameters: Any = ()) -> list[Any]:
        """Execute one statement, a step of its own, and return its rows."""
        if self._pid != os.getpid():
            self._after_fork()
        with self._lock:
            db = self._connection or self._connect()
            try:
                return db.execute(sql, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                self._check_file(error)
                raise

    def _in_one_step(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work within a transaction and return what it returns.

        This takes a function, and not the body of a ``with``, as a task may be interrupted
        wherever it uses the queue: whatever happens, lock and transaction are left.
        """
        if self._pid != os.getpid():
            self._after_fork()
        with self._lock:
            db = self._connection or self._connect()
            try:
                db.execute("BEGIN IMMEDIATE")
                came = work(db)
                db.execute("COMMIT")
                return came
            except BaseException as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if isinstance(error, sqlite3.DatabaseError):
                    self._check_file(error)
                raise

    def _give_way(self) -> None:
        """Wait while somebody else has the connection, but not for long, see `_PAUSES`."""
        for pause in _PAUSES:
            if not is_locked(self._lock):
                return
            time.sleep(pause)

    def _check_file(self, error: sqlite3.DatabaseError) -> None:
        """Raise what to do if an error says that the file is damaged."""
        if _errorname(error).startswith(_CORRUPT):
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StorageError:
        return StorageError(
            f"{self.filename} cannot be used any more: {error}. Stop what uses it, then restore it "
            f"from a copy or move it away; 'sqlite3 FILE .recover' reads what is left of it"
        )

    def _count(self, sql: str) -> int:
        return int(self._execute(sql, (self.name,))[0][0])

    def _connect(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = None
        try:
            os.close(os.open(self.filename, os.O_CREAT | os.O_RDWR, 0o600))
            db = sqlite3.connect(
                self.filename,
                timeout=self.timeout,
                isolation_level=None,
                check_same_thread=False,
                **self._connect_options,
            )
            self._prepare(db)
        except (OSError, sqlite3.DatabaseError) as error:
            if db is not None:
                db.close()
            raise StorageError(
                f"cannot use {self.filename} as a queue: {error}. "
                f"Check that the folder exists, that it can be written to, and that the file is "
                f"a Sqlite database, or give another filename"
            ) from error
        self._connection = db
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        self._set_journal_mode(db)
        db.execute(f"PRAGMA synchronous = {'FULL' if self.fsync else 'NORMAL'}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BETWEEN_CHECKPOINTS}")
        db.execute(f"PRAGMA cache_size = {-1024 * int(self.cache_mb)}")
        autoincrement = "AUTOINCREMENT" if self.strict_fifo else ""
        db.execute("BEGIN IMMEDIATE")  # others may be opening the same new file
        for statement in statements.SCHEMA.format(autoincrement=autoincrement).split(";"):
            db.execute(statement)
        for table, column, kind in statements.OWN_COLUMNS:
            names = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            if column not in names:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        for statement in statements.INDEXES.split(";"):
            db.execute(statement)
        db.execute("COMMIT")
        for statement in statements.TELLING:
            db.execute(statement)

    def _set_journal_mode(self, db: sqlite3.Connection) -> None:
        """Set the journal mode; Sqlite does not wait for that by itself when others set it too."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                db.execute(f"PRAGMA journal_mode = {self.journal_mode}")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _make_live_folder(self) -> None:
        if not self._live_folder_made:
            os.makedirs(self.live_folder, mode=0o700, exist_ok=True)
            self._live_folder_made = True

    def _owner(self, slot: str) -> str:
        if self._pid != os.getpid():
            self._after_fork()
        return f"{self._liveness.slot or self._enrol()}/{slot}"

    def _enrol(self) -> str:
        """Take a slot for this process."""
        with self._lock:  # or two workers' first claims would take one each
            self._make_live_folder()
            return self._liveness.hold()

    def _is_alive(self, owner: str) -> bool:
        return self._liveness.alive(owner.partition("/")[0])

    def _page(
        self,
        table: str,
        after: int,
        before: int = _LAST_ROW,
        limit: int = _AT_ONCE,
        text: bytes = b"",
    ) -> list[tuple[int, Any]]:
        """Return the first messages that wait between two rows, with their rows.

        :param text: what they contain; of the others comes None.
        """
        page = {"queue": self.name, "after": after, "before": before, "limit": limit, "text": text}
        return self._execute(statements.PAGE[table], page)

    # -- within the connection ----------------------------------------------------------------

    def _release_all(self, process: str, db: sqlite3.Connection) -> int:
        """Take back what the workers of a dead process had; return how many messages."""
        theirs = {"queue": self.name, "process": process}
        db.execute("DELETE FROM lock WHERE queue = :queue AND process = :process", theirs)
        db.execute(statements.FORGET_WORKERS, theirs)
        return db.execute(statements.RELEASE_ALL, theirs).rowcount

    def _wait(self, waiter: BellWaiter, timeout: float) -> bool:
        return self._lookout.wait(waiter, timeout, _LOOK_AGAIN, self._is_any)

    def _is_any(self) -> bool:
        """Say whether there is something to claim."""
        return bool(self._execute(statements.ANY, (self.name,)))

    def _claim_if_any(self, owner: str) -> Claim | None:
        """Claim, but take the write lock only if there is something to claim."""
        if not self._is_any():
            return None
        asked = time.monotonic()
        return _claimed(self._execute(statements.CLAIM, (owner, self.name)), asked)

    def _claim(self, owner: str, db: sqlite3.Connection) -> Claim | None:
        asked = time.monotonic()
        return _claimed(db.execute(statements.CLAIM, (owner, self.name)).fetchall(), asked)

    def _finish(self, owner: str, claim: Claim, batch: Batch, db: sqlite3.Connection) -> bool:
        ours = db.execute(statements.FINISH, (claim.token, owner)).rowcount == 1
        self._apply(batch, ours, db)
        return ours

    def _take_out(self, data: Any, batch: Batch, place: Any, db: sqlite3.Connection) -> bool:
        """Delete a message that waits, by its place or, if it is not there any more, by itself."""
        table, row = place or ("", 0)
        wanted = {"queue": self.name, "data": data, "id": row}
        quick = [(table, statements.AT[table])] if place else []
        found = any(
            self._take_from(table, statement, wanted, db)
            for table, statement in (*quick, *statements.WITHDRAW.items())
        )
        if found:
            self._apply(batch, True, db)
        return found

    def _take_from(
        self, table: str, statement: str, wanted: Mapping[str, Any], db: sqlite3.Connection
    ) -> bool:
        """Delete a message that waits from a table; say whether it was there."""
        taken = db.execute(statement, wanted).fetchall()
        if taken and table == "task":
            row, priority, gap = taken[0]
            behind = {"queue": self.name, "priority": priority, "id": row, "gap": gap}
            db.execute(statements.WIDEN_GAP, behind)
        return bool(taken)

    def _move_due(
        self, now: float, limit: int, tell: Tell | None, db: sqlite3.Connection
    ) -> tuple[list[Any], Batch]:
        due = {"queue": self.name, "now": now, "limit": limit}
        rows = sorted(db.execute(statements.DUE, due), key=operator.itemgetter(0, 1))
        moved = [data for _, _, data, _ in rows]
        events = tell(moved) if tell and moved else ()
        batch = Batch(enqueue=[(data, prio) for _, _, data, prio in rows], events=events)
        self._apply(batch, True, db)
        return moved, batch

    def _take_values(self, keys: Sequence[str], db: sqlite3.Connection) -> dict[str, Any]:
        """Take values and remember that; return them by key."""
        now, taken = time.time(), {}
        for key in keys:
            for (value,) in db.execute(statements.POP, (self.name, now, key)).fetchall():
                taken[key] = value
        self._apply(Batch(endings=[(key, "taken") for key in taken]), True, db)
        return taken

    def _acquire(self, key: str, holder: str, process: str, db: sqlite3.Connection) -> bool:
        rows = db.execute(
            "SELECT process FROM lock WHERE queue = ? AND key = ?", (self.name, key)
        ).fetchall()
        if rows and self._liveness.alive(rows[0][0]):
            return False
        db.execute(
            "INSERT OR REPLACE INTO lock (queue, key, holder, process) VALUES (?, ?, ?, ?)",
            (self.name, key, holder, process),
        )
        return True

    def _take_turn(self, at: Mapping[str, Any], db: sqlite3.Connection) -> float:
        db.execute(statements.FORGET_TURNS, at)
        full = db.execute(statements.TURN_IN_THE_WAY, at).fetchone()
        if full is not None:
            return float(full[0] - at["over"])
        db.execute("INSERT INTO turn (queue, key, at) VALUES (:queue, :key, :now)", at)
        return 0.0

    def _restore_aside(self, db: sqlite3.Connection) -> int:
        sql = "DELETE FROM aside WHERE queue = ? RETURNING id, data, priority"
        rows = sorted(db.execute(sql, (self.name,)), key=operator.itemgetter(0))
        self._insert_tasks(db, [(data, priority) for _, data, priority in rows])
        return len(rows)

    def _insert_tasks(self, db: sqlite3.Connection, items: Sequence[Any]) -> None:
        rows = ((self.name, data, priority or 0) for data, priority in items)
        while piece := list(islice(rows, count := _to_milestone())):
            db.executemany(statements.ENQUEUE, piece)
            if len(piece) == count:
                db.execute(statements.MILESTONE)

    def _insert_milestone(
        self, row: Sequence[Any], events: Sequence[Any], db: sqlite3.Connection
    ) -> None:
        db.execute(statements.ENQUEUE, row)
        db.execute(statements.MILESTONE)
        self._apply(Batch(events=events), True, db)

    def _join_part(self, db: sqlite3.Connection, join: Join) -> None:
        new = db.execute(
            "INSERT OR IGNORE INTO chord (queue, key, part, value) VALUES (?, ?, ?, ?)",
            (self.name, join.key, join.part, join.value),
        )
        over = db.execute(
            "SELECT count(*) FROM chord WHERE queue = ? AND key = ?", (self.name, join.key)
        )
        if new.rowcount == 1 and over.fetchone()[0] == join.parts:
            self._insert_tasks(db, [(join.data, join.priority)])

    def _apply(self, batch: Batch, ours: bool, db: sqlite3.Connection) -> None:
        """Write a batch; of one whose claim was lost, only what cannot do harm."""
        if batch.clear and ours:
            db.executemany(
                "DELETE FROM kv WHERE queue = ? AND key = ?",
                [(self.name, key) for key in batch.clear],
            )
        if batch.results:
            db.executemany(
                statements.PUT if ours else statements.PUT_LATE,
                [(self.name, key, value) for key, value in batch.results],
            )
        if batch.endings:
            db.executemany(
                "INSERT OR REPLACE INTO ending (queue, key, ending) VALUES (?, ?, ?)",
                [(self.name, key, ending) for key, ending in batch.endings],
            )
        if batch.enqueue and ours:
            self._insert_tasks(db, batch.enqueue)
        if batch.schedule and ours:
            db.executemany(
                "INSERT INTO schedule (queue, data, timestamp, priority) VALUES (?, ?, ?, ?)",
                [(self.name, data, to_timestamp(at), prio) for data, at, prio in batch.schedule],
            )
        if batch.aside and ours:
            db.executemany(
                "INSERT INTO aside (queue, data, reason, priority) VALUES (?, ?, ?, ?)",
                [(self.name, *message) for message in batch.aside],
            )
        for join in batch.joins if ours else ():
            self._join_part(db, join)
        if batch.forget and ours:
            db.executemany(
                "DELETE FROM chord WHERE queue = ? AND key = ?",
                [(self.name, key) for key in batch.forget],
            )
        for count, lines in in_rows(batch.events):
            db.execute(statements.APPEND_EVENTS, (count, self.name, lines))
        self._trim(len(batch.events) + len(batch.endings), db)

    def _trim(self, appended: int, db: sqlite3.Connection) -> None:
        self._appended += appended
        if self._appended < _TRIM_EVERY:
            return
        self._appended = 0
        db.execute(statements.TRIM_EVENTS, (EVENTS_KEPT,))
        db.execute(statements.TRIM_ENDINGS, (ENDINGS_KEPT,))

    def _read_events(self, after: int | None, limit: int | None) -> list[tuple[int, Any]]:
        after = after or 0
        rows = self._execute(statements.READ_EVENTS, (self.name, after, _limit(limit)))
        return from_rows(rows, after, limit)

    def _flush_events(self, db: sqlite3.Connection) -> None:
        for statement in statements.FLUSH_EVENTS:
            db.execute(statement, (self.name,))

    # -- wake-ups -----------------------------------------------------------------------------

    def _ring(self, batch: Batch, claimed: int = 0) -> None:
        """Wake those who wait for something in a batch that has just been written.

        :param claimed: how many messages were claimed in the same step, so need nobody else.
        """
        others = self._listeners.names()  # one look for all who are told
        for key, _ in (*batch.results, *batch.endings):
            self._ring_result(key, others)
        if batch.enqueue or batch.joins:
            self._ring_idle(len(batch.enqueue) + len(batch.joins) - claimed, others)
        if batch.schedule:
            self.wake_schedule()
        if batch.events:
            self._ring_readers(others)

    def _ring_readers(self, others: Sequence[str]) -> None:
        self._event_bell.ring(_NEW)
        if others:
            self._event_bell.tell(_NEW, others)

    def _ring_result(self, key: str, others: Sequence[str] | None = None) -> None:
        self._result_bell.ring(key)
        self._result_bell.tell(key, others)

    def _ring_idle(self, count: int, others: Sequence[str] | None = None) -> None:
        """Wake as many idle workers as there are messages, first those of this process."""
        left = count - self._idle_bell.ring_some(_IDLE, count) if count > 0 else 0
        for _ in range(min(left, 64)):
            self._idle_bell.tell("", others)


def _absolute(filename: str | os.PathLike[str]) -> str:
    """Return where a file is, or is to be.

    JupyterLite keeps the reader's files on a drive that cannot hold a database. There it is in
    memory instead, which is as much as a page can promise.
    """
    path, platform = os.path.abspath(filename), str(sys.platform)
    if platform != "emscripten" or not path.startswith(_DRIVE):
        return path
    import tempfile  # which takes its time, and only here

    name = path.removeprefix(_DRIVE).replace(os.sep, "-")
    return os.path.join(tempfile.gettempdir(), name)


class _AllFlags:
    """Contains the keys of all flags."""

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.startswith(FLAGS)


_ALL_FLAGS = _AllFlags()


def _claimed(rows: Sequence[Any], asked: float) -> Claim | None:
    """Return the claim that rows tell of, at most one."""
    if not rows:
        return None
    row, data, deliveries, priority, flagged = rows[0]
    return Claim(row, data, deliveries, priority, () if flagged else _ALL_FLAGS, asked)


def _to_milestone() -> int:
    """Return how many messages it is to the next milestone, itself included: 1 to 256, by chance.

    By counting, a priority or a queue could be passed over time after time.
    """
    return 1 + _chance.getrandbits(8)


def _errorname(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit
