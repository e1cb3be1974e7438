"""Who takes part, what is installed for each, and what each can play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MEMORY, SQLITE, REDIS = "memory", "sqlite", "redis"
PRIORITY_REDIS, FILE = "priority-redis", "file"
EVERYWHERE = (MEMORY, SQLITE, REDIS)


class Contender(NamedTuple):
    """One who takes part.

    :param name: as the command line has it.
    :param label: as tables and plots have it.
    :param player: the script that plays, in `players`.
    :param plays: by workload the storages on which it can play.
    :param requirements: what is installed from the registry into its environment; without any it
        runs in ``.venv``, from the source tree.
    """

    name: str
    label: str
    player: str
    plays: Mapping[str, tuple[str, ...]]
    requirements: tuple[str, ...] = ()


_HUEY = {
    "latency": EVERYWHERE,
    "idle": EVERYWHERE,
    "enqueue": EVERYWHERE,
    "drain": EVERYWHERE,
    "drain-processes": (SQLITE, REDIS),
    "trips": (REDIS,),
    "map": EVERYWHERE,
    "due": (SQLITE,),
    "import": (MEMORY,),
    "memory": EVERYWHERE,
    "workers": EVERYWHERE,
}

_OURS = {
    **_HUEY,
    "events": (*EVERYWHERE, FILE),
    "scale": (*EVERYWHERE, PRIORITY_REDIS, FILE),
}

_POOL = dict.fromkeys(
    ("latency", "idle", "enqueue", "drain", "map", "import", "memory", "workers"), (MEMORY,)
)

_RAW = {
    **dict.fromkeys(("latency", "enqueue", "drain", "map", "memory"), EVERYWHERE),
    "drain-processes": (SQLITE, REDIS),
    "trips": (REDIS,),
    "due": (SQLITE,),
}

OURS, UPSTREAM, OLD, POOL, RAW = "ours", "huey-3.5.4", "huey-2.5", "pool", "raw"

CONTENDERS = {
    one.name: one
    for one in (
        Contender(OURS, "ours", "play_huey.py", _OURS),
        Contender(UPSTREAM, "huey 3.5.4", "play_huey.py", _HUEY, ("huey==3.5.4", "redis==8.1.0")),
        Contender(OLD, "huey 2.5.5", "play_huey.py", _HUEY, ("huey==2.5.5", "redis==8.1.0")),
        Contender(POOL, "thread pool", "play_pool.py", _POOL),
        Contender(RAW, "limit", "play_raw.py", _RAW),
    )
}

USUAL = (OURS, UPSTREAM, POOL, RAW)
