"""Objects to bytes and back."""

from __future__ import annotations

import gzip
import pickle
import zlib
from typing import Any

from huey.exceptions import ConfigurationError

_GZIP_MAGIC = b"\x1f\x8b"


class Serializer:
    """Pickle objects and, if asked to, compress the bytes.

    Override ``_serialize`` and ``_deserialize`` for another format. Unpickling runs code that the
    sender chose: on a storage that strangers can write to, use a format that does not.

    :param compression: compress with gzip.
    :param compression_level: 0 for least, 9 for most.
    :param use_zlib: use zlib instead of gzip.
    """

    def __init__(
        self, compression: bool = False, compression_level: int = 6, use_zlib: bool = False
    ) -> None:
        if not 0 <= compression_level <= 9:
            raise ConfigurationError(f"compression_level is 0 to 9, not {compression_level!r}")
        self.compression = compression
        self.compression_level = compression_level
        self.use_zlib = use_zlib

    def _serialize(self, data: Any) -> bytes:
        return pickle.dumps(data, pickle.HIGHEST_PROTOCOL)

    def _deserialize(self, data: bytes) -> Any:
        return pickle.loads(data)  # noqa: S301 - the documented default; see the class docstring

    def serialize(self, data: Any) -> Any:
        """Return ``data`` as bytes."""
        raw = self._serialize(data)
        if not self.compression:
            return raw
        if self.use_zlib:
            return zlib.compress(raw, self.compression_level)
        return gzip.compress(raw, self.compression_level, mtime=0)

    def deserialize(self, data: Any) -> Any:
        """Return the object that was serialized."""
        if self.compression:
            data = gzip.decompress(data) if data[:2] == _GZIP_MAGIC else zlib.decompress(data)
        return self._deserialize(data)


class ReferenceSerializer(Serializer):
    """Hand objects on as they are, for storages that live in the same process.

    Nothing is copied and nothing need be picklable; whoever changes an argument after the call
    changes it for the task too, as with any function call on a thread.
    """

    def serialize(self, data: Any) -> Any:
        return data

    def deserialize(self, data: Any) -> Any:
        return data
