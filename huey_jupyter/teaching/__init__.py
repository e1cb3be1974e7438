"""What the course needs beside the queue itself: checks, hints and work to watch.

Everything here drives the real queue; nothing is simulated.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from huey_jupyter.teaching.checking import check, hint
    from huey_jupyter.teaching.consumers import Consumers
    from huey_jupyter.teaching.labour import work
    from huey_jupyter.teaching.line import Line
    from huey_jupyter.teaching.week import Week

__all__ = ["Consumers", "Line", "Week", "check", "hint", "work"]

_HOMES: Final = {
    "check": "checking",
    "hint": "checking",
    "work": "labour",
    "Consumers": "consumers",
    "Line": "line",
    "Week": "week",
}


def __getattr__(name: str) -> Any:
    """Import a tool when it is asked for: a notebook that is no lesson needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
