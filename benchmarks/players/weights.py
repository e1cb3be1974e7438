"""How many bytes a waiting task takes, in memory, in a file, on a server."""

from __future__ import annotations

import gc
import os
import sqlite3
import struct
from collections.abc import Callable
from typing import Any

from clocks import resident
from stage import Figures, Settings, client, fresh_place

Fill = Callable[[str, int], Any]
"""Enqueues so many tasks in a place, and returns what keeps them alive."""

WARM = 1000  # tasks before those that are weighed, so that tables and caches are there


def weigh(settings: Settings, fill: Fill) -> Figures:
    """Return the bytes that a waiting task takes on the storage of the settings."""
    with fresh_place(settings) as place:
        weigh_one = {"memory": _in_memory, "sqlite": _in_sqlite, "redis": _on_redis}
        weight = weigh_one[settings.storage](settings, place, fill)
    return {"bytes": weight / settings.count}


def _in_memory(settings: Settings, place: str, fill: Fill) -> float:
    """Weigh in a fork: memory that was used once is not given back."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        kept = [fill(place, WARM)]
        gc.collect()
        before = resident()
        kept.append(fill(place, settings.count))
        gc.collect()
        os.write(theirs, struct.pack("d", resident() - before))
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    (weight,) = struct.unpack("d", os.read(ours, 8))
    os.close(ours)
    return float(weight)


def _in_sqlite(settings: Settings, place: str, fill: Fill) -> float:
    fill(place, WARM)
    before = _file_size(place)
    fill(place, settings.count)
    return _file_size(place) - before


def _file_size(place: str) -> int:
    (path,) = (entry.path for entry in os.scandir(place) if entry.name.endswith(".db"))
    file = sqlite3.connect(path)
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    file.close()
    return os.path.getsize(path)


def _on_redis(settings: Settings, place: str, fill: Fill) -> float:
    server = client(settings)
    fill(place, WARM)
    before = server.info("memory")["used_memory_dataset"]
    fill(place, settings.count)
    return float(server.info("memory")["used_memory_dataset"] - before)
