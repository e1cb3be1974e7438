"""Plays the workloads with rq.

Its workers have one thread each. Instead of threads there are as many of its `SimpleWorker`, which
runs a job in its own process; the usual worker forks for each job and is many times slower.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import bodies
from peers import Peer, acts_of
from redis import Redis
from rq import Queue
from stage import PATIENCE, perform

SIMPLE = ("-w", "rq.worker.SimpleWorker", "-q")


class Rq(Peer):
    """One queue of rq."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue = Queue("bench", connection=Redis.from_url(url))

    def send(self, body: str) -> Any:
        return self._queue.enqueue(getattr(bodies, body), 1, 2)

    def get(self, sent: Any) -> Any:
        return sent.latest_result(timeout=int(PATIENCE)).return_value

    def map(self, pairs: Sequence[tuple[int, int]]) -> Any:
        prepared = [Queue.prepare_data(bodies.add, args=pair) for pair in pairs]
        return [self.get(job) for job in self._queue.enqueue_many(prepared)]

    def threads(self, count: int) -> list[str]:
        return self.processes(count)

    def processes(self, count: int) -> list[str]:
        if count == 1:
            return ["rq.cli", "worker", "-u", self._url, *SIMPLE, "bench"]
        return ["rq.cli", "worker-pool", "-u", self._url, "-n", str(count), *SIMPLE, "bench"]


if __name__ == "__main__":
    perform(acts_of(Rq, "rq"), f"rq {importlib.metadata.version('rq')}")
