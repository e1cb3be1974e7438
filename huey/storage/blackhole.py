"""A storage that keeps nothing, for tests."""

from __future__ import annotations

import datetime
from contextlib import AbstractContextManager
from typing import Any

from huey.constants import EmptyData
from huey.storage.base import NOTHING, Aside, BaseStorage, Batch, Claim, Ended, Waiter, never
from huey.storage.wake import Bell

_ALL = ""  # the key that everybody waits for


class BlackHoleStorage(BaseStorage):
    """Discard everything; always empty.

    Who waits for something waits until the time is over, or is woken with nothing.
    """

    def __init__(self, name: str = "huey", **storage_kwargs: Any) -> None:
        super().__init__(name, **storage_kwargs)
        self._claims, self._readers = Bell(), Bell()

    def enqueue(self, data: Any, priority: float | None = None) -> None:
        pass

    def dequeue(self) -> Any:
        return None

    def queue_size(self) -> int:
        return 0

    def enqueued_items(self, limit: int | None = None) -> list[Any]:
        return []

    def flush_queue(self) -> None:
        pass

    def add_to_schedule(self, data: Any, timestamp: datetime.datetime) -> None:
        pass

    def read_schedule(self, timestamp: datetime.datetime) -> list[Any]:
        return []

    def schedule_size(self) -> int:
        return 0

    def scheduled_items(self, limit: int | None = None) -> list[Any]:
        return []

    def flush_schedule(self) -> None:
        pass

    def put_data(self, key: str, value: Any) -> None:
        pass

    def peek_data(self, key: str) -> Any:
        return EmptyData

    def pop_data(self, key: str) -> Any:
        return EmptyData

    def put_if_empty(self, key: str, value: Any, ttl: float | None = None) -> bool:
        return True

    def has_data_for_key(self, key: str) -> bool:
        return False

    def result_store_size(self) -> int:
        return 0

    def result_items(self) -> dict[str, Any]:
        return {}

    def flush_results(self) -> None:
        pass

    def write(self, batch: Batch) -> None:
        pass

    def claim(self, slot: str, timeout: float = 0, ended: Ended = never) -> Claim | None:
        with self._claims.waiting(_ALL) as waiter:
            if not ended():
                waiter.wait(timeout)
        return None

    def finish(self, slot: str, claim: Claim, batch: Batch = NOTHING) -> bool:
        return False

    def release(self, slot: str, claim: Claim) -> None:
        pass

    def wake_claims(self) -> None:
        self._claims.ring_all()

    def waiting_for_message(self) -> AbstractContextManager[Waiter]:
        return self._claims.waiting(_ALL)

    def put_aside(self, message: Aside) -> None:
        pass

    def read_events(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, Any]]:
        with self._readers.waiting(_ALL) as waiter:
            waiter.wait(timeout or 0)
        return []

    def wake_readers(self) -> None:
        self._readers.ring_all()
