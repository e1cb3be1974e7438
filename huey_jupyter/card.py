"""One task as the notebook knows it: its state, and the fold of its events.

Data only: no kernel, no HTML, no clock, no lock. Whoever folds and whoever renders share a lock of
their own. An event is a dict from anywhere: what is missing in it, or of another type, is passed
over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from huey_jupyter.fields import number, one_line
from huey_jupyter.log import Bundle, Log
from huey_jupyter.pace import Pace
from huey_jupyter.states import ENDINGS, State

Event: TypeAlias = Mapping[str, Any]


@dataclass(eq=False)
class Card:
    """One task as its events tell it.

    Set from outside: `prompt`, `note`, `place` in the queue, `hint` (what stands in its way now and
    what helps) and `unbound` (names that it made and that the notebook has kept its own of).
    `carries` says what travels along with it, when that is much. `deaths` is how many workers have
    died with it in hand, and `died` says who was the last; `put_back` is how often one that was
    stopped has given it back.
    """

    id: str
    name: str = ""
    label: str = ""
    args: str = ""
    group: str | None = None
    prompt: str = ""
    note: str = ""
    hint: str = ""
    place: int | None = None
    carries: str = ""
    unbound: tuple[str, ...] = ()
    state: State = State.queued
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    eta: float | None = None
    asked: float | None = None
    updated: float = 0.0
    waited: float | None = None
    duration: float | None = None
    worker: str = ""
    pid: int | None = None
    deaths: int = 0
    died: str = ""
    put_back: int = 0
    attempt: int = 0
    max_tries: int = 1
    done: float = 0
    total: float | None = None
    message: str = ""
    pace: Pace = field(default_factory=Pace, repr=False)
    last_output_at: float | None = None
    error: str = ""
    traceback: str = ""
    value: Bundle | None = None
    log: Log = field(default_factory=Log, repr=False)

    @property
    def short(self) -> str:
        """The beginning of the id, for people."""
        return self.id[:4]

    @property
    def function(self) -> str:
        """The last part of the name, or the label where there is one."""
        return self.label or self.name.rpartition(".")[2] or "task"

    @property
    def title(self) -> str:
        if not self.args:
            return self.function
        return f"{self.function}{'' if self.function.isidentifier() else ' '}({self.args})"

    @property
    def terminal(self) -> bool:
        return self.state.terminal

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; None while the task has not said of how much."""
        return min(max(self.done / self.total, 0.0), 1.0) if self.total else None

    @property
    def seconds(self) -> float | None:
        """How long the run took that ended last; None before."""
        if self.duration is None and self.started is not None and self.ended is not None:
            return max(0.0, self.ended - self.started)
        return self.duration

    def elapsed(self, now: float) -> float | None:
        """Return how long it has been running, or how long it ran; None when it never began."""
        if self.terminal or self.started is None:
            return self.seconds
        return max(0.0, now - self.started)

    def time_left(self, now: float) -> float | None:
        """Return an estimate in seconds; None while there is nothing to base it on."""
        if self.state is not State.running or not self.total:
            return None
        ready = self.pace.ready_at(self.total, self.started)
        return None if ready is None else max(0.0, ready - now)

    def fold(self, event: Event) -> bool:
        """Take in one event, in place. Return whether anything that shows has changed."""
        step = STEPS.get(str(event.get("kind")))
        if step is None:
            return False
        at = number(event.get("at"))
        self._facts(event)
        changed = step(self, event, self.updated if at is None else at)
        self.updated = max(self.updated, at or 0.0)
        return changed

    # --- one method a kind of event; `at` is when it happened ---

    def _facts(self, event: Event) -> None:
        group = event.get("group")
        self.group = group if isinstance(group, str) and group else self.group
        for key in ("name", "label", "args", "carries"):
            text = event.get(key)
            if isinstance(text, str) and text:
                setattr(self, key, one_line(text, 500))

    def _enqueued(self, event: Event, at: float) -> bool:
        self._tries(event, self.attempt + 1)
        if at < (self.ended or self.started or 0.0):
            return True  # told late, by another process
        if self.terminal:
            self._reopen()
        if self.state not in (State.retry, State.running, State.stopping):
            self.state = State.queued
        self.created = at if self.created is None else self.created
        self.eta = None
        return True

    def _scheduled(self, event: Event, at: float) -> bool:
        if self.terminal:
            self._reopen()
        if self.state is not State.retry:
            self.state = State.scheduled
        self.created = at if self.created is None else self.created
        self.eta = number(event.get("eta"))
        return True

    def _executing(self, event: Event, at: float) -> bool:
        if self.terminal:
            self._reopen()
        attempt = event.get("attempt")
        self.attempt = attempt if isinstance(attempt, int) else self.attempt + 1
        self._tries(event, self.attempt)
        self._bury(event.get("deaths"))
        self.error = "" if self.put_back else self.error
        self.state, self.started = State.running, at
        self.worker = one_line(event.get("worker"), 100)
        pid = event.get("pid")
        self.pid = pid if isinstance(pid, int) else None
        self.ended = self.eta = self.asked = self.duration = self.total = None
        self.done, self.message, self.pace = 0, "", Pace()
        self.hint, self.place = "", None  # said of another state
        self.traceback = ""
        if self.waited is None and self.created is not None:
            self.waited = max(0.0, at - self.created)
        return True

    def _progress(self, event: Event, at: float) -> bool:
        done, total = number(event.get("done")), number(event.get("total"))
        if self.terminal or done is None:
            return False
        message = one_line(event.get("message"), 200)
        changed = (done, total, message) != (self.done, self.total, self.message)
        if total != self.total:
            self.pace = Pace()
        self.pace.add(at, done)
        self.done, self.total, self.message = done, total, message
        return changed

    def _output(self, event: Event, at: float) -> bool:
        records = event.get("records")
        if not isinstance(records, list | tuple):
            return False
        kept = [self._record(record) for record in records]
        if any(kept):
            self.last_output_at = at
        return any(kept)

    def _record(self, record: object) -> bool:
        match record:
            case ["stdout" | "stderr" as stream, str(text)]:
                self.log.write(stream, text)
            case ["display", Mapping() as bundle]:
                self.log.display(bundle)
            case ["named display", [str(name), Mapping() as bundle]]:
                self.log.display(bundle, name)
            case ["update", [str(name), Mapping() as bundle]]:
                return self.log.update(bundle, name)
            case ["clear", wait]:
                self.log.clear(wait=bool(wait))
            case ["value", Mapping() as bundle]:
                self.value = bundle
            case ["traceback", str(text)]:
                self.traceback = text
            case _:
                return False
        return True

    def _complete(self, event: Event, at: float) -> bool:
        self._end(State.done, event, at)
        self.error = self.traceback = ""
        return True

    def _error(self, event: Event, at: float) -> bool:
        again = self._again(event)
        self.traceback = self.traceback or str(event.get("traceback") or "")
        self._end(State.retry if again else State.failed, event, at)
        return True

    def _retrying(self, event: Event, at: float) -> bool:
        if self.state is State.running and self.started is not None and at < self.started:
            return False  # told late: the next try is on its way already
        self._tries(event, self.attempt + 1)
        self.state, self.ended, self.asked = State.retry, None, None
        self.eta = number(event.get("eta"))
        return True

    def _canceling(self, event: Event, at: float) -> bool:
        if self.terminal or self.state is State.stopping:
            return False
        self.state, self.asked = State.stopping, at
        return True

    def _interrupted(self, event: Event, at: float) -> bool:
        """Wait again: whatever a stopping worker interrupts goes back to the queue."""
        if self.terminal:
            return False
        self.state, self.asked, self.started = State.queued, None, None
        self.put_back += 1
        self.error = one_line(event.get("error"), 500) or "interrupted, put back into the queue"
        return True

    def _over(self, event: Event, at: float) -> bool:
        if self.state in (State.done, State.failed):
            return False
        kind = str(event["kind"])
        state, error = ENDINGS[kind]
        again = self._again(event)
        self.error = error or self.error
        self.traceback = self.traceback or str(event.get("traceback") or "")
        self._end(State.retry if again else state, event, at)
        return True

    # --- what the steps share ---

    def _bury(self, deaths: object) -> None:
        """Take note of the worker that had it before and has died."""
        if not isinstance(deaths, int) or deaths <= self.deaths:
            return
        self.deaths = deaths
        who = self.worker if self.started is not None else ""
        self.died = f"{who} (pid {self.pid})" if who and self.pid is not None else who

    def _end(self, state: State, event: Event, at: float) -> None:
        """Stop the clock; a task that will be tried again stops it too."""
        self.state, self.hint, self.place = state, "", None
        self.ended = at if state.terminal else None
        self.error = one_line(event.get("error"), 500) or self.error
        duration = number(event.get("duration"))
        if duration is None and self.started is not None:
            duration = max(0.0, at - self.started)
        self.duration, self.eta, self.asked = duration, None, None
        if self.started is None and duration is not None:
            self.started = at - duration

    def _tries(self, event: Event, made: int) -> None:
        """Read how many retries are left when so many tries are made, the coming one included."""
        left = event.get("retries")
        if isinstance(left, int):
            self.max_tries = max(1, made + left)

    def _again(self, event: Event) -> bool:
        """Read whether the end of a try is not the task's."""
        again = event.get("again") is True
        self._tries(event, self.attempt + again)
        return again

    def _reopen(self) -> None:
        """Forget the run that ended, not what the task is."""
        self.state, self.attempt = State.queued, 0
        self.deaths, self.died, self.put_back = 0, "", 0
        self.created = self.started = self.ended = self.duration = self.waited = None
        self.error = self.traceback = self.note = self.hint = ""
        self.unbound = ()
        self.value, self.log, self.last_output_at = None, Log(), None


STEPS: Final[Mapping[str, Callable[[Card, Event, float], bool]]] = {
    "enqueued": Card._enqueued,
    "scheduled": Card._scheduled,
    "executing": Card._executing,
    "progress": Card._progress,
    "output": Card._output,
    "complete": Card._complete,
    "error": Card._error,
    "retrying": Card._retrying,
    "canceling": Card._canceling,
    "interrupted": Card._interrupted,
    **dict.fromkeys(ENDINGS, Card._over),
}
