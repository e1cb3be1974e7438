"""The limit in memory: messages are tuples with an id of their own, the queue is a deque.

A task is popped and called, its result goes into a dict under its id. A caller who waits and the
worker wake each other with a lock each. Nothing is pickled, nothing is counted, nobody is protected
from a task that fails.
"""

from __future__ import annotations

import threading
from collections import deque
from random import getrandbits
from typing import Any

from bodies import add
from stage import Figures, Settings, each_round, seconds_of
from stage import latency as latency_of
from weights import weigh

Message = tuple[str, Any, tuple[int, int]]


def message(a: int = 1, b: int = 2) -> Message:
    """Return a task as it waits: an id, a function, its arguments."""
    return (f"{getrandbits(128):032x}", add, (a, b))


@each_round
def latency(settings: Settings) -> Figures:
    """Hand one message to a thread and wait; a lock wakes each side."""
    ring, back = threading.Lock(), threading.Lock()
    ring.acquire()
    back.acquire()
    queue: deque[Message] = deque()
    results: dict[str, int] = {}

    def work() -> None:
        while True:
            ring.acquire()
            if not queue:
                return
            name, func, args = queue.popleft()
            results[name] = func(*args)
            back.release()

    def call() -> int:
        one = message()
        queue.append(one)
        ring.release()
        back.acquire()
        return results.pop(one[0])

    thread = threading.Thread(target=work)
    thread.start()
    call()
    found = latency_of(call, settings.count)
    ring.release()
    thread.join()
    return found


@each_round
def enqueue(settings: Settings) -> Figures:
    """Append messages to a deque."""
    queue: deque[Message] = deque()

    def fill() -> None:
        for _ in range(settings.count):
            queue.append(message())

    return {"rate": settings.count / seconds_of(fill)}


@each_round
def drain(settings: Settings) -> Figures:
    """Pop, call and keep the result, in one thread: four would only be in each other's way."""
    queue = deque(message() for _ in range(settings.count))
    results: dict[str, int] = {}
    return {"rate": settings.count / seconds_of(lambda: work_off(queue, results))}


def work_off(queue: deque[Message], results: dict[str, int]) -> None:
    """Run what is on the queue."""
    while queue:
        name, func, args = queue.popleft()
        results[name] = func(*args)


@each_round
def gather(settings: Settings) -> Figures:
    """Make all messages, run them, read all results."""
    queue: deque[Message] = deque()
    results: dict[str, int] = {}

    def whole() -> list[int]:
        queue.extend(message(n, 1) for n in range(settings.count))
        names = [one[0] for one in queue]
        work_off(queue, results)
        return [results.pop(name) for name in names]

    return {"rate": settings.count / seconds_of(whole)}


@each_round
def memory(settings: Settings) -> Figures:
    """Weigh messages."""
    return weigh(settings, lambda _, count: deque(message() for _ in range(count)))


ACTS = {
    "latency": latency,
    "enqueue": enqueue,
    "drain": drain,
    "map": gather,
    "memory": memory,
}
