"""What the engine relies on in a storage: fifteen promises, and which of them a storage keeps."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from huey.constants import EmptyData
from huey.storage import BaseStorage
from huey_jupyter.views.render import render

Test = Callable[[Any], bool]

NOON: Final = datetime.datetime(2026, 11, 30, 12)
PROMISES: Final[dict[str, Test]] = {}


class State(StrEnum):
    """What became of a promise."""

    kept = "kept"
    broken = "broken"
    open = "not written yet"

    @property
    def shape(self) -> str:
        return {"kept": "✓", "broken": "✗", "open": "○"}[self.name]

    @property
    def tone(self) -> str:
        return {"kept": "good", "broken": "bad", "open": "idle"}[self.name]


class Finding(NamedTuple):
    """A promise, what became of it, and what was raised instead of an answer."""

    promise: str
    state: State
    why: str = ""


class Promises:
    """Puts a storage to the test, a new one for each promise.

    :param make: makes an empty storage; its class will do.
    """

    def __init__(self, make: Callable[[], BaseStorage]) -> None:
        self.name = getattr(make, "__name__", "this storage")
        self.findings = [_find(promise, test, make) for promise, test in PROMISES.items()]

    @property
    def broken(self) -> list[Finding]:
        """Those that are not kept."""
        return [one for one in self.findings if one.state is not State.kept]

    @property
    def summary(self) -> str:
        """The findings in a sentence."""
        kept = len(self.findings) - len(self.broken)
        return f"{self.name} keeps {kept} of {len(self.findings)} promises."

    def __repr__(self) -> str:
        rows = [
            f"{one.state.shape} {one.state.value:15}  {one.promise}"
            + f"  ({one.why})" * bool(one.why)
            for one in self.findings
        ]
        return "\n".join([self.summary, *rows])

    def _repr_html_(self) -> str:
        return render("promises.html.j2", False, now=0.0, promises=self)


def _find(promise: str, test: Test, make: Callable[[], BaseStorage]) -> Finding:
    try:
        return Finding(promise, State.kept if test(make()) else State.broken)
    except NotImplementedError:
        return Finding(promise, State.open)
    except Exception as error:  # whatever a reader's storage may do
        return Finding(promise, State.broken, f"{type(error).__name__}: {error}")


def _promise(words: str) -> Callable[[Test], Test]:
    def register(test: Test) -> Test:
        PROMISES[words] = test
        return test

    return register


def _at(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def _filled(storage: Any) -> Any:
    """Schedule three messages, the last first."""
    for name, seconds in ((b"c", 30), (b"a", 10), (b"b", 20)):
        storage.add_to_schedule(name, _at(seconds))
    return storage


# --- queue ---


@_promise("What went into the queue first comes out first.")
def _first_in_first_out(storage: Any) -> bool:
    for message in (b"a", b"b", b"c"):
        storage.enqueue(message)
    return [storage.dequeue() for _ in range(3)] == [b"a", b"b", b"c"]


@_promise("An empty queue gives None.")
def _empty_queue(storage: Any) -> bool:
    return storage.dequeue() is None and storage.queue_size() == 0


@_promise("A look at the queue shows the next one first, and takes nothing away.")
def _look_at_queue(storage: Any) -> bool:
    for message in (b"a", b"b", b"c"):
        storage.enqueue(message)
    looks = storage.enqueued_items(), storage.enqueued_items(2)
    return looks == ([b"a", b"b", b"c"], [b"a", b"b"]) and storage.queue_size() == 3


@_promise("A queue that is flushed is empty.")
def _flushed_queue(storage: Any) -> bool:
    storage.enqueue(b"a")
    storage.flush_queue()
    return storage.queue_size() == 0 and storage.dequeue() is None


# --- schedule ---


@_promise("What is due comes off the schedule, the earliest first.")
def _earliest_first(storage: Any) -> bool:
    return list(_filled(storage).read_schedule(_at(60))) == [b"a", b"b", b"c"]


@_promise("What is due at the very moment that is asked about comes too.")
def _due_on_time(storage: Any) -> bool:
    return list(_filled(storage).read_schedule(_at(10))) == [b"a"]


@_promise("What is not due stays on the schedule.")
def _not_due_stays(storage: Any) -> bool:
    _filled(storage).read_schedule(_at(15))
    return {b"b", b"c"} <= set(storage.scheduled_items())


@_promise("What came off the schedule does not come a second time.")
def _once(storage: Any) -> bool:
    _filled(storage).read_schedule(_at(60))
    return not storage.read_schedule(_at(60)) and storage.schedule_size() == 0


@_promise("A look at the schedule shows the earliest first, and takes nothing away.")
def _look_at_schedule(storage: Any) -> bool:
    looks = list(_filled(storage).scheduled_items()), list(storage.scheduled_items(2))
    return looks == ([b"a", b"b", b"c"], [b"a", b"b"]) and storage.schedule_size() == 3


@_promise("A schedule that is flushed is empty.")
def _flushed_schedule(storage: Any) -> bool:
    _filled(storage).flush_schedule()
    return storage.schedule_size() == 0 and not storage.read_schedule(_at(60))


# --- values ---


@_promise("Of two values under one key the later counts.")
def _later_counts(storage: Any) -> bool:
    storage.put_data("key", b"old")
    storage.put_data("key", b"new")
    return bool(storage.peek_data("key") == b"new")


@_promise("A value can be looked at often, and taken once.")
def _taken_once(storage: Any) -> bool:
    storage.put_data("key", b"value")
    looks = [storage.peek_data("key"), storage.peek_data("key"), storage.pop_data("key")]
    return looks == [b"value"] * 3 and not storage.has_data_for_key("key")


@_promise("Where there is no value, the answer is EmptyData, since None may be a value.")
def _no_value(storage: Any) -> bool:
    answers = storage.peek_data("key"), storage.pop_data("key")
    return answers == (EmptyData, EmptyData) and not storage.has_data_for_key("key")


@_promise("put_if_empty lets the first one win, and tells each how it went.")
def _first_wins(storage: Any) -> bool:
    values = (b"first", b"second", b"first")  # the same value again is no reason to say yes
    told = [storage.put_if_empty("key", value) for value in values]
    return told == [True, False, False] and storage.peek_data("key") == b"first"


@_promise("All values are counted, listed, and gone after a flush.")
def _all_values(storage: Any) -> bool:
    storage.put_data("a", b"1")
    storage.put_data("b", b"2")
    listed = storage.result_store_size() == 2 and storage.result_items() == {"a": b"1", "b": b"2"}
    storage.flush_results()
    return bool(listed and storage.result_store_size() == 0)
