"""Where a Huey keeps its queue, its schedule, its values and its events."""

from typing import TYPE_CHECKING, Any

from huey.storage.base import Aside, BaseStorage, Batch, Claim, Found, Join
from huey.storage.blackhole import BlackHoleStorage
from huey.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from huey.storage.file import FileStorage
    from huey.storage.redis import (
        PriorityRedisExpireStorage,
        PriorityRedisStorage,
        RedisExpireStorage,
        RedisStorage,
    )
    from huey.storage.sqlite import SqliteStorage

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
    """Import a storage when it is asked for, and with it sqlite3, OpenSSL or redis-py."""
    if name == "SqliteStorage":
        from huey.storage import sqlite

        return sqlite.SqliteStorage
    if name == "FileStorage":
        from huey.storage import file

        return file.FileStorage
    if name.endswith(("RedisStorage", "RedisExpireStorage")):
        from huey.storage import redis

        return getattr(redis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
