"""Plays the workloads with celery, its results kept on the same database.

Its workers do not talk with each other here (``--without-gossip`` and the like), and acknowledge
a message when they take it, which is what celery does unless told otherwise.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any

from peers import Peer, acts_of
from stage import PATIENCE, perform

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR")


class Celery(Peer):
    """The tasks of `celery_app`."""

    def __init__(self, url: str) -> None:
        self._tasks = importlib.import_module("celery_app").TASKS

    def send(self, body: str) -> Any:
        return self._tasks[body].delay(1, 2)

    def get(self, sent: Any) -> Any:
        return sent.get(timeout=PATIENCE)

    def map(self, pairs: Sequence[tuple[int, int]]) -> Any:
        from celery import group

        whole = group(self._tasks["add"].s(*pair) for pair in pairs)
        return whole.apply_async().get(timeout=PATIENCE)

    def threads(self, count: int) -> list[str]:
        return self._worker("threads", count)

    def processes(self, count: int) -> list[str]:
        return self._worker("prefork", count)

    def _worker(self, pool: str, count: int) -> list[str]:
        command = ["celery", "-A", "celery_app", "worker", *QUIET]
        return [*command, "-P", pool, "-c", str(count)]


if __name__ == "__main__":
    perform(acts_of(Celery, "celery:Celery"), f"celery {importlib.metadata.version('celery')}")
