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

_PEER = {
    **dict.fromkeys(
        ("latency", "idle", "enqueue", "drain", "drain-processes", "trips", "map"), (REDIS,)
    ),
    "import": (MEMORY,),
}

OURS, UPSTREAM, OLD, POOL, RAW = "ours", "huey-3.5.4", "huey-2.5", "pool", "raw"
RQ, DRAMATIQ, CELERY = "rq", "dramatiq", "celery"
PEERS = (RQ, DRAMATIQ, CELERY)

_CLIENT = "redis==8.1.0"  # the same for all

CONTENDERS = {
    one.name: one
    for one in (
        Contender(OURS, "ours", "play_huey.py", _OURS),
        Contender(UPSTREAM, "huey 3.5.4", "play_huey.py", _HUEY, ("huey==3.5.4", _CLIENT)),
        Contender(OLD, "huey 2.5.5", "play_huey.py", _HUEY, ("huey==2.5.5", _CLIENT)),
        Contender(POOL, "thread pool", "play_pool.py", _POOL),
        Contender(RAW, "limit", "play_raw.py", _RAW),
        Contender(RQ, "rq", "play_rq.py", _PEER, ("rq==3.0.0", _CLIENT)),
        Contender(
            DRAMATIQ, "dramatiq", "play_dramatiq.py", _PEER, ("dramatiq[redis]==2.2.1", _CLIENT)
        ),
        Contender(CELERY, "celery", "play_celery.py", _PEER, ("celery[redis]==5.7.0", _CLIENT)),
    )
}

USUAL = (OURS, UPSTREAM, POOL, RAW)
