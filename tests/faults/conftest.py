"""Every storage that outlives a process, with an application on it that is about to be killed."""

import pytest
from redis_server import RedisServer
from rig import REPORT, rig

OPEN = {
    # A small page cache: one that fills slowly looks like a leak in `test_flat_memory`.
    "sqlite": lambda folder: ("SqliteHuey", {"filename": str(folder / "huey.db"), "cache_mb": 1}),
    "file": lambda folder: ("FileHuey", {"path": str(folder / "queue")}),
}


@pytest.fixture(scope="session", autouse=True)
def fresh_report():
    REPORT.unlink(missing_ok=True)


ON_REDIS = {"redis": "RedisHuey", "priority-redis": "PriorityRedisHuey"}


@pytest.fixture
def lasting_server():
    """A Redis server that keeps what it has through a restart."""
    server = RedisServer("--appendonly", "yes")
    yield server
    server.end()


@pytest.fixture(params=[*OPEN, *ON_REDIS])
def faults(request, tmp_path):
    if request.param in ON_REDIS:
        url = request.getfixturevalue("lasting_server").url
        huey = (ON_REDIS[request.param], {"url": url})
    else:
        huey = OPEN[request.param](tmp_path)
    with rig(huey, tmp_path) as one:
        one.title = request.param
        yield one


@pytest.fixture(params=ON_REDIS)
def on_redis(request, lasting_server, tmp_path):
    with rig((ON_REDIS[request.param], {"url": lasting_server.url}), tmp_path) as one:
        one.title = request.param
        yield one
