"""Plays the workloads without a queue: what the machine and the clients allow at best."""

from __future__ import annotations

import platform

import raw_memory
import raw_redis
import raw_sqlite
from stage import Act, Settings, perform

STORAGES = {"memory": raw_memory, "sqlite": raw_sqlite, "redis": raw_redis}


def _of_storage(workload: str) -> Act:
    """Return the act that plays a workload on the storage that the settings name."""

    def act(settings: Settings):  # type: ignore[no-untyped-def]
        return STORAGES[settings.storage].ACTS[workload](settings)

    return act


WORKLOADS = {name for storage in STORAGES.values() for name in storage.ACTS}

if __name__ == "__main__":
    perform({name: _of_storage(name) for name in WORKLOADS}, f"Python {platform.python_version()}")
