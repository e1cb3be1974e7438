"""The kinds of Huey that tests run on, one line each."""

from functools import partial

import pytest

from huey import (
    FileHuey,
    MemoryHuey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    SqliteHuey,
)

IN_FOLDER = {
    "memory": lambda folder, **options: MemoryHuey("test", **options),
    "sqlite": lambda folder, **options: SqliteHuey("test", filename=folder / "huey.db", **options),
    "file": lambda folder, **options: FileHuey("test", path=folder / "queue", **options),
}
ON_REDIS = {
    "redis": RedisHuey,
    "priority-redis": PriorityRedisHuey,
    "redis-expire": RedisExpireHuey,
    "priority-redis-expire": PriorityRedisExpireHuey,
}


def kinds(*left_out):
    """Return the kinds as parameters of tests; those that need a server are marked so."""
    names = [name for name in (*IN_FOLDER, *ON_REDIS) if name not in left_out]
    return [
        pytest.param(name, marks=pytest.mark.server if name in ON_REDIS else ()) for name in names
    ]


def maker(kind, folder, url, name="test"):
    """Return a function that makes a Huey of a kind with options.

    :param folder: its place; two folders are two places.
    :param url: a function that returns the address of a Redis server.
    :param name: the queue's name there; two names are two places.
    """
    if kind in ON_REDIS:
        return partial(ON_REDIS[kind], name, url=url())
    return partial(IN_FOLDER[kind], folder)
