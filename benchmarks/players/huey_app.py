"""A Huey of whichever release is installed, its tasks, and consumers of it.

Ours, huey 3.5.4 and huey 2.5 are used by the names that all three document.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import bodies
from processes import end
from stage import Settings, fresh_place

import huey as release


def version() -> str:
    """Return the release that is installed."""
    for name in ("huey-jupyter", "huey"):
        with suppress(importlib.metadata.PackageNotFoundError):
            return f"{name} {importlib.metadata.version(name)}"
    return "huey"


def is_ours() -> bool:
    """Say whether the engine is the one of this project."""
    return version().startswith("huey-jupyter")


def open_huey(storage: str, place: str, url: str, **options: Any) -> Any:
    """Return a Huey.

    :param place: the folder in which it may keep files.
    :param url: of its Redis database.
    """
    if storage == "memory":
        return release.MemoryHuey("bench", **options)
    if storage == "sqlite":
        return release.SqliteHuey("bench", filename=os.path.join(place, "huey.db"), **options)
    if storage == "file":
        return release.FileHuey("bench", path=os.path.join(place, "queue"), **options)
    kind = "PriorityRedisHuey" if storage == "priority-redis" else "RedisHuey"
    return getattr(release, kind)("bench", url=url, **options)


def declare(huey: Any) -> SimpleNamespace:
    """Return the task functions."""
    functions = (bodies.add, bodies.tick, bodies.nap, bodies.mark, bodies.nap_and_mark)
    return SimpleNamespace(**{each.__name__: huey.task()(each) for each in functions})


def utc_now() -> datetime.datetime:
    """Return the time as storages have it: in UTC and naive."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class Stand:
    """A Huey in a fresh place, with its tasks.

    :param place: the folder.
    """

    def __init__(self, settings: Settings, place: str, **options: Any) -> None:
        self.settings = settings
        self.place = place
        self.options = options
        self.huey = open_huey(settings.storage, place, settings.url, **options)
        self.tasks = declare(self.huey)

    @contextmanager
    def consumer(self, workers: int = 4) -> Iterator[None]:
        """Run a consumer in this process, in threads."""
        consumer = self.huey.create_consumer(workers=workers)
        consumer.start()
        try:
            yield
        finally:
            consumer.stop(graceful=True)

    @contextmanager
    def consumer_outside(self, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Run a consumer in a process of its own.

        :param options: of the consumer.
        """
        said = [self.settings.storage, self.place, self.settings.url, self.options, options]
        process = subprocess.Popen([sys.executable, __file__, json.dumps(said)])
        try:
            yield process
        finally:
            end(process)


@contextmanager
def stand(settings: Settings, **options: Any) -> Iterator[Stand]:
    """Give a Huey with nothing on it; its place is gone when the block ends."""
    with fresh_place(settings) as place:
        one = Stand(settings, place, **options)
        yield one
        one.huey.storage.close()


def consume(said: str) -> None:
    """Run a consumer until a signal."""
    storage, place, url, options, consumer = json.loads(said)
    huey = open_huey(storage, place, url, **options)
    declare(huey)
    huey.create_consumer(**consumer).run()


if __name__ == "__main__":
    consume(sys.argv[1])
