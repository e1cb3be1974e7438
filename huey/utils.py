"""Time as the queue counts it, identifiers, and short descriptions of values."""

from __future__ import annotations

import datetime
import functools
import itertools
import operator
import os
import random
import re
import reprlib
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

UTC = datetime.UTC

# An own generator: random.seed(42) in an application must not make the identifiers repeat.
_ids = random.Random()  # noqa: S311 - identifiers, not secrets
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


class Error(NamedTuple):
    """What stands in the result store for a task that failed.

    Its shape and this class's import path are huey's, so that readers of both understand it.

    :param metadata: ``error`` (one line), ``retries`` (left), ``traceback`` (text), ``task_id``.
    """

    metadata: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Error: {self.metadata.get('error')}>"


def make_id() -> str:
    """Return a UUID of version 8 (RFC 9562) as text: 72 random bits, then the time.

    Version 7 begins with the time, and where the first digits stand for the whole those of one
    minute would look alike.
    """
    text = f"{_ids.getrandbits(72) << 48 | time.time_ns() >> 14:030x}"
    return f"{text[:8]}-{text[8:12]}-8{text[12:15]}-8{text[15:18]}-{text[18:]}"


_MADE = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-([0-9a-f]{12})")


def made_at(data: bytes | str) -> bytes | None:
    """Return when the first id in some data was made, to be compared; None if it does not say."""
    found = _MADE.search(data.encode(errors="replace") if isinstance(data, str) else data)
    return found and found[1]


def to_timestamp(when: datetime.datetime, *, utc: bool = True) -> float:
    """Return seconds since the epoch.

    :param when: aware, or naive and then read as UTC if ``utc`` and as local time otherwise.
    """
    if when.tzinfo is None and utc:
        when = when.replace(tzinfo=UTC)
    return when.timestamp()


def from_timestamp(
    seconds: float, *, utc: bool = True, zone: datetime.tzinfo | None = None
) -> datetime.datetime:
    """Return the naive datetime of a number of seconds since the epoch.

    :param utc: in UTC, otherwise in local time.
    :param zone: in that zone instead. In an hour that comes twice, the second has ``fold=1``.
    """
    zone = zone or (UTC if utc else None)
    return datetime.datetime.fromtimestamp(seconds, zone).replace(tzinfo=None)


def normalize_time(
    eta: datetime.datetime | None = None,
    delay: float | datetime.timedelta | None = None,
    *,
    utc: bool = True,
) -> datetime.datetime:
    """Return the naive datetime meant by ``eta``, or by ``delay`` seconds from now.

    :param eta: aware, or naive local time.
    :param utc: whether the result is in UTC or in local time.
    """
    if eta is not None and delay is None:
        if not isinstance(eta, datetime.datetime):
            raise TypeError(f"a time is a datetime, not {eta!r}: seconds from now are a delay")
        return from_timestamp(eta.timestamp(), utc=utc)
    if delay is None or eta is not None:
        raise ValueError("give either eta or delay, not both and not neither")
    if isinstance(delay, datetime.timedelta):
        delay = delay.total_seconds()
    try:
        then = time.time() + delay
    except TypeError:
        raise TypeError(f"seconds are a number or a timedelta, not {delay!r}") from None
    return from_timestamp(then, utc=utc)


def normalize_expires(
    expires: float | datetime.timedelta | datetime.datetime, *, utc: bool = True
) -> datetime.datetime:
    """Return the naive datetime at which a task expires; numbers are seconds from now."""
    if isinstance(expires, datetime.datetime):
        return normalize_time(eta=expires, utc=utc)
    return normalize_time(delay=expires, utc=utc)


def printable(value: Any) -> str:
    """Return text in one line that is safe to log: control characters are shown by their code."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def is_ctrl_c(error: BaseException) -> bool:
    """Say whether an error is the user's interrupt, and not one that some code has raised."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    return isinstance(error, KeyboardInterrupt) and in_main_thread


F = TypeVar("F", bound=Callable[..., Any])


def also_named(**spellings: str) -> Callable[[F], F]:
    """Let a function take a keyword under another name too: ``also_named(id="task_id")``."""

    def decorate(func: F) -> F:
        @functools.wraps(func)
        def renamed(*args: Any, **kwargs: Any) -> Any:
            for other in spellings.keys() & kwargs.keys():
                if spellings[other] in kwargs:
                    raise TypeError(f"{other} and {spellings[other]} are the same: give one")
                kwargs[spellings[other]] = kwargs.pop(other)
            return func(*args, **kwargs)

        return cast("F", renamed)

    return decorate


def is_filename(name: str | os.PathLike[str]) -> bool:
    """Say whether what stands where a name is expected is meant as the name of a Sqlite file."""
    return os.fspath(name).endswith(".db") or is_path(name)


def is_path(name: str | os.PathLike[str]) -> bool:
    """Say whether what stands where a name is expected is meant as a path."""
    text = os.fspath(name)
    return os.sep in text or "/" in text


class _ShortRepr(reprlib.Repr):
    """reprlib, which stops early inside containers; other objects show their type alone."""

    def repr_instance(self, x: Any, level: int) -> str:
        return f"<{type(x).__name__}>"

    def repr_float(self, x: float, level: int) -> str:
        return repr(x)

    repr_bool = repr_NoneType = repr_complex = repr_float


def is_locked(lock: Any) -> bool:
    """Say whether another thread has a lock, or has been given it and waits for the interpreter.

    Of the latter neither ``locked()`` knows nor a flag that the holder sets. To try the lock and to
    give it back is one step, without Python code: whoever is interrupted in between would keep it.
    """
    tried = map(operator.call, (functools.partial(lock.acquire, False), lock.release))
    return not list(itertools.takewhile(bool, tried))


_short = _ShortRepr()
_short.maxstring = _short.maxother = 40


def short_call(args: tuple[Any, ...], kwargs: dict[str, Any], limit: int = 80) -> str:
    """Describe a call's arguments in at most ``limit`` characters, without costly reprs."""
    parts = [_short_repr(value) for value in args]
    if kwargs:
        parts += [f"{key}={_short_repr(value)}" for key, value in kwargs.items()]
    text = ", ".join(parts)
    return text if len(text) <= limit else text[: limit - 1] + "…"


_BRIEF = frozenset((int, float, bool, type(None)))


def _short_repr(value: Any) -> str:
    kind = type(value)
    if kind in _BRIEF and -1e15 < (value or 0) < 1e15:
        return repr(value)  # which most are; reprlib takes much longer to come to that
    if kind is str and len(value) <= _short.maxstring:
        text = repr(value)
        if len(text) <= _short.maxstring:
            return text
    try:
        return _short.repr(value)
    except Exception:  # a number too long to print, a class that calls itself list
        return f"<{type(value).__name__}>"
