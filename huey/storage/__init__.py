"""Where a Huey keeps its queue, its schedule, its values and its events."""

from huey.storage.base import BaseStorage, Batch, Claim
from huey.storage.memory import MemoryStorage
from huey.storage.sqlite import SqliteStorage

__all__ = ["BaseStorage", "Batch", "Claim", "MemoryStorage", "SqliteStorage"]
