"""Objects to bytes and back."""

import gzip
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huey import MemoryHuey
from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.serializer import ReferenceSerializer, Serializer

WAYS = {
    "plain": {},
    "gzip": {"compression": True},
    "zlib": {"compression": True, "use_zlib": True},
    "gzip, least": {"compression": True, "compression_level": 0},
    "zlib, most": {"compression": True, "compression_level": 9, "use_zlib": True},
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25)
@given(value=st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists))
def test_what_was_serialized_comes_back(way, value):
    serializer = Serializer(**WAYS[way])

    assert serializer.deserialize(serializer.serialize(value)) == value


def test_compressed_bytes_are_what_they_say():
    text = "x" * 1000

    assert gzip.decompress(Serializer(compression=True).serialize(text))
    assert zlib.decompress(Serializer(compression=True, use_zlib=True).serialize(text))
    assert len(Serializer(compression=True).serialize(text)) < 100


def test_either_kind_of_compression_can_be_read():
    by_gzip, by_zlib = Serializer(compression=True), Serializer(compression=True, use_zlib=True)

    assert by_gzip.deserialize(by_zlib.serialize(1)) == 1
    assert by_zlib.deserialize(by_gzip.serialize(1)) == 1


@pytest.mark.parametrize("level", [-1, 10])
def test_a_level_that_there_is_not_is_an_error(level):
    with pytest.raises(ConfigurationError, match="0 to 9"):
        Serializer(compression_level=level)


def test_a_reference_is_the_object_itself():
    thing = object()

    assert ReferenceSerializer().deserialize(ReferenceSerializer().serialize(thing)) is thing


class Json(Serializer):
    """A format of one's own, for messages and for simple values."""

    def _serialize(self, data):
        kind = "message" if isinstance(data, Message) else "value"
        return json.dumps({kind: data}).encode()

    def _deserialize(self, data):
        ((kind, value),) = json.loads(data).items()
        return Message(*value) if kind == "message" else value


def test_a_format_of_ones_own_serves_messages_and_results(work_off):
    huey = MemoryHuey(serializer=Json(compression=True))
    result = huey.task(name="double")(lambda n: 2 * n)(21)
    work_off(huey)

    (stored,) = huey.all_results().values()

    assert json.loads(gzip.decompress(stored)) == {"value": 42}
    assert result() == 42


def test_messages_have_the_fields_of_hueys_messages():
    assert Message._fields == (
        *("id", "name", "eta", "retries", "retry_delay", "priority", "args", "kwargs"),
        *("on_complete", "on_error", "expires", "expires_resolved", "timeout", "chord_config"),
        "retry_backoff",
    )
