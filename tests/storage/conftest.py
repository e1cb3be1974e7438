"""Every storage in turn, on a place of its own, and nothing of it left afterwards."""

import threading
import time
from datetime import datetime, timedelta

import pytest

from huey.storage import MemoryStorage, SqliteStorage

NOON = datetime(2030, 6, 1, 12)

OPEN = {
    "memory": lambda folder: MemoryStorage("test"),
    "sqlite": lambda folder: SqliteStorage("test", folder / "huey.db"),
}


@pytest.fixture(params=OPEN)
def storage(request, tmp_path):
    threads = set(threading.enumerate())
    storage = OPEN[request.param](tmp_path)

    yield storage

    storage.close()
    assert set(threading.enumerate()) - threads == set()
    assert [path.name for path in tmp_path.rglob("*") if path.name not in KEPT] == []


KEPT = ("huey.db", "huey.db.live")


@pytest.fixture
def at():
    """Return the naive UTC time so many seconds after noon of a day."""
    return lambda seconds: NOON + timedelta(seconds=seconds)


@pytest.fixture
def pass_time(monkeypatch):
    """Turn the clock on by so many seconds."""
    real, passed = time.time, []
    monkeypatch.setattr(time, "time", lambda: real() + sum(passed))
    return passed.append
