"""A consumer and its worker processes, as a notebook knows them that has started them."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import Final

from huey_jupyter.outside import Outside

try:
    import resource
except ImportError:  # not on Windows, nor in a browser
    resource = None  # type: ignore[assignment]

CAN_LIMIT: Final = hasattr(resource, "prlimit")  # what other processes may write
DIED: Final = "died of its task"


@dataclass(eq=False)
class Worker:
    """A worker process of a consumer; `how` says what ended it."""

    pid: int
    born: float
    died: float | None = None
    how: str = ""

    @property
    def was_killed(self) -> bool:
        """Whether it did not end by itself."""
        return self.how.startswith(("killed", DIED))


@dataclass(eq=False)
class Consumer:
    """A consumer: a process, and those that it has started."""

    number: int
    outside: Outside
    pid: int
    born: float
    died: float | None = None
    how: str = ""
    asked: str = ""  # the signal that it got last
    workers: dict[int, Worker] = field(default_factory=dict)

    @property
    def alive(self) -> list[Worker]:
        """Its worker processes that live."""
        return [one for one in self.workers.values() if one.died is None]


def ending(asked: str) -> str:
    """Return how a process has ended whose consumer got a signal, or none."""
    if asked == "SIGKILL":
        return f"killed by {asked}"
    return f"ended after {asked}" if asked else "ended"


def session_of(pid: int) -> int:
    """Return the process that began the session of another; 0 if that one is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        return os.getsid(pid)
    return 0


def limits(pid: int, new: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return how large files a process may write, softly and at most; set it if told to."""
    which = resource.RLIMIT_FSIZE
    if new is None:
        return resource.prlimit(pid, which)
    return resource.prlimit(pid, which, new)
