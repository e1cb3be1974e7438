"""The tries of tasks, as data: when each began, how it ended, how long nothing happened after it.

Times are epoch seconds. Nothing here knows a kernel, a clock or a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from huey_jupyter.fields import number, one_line
from huey_jupyter.states import ENDINGS, State

INTERRUPTED: Final = "interrupted"
ENDS_OF_A_TRY: Final = {
    **{kind: state for kind, (state, _) in ENDINGS.items()},
    "complete": State.done,
    "error": State.failed,
    INTERRUPTED: State.stopping,
}
WORDS: Final = {INTERRUPTED: "interrupted", "timeout": "timed out"}
ASKS: Final = "RetryTask"  # how the error begins of a task that asks for another try


@dataclass
class Try:
    """One run of a task.

    :param number: from 1.
    :param kind: of the event that ended it; empty while it runs.
    :param why: what went wrong, in a line.
    :param due: when the next one may begin, if there is one.
    """

    number: int
    start: float
    worker: str = ""
    end: float | None = None
    kind: str = ""
    why: str = ""
    due: float | None = None

    @property
    def asks(self) -> bool:
        """Whether the task asked for another try itself."""
        return self.kind == "error" and self.why.startswith(ASKS)

    @property
    def state(self) -> State:
        if not self.kind:
            return State.running
        return State.retry if self.asks else ENDS_OF_A_TRY[self.kind]

    @property
    def word(self) -> str:
        """How it ended, in a word or two."""
        return "asks again" if self.asks else WORDS.get(self.kind, self.state.word)

    @property
    def pause(self) -> float | None:
        """Seconds from its end until the next one may begin; None if there is none."""
        if self.end is None or self.due is None:
            return None
        return max(0.0, self.due - self.end)


class End(NamedTuple):
    """When and how a task ended for good."""

    at: float
    state: State


@dataclass
class Course:
    """All tries of one task.

    :param title: the call, for people.
    :param handed: when it was handed over.
    """

    title: str
    handed: float | None = None
    tries: list[Try] = field(default_factory=list)
    end: End | None = None

    @property
    def pauses(self) -> list[float]:
        """Seconds between the tries, as the queue was told to wait."""
        return [one.pause for one in self.tries if one.pause is not None]

    @property
    def state(self) -> State:
        """How it stands with the task."""
        if self.end is not None:
            return self.end.state
        if not self.tries:
            return State.queued
        last = self.tries[-1]
        return last.state if not last.kind else State.retry

    def fold(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the task."""
        kind, at = event.get("kind"), number(event.get("at"))
        if at is None:
            return
        if kind == "enqueued" and self.handed is None:
            self.handed = at
        elif kind == "executing":
            worker = one_line(event.get("worker"), 40)
            self.tries.append(Try(len(self.tries) + 1, at, worker))
            self.end = None
        elif kind == "retrying" and self.tries:
            self.tries[-1].due = number(event.get("eta"))
        elif kind in ENDS_OF_A_TRY:
            self._ended(str(kind), at, event)

    def _ended(self, kind: str, at: float, event: Mapping[str, Any]) -> None:
        last = self.tries[-1] if self.tries else None
        if last is not None and last.end is None:
            last.end, last.kind = at, kind
            last.why = one_line(event.get("error"), 200)
        if kind != INTERRUPTED and not event.get("again"):
            self.end = End(at, ENDS_OF_A_TRY[kind])
        elif kind == INTERRUPTED and last is not None:
            last.due = at  # it is the next in the queue
