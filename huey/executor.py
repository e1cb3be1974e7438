"""Calls one task and carries out what follows."""

from __future__ import annotations

import datetime
import logging
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from huey import signals as S
from huey.exceptions import CancelExecution
from huey.lifecycle import Admission, Ending, Outcome, admit, judge
from huey.results import Error
from huey.storage.base import Batch, Claim
from huey.tasks import Run, Task, running
from huey.utils import from_timestamp, normalize_time

if TYPE_CHECKING:
    from huey.api import Huey

logger = logging.getLogger("huey.executor")

MOST_DELIVERIES = 3  # a message whose worker died so often is not tried any more


class Tried(NamedTuple):
    """What came of calling a task: a value, or what was raised instead."""

    value: Any = None
    error: BaseException | None = None


class Host(Protocol):
    """Who runs a task: a worker, or the caller's own thread."""

    name: str
    stopping: bool

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Call ``func``, which others may interrupt meanwhile, and say what came of it."""
        ...

    def finish(self, batch: Batch) -> None:
        """Acknowledge the message in hand and write what follows, in one step."""
        ...

    def release(self) -> None:
        """Give the message in hand back to the queue, as the next one."""
        ...


class Inline:
    """The caller's own thread, with no message to acknowledge."""

    name = "here"
    stopping = False

    def __init__(self, huey: Huey) -> None:
        self.huey = huey

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        try:
            return Tried(value=func())
        except Exception as error:
            return Tried(error=error)

    def finish(self, batch: Batch) -> None:
        self.huey.storage.write(batch)

    def release(self) -> None:
        pass


class Executor:
    """Takes one task from a claim to its end."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey

    def receive(self, claim: Claim, host: Host) -> None:
        """Turn a claimed message into a task and execute it; set aside what cannot be read."""
        try:
            task = self.huey.deserialize_task(claim.data)
        except BaseException as error:  # unpickling may raise anything, SystemExit included
            reason = f"{type(error).__name__}: {error}"
            logger.error("a message cannot be read and is set aside: %s", reason)
            host.finish(Batch(aside=[(claim.data, reason)]))
            return
        if claim.deliveries >= MOST_DELIVERIES:
            self._give_up(task, claim, host)
        else:
            self.huey.execute(task, host=host)

    def execute(
        self, task: Task[Any], now: datetime.datetime | None = None, host: Host | None = None
    ) -> Any:
        """Run a task, or do with it what it says instead; return its value.

        :param now: naive time (UTC or local, as the Huey says), by default the present.
        """
        host = host or Inline(self.huey)
        now = now or from_timestamp(time.time(), utc=self.huey.utc)
        due = task.eta is None or task.eta <= now
        revoked = due and self.huey.heed_revocation(task, now)
        admission = admit(task.eta, task.expires_resolved, now, revoked)
        if admission is Admission.RUN:
            return self.huey._execute(task, host)
        if admission is Admission.SCHEDULE and task.eta is not None:
            self._schedule(task, task.eta, host)
        else:
            self._end(task, admission.value, host)
        return None

    def run(self, task: Task[Any], host: Host) -> Any:
        """Call a task's function, write what came of it, and tell who wants to know."""
        huey = self.huey
        run = Run(task, host.name, huey.events.stir)
        attempt = max(1, task.default_retries - task.retries + 1)
        huey.events.note("executing", run, worker=host.name, attempt=attempt, retries=task.retries)
        logger.info("executing %s", task)
        huey.signals.send(S.SIGNAL_EXECUTING, task)
        token = running.set(run)
        try:
            began = time.perf_counter()
            tried = self._try(run, host)
            duration = time.perf_counter() - began
            outcome = judge(tried.error, task.retries, shutdown=host.stopping)
            huey.hooks["post_execute"].run(task, tried.value, tried.error)
        finally:
            running.reset(token)
        self._conclude(run, host, tried, outcome, duration)
        return tried.value

    def _try(self, run: Run, host: Host) -> Tried:
        try:
            self.huey.hooks["pre_execute"].run(run.task, passing=CancelExecution)
        except CancelExecution as error:
            return Tried(error=error)
        return host.call(run, run.task.execute)

    def _conclude(
        self, run: Run, host: Host, tried: Tried, outcome: Outcome, duration: float
    ) -> None:
        task, events = run.task, self.huey.events
        if outcome.ending is Ending.INTERRUPTED:
            self._interrupted(run, host)
            return
        result: list[tuple[str, Any]] = []
        if outcome.ending is Ending.COMPLETE:
            result, tried, outcome = self._serialize(task, tried, outcome)
        story = events.collect(run) + self._tell(task, tried, outcome, duration)
        if outcome.retries is not None:
            self._retry(task, host, outcome, story)
        elif outcome.ending is Ending.COMPLETE:
            endings = [] if result else [(task.id, "none")]
            host.finish(Batch(results=result, endings=endings, events=story))
            logger.info("%s done in %.3f s", task, duration)
        elif outcome.ending is Ending.CANCELED:
            host.finish(Batch(endings=[(task.id, "canceled")], events=story))
            logger.warning("%s was cancelled", task)
        else:
            failed = self.huey.build_error_result(task, tried.error)
            data = self.huey.serializer.serialize(failed)
            results = [(task.id, data)] if self.huey.results else []
            host.finish(Batch(results=results, events=story))
            logger.error("%s failed:\n%s", task, failed.metadata["traceback"])
        self._signal(task, tried, outcome)

    def _serialize(
        self, task: Task[Any], tried: Tried, outcome: Outcome
    ) -> tuple[list[tuple[str, Any]], Tried, Outcome]:
        """Return what to store of a value; a value that cannot be stored is a failure."""
        if not self.huey.results or (tried.value is None and not self.huey.store_none):
            return [], tried, outcome
        try:
            return [(task.id, self.huey.serializer.serialize(tried.value))], tried, outcome
        except Exception as error:
            kind = type(tried.value).__name__
            failure = TypeError(f"the result, a {kind}, cannot be stored: {error}")
            failure.__cause__ = error
            return [], Tried(error=failure), judge(failure, 0)

    def _tell(self, task: Task[Any], tried: Tried, outcome: Outcome, duration: float) -> list[Any]:
        """Return the event of a try's end."""
        of, left = self.huey.events.of, outcome.retries
        if outcome.ending is Ending.COMPLETE:
            return of("complete", task, duration=duration)
        if outcome.ending is Ending.CANCELED:
            why = str(tried.error) if isinstance(tried.error, CancelExecution) else ""
            return of("canceled", task, error=why, retries=left or 0)
        return of(
            outcome.ending.value,
            task,
            error=one_line(tried.error),
            traceback=format_traceback(tried.error),
            retries=left or 0,
            duration=duration,
        )

    def _signal(self, task: Task[Any], tried: Tried, outcome: Outcome) -> None:
        args = (tried.error,) if outcome.ending is Ending.ERROR else ()
        self.huey.signals.send(outcome.ending.value, task, *args)
        if outcome.retries is not None:
            self.huey.signals.send(S.SIGNAL_RETRYING, task)

    def _retry(self, task: Task[Any], host: Host, outcome: Outcome, story: list[Any]) -> None:
        """Put the task back, to run at once or when its delay is over."""
        huey = self.huey
        delay = task.retry_delay if outcome.delay is None else outcome.delay
        task.retries = outcome.retries or 0
        task.eta = None
        if outcome.eta is not None:
            task.eta = normalize_time(eta=outcome.eta, utc=huey.utc)
        elif delay:
            task.eta = normalize_time(delay=delay, utc=huey.utc)
        when = time.time() if task.eta is None else huey.timestamp(task.eta)
        story = story + huey.events.of("retrying", task, retries=task.retries, eta=when)
        data = huey.serialize_task(task)
        if task.eta is None:
            host.finish(Batch(enqueue=[(data, task.priority)], events=story))
        else:
            due = from_timestamp(when)
            host.finish(Batch(schedule=[(data, due, task.priority)], events=story))
        logger.warning("%s will be tried again, retries left: %s", task, task.retries)

    def _interrupted(self, run: Run, host: Host) -> None:
        """Put a task back that the end of its worker interrupted, first in the queue."""
        story = self.huey.events.collect(run) + self.huey.events.of("interrupted", run.task)
        if story:
            self.huey.storage.append_events(story)
        host.release()
        logger.warning("%s was interrupted and goes back to the queue", run.task)
        self.huey.signals.send(S.SIGNAL_INTERRUPTED, run.task)

    def _schedule(self, task: Task[Any], eta: datetime.datetime, host: Host) -> None:
        huey = self.huey
        when = huey.timestamp(eta)
        data = huey.serialize_task(task)
        events = huey.events.of("scheduled", task, eta=when)
        host.finish(Batch(schedule=[(data, from_timestamp(when), task.priority)], events=events))
        huey.signals.send(S.SIGNAL_SCHEDULED, task)

    def _end(self, task: Task[Any], ending: str, host: Host) -> None:
        events = self.huey.events.of(ending, task)
        host.finish(Batch(endings=[(task.id, ending)], events=events))
        logger.warning("%s was not run: %s", task, ending)
        self.huey.signals.send(ending, task)

    def _give_up(self, task: Task[Any], claim: Claim, host: Host) -> None:
        why = f"its worker died {claim.deliveries} times"
        events = self.huey.events.of("lost", task, error=why)
        host.finish(
            Batch(endings=[(task.id, "lost")], aside=[(claim.data, why)], events=events),
        )
        logger.error("%s is set aside: %s", task, why)


def one_line(error: BaseException | None) -> str:
    """Describe an exception in one line, whatever its ``__str__`` does."""
    if error is None:
        return ""
    text = " ".join(str(traceback.TracebackException(type(error), error, None)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def format_traceback(error: BaseException | None) -> str:
    """Return an exception's traceback from the task's own first frame on."""
    if error is None:
        return ""
    return "".join(traceback.format_exception(type(error), error, own_frames(error)))


def own_frames(error: BaseException) -> TracebackType | None:
    """Return an exception's traceback from the first frame on that is not the queue's own."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return trace


def _is_ours(trace: TracebackType) -> bool:
    package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    return package in ("huey", "huey_jupyter")


def error_metadata(task: Task[Any], error: BaseException | None) -> Error:
    """Return what stands in the result store for a task that failed."""
    try:
        text = repr(error)
    except Exception:
        text = one_line(error)
    return Error(
        {
            "error": text,
            "retries": task.retries,
            "traceback": format_traceback(error),
            "task_id": task.id,
        }
    )
