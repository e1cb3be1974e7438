"""Notebook 09, Under the hood: a black hole, a storage, a JSON serializer, a seal."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from huey.api import Huey, MemoryHuey
from huey.exceptions import TaskLockedException, UnreadableMessage
from huey.serializer import Serializer
from huey.storage import BaseStorage, BlackHoleStorage, MemoryStorage
from huey_jupyter.teaching.exercises import NotYet, Todo, exercise, expect
from huey_jupyter.teaching.facts import Facts
from huey_jupyter.teaching.promises import NOON, Promises, State
from huey_jupyter.teaching.trace import Trace

SCHEDULE: Final = (
    *("add_to_schedule", "read_schedule", "schedule_size", "scheduled_items", "flush_schedule"),
    *("pop_data", "put_if_empty"),
)
FORMAT: Final = ("_serialize", "_deserialize")
SEAL: Final = 32  # bytes


# --- the black hole ---


class Kept(NamedTuple):
    """All that a storage holds."""

    queue: list[Any]
    schedule: list[Any]
    values: dict[str, Any]


@exercise(
    "09.1",
    "Which one is the black hole?",
    praise="Only what comes back was kept, and nobody sees that you have asked.",
    hints=(
        "An empty storage gives the same answers as a black hole. So you have to put something in.",
        "Put in something that you can take out again without touching what others have there: "
        "on the queue you cannot choose what you take, among the values you can.",
        "put_data under a key of your own, then look whether pop_data brings it back.",
    ),
)
def the_black_hole_is_found(facts: Facts, is_black_hole: Any) -> str:
    expect(callable(is_black_hole), "`is_black_hole` should be a function of a storage.")
    for name, storage in (("an empty storage", MemoryStorage()), ("a storage in use", _in_use())):
        before = _kept(storage)
        told = is_black_hole(Trace(storage))
        expect(not told, f"This was {name}, and you call it a black hole.")
        _expect_same(before, _kept(storage), name)
    told = is_black_hole(Trace(BlackHoleStorage()))
    expect(told, "This was a black hole, and you take it for a storage.")
    return "Shown: an empty storage, one in use, and a black hole, each behind a tracer."


def _in_use() -> BaseStorage:
    storage = MemoryStorage()
    for message in (b"somebody's", b"somebody else's"):
        storage.enqueue(message)
    storage.add_to_schedule(b"long due", NOON)
    storage.put_data("a value", b"of somebody")
    return storage


def _kept(storage: BaseStorage) -> Kept:
    return Kept(storage.enqueued_items(), storage.scheduled_items(), storage.result_items())


def _expect_same(before: Kept, after: Kept, name: str) -> None:
    if before == after:
        return
    for part, old, new in zip(Kept._fields, before, after, strict=True):
        gone = [one for one in old if one not in new]
        expect(not gone, f"In {name}, something of somebody else's is gone from the {part}.")
        expect(len(new) == len(old), f"In {name}, you have left something in the {part}.")
    raise NotYet(f"In {name}, things are not as they were: the order or a value has changed.")


# --- a storage ---


@exercise(
    "09.2",
    "A storage of lists and a dict",
    praise="Fifteen promises are kept, and the engine runs on your storage as on any other.",
    hints=(
        "Run Promises(DictStorage) after each method. Begin with add_to_schedule, and keep the "
        "list sorted: self.schedule.append((timestamp, data)), then self.schedule.sort(...).",
        "Messages may be due at the same time, so sort by the time alone: "
        "key=lambda one: one[0]. read_schedule splits the list in those due and those that stay.",
        "A dict has what the values need: self.values.pop(key, EmptyData). put_if_empty looks "
        "with `key in self.values`, and answers True or False.",
    ),
)
def the_promises_are_kept(facts: Facts, storage_class: Any) -> str:
    _expect_class(storage_class, BaseStorage, "DictStorage")
    _expect_written(storage_class, SCHEDULE)
    findings = Promises(storage_class).broken
    for one in findings:
        expect(one.state is not State.open, f"A method is missing for this promise: {one.promise}")
        why = f" It raised {one.why}." if one.why else ""
        expect(False, f"This promise is broken: {one.promise}{why}")
    return _run_on(storage_class)


def _run_on(storage_class: type[BaseStorage]) -> str:
    """Run a task and take a lock on a storage; return what was seen."""
    huey = Huey("check", storage_class=storage_class)
    double = huey.task(name="double")(_double)
    result = double(21)
    expect(len(huey) == 1, "A task was called, and the queue of your storage is empty.")
    serve(huey)
    value = result.get()
    expect(value == 42, f"A task ran on your storage, and its value came back as {value!r}.")
    with huey.lock_task("door"):
        try:
            with huey.lock_task("door"):
                raise NotYet("Two tasks held the same lock at once: look at put_if_empty.")
        except TaskLockedException:
            pass
    return "Noted: a task ran on it, its value came back, and a lock let only one in."


def serve(huey: Huey) -> Any:
    """Be a worker once."""
    return huey.execute(huey.deserialize_task(huey.storage.dequeue()))


def _double(number: int) -> int:
    return 2 * number


# --- JSON ---


@exercise(
    "09.3",
    "Messages in JSON",
    praise="Your queue carries text that any language can read, and a worker still gets a task.",
    hints=(
        "json.dumps gives text, and a storage keeps bytes: add .encode().",
        "json makes a plain list of a Message. Write its fields by name instead: "
        'data = {"__message__": data._asdict()}, if isinstance(data, Message).',
        'On the way back: if what was read is a dict with the key "__message__", '
        'give back Message(**found["__message__"]), and otherwise what was read.',
    ),
)
def json_travels(facts: Facts, serializer_class: Any) -> str:
    _expect_class(serializer_class, Serializer, "JsonSerializer")
    _expect_written(serializer_class, FORMAT)
    serializer = serializer_class()
    value = {"grams": [1200, 2.5, True, None], "to": "Zoë"}
    data = serializer.serialize(value)
    _expect_json(data)
    expect(serializer.deserialize(data) == value, f"{value} did not come back as it was.")
    expect(
        len(serializer_class(compression=True).serialize(["again"] * 100)) < 400,
        "With compression=True nothing is compressed. Override the two methods that begin with _.",
    )
    huey = MemoryHuey("check", serializer=serializer)
    result = huey.task(name="double")(_double)(21)
    [message] = huey.storage.enqueued_items()
    _expect_json(message)
    try:
        serve(huey)
    except UnreadableMessage as error:
        raise NotYet(f"A worker cannot make a task of your message: {error}.") from error
    expect(result.get() == 42, "A task ran, and its value did not come back.")
    return f"On the queue: {bytes(message[:60]).decode(errors='replace')}…"


def _expect_json(data: Any) -> None:
    expect(
        isinstance(data, bytes), f"_serialize gives {type(data).__name__}, and should give bytes."
    )
    try:
        json.loads(data)
    except ValueError as error:
        raise NotYet("The bytes are no JSON.") from error


# --- the seal ---

_rung: list[str] = []


def _ring(sound: str) -> None:
    _rung.append(sound)


class _Bell:
    """Rings when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return _ring, ("ding",)


@exercise(
    "09.4",
    "Refuse what was tampered with",
    praise="Nothing is unpickled before its seal is proved, and only the secret makes the seal.",
    hints=(
        "_serialize: pickled = super()._serialize(data), then the seal of these bytes before them.",
        "_deserialize: data[:32] is the seal, data[32:] what was sealed. Make the seal again, and "
        "raise an error if the two differ.",
        "Only after that: return super()._deserialize(pickled). Compare with hmac.compare_digest.",
    ),
)
def tampering_is_refused(facts: Facts, serializer_class: Any) -> str:
    _expect_class(serializer_class, Serializer, "SealedSerializer")
    _expect_written(serializer_class, FORMAT)
    mine, other = serializer_class(b"a secret of mine"), serializer_class(b"another secret")
    value = {"pay": 10, "to": "Zoë"}
    sealed = mine.serialize(value)
    expect(isinstance(sealed, bytes), "_serialize should give bytes.")
    expect(mine.deserialize(sealed) == value, "What was sealed did not come back as it was.")
    _expect_no_bell(mine, sealed, value)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        expect(_refuses(mine, changed), f"Byte {place} was changed, and it was read all the same.")
    expect(_refuses(mine, sealed[:-1]), "The last byte was cut off, and it was read all the same.")
    expect(
        _refuses(other, sealed),
        "It was sealed with one secret and read with another. A seal that anybody can make, or "
        "that nobody looks at, is no seal.",
    )
    longer = len(sealed) - len(Serializer().serialize(value))
    return (
        f"Refused: {len(sealed)} changed copies and a stranger's pickle. A seal takes {longer} B."
    )


def _expect_no_bell(serializer: Serializer, sealed: bytes, value: Any) -> None:
    """Hand over a stranger's pickles, whose only harm is that they leave a trace."""
    stranger = pickle.dumps(_Bell())
    swapped = sealed.replace(Serializer().serialize(value), stranger)
    for data in (stranger, swapped, sealed[:SEAL] + stranger, stranger + sealed[-SEAL:]):
        _rung.clear()
        refused = _refuses(serializer, data)
        expect(
            not _rung,
            "A stranger's code has run: the bytes were unpickled before the seal was proved.",
        )
        expect(refused, "A stranger's bytes were read, and no error was raised.")


def _refuses(serializer: Serializer, data: bytes) -> bool:
    with suppress(Exception):
        serializer.deserialize(data)
        return False
    return True


# --- classes ---


def _expect_class(answer: Any, base: type, name: str) -> None:
    fits = isinstance(answer, type) and issubclass(answer, base)
    expect(fits, f"`{name}` should be a class that builds on {base.__name__}.")


def _expect_written(answer: type, names: tuple[str, ...]) -> None:
    """Go on if none of the methods is as the exercise came with it.

    :raises Todo: if all are.
    :raises NotYet: if some are.
    """
    unwritten = [name for name in names if _is_unwritten(getattr(answer, name))]
    if len(unwritten) == len(names):
        raise Todo("Write what raises NotImplementedError in the cell above")
    expect(not unwritten, f"{', '.join(unwritten)}: not written yet.")


def _is_unwritten(method: Any) -> bool:
    code = getattr(method, "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)
