"""Where a Huey keeps its queue, its schedule, its values and its events."""

from huey.storage.base import Aside, BaseStorage, Batch, Claim, Join
from huey.storage.blackhole import BlackHoleStorage
from huey.storage.file import FileStorage
from huey.storage.memory import MemoryStorage
from huey.storage.sqlite import SqliteStorage

__all__ = [
    "Aside",
    "BaseStorage",
    "Batch",
    "BlackHoleStorage",
    "Claim",
    "FileStorage",
    "Join",
    "MemoryStorage",
    "SqliteStorage",
]
