"""Plays the workloads with dramatiq, its results kept on the same database."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any

from peers import Peer, acts_of
from stage import PATIENCE, perform

MILLISECONDS = int(1000 * PATIENCE)


class Dramatiq(Peer):
    """The actors of `dramatiq_app`."""

    def __init__(self, url: str) -> None:
        self._actors = importlib.import_module("dramatiq_app").ACTORS

    def send(self, body: str) -> Any:
        return self._actors[body].send(1, 2)

    def get(self, sent: Any) -> Any:
        return sent.get_result(block=True, timeout=MILLISECONDS)

    def map(self, pairs: Sequence[tuple[int, int]]) -> Any:
        from dramatiq import group

        messages = [self._actors["add"].message(*pair) for pair in pairs]
        return group(messages).run().get_results(block=True, timeout=MILLISECONDS)

    def threads(self, count: int) -> list[str]:
        return ["dramatiq", "dramatiq_app", "-p", "1", "-t", str(count), "--skip-logging"]

    def processes(self, count: int) -> list[str]:
        return ["dramatiq", "dramatiq_app", "-p", str(count), "-t", "1", "--skip-logging"]


if __name__ == "__main__":
    perform(acts_of(Dramatiq, "dramatiq"), f"dramatiq {importlib.metadata.version('dramatiq')}")
