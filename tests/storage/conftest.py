"""Every storage in turn, on a place of its own, and nothing of it left afterwards."""

import re
import threading
import time
from datetime import datetime, timedelta

import pytest

from huey.storage import (
    FileStorage,
    MemoryStorage,
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
    SqliteStorage,
)

NOON = datetime(2030, 6, 1, 12)

OPEN = {
    "memory": lambda folder: MemoryStorage("test"),
    "sqlite": lambda folder: SqliteStorage("test", folder / "huey.db"),
    "file": lambda folder: FileStorage("test", folder / "queue"),
    "file-thread-lock": lambda folder: FileStorage("test", folder / "queue", use_thread_lock=True),
}
ON_REDIS = {
    "redis": lambda url: RedisStorage("test", url=url),
    "redis-polling": lambda url: RedisStorage("test", url=url, blocking=False),
    "priority-redis": lambda url: PriorityRedisStorage("test", url=url),
    "redis-expire": lambda url: RedisExpireStorage("test", url=url),
    "priority-redis-expire": lambda url: PriorityRedisExpireStorage("test", url=url),
}


@pytest.fixture(
    params=[*OPEN, *(pytest.param(kind, marks=pytest.mark.server) for kind in ON_REDIS)]
)
def storage(request, tmp_path):
    threads = set(threading.enumerate())
    if request.param in ON_REDIS:
        storage = ON_REDIS[request.param](request.getfixturevalue("redis_server").url)
    else:
        storage = OPEN[request.param](tmp_path)

    yield storage

    storage.close()
    assert set(threading.enumerate()) - threads == set()
    assert left_behind(tmp_path) == []


def left_behind(folder):
    """Return what is not part of a queue at rest: sockets, slots, files half made."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    journals = [path for path in folder.rglob(".journal") if any(path.read_bytes()[:4])]
    return [*journals, *(path for path in paths if not re.fullmatch(AT_REST, path))]


AT_REST = r"huey\.db(\.live)?|queue|queue/\.(lock|order|journal|live|tmp)|queue/[a-z].*"


@pytest.fixture
def at():
    """Return the naive UTC time so many seconds after noon of a day."""
    return lambda seconds: NOON + timedelta(seconds=seconds)


@pytest.fixture
def pass_time(monkeypatch, request, storage):
    """Turn the clock on by so many seconds, the server's too."""
    real, passed = time.time, []
    monkeypatch.setattr(time, "time", lambda: real() + sum(passed))

    def pass_time(seconds):
        passed.append(seconds)
        if isinstance(storage, RedisStorage):
            request.getfixturevalue("redis_server").pass_time(seconds)

    return pass_time
