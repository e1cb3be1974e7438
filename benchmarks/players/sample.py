"""The bytes that the limit moves: those of a message and a result of ours, made once."""

from __future__ import annotations

import bodies

from huey import SqliteHuey

ARGUMENTS = (1, 2)


def _sample() -> tuple[bytes, bytes]:
    huey = SqliteHuey("bench", filename="never-opened.db")
    message: bytes = huey.serialize_task(huey.task()(bodies.add).s(*ARGUMENTS))
    result: bytes = huey.serializer.serialize(bodies.add(*ARGUMENTS))
    return message, result


MESSAGE, RESULT = _sample()
