"""Where a Huey keeps its queue, its schedule, its values and its events."""

from typing import TYPE_CHECKING, Any

from huey.storage.base import Aside, BaseStorage, Batch, Claim, Found, Join
from huey.storage.blackhole import BlackHoleStorage
from huey.storage.file import FileStorage
from huey.storage.memory import MemoryStorage
from huey.storage.sqlite import SqliteStorage

if TYPE_CHECKING:
    from huey.storage.redis import (
        PriorityRedisExpireStorage,
        PriorityRedisStorage,
        RedisExpireStorage,
        RedisStorage,
    )

__all__ = [
    "Aside",
    "BaseStorage",
    "Batch",
    "BlackHoleStorage",
    "Claim",
    "FileStorage",
    "Found",
    "Join",
    "MemoryStorage",
    "PriorityRedisExpireStorage",
    "PriorityRedisStorage",
    "RedisExpireStorage",
    "RedisStorage",
    "SqliteStorage",
]


def __getattr__(name: str) -> Any:
    """Import the storages on Redis when they are asked for, and redis-py with them."""
    if name.endswith(("RedisStorage", "RedisExpireStorage")):
        from huey.storage import redis

        return getattr(redis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
