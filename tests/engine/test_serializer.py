"""Objects to bytes and back."""

import gzip
import json
import pickle
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huey import MemoryHuey, SqliteHuey
from huey.exceptions import ConfigurationError, HueyException
from huey.registry import Message
from huey.serializer import ReferenceSerializer, Serializer, SignedSerializer, inflate

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


# --- how large it may become -----------------------------------------------------------------


BOMBS = {
    "gzip": gzip.compress(bytes(10_000_000)),
    "zlib": zlib.compress(bytes(10_000_000)),
    "many members": gzip.compress(bytes(200_000)) * 50,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_data_that_would_fill_the_memory_is_refused(bomb):
    serializer = Serializer(compression=True, max_size=1_000_000)

    with pytest.raises(HueyException, match=r"more than 1,000,000 bytes.*larger max_size"):
        serializer.deserialize(bomb)


def test_data_may_be_as_large_as_it_says():
    assert inflate(zlib.compress(b"x" * 100), max_size=100) == b"x" * 100
    with pytest.raises(HueyException, match="more than 99"):
        inflate(zlib.compress(b"x" * 100), max_size=99)


def test_gzip_members_one_after_the_other_are_one():
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0") == b"one two"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "cut off"),
        (b"no such thing", "cannot be read"),
        (gzip.compress(b"whole", mtime=0)[:-3], "cut off"),
        (zlib.compress(b"whole")[:-3], "cut off"),
        (gzip.compress(b"one", mtime=0) + b"more", "followed by something else"),
    ],
)
def test_compressed_data_that_is_damaged_is_refused(data, problem):
    with pytest.raises(HueyException, match=problem):
        Serializer(compression=True).deserialize(data)


def test_a_size_that_nothing_fits_in_is_an_error():
    with pytest.raises(ConfigurationError, match="number of bytes"):
        Serializer(max_size=0)


# --- signed ----------------------------------------------------------------------------------

SECRET = "0123456789abcdef"  # noqa: S105 - guards nothing
# Made by huey 3.5.4: SignedSerializer(secret=SECRET * 2).serialize({'a': 1})
FROM_HUEY = (
    b"\x80\x05\x95\n\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."
    b":199cdf264b65bcaeda4c9cdac4b557bc9580218f"
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("digest", ["sha256", "sha1"])
def test_what_was_signed_comes_back(way, digest):
    serializer = SignedSerializer(SECRET, digest=digest, **WAYS[way])

    assert serializer.deserialize(serializer.serialize(["x" * 1000, b":"])) == ["x" * 1000, b":"]


@pytest.mark.parametrize("place", [0, 20, -70, -65, -64, -1])
def test_a_change_anywhere_is_refused(place):
    signed = bytearray(SignedSerializer(SECRET).serialize("a value of some length"))
    signed[place] ^= 1

    with pytest.raises(HueyException, match="signature is wrong"):
        SignedSerializer(SECRET).deserialize(bytes(signed))


@pytest.mark.parametrize(
    "other",
    [
        Serializer(),
        SignedSerializer("another secret, long"),
        SignedSerializer(SECRET, salt="another queue"),
    ],
)
def test_what_others_wrote_is_refused(other):
    with pytest.raises(HueyException, match="signature is wrong"):
        SignedSerializer(SECRET).deserialize(other.serialize(1))


class Runs:
    ran = 0

    def __reduce__(self):
        return (note_that_it_ran, ())


def note_that_it_ran():
    Runs.ran += 1


@pytest.mark.parametrize("compression", [False, True])
def test_the_signature_is_checked_before_anything_is_done_with_the_bytes(compression):
    serializer = SignedSerializer(SECRET, compression=compression, max_size=1000)
    forged = Serializer(compression=compression).serialize(Runs())

    for data in (forged, forged + b":" + b"0" * 64, gzip.compress(bytes(10_000)), b"", b":"):
        with pytest.raises(HueyException, match="signature is wrong"):
            serializer.deserialize(data)
    assert Runs.ran == 0


def test_a_secret_can_be_replaced():
    old, new = SignedSerializer("the old secret 1"), SignedSerializer("the new secret 1")
    both = SignedSerializer(["the new secret 1", "the old secret 1"])

    assert both.deserialize(old.serialize(1)) == 1
    assert new.deserialize(both.serialize(2)) == 2
    with pytest.raises(HueyException, match="signature is wrong"):
        old.deserialize(both.serialize(2))


@pytest.mark.parametrize("secret", [None, "", b"", [], "short", [SECRET, ""]])
def test_no_secret_or_a_short_one_is_an_error_that_says_how_to_make_one(secret):
    with pytest.raises(ConfigurationError, match=r"16 bytes or more.*secrets.token_hex") as raised:
        SignedSerializer(secret)

    assert "short" not in str(raised.value).replace("shorter", "")


@pytest.mark.parametrize("wrong", [{"salt": ""}, {"digest": "md5"}])
def test_a_salt_or_digest_that_cannot_work_is_an_error(wrong):
    with pytest.raises(ConfigurationError):
        SignedSerializer(SECRET, **wrong)


def test_the_secret_shows_nowhere():
    serializer = SignedSerializer(SECRET)
    huey = MemoryHuey(serializer=serializer)

    for shown in (repr(serializer), repr(vars(serializer)), repr(huey), repr(vars(huey))):
        assert SECRET not in shown
        assert SECRET.encode().hex() not in shown
    with pytest.raises(TypeError, match="holds a secret and is not pickled"):
        pickle.dumps(serializer)


def test_messages_signed_by_huey_are_understood():
    assert SignedSerializer(SECRET * 2).deserialize(FROM_HUEY) == {"a": 1}
    # pickle's protocol is huey's too, so the bytes are the same
    assert SignedSerializer(SECRET * 2, digest="sha1").serialize({"a": 1}) == FROM_HUEY


def test_a_message_that_is_not_signed_is_set_aside_and_the_next_task_runs(tmp_path, work_off):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", serializer=SignedSerializer(SECRET))
    double = huey.task(name="double")(lambda n: 2 * n)
    huey.storage.enqueue(Serializer().serialize(Runs()), 5)
    result = double(4)

    assert work_off(huey) == 2

    assert result() == 8
    assert Runs.ran == 0
    assert [reason[:36] for _, reason in huey.set_aside()] == [
        "HueyException: the signature is wron"
    ]
    huey.storage.close()
