"""Where a task can be, and how each kind of ending is called."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a task is; each with a shape and a word, so that no colour is needed to tell."""

    queued = "queued"
    scheduled = "scheduled"
    running = "running"
    stopping = "stopping"
    retry = "retry"
    done = "done"
    failed = "failed"
    canceled = "canceled"
    expired = "expired"
    locked = "locked"
    lost = "lost"

    __hash__ = str.__hash__  # an enumeration's own is slow, and states are counted with each event

    @property
    def shape(self) -> str:
        return SHAPES[self]

    @property
    def word(self) -> str:
        return "cancelled" if self is State.canceled else self.value

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


SHAPES: Final = dict(zip(State, "○◷●◌↻✓✗⊘⌛⊡?", strict=True))
TERMINAL: Final = frozenset(
    {State.done, State.failed, State.canceled, State.expired, State.locked, State.lost}
)
FAILURES: Final = frozenset({State.failed, State.lost, State.expired, State.locked})
# How a group counts its tasks: what went wrong first.
FAILURES_FIRST: Final = (
    *(State.failed, State.lost, State.expired, State.locked, State.canceled, State.done),
    *(State.running, State.stopping, State.retry, State.queued, State.scheduled),
)

# Events that end a task: the state they lead to, and what is said when they say nothing.
ENDINGS: Final = {
    "canceled": (State.canceled, ""),
    "revoked": (State.canceled, ""),
    "expired": (State.expired, ""),
    "locked": (State.locked, ""),
    "lost": (State.lost, ""),
    "rate_limited": (State.locked, "over its rate limit"),
    "timeout": (State.failed, "timed out"),
}
