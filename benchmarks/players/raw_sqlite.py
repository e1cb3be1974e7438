"""The limit on Sqlite: the bytes that our messages are, through the sqlite3 of Python.

WAL, ``synchronous=NORMAL``, as ours. A task is one ``DELETE ... RETURNING``, a call, and one row
for the result, in one transaction, so a killed worker loses nothing either; there is no claim that
others could see. For `map` everything is one transaction a step. Who waits is woken by a pipe.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from bodies import Marks, add, mark
from forks import Fork
from sample import ARGUMENTS, MESSAGE, RESULT
from stage import Figures, Settings, each_round, fresh_place, seconds_of
from stage import latency as latency_of
from weights import weigh

TABLES = """
CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS schedule (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS results (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""
PUT = "INSERT INTO queue (data) VALUES (?)"
TAKE = "DELETE FROM queue WHERE id = (SELECT min(id) FROM queue) RETURNING id, data"
TAKE_ALL = "DELETE FROM queue RETURNING id"
KEEP = "INSERT INTO results (id, data) VALUES (?, ?)"
READ = "DELETE FROM results WHERE id = ? RETURNING data"
READ_ALL = "DELETE FROM results RETURNING data"


def connect(place: str) -> sqlite3.Connection:
    """Open the file of a folder, one statement one transaction unless one is begun."""
    file = sqlite3.connect(os.path.join(place, "raw.db"), isolation_level=None, timeout=30)
    file.execute("PRAGMA journal_mode = wal")
    file.execute("PRAGMA synchronous = normal")
    return file


@contextmanager
def fresh_file(settings: Settings) -> Iterator[tuple[str, sqlite3.Connection]]:
    """Give a folder and the empty file in it."""
    with fresh_place(settings) as place:
        file = connect(place)
        file.executescript(TABLES)
        yield place, file
        file.close()


def fill(file: sqlite3.Connection, count: int) -> None:
    """Enqueue one message after the other."""
    for _ in range(count):
        file.execute(PUT, (MESSAGE,))


def fill_at_once(file: sqlite3.Connection, count: int, table: str = "queue") -> None:
    """Enqueue in one transaction."""
    file.execute("BEGIN")
    statement = PUT if table == "queue" else PUT.replace("queue", table)
    file.executemany(statement, [(MESSAGE,)] * count)
    file.execute("COMMIT")


def work(file: sqlite3.Connection) -> bool:
    """Run one task; False if there is none."""
    file.execute("BEGIN IMMEDIATE")
    rows = file.execute(TAKE).fetchall()
    for name, _ in rows:
        add(*ARGUMENTS)
        file.execute(KEEP, (name, RESULT))
    file.execute("COMMIT")
    return bool(rows)


@each_round
def latency(settings: Settings) -> Figures:
    """Enqueue, wake another process, wait, read the result."""
    with fresh_file(settings) as (place, file):

        def answer(fork: Fork) -> None:
            mine = connect(place)
            while fork.hear():
                work(mine)
                fork.tell()

        def call(fork: Fork) -> None:
            name = file.execute(PUT, (MESSAGE,)).lastrowid
            fork.tell()
            fork.hear()
            assert file.execute(READ, (name,)).fetchall()

        with Fork(answer) as fork:
            call(fork)
            return latency_of(partial(call, fork), settings.count)


@each_round
def enqueue(settings: Settings) -> Figures:
    with fresh_file(settings) as (_, file):
        return {"rate": settings.count / seconds_of(lambda: fill(file, settings.count))}


@each_round
def drain(settings: Settings) -> Figures:
    """Run the tasks one by one, in one thread: Sqlite has one writer at a time."""
    with fresh_file(settings) as (_, file):
        fill_at_once(file, settings.count)
        return {"rate": settings.count / seconds_of(lambda: work_off(file))}


def work_off(file: sqlite3.Connection) -> None:
    """Run what is on the queue."""
    while work(file):
        pass


@each_round
def drain_processes(settings: Settings) -> Figures:
    """Run the tasks in two processes, which take them one by one and at once."""
    with fresh_file(settings) as (place, file):
        marks = Marks(place)
        fill_at_once(file, settings.count)

        def answer(fork: Fork) -> None:
            mine = connect(place)
            fork.hear()
            while work(mine):
                mark(*ARGUMENTS)

        with Fork(answer) as one, Fork(answer) as other:
            one.tell()
            other.tell()
            return marks.rate(settings.count)


@each_round
def gather(settings: Settings) -> Figures:
    """Enqueue all in one transaction, run all in one, read all results in one."""
    with fresh_file(settings) as (_, file):

        def whole() -> Sequence[object]:
            fill_at_once(file, settings.count)
            file.execute("BEGIN")
            names = [name for (name,) in file.execute(TAKE_ALL)]
            results = [(name, add(*ARGUMENTS) and RESULT) for name in names]
            file.executemany(KEEP, results)
            file.execute("COMMIT")
            return file.execute(READ_ALL).fetchall()

        return {"rate": settings.count / seconds_of(whole)}


@each_round
def due(settings: Settings) -> Figures:
    """Move everything in one transaction."""
    with fresh_file(settings) as (_, file):
        fill_at_once(file, settings.count, "schedule")

        def move() -> None:
            file.execute("BEGIN")
            file.execute("INSERT INTO queue (data) SELECT data FROM schedule")
            file.execute("DELETE FROM schedule")
            file.execute("COMMIT")

        return {"rate": settings.count / seconds_of(move)}


@each_round
def memory(settings: Settings) -> Figures:
    """Weigh rows."""

    def enqueue(place: str, count: int) -> None:
        file = connect(place)
        file.executescript(TABLES)
        fill_at_once(file, count)
        file.close()

    return weigh(settings, enqueue)


ACTS = {
    "latency": latency,
    "enqueue": enqueue,
    "drain": drain,
    "drain-processes": drain_processes,
    "map": gather,
    "due": due,
    "memory": memory,
}
