"""The story of every task, readable from any process: signals, progress and output.

An event is a dict with the keys ``kind`` (a signal's name, ``progress``, ``output`` or
``canceling``), ``task`` (its id), ``name`` (of the task function), ``at`` (epoch seconds) and
what belongs to its kind. To ``executing`` belong the worker, its process's ``pid``, and
``deaths`` if workers have died with the task before.

It is kept as JSON, so that a reader needs neither the task's code nor trust in its data: a list
of kind, task, name and microseconds since the epoch, then an object with the rest. Of what every
task tells the values alone are kept, in a known order, as each byte is written often.
A storage in memory keeps what an event is made of.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import operator
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from json.encoder import encode_basestring_ascii as _text
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from huey.tasks import Begun, Run, Task, current_run

if TYPE_CHECKING:
    from huey.api import Huey

T = TypeVar("T")

Parts = tuple[Any, ...]
"""What an event is made of: kind, the task's id and name, when, then what belongs to the kind: a
tuple of its names, and its values. A flat tuple is the smallest that Python has, and a storage in
memory keeps thousands of them.
"""

_BEGUN = ("worker", "attempt", "retries", "pid")
_DURATION = ("duration",)
_ORDER = {"executing": _BEGUN, "complete": _DURATION}

logger = logging.getLogger("huey.events")

FLUSH_EVERY = 0.1  # seconds between two writes of what running tasks report
LONGEST_OUTPUT = 256_000  # characters of one stream in one event; head and tail are kept


class EventLog:
    """Writes the events of one Huey and reads them back.

    :param huey: the Huey; its storage keeps the events.
    :param enabled: whether anything is written at all.

    What a task reports while it runs is collected and written ten times a second at most; what
    happens to it rides in the storage call that is made anyway. Each writer's events stay in
    order.
    """

    def __init__(self, huey: Huey, enabled: bool) -> None:
        self.huey = huey
        self.enabled = enabled
        self._lock = threading.Lock()
        self._stirred: dict[Run, bool] = {}  # whoever pops one writes its events
        # Put into by tasks, which may be interrupted anywhere: an Event could stay locked for ever.
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._resting = False  # whether `serve` waits for the bell

    def of(self, kind: str, task: Task[Any], **facts: Any) -> list[Any]:
        """Return one event ready for a storage, in a list; no event if events are off."""
        return [self.event(kind, task, facts)] if self.enabled else []

    def event(self, kind: str, task: Task[Any], facts: dict[str, Any]) -> Any:
        """Return one event ready for a storage, whether events are on or off."""
        return self._made(kind, task, tuple(facts), tuple(facts.values()))

    def enqueued(self, task: Task[Any], group: str = "") -> Any:
        """Return the event that a task is put on the queue, whether events are on or off.

        :param group: names a group that it belongs to.
        """
        facts = task.describe()
        if task.carries:
            facts = {"carries": task.carries, **facts}  # unless it knows better
        if group:
            facts = {**facts, "group": group}
        names, values = ("retries", *facts), (task.retries, *facts.values())
        return self._made("enqueued", task, names, values)

    def complete(self, task: Task[Any], duration: float) -> list[Any]:
        """Return the event that a task is done, in a list; no event if events are off.

        :param duration: seconds that it took.
        """
        if not self.enabled:
            return []
        known = "complete", task.id, task.name, time.time()
        if self.huey.storage.keeps_objects:
            return [(*known, _DURATION, duration)]
        return [_line(*known, f",{duration:.6f}")]

    def begin(self, run: Run) -> None:
        """Keep for the next flush, or for its end, that a worker begins a task."""
        if not self.enabled:
            return
        task = run.task
        begun = task.attempt, task.retries, task.deaths
        if run.notes:  # before that, as the callback of a chord has
            run.note(self._began(run, begun))
        else:
            run.untold = begun
        self._stirred[run] = True
        if self._resting:
            self.wake()

    def note(self, kind: str, run: Run, **facts: Any) -> None:
        """Keep an event of a running task for the next flush; none after its last `collect`."""
        if self.enabled:
            run.note(self.event(kind, run.task, facts))
            self.stir(run)

    def stir(self, run: Run) -> None:
        """Take note that a running task has something to report."""
        if self.enabled:
            self._stirred[run] = True
            if self._resting:
                self.wake()

    def collect(self, run: Run) -> list[Any]:
        """Take everything that a task, now over, has reported and that is not written yet."""
        if not self.enabled:
            return []
        run.over = True
        if self._stirred.pop(run, False) and not run.flushed:  # as most are: no flush has had it
            return self._collect(run) if run.notes or run.awake else self._take_begun(run)
        with self._lock:
            return self._collect(run)

    def flush(self) -> None:
        """Write what running tasks have reported."""
        with self._lock:  # while it is written too, or a task's end could overtake its progress
            events = []
            for run in list(self._stirred):
                if self._stirred.pop(run, False):
                    run.flushed = True
                    events += self._collect(run)
            if events:
                self.huey.storage.append_events(events)

    def serve(self, stop: threading.Event) -> None:
        """Flush ten times a second while tasks report something, until ``stop`` is set."""
        while not stop.is_set():
            self._resting = True
            if not self._stirred:
                self._bell.get()
            self._resting = False
            self._flush_or_log()
            stop.wait(FLUSH_EVERY)
        self._flush_or_log()
        self.wake()  # whoever serves beside

    def wake(self) -> None:
        """Make `serve` look around, at its ``stop`` too."""
        self._resting = False
        self._bell.put(None)

    def read(
        self, after: int | None = None, limit: int | None = None, timeout: float | None = None
    ) -> list[tuple[int, dict[str, Any]]]:
        """Return events with their cursors, the oldest first.

        :param after: the cursor to go on from; None for the oldest event kept.
        :param limit: at most so many.
        :param timeout: if there are none, wait for one so many seconds.
        """
        found = self.huey.storage.read_events(after, limit, timeout)
        return [(cursor, _event(data)) for cursor, data in found]

    def _made(
        self, kind: str, task: Task[Any], names: tuple[str, ...], values: tuple[Any, ...]
    ) -> Any:
        """Return an event of the present."""
        if self.huey.storage.keeps_objects:
            names = _names.setdefault(names, names)
            return (kind, task.id, task.name, time.time(), names, *values)
        return _as_json(kind, task.id, task.name, time.time(), names, values)

    def _take_begun(self, run: Run) -> list[Any]:
        """Return the event that a worker has begun a task, in a list, once."""
        begun, run.untold = run.untold, None
        return [] if begun is None else [self._began(run, begun)]

    def _began(self, run: Run, begun: Begun) -> Any:
        task, (attempt, retries, deaths) = run.task, begun
        names: tuple[str, ...] = _BEGUN
        facts: tuple[Any, ...] = (run.worker, attempt, retries, run.pid)
        if deaths:
            names, facts = (*names, "deaths"), (*facts, deaths)
        if self.huey.storage.keeps_objects:
            return ("executing", task.id, task.name, run.started, names, *facts)
        try:
            rest = _begun(names, *facts)
        except TypeError:  # a number of a kind that is no key
            return _as_json("executing", task.id, task.name, run.started, names, facts)
        return _line("executing", task.id, task.name, run.started, rest)

    def _flush_or_log(self) -> None:
        try:
            self.flush()
        except Exception:
            logger.exception("some progress or output was lost")

    def _collect(self, run: Run) -> list[Any]:
        events, progress, output = run.drain()
        events = self._take_begun(run) + events
        if output:
            events += self.of("output", run.task, records=_merge(output))
        if progress is not None:
            done, total, message = progress
            events += self.of("progress", run.task, done=done, total=total, message=message)
        return events


def to_json(parts: Parts) -> bytes:
    """Return an event as the storages keep it that keep bytes: one line."""
    kind, task, name, at, names, *values = parts
    return _as_json(kind, task, name, at, names, values)


def _as_json(
    kind: str, task: str, name: str, at: float, names: tuple[str, ...], values: Iterable[Any]
) -> bytes:
    try:
        rest = _rest(names, values)
    except (TypeError, ValueError, RecursionError):  # names that are no text, circles
        rest = ',{"problem":"the rest of this event is no JSON"}'
    return _line(kind, task, name, at, rest)


def _line(kind: str, task: str, name: str, at: float, rest: str) -> bytes:
    task = _text(task) if type(task) is str else _value(task)
    return f"[{_text(kind)},{task},{_text(name)},{int(1e6 * at)}{rest}]".encode()


def _rest(names: tuple[str, ...], values: Iterable[Any]) -> str:
    return _form(names) % tuple(map(_value, values))


@functools.lru_cache(typed=True)
def _begun(names: tuple[str, ...], *facts: Any) -> str:
    """Return what a worker says of each task, which is mostly the same."""
    return f",{','.join(map(_value, facts))}" if names is _BEGUN else _rest(names, facts)


def parts_of(event: dict[str, Any]) -> Parts:
    """Return what an event that was read is made of, to be written again."""
    facts = dict(event)
    known = tuple(map(facts.pop, ("kind", "task", "name", "at")))
    names = tuple(facts)
    return (*known, _names.setdefault(names, names), *facts.values())


_names: dict[tuple[str, ...], tuple[str, ...]] = {}  # few, as each kind has its own


@functools.cache
def _form(names: tuple[str, ...]) -> str:
    """Return the JSON of what has these names, with a gap for each value."""
    gaps = ",".join([f"{_text(name).replace('%', '%%')}:%s" for name in names])
    return f",{{{gaps}}}"


def _value(value: Any) -> str:
    """Return a value as JSON: of texts and numbers, which most are, in a tenth of the time."""
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is int or (kind is float and isfinite(value)):
        return repr(value)
    return _encode(value)


_encode = json.JSONEncoder(default=lambda value: _plain(value), separators=(",", ":")).encode


def _event(data: Any) -> dict[str, Any]:
    """Return an event as readers see it."""
    if isinstance(data, tuple):
        kind, task, name, at, names, *values = data
    else:
        found = json.loads(data)
        if isinstance(found, dict):  # as earlier versions wrote it
            return found
        kind, task, name, microseconds, *values = found
        at, names = microseconds / 1e6, _ORDER.get(kind, ())
        if values and isinstance(values[0], dict):
            names, values = tuple(values[0]), list(values[0].values())
    event = {"kind": kind, "task": task, "name": name, "at": at}
    return event | dict(zip(names, values, strict=True))


def _plain(value: Any) -> Any:
    """Return what JSON has for a value unknown to it: a number for numbers, else text."""
    convert: Callable[[Any], Any]
    for convert in (operator.index, float, str):
        with contextlib.suppress(Exception):
            return convert(value)
    return f"<{type(value).__name__}>"


def _merge(output: Sequence[tuple[str, Any]]) -> list[list[Any]]:
    """Join neighbouring pieces of the same stream, and shorten what is much too long."""
    records: list[list[Any]] = []
    pieces: list[str] = []
    for name, content in output:
        is_text = isinstance(content, str) and name in ("stdout", "stderr")
        if is_text and records and records[-1][0] == name and pieces:
            pieces.append(content)
            continue
        _close(records, pieces)
        pieces = [content] if is_text else []
        records.append([name, content])
    _close(records, pieces)
    return records


def _close(records: list[list[Any]], pieces: list[str]) -> None:
    if pieces:
        text = "".join(pieces)
        if len(text) > LONGEST_OUTPUT:
            half = LONGEST_OUTPUT // 2
            left_out = len(text) - 2 * half
            text = f"{text[:half]}\n[{left_out:,} characters left out]\n{text[-half:]}"
        records[-1][1] = text


def progress(done: float, total: float | None = None, message: str | None = None) -> None:
    """Report how far the running task is; does nothing outside a task.

    Cheap enough for an inner loop: whoever looks sees ten reports a second at most. A task that
    was cancelled stops here.

    :param done: how much is done, in any unit.
    :param total: how much there is, in the same unit; None if unknown.
    :param message: a few words on what is going on.
    """
    run = current_run()
    if run is not None:
        run.report(done, total, message)


def track(
    iterable: Iterable[T], total: float | None = None, message: str | None = None
) -> Iterator[T]:
    """Yield from ``iterable`` and report each item as progress of the running task.

    :param total: number of items; by default ``len(iterable)`` where that is known.
    :param message: a few words on what is going on.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    done = 0
    progress(done, total, message)
    for item in iterable:
        yield item
        done += 1
        progress(done, total, message)
