"""What the course needs beside the queue itself: checks, hints and work to watch.

Everything here drives the real queue; nothing is simulated.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from huey_jupyter.teaching.agenda import Agenda
    from huey_jupyter.teaching.checking import check, hint
    from huey_jupyter.teaching.consumers import Consumers
    from huey_jupyter.teaching.labour import work
    from huey_jupyter.teaching.ladder import Ladder
    from huey_jupyter.teaching.lanes import Lanes
    from huey_jupyter.teaching.line import Line
    from huey_jupyter.teaching.machines import Machines
    from huey_jupyter.teaching.pipes import Pipes
    from huey_jupyter.teaching.promises import Promises
    from huey_jupyter.teaching.server import redis_server
    from huey_jupyter.teaching.service import Service
    from huey_jupyter.teaching.trace import Trace
    from huey_jupyter.teaching.triage import Triage
    from huey_jupyter.teaching.week import Week

__all__ = [
    "Agenda",
    "Consumers",
    "Ladder",
    "Lanes",
    "Line",
    "Machines",
    "Pipes",
    "Promises",
    "Service",
    "Trace",
    "Triage",
    "Week",
    "check",
    "hint",
    "redis_server",
    "work",
]

_HOMES: Final = {
    "check": "checking",
    "hint": "checking",
    "redis_server": "server",
    "work": "labour",
    "Agenda": "agenda",
    "Consumers": "consumers",
    "Ladder": "ladder",
    "Lanes": "lanes",
    "Line": "line",
    "Machines": "machines",
    "Pipes": "pipes",
    "Promises": "promises",
    "Service": "service",
    "Trace": "trace",
    "Triage": "triage",
    "Week": "week",
}


def __getattr__(name: str) -> Any:
    """Import a tool when it is asked for: a notebook that is no lesson needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
