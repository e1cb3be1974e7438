"""Calls one task and carries out what follows."""

from __future__ import annotations

import datetime
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from huey import composition
from huey import signals as S
from huey.constants import AT_MOST_ONCE
from huey.coroutines import is_coroutine, run_to_end
from huey.exceptions import (
    CancelExecution,
    RateLimitExceeded,
    StorageError,
    TaskException,
    TaskTimeout,
    UnreadableMessage,
)
from huey.lifecycle import Admission, Ending, Outcome, admit, because, judge
from huey.locks import free_all
from huey.results import BEHIND_A_FAILURE, SKIPPED, Error
from huey.revocations import revocation_key, revocation_keys
from huey.storage.base import Aside, Batch, Claim, Join, Seen
from huey.tasks import Run, Task, running
from huey.utils import from_timestamp, is_ctrl_c, normalize_time, printable

if TYPE_CHECKING:
    from huey.api import Huey

logger = logging.getLogger("huey.executor")

_FAILED = (Ending.ERROR, Ending.TIMEOUT)

MOST_DELIVERIES = 3


class Tried(NamedTuple):
    """What came of calling a task: a value, or what was raised instead."""

    value: Any = None
    error: BaseException | None = None


class Host(Protocol):
    """Who runs a task: a worker, or the caller's own thread."""

    name: str
    pid: int  # of its process; 0 is not known
    stopping: bool
    run: Run | None
    most_deliveries: int  # a message whose worker died so often is not tried any more

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        """Call ``func``, which others may interrupt meanwhile, and say what came of it."""
        ...

    def knows_absent(self, keys: Sequence[str]) -> bool:
        """Say that the message in hand was claimed just now, when these keys had no values."""
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
    pid = 0
    stopping = False
    most_deliveries = MOST_DELIVERIES

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self.run: Run | None = None

    def call(self, run: Run, func: Callable[[], Any]) -> Tried:
        try:
            value = func()
            return Tried(value=run_to_end(value) if is_coroutine(value) else value)
        except (Exception, SystemExit, GeneratorExit) as error:
            return Tried(error=error)

    def knows_absent(self, keys: Sequence[str]) -> bool:
        return False

    def finish(self, batch: Batch) -> None:
        self.huey.storage.write(batch)

    def release(self) -> None:
        pass


class Immediate(Inline):
    """The caller's own thread in immediate mode: what follows is kept, to be run next."""

    def __init__(self, huey: Huey) -> None:
        super().__init__(huey)
        self.following: list[Any] = []

    def finish(self, batch: Batch) -> None:
        self.following = [data for data, _ in batch.enqueue]
        # One part more than there are, so that the storage enqueues no callback, which runs here.
        joins = [join._replace(parts=join.parts + 1) for join in batch.joins]
        super().finish(batch._replace(enqueue=(), joins=joins))
        for join in batch.joins:
            if len(self.huey.storage.joined(join.key)) == join.parts:
                self.following.append(join.data)


class Executor:
    """Takes one task from a claim to its end."""

    def __init__(self, huey: Huey) -> None:
        self.huey = huey

    def receive(self, claim: Claim, host: Host) -> None:
        """Turn a claimed message into a task and execute it; set aside what cannot be read."""
        try:
            task = self.huey.deserialize_task(claim.data)
        except BaseException as error:  # unpickling may raise anything, SystemExit included
            self._set_aside(claim, error, host)
            return
        task.deaths = claim.deliveries
        if claim.deliveries and self.huey.heed_revocation(task):
            self._end(task, "canceled", host)  # its worker died meanwhile, or was killed for that
        elif claim.deliveries >= (1 if self._at_most_once(task) else host.most_deliveries):
            self._give_up(task, claim, host)
        else:
            self.huey.execute(task, host=host)

    def _set_aside(self, claim: Claim, error: BaseException, host: Host) -> None:
        reason = printable(one_line(error))
        logger.error("a message cannot be read and is set aside: %s", reason)
        endings, joins, events = [], [], []
        if isinstance(error, UnreadableMessage) and error.task_id:
            endings = [(error.task_id, "aside")]
            events = self.huey.events.of("lost", Task(id=error.task_id), name="", error=reason)
            config = self._chord_config(claim.data)
            joins = self._joins(config, _no_value(error.task_id, reason))
        aside = Aside(claim.data, reason, claim.priority)
        host.finish(Batch(aside=[aside], endings=endings, joins=joins, events=events))

    def _chord_config(self, data: Any) -> Any:
        """Return what a message that names no known task has to do with chords, if it tells."""
        try:
            return getattr(self.huey.serializer.deserialize(data), "chord_config", None)
        except UnreadableMessage:
            return None

    def _at_most_once(self, task: Task[Any]) -> bool:
        return task.default_at_most_once or self.huey.delivery == AT_MOST_ONCE

    def execute(
        self, task: Task[Any], now: datetime.datetime | None = None, host: Host | None = None
    ) -> Any:
        """Run a task, or do with it what it says instead; return its value.

        :param now: naive time (UTC or local, as the Huey says), by default the present.
        """
        host = host or Inline(self.huey)
        host.run = Run(task, host.name, self.huey.events.stir, host.pid)  # now it can be cancelled
        admission = self._admit(task, now, host)
        if admission is Admission.RUN:
            return self.huey._execute(task, host)
        if admission is Admission.SCHEDULE and task.eta is not None:
            self._schedule(task, task.eta, host)
        else:
            self._end(task, admission.value, host)
        return None

    def _admit(self, task: Task[Any], now: datetime.datetime | None, host: Host) -> Admission:
        if task.eta is None and task.expires_resolved is None:  # most tasks care for no time
            revoked = self._is_revoked(task, now, host)
            return Admission.REVOKED if revoked else Admission.RUN
        now = now or self._now()
        # Compared in UTC: local time comes twice when clocks go back.
        eta, expires, present = map(self._in_utc, (task.eta, task.expires_resolved, now))
        revoked = (not eta or eta <= present) and self._is_revoked(task, now, host)
        return admit(eta, expires, present, revoked)

    def _is_revoked(self, task: Task[Any], now: datetime.datetime | None, host: Host) -> bool:
        """Say whether not to run a task; look into the storage unless its claim has told."""
        told = host.knows_absent(revocation_keys(task))
        return not told and self.huey.heed_revocation(task, now)

    def _now(self) -> datetime.datetime:
        return from_timestamp(time.time(), utc=self.huey.utc)

    def _in_utc(self, when: datetime.datetime | None) -> Any:
        if when is None or (self.huey.utc and when.tzinfo is None):
            return when
        return from_timestamp(self.huey.timestamp(when))

    def run(self, task: Task[Any], host: Host) -> Any:
        """Call a task's function, write what came of it, and tell who wants to know."""
        huey = self.huey
        run = host.run or Run(task, host.name, huey.events.stir, host.pid)
        gone = self._gather(run)
        huey.events.begin(run)
        logger.info("executing %s", task)
        huey.signals.send(S.SIGNAL_EXECUTING, task)
        token = running.set(run)
        try:
            began = time.perf_counter()
            tried = Tried(error=gone) if gone else self._try(run, host)
            duration = time.perf_counter() - began
            outcome = judge(
                tried.error, task.retries, shutdown=host.stopping, canceled=run.canceled
            )
            self._wind_up(run)
            huey.hooks["post_execute"].run(task, tried.value, tried.error)
        finally:
            running.reset(token)
            self._free_locks(run)
        try:
            self._conclude(run, host, tried, outcome, duration)
        finally:
            self._free_locks(run)
        return tried.value

    def _wind_up(self, run: Run) -> None:
        """Do what was put off until the end of a run, the last first."""
        while run.at_end:
            try:
                run.at_end.pop()()
            except (Exception, SystemExit):
                logger.exception("something at the end of %s failed", run.task)

    def _free_locks(self, run: Run) -> None:
        """Free what a task took and did not give back, so that what follows finds it free."""
        if run.held:
            try:
                free_all(run)
            except Exception:  # the storage is away: later again
                logger.exception("locks of %s cannot be given back", run.task)

    def _gather(self, run: Run) -> TaskException | None:
        """Give a chord's callback its values; return what is wrong if they are gone."""
        task, storage = run.task, self.huey.storage
        gather = composition.gather_of(task.chord_config)
        if gather is None:
            return None
        joined = storage.joined(gather.key)
        if len(joined) < gather.parts:
            why = "the values of its chord are gone: it has run before, or they were removed"
            return TaskException(_no_value(task.id, why).metadata)
        values = {part: self._read(data) for part, data in joined.items()}
        task.extend(composition.fill(gather.shape, values))
        task.chord_config = composition.gathered(task.chord_config)
        # It was the storage that enqueued it, so that nobody has been told yet.
        self.huey.events.note("enqueued", run, retries=task.retries, **task.describe())
        self.huey.signals.send(S.SIGNAL_ENQUEUED, task)
        return None

    def _read(self, data: Any) -> Any:
        try:
            return self.huey.serializer.deserialize(data)
        except Exception as error:
            return _no_value("", f"the value cannot be read here: {one_line(error)}")

    def _joins(self, config: Any, value: Any) -> list[Join]:
        """Return what is to be written when a task that is part of a chord is over for good.

        :param config: the task's ``chord_config``.
        :param value: what the chord's callback gets.
        """
        part = composition.part_of(config)
        if part is None:
            return []
        callback = composition.resolved(part.callback, utc=self.huey.utc)
        value, data = map(self.huey.serializer.serialize, (value, callback))
        return [Join(part.key, part.part, part.parts, value, data, callback.priority)]

    def _for_chords(self, batch: Batch, task: Task[Any], tried: Tried, outcome: Outcome) -> Batch:
        """Return a batch with what chords have to do with a try."""
        if task.chord_config is None:
            return batch
        complete, joins = outcome.ending is Ending.COMPLETE, batch.joins
        if outcome.retries is None and not (complete and task.on_complete):
            value = tried.value if complete else error_metadata(task, tried.error)
            joins = self._joins(task.chord_config, value)
        return batch._replace(joins=joins, forget=composition.done_with(task.chord_config))

    def _try(self, run: Run, host: Host) -> Tried:
        try:
            self.huey.hooks["pre_execute"].run(run.task, passing=CancelExecution)
        except CancelExecution as error:
            return Tried(error=error)
        run.task.begin()
        tried = host.call(run, run.task.execute)
        if isinstance(tried.error, TaskTimeout) and not tried.error.args:  # thrown from outside
            tried.error.args = run.task.overrun().args
        return tried

    def _conclude(
        self, run: Run, host: Host, tried: Tried, outcome: Outcome, duration: float
    ) -> None:
        if outcome.ending is Ending.INTERRUPTED:
            self._interrupted(run, host)
            return
        story = self.huey.events.collect(run)
        try:
            batch, after = self._follow_up(run.task, tried, outcome, duration, story)
        except BaseException as error:  # the value or the next message cannot be stored
            if is_ctrl_c(error):
                raise
            tried, outcome = Tried(error=error), Outcome(Ending.ERROR)
            batch, after = self._follow_up(run.task, tried, outcome, duration, story)
        try:
            host.finish(batch)
        except Exception as error:  # what the storage does not take, perhaps it is too large
            if isinstance(error, StorageError) or self.huey.storage.is_outage(error):
                raise
            tried, outcome = Tried(error=error), Outcome(Ending.ERROR)
            batch, after = self._follow_up(run.task, tried, outcome, duration, [])
            host.finish(batch)
        if run.canceled and outcome.retries is None:
            self.huey.restore_by_id(run.task.id)  # nothing is left to keep from running
        self._log(run.task, tried, outcome, duration)
        self._signal(run.task, tried, outcome)
        if after is not None:
            self.huey.enqueue(after)

    def _follow_up(
        self,
        task: Task[Any],
        tried: Tried,
        outcome: Outcome,
        duration: float,
        story: list[Any],
    ) -> tuple[Batch, Task[Any] | None]:
        """Return what is to be written after a try, and a task to be enqueued after that.

        The task that follows is in the batch, unless somebody wants to see every task pass.

        :param story: events to be written before those of the end.
        """
        batch = self._outcome(
            task, tried, outcome, [*story, *self._tell(task, tried, outcome, duration)]
        )
        batch = self._for_chords(batch, task, tried, outcome)
        after = self._after(task, tried, outcome)
        if self.huey.enqueue_is_overridden():
            again = task if batch.enqueue else None
            return batch._replace(enqueue=()), after or again
        return (batch if after is None else self._with(batch, after)), None

    def _after(self, task: Task[Any], tried: Tried, outcome: Outcome) -> Task[Any] | None:
        """Return the task that follows: the next of the pipeline, or the error handler."""
        if outcome.ending is Ending.COMPLETE and task.on_complete is not None:
            task.on_complete.extend(tried.value)
            composition.hand_on(task, task.on_complete)
            return task.on_complete
        failed = outcome.ending in _FAILED and outcome.retries is None
        if failed and task.on_error is not None:
            task.on_error.extend(self._portable(task, tried.error))
            return task.on_error
        return None

    def _portable(self, task: Task[Any], error: BaseException | None) -> BaseException | None:
        """Return an exception, or one that tells of it if it cannot travel itself."""
        serializer = self.huey.serializer
        try:
            serializer.deserialize(serializer.serialize(error))
        except BaseException as problem:
            if is_ctrl_c(problem):
                raise
            return TaskException(error_metadata(task, error).metadata)
        return error

    def _with(self, batch: Batch, after: Task[Any]) -> Batch:
        """Return a batch that enqueues a task too."""
        more = self.huey.prepare([after])
        self.huey.signals.send(S.SIGNAL_ENQUEUED, after)
        return batch._replace(
            enqueue=[*batch.enqueue, *more.enqueue], events=[*batch.events, *more.events]
        )

    def _outcome(self, task: Task[Any], tried: Tried, outcome: Outcome, events: list[Any]) -> Batch:
        """Return what is to be written about a try."""
        if outcome.ending is Ending.COMPLETE:
            results = self._value(task, tried.value)
            endings = [] if results else [(task.id, "none")]
            return Batch(results, endings, events=events)
        if outcome.retries is not None:
            batch = self._again(task, outcome, events)
            told = self.huey.store_intermediate_errors and outcome.ending is Ending.ERROR
            return batch._replace(results=self._failure(task, tried.error)) if told else batch
        if outcome.ending is Ending.CANCELED:
            ending = because("canceled", _why(tried))
            return Batch(endings=_endings(task, ending), events=events + self._skip(task))
        if outcome.ending is Ending.LOCKED:
            return Batch(endings=_endings(task, "locked"), events=events + self._skip(task))
        results = self._failure(task, tried.error)
        endings = _endings(task, "error")[1 if results else 0 :]
        return Batch(results=results, endings=endings, events=events + self._skip(task))

    def _skip(self, task: Task[Any]) -> list[Any]:
        """Return the events of those behind a task in its pipeline, which will not run."""
        behind = task.pipeline()[1:]
        return [
            event
            for one in behind
            for event in self.huey.events.of("canceled", one, error=BEHIND_A_FAILURE)
        ]

    def _value(self, task: Task[Any], value: Any) -> list[tuple[str, Any]]:
        """Return what to put into the result store for a value."""
        unwanted = value is None and not self.huey.store_none and not self._has_error(task)
        if unwanted or task.periodic or not self.huey.results:
            return []
        try:
            return [(task.id, self.huey.serializer.serialize(value))]
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            kind, why = type(value).__name__, one_line(error)
            raise TypeError(f"the result, a {kind}, cannot be stored: {why}") from error

    def _has_error(self, task: Task[Any]) -> bool:
        """Say whether an error of an earlier try is stored, that a value has to replace."""
        huey = self.huey
        return huey.store_intermediate_errors and huey.storage.has_data_for_key(task.id)

    def _failure(self, task: Task[Any], error: BaseException | None) -> list[tuple[str, Any]]:
        """Return what to put into the result store for an error."""
        if task.periodic or not self.huey.results:
            return []
        try:
            failed = self.huey.build_error_result(task, error)
        except (Exception, SystemExit):
            logger.exception("build_error_result failed for %s", task)
            failed = error_metadata(task, error)
        return [(task.id, self.huey.serializer.serialize(failed))]

    def _again(self, task: Task[Any], outcome: Outcome, events: list[Any]) -> Batch:
        """Return what puts the task back, to run at once or when its delay is over."""
        huey = self.huey
        delay = outcome.delay
        if delay is None and outcome.eta is None:
            delay = task.retry_delay
            task.retry_delay *= task.retry_backoff or 1
        task.retries = outcome.retries or 0
        task.eta = None
        if outcome.eta is not None:
            task.eta = normalize_time(eta=outcome.eta, utc=huey.utc)
        elif delay:
            task.eta = normalize_time(delay=delay, utc=huey.utc)
        when = time.time() if task.eta is None else huey.timestamp(task.eta)
        events = events + huey.events.of("retrying", task, retries=task.retries, eta=when)
        data = huey.serialize_task(task)
        if task.eta is None:
            return Batch(enqueue=[(data, task.priority)], events=events)
        return Batch(schedule=[(data, from_timestamp(when), task.priority)], events=events)

    def _tell(self, task: Task[Any], tried: Tried, outcome: Outcome, duration: float) -> list[Any]:
        """Return the event of a try's end."""
        if outcome.ending is Ending.COMPLETE:
            return self.huey.events.complete(task, duration)
        of, left = self.huey.events.of, outcome.retries
        further = {"retries": left or 0, "again": left is not None}
        if outcome.ending is Ending.CANCELED:
            return of("canceled", task, error=_why(tried), **further)
        return of(
            outcome.ending.value,
            task,
            error=one_line(tried.error),
            traceback=format_traceback(tried.error),
            duration=duration,
            **further,
        )

    def _signal(self, task: Task[Any], tried: Tried, outcome: Outcome) -> None:
        if not self.huey.signals:
            return
        failed = outcome.ending in _FAILED
        if failed and isinstance(tried.error, RateLimitExceeded):
            self.huey.signals.send(S.SIGNAL_RATE_LIMITED, task)
        self.huey.signals.send(outcome.ending.value, task, *((tried.error,) if failed else ()))
        if outcome.retries is not None:
            self.huey.signals.send(S.SIGNAL_RETRYING, task)

    def _log(self, task: Task[Any], tried: Tried, outcome: Outcome, duration: float) -> None:
        if outcome.ending is Ending.COMPLETE:
            logger.info("%s done in %.3f s", task, duration)
        elif outcome.ending is Ending.CANCELED:
            logger.warning("%s was cancelled", task)
        elif outcome.ending is Ending.RATE_LIMITED:
            logger.info("%s has to wait: %s", task, tried.error)
        elif outcome.ending is Ending.LOCKED and outcome.retries is not None:
            logger.warning("%s is locked out: %s", task, tried.error)
        elif outcome.ending is Ending.LOCKED:
            logger.error("%s is locked out and dropped: %s", task, tried.error)
        else:
            logger.error("%s failed:\n%s", task, format_traceback(tried.error))
        if outcome.retries is not None and outcome.ending is not Ending.RATE_LIMITED:
            logger.warning("%s will be tried again, retries left: %s", task, task.retries)

    def _interrupted(self, run: Run, host: Host) -> None:
        """Put a task back that the end of its worker interrupted, first in the queue."""
        story = self.huey.events.collect(run) + self.huey.events.of("interrupted", run.task)
        if self._at_most_once(run.task):
            why = "its worker was stopped"
            joins = self._joins(run.task.chord_config, _worker_lost(run.task, why))
            forget = composition.done_with(run.task.chord_config)
            endings = _endings(run.task, because("lost", why))
            story += self.huey.events.of("lost", run.task, error=why)
            story += self._skip(run.task)
            host.finish(Batch(endings=endings, events=story, joins=joins, forget=forget))
            logger.warning("%s was interrupted and is not run again", run.task)
        else:
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

    def withdraw(self, task: Task[Any], seen: Seen) -> bool:
        """End a task that waits; False if a worker has claimed it meanwhile.

        :param seen: the message that carries it.
        """
        batch = self._not_run(task, S.SIGNAL_CANCELED, "withdrawn")
        batch = batch._replace(clear=[task.id, revocation_key(task)])
        withdrawn = self.huey.storage.withdraw(seen.data, batch, seen.place)
        if withdrawn:
            self._say_not_run(task, S.SIGNAL_CANCELED)
        return withdrawn

    def _end(self, task: Task[Any], ending: str, host: Host) -> None:
        host.finish(self._not_run(task, ending, ending))
        self._say_not_run(task, ending)

    def _not_run(self, task: Task[Any], kind: str, ending: str) -> Batch:
        """Return what is to be written when a task ends that nobody has run.

        :param kind: of the event.
        """
        return Batch(
            endings=_endings(task, ending),
            events=self.huey.events.of(kind, task) + self._skip(task),
            joins=self._joins(task.chord_config, SKIPPED),
            forget=composition.done_with(task.chord_config),
        )

    def _say_not_run(self, task: Task[Any], kind: str) -> None:
        logger.warning("%s was not run: %s", task, kind)
        self.huey.signals.send(kind, task)

    def _give_up(self, task: Task[Any], claim: Claim, host: Host) -> None:
        times = "once" if claim.deliveries == 1 else f"{claim.deliveries} times"
        why = f"its worker died {times}"
        aside = Aside(claim.data, why, claim.priority)
        events = self.huey.events.of("lost", task, error=why) + self._skip(task)
        # A callback's values are kept: set aside, it can still be restored.
        joins = self._joins(task.chord_config, _worker_lost(task, why))
        endings = _endings(task, because("lost", why))
        host.finish(Batch(endings=endings, aside=[aside], events=events, joins=joins))
        logger.error("%s is set aside: %s", task, why)


def _why(tried: Tried) -> str:
    """Return why a task asked to be cancelled, if it did."""
    return str(tried.error) if isinstance(tried.error, CancelExecution) else ""


def _endings(task: Task[Any], ending: str) -> list[tuple[str, str]]:
    """Return how a task ended that failed, and that those behind it will not run."""
    return [(task.id, ending), *((one.id, "skipped") for one in task.pipeline()[1:])]


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


def _no_value(task_id: str, why: str) -> Error:
    """Return what a chord's callback gets for a task of which no exception is known."""
    return Error({"error": why, "retries": 0, "traceback": "", "task_id": task_id})


def _worker_lost(task: Task[Any], why: str) -> Error:
    """Return what a chord's callback gets for a task that will not run any more."""
    return _no_value(task.id, f"WorkerLost({why!r})")


def error_metadata(task: Task[Any], error: BaseException | None) -> Error:
    """Return what stands in the result store for a task that failed."""
    try:
        text = repr(error)
    except BaseException:  # whatever a class does in its __repr__
        text = one_line(error)
    return Error(
        {
            "error": text,
            "retries": task.retries,
            "traceback": format_traceback(error),
            "task_id": task.id,
        }
    )
