"""Plays of the three hueys about rates: taking in, working off, both at once, on time."""

from __future__ import annotations

import datetime
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any

from bodies import COUNTDOWN, Marks
from huey_app import Stand, stand, utc_now
from stage import Figures, Settings, client, each_round, fresh_place, seconds_of, wait_until

WORKERS = 4


def fill(task: Any, count: int) -> float:
    """Call a task function so many times, one after the other; return the seconds."""

    def calls() -> None:
        for _ in range(count):
            task(1, 2)

    return seconds_of(calls)


@each_round
def enqueue(settings: Settings) -> Figures:
    """Enqueue by one thread, while nobody works."""
    with stand(settings) as one:
        return {"rate": settings.count / fill(one.tasks.add, settings.count)}


@each_round
def drain(settings: Settings) -> Figures:
    """Fill the queue, then start a consumer in this process."""
    with stand(settings) as one:
        fill(one.tasks.tick, settings.count)
        return {"rate": settings.count / seconds_to_drain(one, settings.count, WORKERS)}


def seconds_to_drain(one: Stand, count: int, workers: int) -> float:
    """Start a consumer in this process; return how long it takes until the last task runs."""
    COUNTDOWN.expect(count)
    began = time.perf_counter()
    with one.consumer(workers):
        COUNTDOWN.wait()
        return time.perf_counter() - began


@each_round
def drain_processes(settings: Settings) -> Figures:
    """Fill the queue, then start a consumer with two worker processes."""
    with stand(settings) as one:
        marks = Marks(one.place)
        fill(one.tasks.mark, settings.count)
        with one.consumer_outside(workers=2, worker_type="process"):
            return marks.rate(settings.count)


@each_round
def trips(settings: Settings) -> Figures:
    """Fill the queue; count how often the server reads while one worker drains it."""
    with stand(settings) as one:
        fill(one.tasks.tick, settings.count)
        server = client(settings)
        before = server.info("stats")["total_reads_processed"]
        seconds_to_drain(one, settings.count, 1)
        after = server.info("stats")["total_reads_processed"]
        return {"trips": (after - before - 1) / settings.count}


@each_round
def gather(settings: Settings) -> Figures:
    """Map a task function while a consumer in this process works, and get all results."""
    with stand(settings) as one, one.consumer(WORKERS):
        pairs = [(n, 1) for n in range(settings.count)]
        took = seconds_of(lambda: one.tasks.add.map(pairs).get(blocking=True))
        return {"rate": settings.count / took}


def due(settings: Settings) -> Iterator[Figures]:
    """Start a consumer when many tasks are due; wait until all of them are on the queue.

    The schedule is filled once and copied for each round. The only worker is held up by a task, so
    that what becomes due stays on the queue.
    """
    with fresh_place(settings) as place:
        template = os.path.join(place, "huey.db")
        filled = Stand(settings, place)
        _schedule(filled, settings.count)
        with sqlite3.connect(template) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        while True:
            with fresh_place(settings) as copy:
                shutil.copy(template, copy)
                yield {"rate": settings.count / _seconds_until_queued(settings, copy)}


def _schedule(one: Stand, count: int) -> None:
    moment = utc_now() - datetime.timedelta(hours=1)
    storage, serialize = one.huey.storage, one.huey.serialize_task
    for _ in range(count):
        storage.add_to_schedule(serialize(one.tasks.add.s(1, 2)), moment)


def _seconds_until_queued(settings: Settings, place: str) -> float:
    one = Stand(settings, place)
    gate, busy = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        gate.wait()

    one.huey.task()(hold)()
    consumer = one.huey.create_consumer(workers=1)
    began = time.perf_counter()
    consumer.start()
    try:
        busy.wait()
        wait_until(lambda: one.huey.storage.queue_size() >= settings.count, 0.02)
        return time.perf_counter() - began
    finally:
        threading.Timer(0.2, gate.set).start()
        consumer.stop(graceful=True)
