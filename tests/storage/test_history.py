"""Threads and processes do this and that at random with one storage; nothing is lost or doubled.

Each keeps a log: what it is about to do with a message, and that it is done. Of a process that is
killed in between it is not known whether the last thing happened.
"""

import itertools
import os
import random
import signal
import threading
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial

import pytest
from processes import exit_code, fork
from waiting import at_once

from huey.storage import Aside, Batch, FileStorage, SqliteStorage

NOON = datetime(2030, 6, 1, 12)
STEPS = 150

OPEN = {
    "sqlite": lambda folder: SqliteStorage("test", folder / "huey.db"),
    "file": lambda folder: FileStorage("test", folder / "queue"),
}


class Wanderer:
    """One of several who use a storage, in a thread of its own.

    :param note: called with ``try`` or ``done``, what, and the name of a message.
    """

    def __init__(self, storage, name, note):
        self.storage = storage
        self.name = name
        self.note = note
        self.dice = random.Random(name)  # noqa: S311 - dice, not secrets
        self.numbers = itertools.count()
        self.held = []

    def wander(self, steps):
        """Do so many things."""
        doing = (
            *(self.enqueue, self.schedule, self.claim, self.claim, self.finish, self.finish),
            *(self.release, self.move_due, self.dequeue, self.restore_aside, self.withdraw),
        )
        for _ in range(steps):
            self.dice.choice(doing)()

    def some(self, count):
        """Return new messages."""
        return [f"{self.name}:{next(self.numbers)}" for _ in range(self.dice.randint(0, count))]

    def noted(self, func, put=(), gone=()):
        for word in ("try", "done"):
            if word == "done":
                func()
            for what, messages in (("put", put), ("gone", gone)):
                for message in messages:
                    self.note(word, what, message)

    def enqueue(self):
        for message in self.some(2):
            priority = self.dice.choice([None, 1, -1, 0.5])
            self.noted(partial(self.storage.enqueue, message.encode(), priority), [message])

    def schedule(self):
        batch = [(m.encode(), self.some_time(), 1) for m in self.some(2)]
        put = [data.decode() for data, _, _ in batch]
        self.noted(lambda: self.storage.write(Batch(schedule=batch)), put)

    def claim(self):
        claim = self.storage.claim(self.name)
        if claim is not None:
            self.held.append(claim)

    def finish(self):
        if not self.held:
            return
        claim = self.held.pop()
        queued, scheduled, aside = self.some(1), self.some(1), self.some(1)
        batch = Batch(
            results=[(claim.data.decode(), claim.data)],
            enqueue=[(message.encode(), None) for message in queued],
            schedule=[(message.encode(), self.some_time(), None) for message in scheduled],
            aside=[Aside(message.encode(), "why") for message in aside],
            events=[claim.data],
        )

        def finish():
            assert self.storage.finish(self.name, claim, batch), claim

        self.noted(finish, [*queued, *scheduled, *aside], [claim.data.decode()])

    def release(self):
        if self.held:
            self.storage.release(self.name, self.held.pop())

    def move_due(self):
        self.storage.move_due(self.some_time(), limit=self.dice.randint(1, 5))

    def dequeue(self):
        """Take a message for good. A process that dies then may have it or not."""
        data = self.storage.dequeue()
        if data is not None:
            self.note("done", "gone", data.decode())

    def withdraw(self):
        """Withdraw the first message seen, unless somebody is faster."""
        one = next(self.storage.waiting(), None)
        if one is None:
            return
        message = one.data.decode()
        self.note("try", "gone", message)
        if self.storage.withdraw(one.data, Batch(events=[one.data]), one.place):
            self.note("done", "gone", message)

    def restore_aside(self):
        self.storage.restore_aside()

    def some_time(self):
        return NOON + timedelta(minutes=self.dice.randint(0, 9))


class Cautious(Wanderer):
    """One that takes nothing for good: if it is killed, what it was about to do is known."""

    def dequeue(self):
        pass


def check(storage, log):
    """Compare what there is with what was noted."""
    storage.recover()
    left = Counter()
    for data in (*storage.enqueued_items(), *storage.scheduled_items()):
        left[data.decode()] += 1
    left.update(message.data.decode() for message in storage.aside_items())
    left.update(data.decode() for _, data in storage.claims())

    tried = {what: {m for w, k, m in log if k == what} for what in ("put", "gone")}
    done = {what: {m for w, k, m in log if k == what and w == "done"} for what in ("put", "gone")}
    assert [message for message, count in left.items() if count > 1] == []
    assert left.keys() <= tried["put"] - done["gone"]
    assert done["put"] - tried["gone"] <= left.keys()
    return tried, done


def test_threads_lose_and_double_nothing(storage):
    log = []
    names = [f"thread {n}" for n in range(4)]

    def wander(name):
        Wanderer(storage, name, lambda *words: log.append(words)).wander(STEPS)

    at_once(*(partial(wander, name) for name in names))

    tried, done = check(storage, log)
    assert tried["put"] == done["put"]
    assert len(done["gone"]) > STEPS / 10


def start(open_storage, name, steps, kind=Wanderer):
    """Let two threads of a forked process wander; return its id and the log to read from."""
    reader, writer = os.pipe()

    def note(*words):
        os.write(writer, f"{' '.join(words)}\n".encode())

    def wander_in_threads():
        os.close(reader)
        storage = open_storage()
        threads = [
            threading.Thread(target=kind(storage, f"{name}.{n}", note).wander, args=[steps])
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    child = fork(wander_in_threads)
    os.close(writer)
    return child, os.fdopen(reader)


def read_log(lines):
    """Return what is noted in lines; of the last, a kill may have left a piece."""
    return [tuple(line.split(" ", 2)) for line in lines.read().split("\n")[:-1]]


@pytest.mark.parametrize("kind", OPEN)
def test_processes_lose_and_double_nothing(tmp_path, kind):
    open_storage = partial(OPEN[kind], tmp_path)
    children = [start(open_storage, f"process {n}", STEPS) for n in range(2)]

    log = []
    for child, lines in children:
        with lines:
            log += read_log(lines)
        assert exit_code(child) == 0

    with closing(open_storage()) as storage:
        tried, done = check(storage, log)
    assert tried["put"] == done["put"]


@pytest.mark.parametrize("kind", OPEN)
def test_killed_processes_lose_and_double_nothing(tmp_path, kind):
    open_storage = partial(OPEN[kind], tmp_path)
    log = []
    for n in range(8):
        children = [start(open_storage, f"{n}.{m}", 10**9, Cautious) for m in range(2)]
        for child, lines in children:
            log += [tuple(lines.readline().rstrip("\n").split(" ", 2)) for _ in range(20 + 7 * n)]
            os.kill(child, signal.SIGKILL)
            assert exit_code(child) == -signal.SIGKILL
        for _, lines in children:
            with lines:
                log += read_log(lines)

    with closing(open_storage()) as storage:
        _, done = check(storage, log)
    assert len(done["gone"]) > 20
