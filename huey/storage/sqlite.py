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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, StorageError
from huey.storage import statements
from huey.storage.base import (
    NOTHING,
    Aside,
    Batch,
    BatchStorage,
    Claim,
    Join,
    Seen,
    Tell,
    Waiter,
)
from huey.storage.liveness import Liveness
from huey.storage.wake import Doorbell
from huey.utils import is_filename, to_timestamp

EVENTS_KEPT = 10_000
ENDINGS_KEPT = 100_000
_TRIM_EVERY = 500  # appended events or endings between two looks at how many there are

# Woken by their doorbell, workers still look by themselves this often (seconds): producers that
# know nothing of doorbells may write to the same file.
_LOOK_AGAIN = 0.5

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

    def dequeue(self) -> Any:
        rows = self._execute(statements.DEQUEUE, {"queue": self.name})
        return rows[0][0] if rows else None

    def queue_size(self) -> int:
        return self._count("SELECT count(*) FROM task WHERE queue = ? AND claimed_by IS NULL")

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        return [row[0] for row in self._execute(statements.ENQUEUED, (self.name, _limit(limit)))]

    def flush_queue(self) -> None:
        self._execute("DELETE FROM task WHERE queue = ? AND claimed_by IS NULL", (self.name,))

    # -- messages that wait -------------------------------------------------------------------

    def waiting(self) -> Iterator[Seen]:
        for table in ("schedule", "task"):
            last = 0
            page = {"queue": self.name, "last": last}
            while rows := self._execute(statements.PAGE[table], page):
                for last, data in rows:
                    yield Seen(data, table == "schedule", (table, last))
                page["last"] = last

    def withdraw(self, data: Any, batch: Batch = NOTHING, place: Any = None) -> bool:
        with self._transaction() as db:
            found = self._take_out(db, data, place)
            if found:
                self._apply(db, batch, True)
        if found:
            self._ring(batch)
        return found

    # -- claim and acknowledge ----------------------------------------------------------------

    def claim(self, slot: str, timeout: float = 0) -> Claim | None:
        owner = self._owner(slot)
        claim = self._claim(owner)
        if claim is not None or timeout <= 0:
            return claim
        with self._idle_bell.waiting(_IDLE) as waiter:
            claim = self._claim_if_any(owner)
            woken = claim is None and waiter.wait(min(timeout, _LOOK_AGAIN))
            claim = claim or self._claim_if_any(owner)
        if waiter.rung and not woken:  # that was for another message, so for another worker
            self._ring_idle(1)
        return claim

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        with self._transaction() as db:
            deleted = db.execute(
                "DELETE FROM task WHERE id = ? AND claimed_by = ?",
                (claim.token, self._owner(slot)),
            )
            ours = deleted.rowcount == 1
            self._apply(db, batch, ours)
        self._ring(batch)
        return ours

    def release(self, slot: str, claim: Claim) -> None:
        self._execute(
            "UPDATE task SET claimed_by = NULL WHERE id = ? AND claimed_by = ?",
            (claim.token, self._owner(slot)),
        )
        self._ring_idle(1)

    def inflight(self) -> int:
        return self._count("SELECT count(*) FROM task WHERE queue = ? AND claimed_by IS NOT NULL")

    def claims(self) -> list[tuple[str, Any]]:
        sql = "SELECT claimed_by, data FROM task WHERE queue = ? AND claimed_by IS NOT NULL"
        return self._execute(sql, (self.name,))

    def recover(self) -> int:
        processes = self._execute(statements.PROCESSES, {"queue": self.name})
        dead = [process for (process,) in processes if not self._liveness.alive(process)]
        released = sum(self._release_all(process) for process in dead)
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

    def write(self, batch: Batch) -> None:
        with self._transaction() as db:
            self._apply(db, batch, True)
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
        with self._transaction() as db:
            rows = db.execute(
                statements.DUE, {"queue": self.name, "now": to_timestamp(now), "limit": limit}
            ).fetchall()
            rows.sort(key=lambda row: row[:2])
            moved = [data for _, _, data, _ in rows]
            events = tell(moved) if tell and moved else ()
            enqueue = [(data, priority) for _, _, data, priority in rows]
            batch = Batch(enqueue=enqueue, events=events)
            self._apply(db, batch, True)
        self._ring(batch)
        return moved

    def next_due(self) -> float | None:
        rows = self._execute("SELECT min(timestamp) FROM schedule WHERE queue = ?", (self.name,))
        due: float | None = rows[0][0]
        return due

    # -- values and endings -------------------------------------------------------------------

    def peek_data(self, key: str) -> Any:
        rows = self._execute(f"SELECT value {statements.VALUE}", self._at(key))
        return rows[0][0] if rows else EmptyData

    def pop_data(self, key: str) -> Any:
        if not self.has_data_for_key(key):  # a look is cheaper than taking the write lock
            return EmptyData
        rows = self._execute(f"DELETE {statements.VALUE} RETURNING value", self._at(key))
        return rows[0][0] if rows else EmptyData

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        at = self._at(key) | {"value": value}
        at["expires"] = None if ttl is None else at["now"] + ttl
        rows = self._execute(statements.PUT_IF_EMPTY, at)
        self._ring_result(key)
        return bool(rows)

    def has_data_for_key(self, key: str) -> bool:
        return bool(self._execute(f"SELECT 1 {statements.VALUE}", self._at(key)))

    def result_store_size(self) -> int:
        return int(self._execute(f"SELECT count(*) {statements.VALUES}", self._at(""))[0][0])

    def result_items(self) -> dict[str, Any]:
        return dict(self._execute(f"SELECT key, value {statements.VALUES}", self._at("")))

    def flush_results(self) -> None:
        self._execute("DELETE FROM kv WHERE queue = ?", (self.name,))

    def _at(self, key: str) -> dict[str, Any]:
        return {"queue": self.name, "key": key, "now": time.time()}

    def peek_ending(self, key: str) -> str | None:
        sql = "SELECT ending FROM ending WHERE queue = ? AND key = ?"
        rows = self._execute(sql, (self.name, key))
        return rows[0][0] if rows else None

    def ending_items(self) -> dict[str, str]:
        return dict(self._execute("SELECT key, ending FROM ending WHERE queue = ?", (self.name,)))

    def take_result(self, key: str) -> Any:
        if not self.has_data_for_key(key):  # a look is cheaper than taking the write lock
            return EmptyData
        with self._transaction() as db:
            rows = db.execute(
                f"DELETE {statements.VALUE} RETURNING value", self._at(key)
            ).fetchall()
            if rows:
                self._apply(db, Batch(endings=[(key, "taken")]), True)
        return rows[0][0] if rows else EmptyData

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
        with self._transaction() as db:
            rows = db.execute(
                "SELECT process FROM lock WHERE queue = ? AND key = ?", (self.name, key)
            ).fetchall()
            if rows and self._liveness.alive(rows[0][0]):
                return False
            db.execute(
                "INSERT OR REPLACE INTO lock (queue, key, holder, process) VALUES (?, ?, ?, ?)",
                (self.name, key, holder, mine),
            )
        return True

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
        with self._transaction() as db:
            db.execute(statements.FORGET_TURNS, at)
            full = db.execute(statements.TURN_IN_THE_WAY, at).fetchone()
            if full is not None:
                return float(full[0]) + per - now
            db.execute("INSERT INTO turn (queue, key, at) VALUES (:queue, :key, :now)", at)
        return 0.0

    # -- chords -------------------------------------------------------------------------------

    def joined(self, key: str) -> dict[int, Any]:
        sql = "SELECT part, value FROM chord WHERE queue = ? AND key = ?"
        return dict(self._execute(sql, (self.name, key)))

    # -- messages set aside -------------------------------------------------------------------

    def aside_items(self) -> list[Aside]:
        sql = "SELECT data, reason, priority FROM aside WHERE queue = ? ORDER BY id"
        return [Aside(*row) for row in self._execute(sql, (self.name,))]

    def restore_aside(self) -> int:
        sql = "DELETE FROM aside WHERE queue = ? RETURNING id, data, priority"
        with self._transaction() as db:
            rows = sorted(db.execute(sql, (self.name,)), key=operator.itemgetter(0))
            self._insert_tasks(db, [(data, priority) for _, data, priority in rows])
        self._ring_idle(len(rows))
        return len(rows)

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
        rows = self._execute("SELECT max(id) FROM event WHERE queue = ?", (self.name,))
        last: int | None = rows[0][0]
        return last

    def flush_events(self) -> None:
        self._execute("DELETE FROM event WHERE queue = ?", (self.name,))

    # -- the connection -----------------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Start without a connection, in a new process that is: at first, or after a fork."""
        self._inherited, self._connection = self._connection, None  # a child must not close it
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._appended = 0
        self._live_folder_made = False
        self._liveness: Liveness = Liveness(self.live_folder)
        self._idle_bell = Doorbell(self.live_folder, "idle")
        self._result_bell = Doorbell(self.live_folder, "result")
        self._event_bell = Doorbell(self.live_folder, "event")

    def _after_fork(self) -> None:
        self._close_bells()
        self._begin_anew()

    def _close_bells(self) -> None:
        for bell in (self._idle_bell, self._result_bell, self._event_bell):
            bell.close()

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        """Give this process's connection to one thread at a time."""
        if self._pid != os.getpid():
            self._after_fork()
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                yield self._connection
            except sqlite3.DatabaseError as error:
                if _errorname(error).startswith(_CORRUPT):
                    raise self._unusable(error) from error
                raise

    def _unusable(self, error: Exception) -> StorageError:
        return StorageError(
            f"{self.filename} cannot be used any more: {error}. Stop what uses it, then restore it "
            f"from a copy or move it away; 'sqlite3 FILE .recover' reads what is left of it"
        )

    def _execute(self, sql: str, parameters: Any = ()) -> list[Any]:
        with self._db() as db:
            return db.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._db() as db:
            try:  # from here on: a task may be interrupted wherever it uses the queue
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

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
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        self._set_journal_mode(db)
        db.execute(f"PRAGMA synchronous = {'FULL' if self.fsync else 'NORMAL'}")
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
        with self._lock:  # or two workers' first claims would take a slot each
            self._make_live_folder()
            return f"{self._liveness.hold()}/{slot}"

    def _is_alive(self, owner: str) -> bool:
        return self._liveness.alive(owner.partition("/")[0])

    # -- within the connection ----------------------------------------------------------------

    def _release_all(self, process: str) -> int:
        """Take back what the workers of a dead process had; return how many messages."""
        with self._transaction() as db:
            theirs = {"queue": self.name, "process": process}
            db.execute("DELETE FROM lock WHERE queue = :queue AND process = :process", theirs)
            db.execute(statements.FORGET_WORKERS, theirs)
            return db.execute(statements.RELEASE_ALL, theirs).rowcount

    def _claim(self, owner: str) -> Claim | None:
        rows = self._execute(statements.CLAIM, {"slot": owner, "queue": self.name})
        return Claim(*rows[0]) if rows else None

    def _claim_if_any(self, owner: str) -> Claim | None:
        """Claim, but take the write lock only if there is something to claim."""
        return self._claim(owner) if self._execute(statements.ENQUEUED, (self.name, 1)) else None

    def _take_out(self, db: sqlite3.Connection, data: Any, place: Any) -> bool:
        """Delete a message that waits, by its place or, if it is not there any more, by itself."""
        table, row = place or ("", 0)
        wanted = {"queue": self.name, "data": data, "id": row}
        quick = [statements.AT[table]] if place else []
        return any(
            db.execute(statement, wanted).rowcount == 1
            for statement in (*quick, *statements.WITHDRAW)
        )

    def _insert_tasks(self, db: sqlite3.Connection, items: Sequence[Any]) -> None:
        db.executemany(
            "INSERT INTO task (queue, data, priority) VALUES (?, ?, ?)",
            [(self.name, data, priority or 0) for data, priority in items],
        )

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

    def _apply(self, db: sqlite3.Connection, batch: Batch, ours: bool) -> None:
        """Write a batch; of one whose claim was lost, only what cannot do harm."""
        conflict = "REPLACE" if ours else "IGNORE"
        if batch.clear and ours:
            db.executemany(
                "DELETE FROM kv WHERE queue = ? AND key = ?",
                [(self.name, key) for key in batch.clear],
            )
        if batch.results:
            db.executemany(
                f"INSERT OR {conflict} INTO kv (queue, key, value) VALUES (?, ?, ?)",  # noqa: S608
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
        if ours:
            for join in batch.joins:
                self._join_part(db, join)
            db.executemany(
                "DELETE FROM chord WHERE queue = ? AND key = ?",
                [(self.name, key) for key in batch.forget],
            )
        if batch.events:
            db.executemany(
                "INSERT INTO event (queue, data) VALUES (?, ?)",
                [(self.name, event) for event in batch.events],
            )
        self._trim(db, len(batch.events) + len(batch.endings))

    def _trim(self, db: sqlite3.Connection, appended: int) -> None:
        self._appended += appended
        if self._appended < _TRIM_EVERY:
            return
        self._appended = 0
        for table, kept in (("event", EVENTS_KEPT), ("ending", ENDINGS_KEPT)):
            db.execute(statements.TRIM.format(table=table), {"queue": self.name, "kept": kept})

    def _read_events(self, after: int | None, limit: int | None) -> list[tuple[int, Any]]:
        return self._execute(
            "SELECT id, data FROM event WHERE queue = ? AND id > ? ORDER BY id LIMIT ?",
            (self.name, after or 0, _limit(limit)),
        )

    # -- wake-ups -----------------------------------------------------------------------------

    def _ring(self, batch: Batch) -> None:
        """Wake those who wait for something in a batch that has just been written."""
        for key, _ in (*batch.results, *batch.endings):
            self._ring_result(key)
        if batch.enqueue or batch.joins:
            self._ring_idle(len(batch.enqueue) + len(batch.joins))
        if batch.schedule:
            self.wake_schedule()
        if batch.events:
            self._event_bell.ring(_NEW)
            self._event_bell.tell(_NEW)

    def _ring_result(self, key: str) -> None:
        self._result_bell.ring(key)
        self._result_bell.tell(key)

    def _ring_idle(self, count: int) -> None:
        """Wake as many idle workers as there are messages, first those of this process."""
        left = count - self._idle_bell.ring_some(_IDLE, count)
        for _ in range(min(left, 64)):
            self._idle_bell.tell()


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


def _errorname(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit
