"""Objects to bytes and back."""

from __future__ import annotations

import gzip
import pickle
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from huey.exceptions import ConfigurationError, HueyException

MAX_SIZE: Final = 256 * 1024 * 1024
SHORTEST_SECRET: Final = 16  # bytes

_GZIP_MAGIC = b"\x1f\x8b"
_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib finds out itself whether it is given gzip or zlib


class Serializer:
    """Pickle objects and, if asked to, compress the bytes.

    Override ``_serialize`` and ``_deserialize`` for another format. Unpickling runs code that the
    sender chose: on a storage that strangers can write to, use `SignedSerializer`.

    :param compression: compress with gzip.
    :param compression_level: 0 for least, 9 for most.
    :param use_zlib: use zlib instead of gzip. Either kind can be read, whichever is written.
    :param max_size: bytes to which compressed data may grow when it is read; more is an error,
        as a small message can be made to fill the memory.
    """

    def __init__(
        self,
        compression: bool = False,
        compression_level: int = 6,
        use_zlib: bool = False,
        *,
        max_size: int = MAX_SIZE,
    ) -> None:
        if not 0 <= compression_level <= 9:
            raise ConfigurationError(f"compression_level is 0 to 9, not {compression_level!r}")
        if max_size < 1:
            raise ConfigurationError(f"max_size is a number of bytes, not {max_size!r}")
        self.compression = compression
        self.compression_level = compression_level
        self.use_zlib = use_zlib
        self.max_size = max_size

    @property
    def shows_text(self) -> bool:
        """Whether text stands in the bytes as it is, to be looked for without reading them."""
        return type(self) is Serializer and not self.compression

    def _serialize(self, data: Any) -> bytes:
        """Return ``data`` as bytes, not compressed: what another format overrides."""
        return pickle.dumps(data, pickle.HIGHEST_PROTOCOL)

    def _deserialize(self, data: bytes) -> Any:
        """Return the object that `_serialize` made into bytes: what another format overrides."""
        return pickle.loads(data)  # noqa: S301 - the documented default; see the class docstring

    def serialize(self, data: Any) -> Any:
        """Return ``data`` as bytes."""
        raw = self._serialize(data)
        return self._compress(raw) if self.compression else raw

    def deserialize(self, data: Any) -> Any:
        """Return the object that was serialized.

        :raises HueyException: if compressed data is damaged or grows beyond ``max_size``.
        """
        return self._deserialize(inflate(data, self.max_size) if self.compression else data)

    def _compress(self, raw: bytes) -> bytes:
        if self.use_zlib:
            return zlib.compress(raw, self.compression_level)
        return gzip.compress(raw, self.compression_level, mtime=0)


def inflate(data: bytes, max_size: int = MAX_SIZE) -> bytes:
    """Return what gzip or zlib compressed; gzip also in several members one after the other.

    :param max_size: bytes that it may come to.
    :raises HueyException: if it comes to more, is cut off, or is no such data at all.
    """
    parts: list[bytes] = []
    left = max_size
    while True:
        member = zlib.decompressobj(_ANY_HEADER)
        try:
            parts.append(member.decompress(data, left + 1))
        except zlib.error as error:
            raise HueyException(f"compressed data cannot be read: {error}") from error
        left -= len(parts[-1])
        if left < 0:
            raise HueyException(
                f"compressed data comes to more than {max_size:,} bytes: if it is meant to be so "
                f"large, give the serializer a larger max_size"
            )
        if not member.eof:
            raise HueyException("compressed data is cut off")
        data = member.unused_data.lstrip(b"\0")  # gzip allows such padding
        if not data:
            return b"".join(parts)
        if data[:2] != _GZIP_MAGIC:
            raise HueyException("compressed data is followed by something else")


class SignedSerializer(Serializer):
    """Pickle, compress if asked to, and sign: what was not signed with the secret is refused.

    The signature is checked before anything else is done with the bytes, so whoever can write to
    the storage but does not know the secret cannot run code here. It does not hide what is
    written, and does not keep a signed message from being enqueued twice. Keep the secret out of
    the source:

    .. code-block:: python

        serializer = SignedSerializer(os.environ["QUEUE_SECRET"], salt="my-app")
        huey = SqliteHuey("app.db", serializer=serializer)

    Give each queue a ``salt`` of its own, then what is signed for one is refused by the others.

    Bytes are ``data:signature`` with a hexadecimal HMAC-SHA256 (RFC 2104). With
    ``digest="sha1"`` it is the HMAC-SHA1 that huey's own serializer of this name writes and
    wants. Either can be read, huey's unless it is compressed: it compresses after signing.

    :param secret: 16 bytes or more, from a good source such as ``secrets.token_hex()``. Of
        several the first signs and all are good for reading, so that a secret can be replaced:
        put the new one first everywhere, and remove the old one when the queue has drained.
    :param salt: what the data is for.
    :param digest: ``sha256`` or ``sha1``, see above.
    :param kwargs: those of `Serializer`.
    :raises ConfigurationError: if the secret is missing or too short to be one.
    """

    def __init__(
        self,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        salt: str | bytes = "huey",
        *,
        digest: str = "sha256",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if digest not in ("sha256", "sha1"):
            raise ConfigurationError(f"digest is sha256 or sha1, not {digest!r}")
        if not salt:
            raise ConfigurationError("salt is empty: leave it out, or name what the data is for")
        self.salt = salt
        self.digest = digest
        self._signatures = _signer(_secrets(secret), _to_bytes(salt))

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a SignedSerializer holds a secret and is not pickled: make one in each process"
        )

    def serialize(self, data: Any) -> Any:
        """Return ``data`` as signed bytes."""
        payload = super().serialize(data)
        return b"%b:%b" % (payload, self._signatures(self.digest, payload)[0])

    def deserialize(self, data: Any) -> Any:
        """Return the object that was serialized.

        :raises HueyException: if it was not signed with one of the secrets and this salt.
        """
        payload, _, signature = bytes(data).rpartition(b":")
        digest = "sha1" if len(signature) == _SHA1_DIGITS else "sha256"
        known = self._signatures(digest, payload)
        import hmac

        if not any([hmac.compare_digest(signature, one) for one in known]):
            raise HueyException(
                "the signature is wrong: this was written without the secret, for another salt, "
                "or was changed on its way"
            )
        return super().deserialize(payload)


class ReferenceSerializer(Serializer):
    """Hand objects on as they are, for storages that live in the same process.

    Nothing is copied and nothing need be picklable; whoever changes an argument after the call
    changes it for the task too, as with any function call on a thread.
    """

    def serialize(self, data: Any) -> Any:
        return data

    def deserialize(self, data: Any) -> Any:
        return data


_SHA1_DIGITS = 40


def _signer(secrets: Sequence[bytes], salt: bytes) -> Callable[[str, bytes], list[bytes]]:
    """Return a function from digest and payload to the signatures with each of the secrets.

    The keys are in its closure, where neither a repr nor vars() shows them. As in huey's
    messages, a key is the plain digest of salt and secret.
    """
    import hashlib  # with OpenSSL, which takes its time, and only here
    import hmac

    keys = {
        digest: [hashlib.new(digest, salt + secret).digest() for secret in secrets]
        for digest in ("sha256", "sha1")
    }

    def signatures(digest: str, payload: bytes) -> list[bytes]:
        return [hmac.new(key, payload, digest).hexdigest().encode() for key in keys[digest]]

    return signatures


def _secrets(given: str | bytes | Sequence[str | bytes] | None) -> list[bytes]:
    if given is None or isinstance(given, (str, bytes)):
        given = [given or b""]
    secrets = [_to_bytes(one) for one in given]
    if not secrets or min(map(len, secrets)) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"SignedSerializer needs a secret of {SHORTEST_SECRET} bytes or more: make one with "
            f"python -c 'import secrets; print(secrets.token_hex())' and keep it in an "
            f"environment variable"
        )
    return secrets


def _to_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
