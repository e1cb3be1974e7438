"""What the ninth notebook takes for right and for wrong, beside its own solutions."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
import zlib
from typing import Any

import pytest

from huey.constants import EmptyData
from huey.registry import Message
from huey.serializer import Serializer, SignedSerializer
from huey.storage import BlackHoleStorage, MemoryStorage
from huey_jupyter.teaching.exercises import NotYet, Todo, find


def told(number: str, answer: Any) -> str:
    """Return the help that an answer gets; empty if it is right."""
    try:
        find(f"09.{number}").rule(None, answer)
    except NotYet as helps:
        return str(helps)
    return ""


# --- which one is the black hole? ---


def by_a_second_try(storage: Any) -> bool:
    storage.put_if_empty("mine", b"1")
    again = storage.put_if_empty("mine", b"1")
    storage.pop_data("mine")
    return bool(again)


def by_the_count(storage: Any) -> bool:
    before = storage.result_store_size()
    storage.put_data("mine", b"1")
    after = storage.result_store_size()
    storage.pop_data("mine")
    return bool(after == before)


@pytest.mark.parametrize("answer", [by_a_second_try, by_the_count])
def test_there_are_several_ways_to_tell_a_black_hole(answer: Any) -> None:
    assert told("1", answer) == ""


def flushes(storage: Any) -> bool:
    storage.put_data("mine", b"1")
    gone = storage.peek_data("mine") is EmptyData
    storage.flush_results()
    return gone


def takes_what_is_due(storage: Any) -> bool:
    from huey_jupyter.teaching.promises import NOON

    storage.add_to_schedule(b"mine", NOON)
    return not storage.read_schedule(NOON)


def overwrites_nothing_but_leaves(storage: Any) -> bool:
    storage.enqueue(b"mine")
    return bool(storage.queue_size() == 0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda storage: isinstance(storage, BlackHoleStorage), "take it for a storage"),
        (lambda storage: True, "an empty storage, and you call it"),
        (flushes, "gone from the values"),
        (takes_what_is_due, "gone from the schedule"),
        (overwrites_nothing_but_leaves, "left something in the queue"),
        (7, "should be a function"),
    ],
)
def test_a_way_that_fails_or_leaves_traces_is_told_why(answer: Any, says: str) -> None:
    assert says in told("1", answer)


# --- a storage ---


def test_any_storage_that_keeps_its_promises_will_do() -> None:
    assert told("2", MemoryStorage) == ""


def test_a_method_that_is_missing_is_named() -> None:
    class Nearly(MemoryStorage):
        def read_schedule(self, timestamp: Any) -> list[Any]:
            raise NotImplementedError

    assert told("2", Nearly) == "read_schedule: not written yet."


def test_what_a_storage_raises_is_repeated() -> None:
    class Broken(MemoryStorage):
        def pop_data(self, key: str) -> Any:
            return self._values.pop(key)

    assert "KeyError" in told("2", Broken)


# --- JSON ---


class Positional(Serializer):
    """Marks messages in another way than the solution does."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps([isinstance(data, Message), data]).encode()

    def _deserialize(self, data: bytes) -> Any:
        is_message, found = json.loads(data)
        return Message(*found) if is_message else found


def test_messages_may_be_marked_in_any_way() -> None:
    assert told("3", Positional) == ""


def test_other_formats_are_no_json() -> None:
    assert told("3", Serializer) == "The bytes are no JSON."


# --- the seal ---


class Sealed(Serializer):
    """A solution, in parts."""

    def __init__(self, secret: bytes) -> None:
        super().__init__()
        self.secret = secret

    def seal(self, data: bytes) -> bytes:
        return hmac.digest(self.secret, data, "sha256")

    def _serialize(self, data: Any) -> bytes:
        pickled = super()._serialize(data)
        return self.seal(pickled) + pickled

    def _deserialize(self, data: bytes) -> Any:
        if data[:32] != self.seal(data[32:]):
            raise ValueError("the seal is broken")
        return super()._deserialize(data[32:])


class Behind(Sealed):
    """With the seal at the end, in hexadecimal digits."""

    def _serialize(self, data: Any) -> bytes:
        pickled = Serializer._serialize(self, data)
        return pickled + b":" + self.seal(pickled).hex().encode()

    def _deserialize(self, data: bytes) -> Any:
        pickled, colon, seal = data.rpartition(b":")
        if not colon or seal != self.seal(pickled).hex().encode():
            raise ValueError("the seal is broken")
        return Serializer._deserialize(self, pickled)


def test_a_seal_may_stand_anywhere() -> None:
    assert told("4", Sealed) == ""
    assert told("4", Behind) == ""
    assert told("4", lambda secret: None).startswith("`SealedSerializer` should be a class")


class TooLate(Behind):
    def _deserialize(self, data: bytes) -> Any:
        pickled, _, seal = data.rpartition(b":")
        found = Serializer._deserialize(self, pickled)
        if seal != self.seal(pickled).hex().encode():
            raise ValueError("the seal is broken")
        return found


class Wrapped(Sealed):
    """With the seal inside of a pickle, which has to be read first."""

    def _serialize(self, data: Any) -> bytes:
        pickled = Serializer._serialize(self, data)
        return pickle.dumps((self.seal(pickled), pickled))

    def _deserialize(self, data: bytes) -> Any:
        seal, pickled = pickle.loads(data)  # noqa: S301 - this is the mistake
        if seal != self.seal(pickled):
            raise ValueError("the seal is broken")
        return Serializer._deserialize(self, pickled)


class NoSecret(Sealed):
    def seal(self, data: bytes) -> bytes:
        return hashlib.sha256(data).digest()


class Checksum(Sealed):
    def seal(self, data: bytes) -> bytes:
        return zlib.crc32(data).to_bytes(32, "big")


class OnlyTheStart(Sealed):
    def seal(self, data: bytes) -> bytes:
        return hmac.digest(self.secret, data[:24], "sha256")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (TooLate, "A stranger's code has run"),
        (Wrapped, "A stranger's code has run"),
        (NoSecret, "sealed with one secret and read with another"),
        (Checksum, "sealed with one secret and read with another"),
        (OnlyTheStart, "was changed, and it was read all the same"),
    ],
)
def test_a_seal_that_protects_nothing_is_told_why(answer: Any, says: str) -> None:
    assert says in told("4", answer)


def test_the_engine_keeps_its_own_rules() -> None:
    class Signed(SignedSerializer):
        def __init__(self, secret: bytes) -> None:
            super().__init__(secret.ljust(16))

        def _serialize(self, data: Any) -> bytes:
            return super()._serialize(data)

    assert told("4", Signed) == ""


@pytest.mark.parametrize("number", ["3", "4"])
def test_what_is_not_written_is_to_be_done(number: str) -> None:
    class Unwritten(Serializer):
        def _serialize(self, data: Any) -> bytes:
            raise NotImplementedError

        def _deserialize(self, data: bytes) -> Any:
            raise NotImplementedError

    with pytest.raises(Todo):
        told(number, Unwritten)
