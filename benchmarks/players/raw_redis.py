"""The limit on Redis: the bytes that our messages are, through a client of redis-py.

A task is two round trips, a blocking pop and a write of the result, so a killed worker loses the
task that it has. A caller who waits is woken by a pop of its own. For `map` all messages go in one
command, and come back as the results of one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from bodies import Marks, add, mark
from forks import Fork
from sample import ARGUMENTS, MESSAGE, RESULT
from stage import Figures, Settings, client, each_round, fresh_place, seconds_of
from stage import latency as latency_of
from weights import weigh

QUEUE, RESULTS, BACK = "queue", "results", "back"


def fill(server: Any, count: int) -> None:
    """Enqueue one message after the other."""
    for _ in range(count):
        server.lpush(QUEUE, MESSAGE)


def fill_at_once(server: Any, count: int) -> None:
    """Enqueue in one command."""
    server.lpush(QUEUE, *[MESSAGE] * count)


def work(server: Any, name: int) -> bool:
    """Run one task; False if there is none."""
    if server.brpop(QUEUE, timeout=0.01) is None:
        return False
    add(*ARGUMENTS)
    server.hset(RESULTS, name, RESULT)
    return True


@each_round
def latency(settings: Settings) -> Figures:
    """Push, and pop the result, which another process pushes."""

    def answer(fork: Fork) -> None:
        mine = client(settings)
        while mine.brpop(QUEUE)[1] == MESSAGE:
            add(*ARGUMENTS)
            mine.lpush(BACK, RESULT)

    def call(server: Any) -> None:
        server.lpush(QUEUE, MESSAGE)
        server.brpop(BACK)

    with fresh_place(settings), Fork(answer):
        server = client(settings)
        call(server)
        found = latency_of(partial(call, server), settings.count)
        server.lpush(QUEUE, b"")
    return found


@each_round
def enqueue(settings: Settings) -> Figures:
    with fresh_place(settings):
        server = client(settings)
        return {"rate": settings.count / seconds_of(lambda: fill(server, settings.count))}


@each_round
def drain(settings: Settings) -> Figures:
    """Run the tasks one by one, in one thread."""
    with fresh_place(settings):
        server = client(settings)
        fill_at_once(server, settings.count)
        return {"rate": settings.count / seconds_of(lambda: work_off(server, settings.count))}


def work_off(server: Any, count: int) -> None:
    """Run so many tasks."""
    for name in range(count):
        assert work(server, name)


@each_round
def drain_processes(settings: Settings) -> Figures:
    """Run the tasks in two processes."""
    with fresh_place(settings) as place:
        marks = Marks(place)
        fill_at_once(client(settings), settings.count)

        def answer(fork: Fork) -> None:
            mine, name = client(settings), 0
            fork.hear()
            while work(mine, name):
                mark(*ARGUMENTS)
                name += 1

        with Fork(answer) as one, Fork(answer) as other:
            one.tell()
            other.tell()
            return marks.rate(settings.count)


@each_round
def trips(settings: Settings) -> Figures:
    """Count how often the server reads while one worker drains the queue."""
    with fresh_place(settings):
        server = client(settings)
        fill_at_once(server, settings.count)
        before = server.info("stats")["total_reads_processed"]
        work_off(server, settings.count)
        after = server.info("stats")["total_reads_processed"]
        return {"trips": (after - before - 1) / settings.count}


@each_round
def gather(settings: Settings) -> Figures:
    """Push all in one command, pop them in large pieces, write and read all results in one."""
    with fresh_place(settings):
        server = client(settings)

        def whole() -> list[Any]:
            fill_at_once(server, settings.count)
            names = range(len(server.rpop(QUEUE, settings.count)))
            server.hset(RESULTS, mapping={name: add(*ARGUMENTS) and RESULT for name in names})
            return server.hmget(RESULTS, list(names))

        return {"rate": settings.count / seconds_of(whole)}


@each_round
def memory(settings: Settings) -> Figures:
    """Weigh entries of a list."""
    return weigh(settings, lambda _, count: fill_at_once(client(settings), count))


ACTS = {
    "latency": latency,
    "enqueue": enqueue,
    "drain": drain,
    "drain-processes": drain_processes,
    "trips": trips,
    "map": gather,
    "memory": memory,
}
