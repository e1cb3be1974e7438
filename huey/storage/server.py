"""A Redis server as the storage sees it: commands, scripts, and waits that can be ended.

Commands are packed here and sent over redis-py's connections, each of them once: redis-py itself
sends a command again after a lost connection, which takes a second message off a queue.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from huey.exceptions import ConfigurationError, StorageError
from huey.storage.wake import Bell

logger = logging.getLogger("huey.storage")

OLDEST = (6, 2)  # the version of Redis that brought LMOVE
LONGEST_BLOCK = 10.0  # seconds that a command waits at the server, less than a lease in any case

_FRESH = 0.1  # seconds for which a connection is taken to be open still
_FLOOD = 16  # messages in a row that nobody waits for, after which a listener hears them
_PAUSE = 0.001  # many at a time, with so many seconds in between
_IDLE_LISTENER = 5.0  # seconds without anybody waiting after which a listener goes

LOST = (exceptions.ConnectionError, exceptions.TimeoutError)  # carried out, perhaps

_REFUSED = (exceptions.AuthenticationError, exceptions.AuthorizationError)
_OUTAGES = (
    *(exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError),
    *(exceptions.OutOfMemoryError, exceptions.TryAgainError, exceptions.ClusterDownError),
    *(ConnectionError, TimeoutError),
)
_NOT_LET_IN = ("AUTH ", "DB index")
# How the server says so in the middle of a sentence, as in an error from within a script.
_OUTAGE_WORDS = frozenset(
    ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY")
)
_SCRIPTS = Path(__file__).parent / "lua"
_PARTS = {  # of scripts, the functions that they call
    "claim": ("glance",),
    "finish": ("append", "glance"),
    "push": ("append",),
    "tell": ("append",),
    "write": ("append",),
}


def is_outage(error: BaseException) -> bool:
    """Say whether an error means that the server cannot be reached or written just now."""
    if isinstance(error, _REFUSED):
        return False
    if isinstance(error, exceptions.ResponseError):
        words = str(error).replace("-", " ").split()
        return isinstance(error, _OUTAGES) or not _OUTAGE_WORDS.isdisjoint(words)
    return isinstance(error, (*_OUTAGES, OSError))


def _plain(error: BaseException) -> str:
    """Return what an error says, to stand within a sentence."""
    return str(error).rstrip(".")


def pack(*parts: bytes) -> bytes:
    """Return a command as it travels (RESP, the protocol of Redis)."""
    items = b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])
    return b"*%d\r\n%b" % (len(parts), items)


class Script(NamedTuple):
    """A Lua script, and the name by which the server knows it."""

    text: bytes
    sha: bytes


@functools.cache
def script(name: str) -> Script:
    """Return a script of the folder ``lua``, after the functions that it calls."""
    files = [_SCRIPTS / f"{part}.lua" for part in (*_PARTS.get(name, ()), name)]
    text = b"\n".join([file.read_bytes() for file in files])
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


class Server:
    """One Redis server, for any number of threads of one process.

    :param connection_pool: a redis-py pool, instead of all that follows.
    :param url: where the server is, instead of ``host`` and ``port``.
    :param client_name: what the server's list of clients shows.
    :param params: further parameters of redis-py's ``Redis``.
    """

    def __init__(
        self,
        connection_pool: Any = None,
        url: str | None = None,
        client_name: str | None = None,
        **params: Any,
    ) -> None:
        if client_name is not None:
            params["client_name"] = client_name
        given = [*(["url"] if url is not None else []), *sorted(params)]
        if connection_pool is not None and given:
            raise ConfigurationError(
                f"connection_pool says already how to connect, so {', '.join(given)} would have no"
                f" effect: give it to the pool, or give no pool"
            )
        self._given = connection_pool is not None
        self.pool = connection_pool if self._given else _make_pool(url, params)
        self.address = _address(self.pool)
        timeout = self.pool.connection_kwargs.get("socket_timeout")
        self.longest_block = min(LONGEST_BLOCK, timeout / 2) if timeout else LONGEST_BLOCK
        self._lock = threading.Lock()
        self._lines: list[Line] = []  # those that nobody uses
        self._waiting: dict[str, list[Line]] = {}
        self._lost = 0.0  # when a connection was lost: then others may be too

    def close(self) -> None:
        """Close all connections but those of a pool that was given; new ones are made if needed."""
        with self._lock:
            lines, self._lines = self._lines, []
        for line in lines:
            line.connection.disconnect()

    def forget_lines(self) -> None:
        """Let go of all connections, as a child does with its parent's."""
        for line in self._lines:
            line.connection.disconnect()
        self._lock, self._lines, self._waiting = threading.Lock(), [], {}

    # -- commands -----------------------------------------------------------------------------

    def call(self, *parts: bytes) -> Any:
        """Send a command, once, and return the reply."""
        return self.calls(pack(*parts))[0]

    def calls(self, *commands: bytes) -> list[Any]:
        """Send packed commands, once, and return the replies."""
        try:
            return self._exchange(commands)
        except exceptions.RedisError as error:
            self._name(error)
            raise

    def _exchange(self, commands: Sequence[bytes]) -> list[Any]:
        if self._given:
            connection = self.pool.get_connection()
            try:
                return Line(connection).exchange(commands)
            finally:
                self.pool.release(connection)
        line = self._take_line()
        try:
            return line.exchange(commands)
        finally:
            self._give_back(line)

    def ask(self, *parts: bytes) -> Any:
        """Send a command that may well be carried out twice, a second time if need be."""
        return self.asks(pack(*parts))[0]

    def asks(self, *commands: bytes) -> list[Any]:
        """Send packed commands that may well be carried out twice, a second time if need be."""
        try:
            return self.calls(*commands)
        except exceptions.ConnectionError:
            return self.calls(*commands)

    def run(self, name: str, keys: Sequence[bytes], args: Sequence[bytes] = ()) -> Any:
        """Run a script, once, and return what it returns."""
        text, sha = script(name)
        rest = (b"%d" % len(keys), *keys, *args)
        try:
            return self.call(b"EVALSHA", sha, *rest)
        except exceptions.NoScriptError:  # not carried out: a server that has just started
            return self.call(b"EVAL", text, *rest)

    def run_again(self, name: str, keys: Sequence[bytes], args: Sequence[bytes] = ()) -> Any:
        """Run a script that may well be run twice, a second time if need be."""
        try:
            return self.run(name, keys, args)
        except exceptions.ConnectionError:
            return self.run(name, keys, args)

    # -- waits --------------------------------------------------------------------------------

    def wait(self, who: str, ended: Callable[[], bool], *commands: bytes) -> list[Any]:
        """Send a command that waits at the server, and others after it; return the replies.

        :param who: by which `wake` finds it.
        :param ended: whether not to wait at all, looked at when `wake` can find it.
        :returns: an empty list if it was ended before it began.
        """
        try:
            line = self._take_line()
            line.ask_number()
            with self._lock:
                self._waiting.setdefault(who, []).append(line)
            try:
                return [] if ended() else line.exchange(commands)
            finally:
                with self._lock:
                    self._waiting[who].remove(line)
                self._give_back(line)
        except exceptions.RedisError as error:
            self._name(error)
            raise

    def wake(self, who: str) -> None:
        """End the waits of this process that are going on; never fails."""
        with contextlib.suppress(exceptions.RedisError, OSError, StorageError):
            for line in list(self._waiting.get(who, ())):
                self._unblock(who, line)

    def _unblock(self, who: str, line: Line) -> None:
        """End one wait, which may be about to reach the server in this moment."""
        for _ in range(100):
            if line not in self._waiting[who] or line.number is None:
                return
            if self.call(b"CLIENT", b"UNBLOCK", b"%d" % line.number):
                return
            time.sleep(0.002)

    def _take_line(self) -> Line:
        with contextlib.suppress(IndexError):
            while True:  # until there is none
                line = self._lines.pop()
                if line.is_open(self._lost):
                    return line
        line = Line(self.connect())
        line.connection.connect()
        return line

    def _give_back(self, line: Line) -> None:
        if line.in_step:
            line.used = time.monotonic()
            self._lines.append(line)
        else:
            self._lost = time.monotonic()

    def connect(self) -> Any:
        """Return a connection beside the pool, not yet connected."""
        own = {"protocol": 2, "retry": _no_retries()}
        return self.pool.connection_class(**{**self.pool.connection_kwargs, **own})

    # -- who it is ----------------------------------------------------------------------------

    def check(self) -> None:
        """Raise unless the server is new enough."""
        try:
            info = self._exchange((pack(b"INFO", b"server"),))[0].decode()
        except exceptions.ResponseError:  # not every user may ask
            return
        except exceptions.RedisError as error:
            self._name(error)
            raise
        fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        version = fields.get("redis_version", "")
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers and numbers < OLDEST:
            raise StorageError(
                f"{self.address} is Redis {version}, and the queue needs 6.2 or later (or"
                f" Valkey): upgrade the server, or keep the queue in a file by SqliteHuey"
            )

    def _name(self, error: exceptions.RedisError) -> None:
        """Raise an error that says which server it is that refuses us; never with the password."""
        if isinstance(error, exceptions.NoPermissionError):
            raise StorageError(
                f"{self.address} does not permit a command that the queue needs: {_plain(error)}."
                f" Give the user more rights (ACL SETUSER), or use another one"
            ) from None
        if isinstance(error, _REFUSED):
            raise StorageError(
                f"{self.address} refuses to let us in: {_plain(error)}. Check username and password"
            ) from None
        if isinstance(error, exceptions.ResponseError) and str(error).startswith(_NOT_LET_IN):
            raise StorageError(
                f"{self.address} refuses to let us in: {_plain(error)}. Check password and db"
            ) from None


class Line:
    """A connection on which one thread at a time exchanges commands for replies.

    ``number`` is the one by which the server ends a wait on it, None if unknown; ``used`` the time
    of its last use; ``in_step`` says whether the next reply to come is that of the next command.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.number: int | None = None
        self.used = 0.0
        self.in_step = True
        self._asked = False

    def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands and return the replies; close the connection if out of step."""
        connection = self.connection
        try:
            connection.send_packed_command([b"".join(commands)])
            return [connection.read_response(disable_decoding=True) for _ in commands]
        except BaseException as error:
            said_no = len(commands) == 1 and isinstance(error, exceptions.ResponseError)
            if not said_no or isinstance(error, exceptions.ReadOnlyError):
                self.in_step = False
                connection.disconnect()
            raise

    def ask_number(self) -> None:
        """Ask the server, the first time, for the number by which a wait can be ended."""
        if not self._asked:
            with contextlib.suppress(exceptions.ResponseError):  # not every user may ask
                (self.number,) = self.exchange((pack(b"CLIENT", b"ID"),))
            self._asked = True

    def is_open(self, lost: float) -> bool:
        """Say whether the server has not closed the connection meanwhile.

        :param lost: when another connection to it was lost.
        """
        try:
            trusted = self.used > max(lost, time.monotonic() - _FRESH)
            if trusted or not self.connection.can_read():
                return True
        except exceptions.ConnectionError:
            pass
        self.connection.disconnect()
        return False


class Listener:
    """Rings a bell for each message of a channel; one thread, while somebody waits.

    :param server: where the channel is.
    :param channel: its name; messages are the keys that waiters wait for, one or one a line.
    """

    def __init__(self, server: Server, channel: bytes) -> None:
        self.server = server
        self.channel = channel
        self.bell = Bell()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._hearing = threading.Event()
        self._connection: Any = None
        self._needed = 0.0

    def listen(self) -> None:
        """Return when nothing that is said from now on is missed, or the server is away."""
        with self._lock:
            self._needed = time.monotonic()
            if self._thread is None:
                self._hearing = threading.Event()
                self._thread = threading.Thread(
                    target=self._serve, args=(self._hearing,), name="huey-ready", daemon=True
                )
                self._thread.start()
        self._hearing.wait(1.0)

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(exceptions.RedisError, OSError):
                connection.send_packed_command([pack(b"UNSUBSCRIBE")], check_health=False)
        if thread is not None:
            thread.join(5)

    def _serve(self, hearing: threading.Event) -> None:
        """Listen, anew after each outage, until `close` or nobody has waited for a while."""
        while self._needed_still():
            try:
                self._hear(hearing)
            except (exceptions.RedisError, OSError) as error:
                logger.debug("not told when results are ready: %s", error)
                time.sleep(0.2)
            finally:
                hearing.clear()
                self.bell.ring_all()  # whatever was said meanwhile was missed

    def _hear(self, hearing: threading.Event) -> None:
        connection = self._connection = self.server.connect()
        try:
            connection.connect()
            connection.send_packed_command([pack(b"SUBSCRIBE", self.channel)])
            unheeded = 0
            while self._needed_still():
                if unheeded > _FLOOD:
                    time.sleep(_PAUSE)
                if connection.can_read(timeout=1.0):
                    unheeded = self._hear_some(connection, hearing, unheeded)
        finally:
            self._connection = None
            connection.disconnect()

    def _hear_some(self, connection: Any, hearing: threading.Event, unheeded: int) -> int:
        """Ring for all that has come in; return how many messages in a row nobody waited for."""
        while True:
            kind, _, said = connection.read_response(disable_decoding=True)
            if kind == b"message":
                unheeded = 0 if self._ring(to_text(said)) else unheeded + 1
            elif kind == b"subscribe":
                hearing.set()
            if not connection.can_read(timeout=0):
                return unheeded

    def _ring(self, said: str) -> bool:
        """Ring for a key, or for several with a line for each; say whether anybody waited."""
        keys = {said, *said.split("\n")} if "\n" in said else (said,)
        return any([self.bell.ring(key) for key in keys])

    def _needed_still(self) -> bool:
        """Say whether to go on; if not, the next who needs it starts another thread."""
        me = threading.current_thread()
        with self._lock:
            idle = time.monotonic() - self._needed > _IDLE_LISTENER and not self.bell.waited_for
            if idle and self._thread is me:
                self._thread = None
            return self._thread is me


def to_bytes(text: str) -> bytes:
    """Return a key as the server keeps it."""
    return text.encode("utf-8", "surrogateescape")


def to_text(key: bytes) -> str:
    """Return a key as it is known here, whatever bytes others have put."""
    return key.decode("utf-8", "surrogateescape")


def _no_retries() -> Retry:
    """Let an error be told at once; whoever may try again does so himself."""
    return Retry(NoBackoff(), 0)


def _make_pool(url: str | None, params: dict[str, Any]) -> Any:
    params = {"protocol": 2, "retry": _no_retries(), **params}
    try:
        if url is None:
            pool = redis.Redis(**params).connection_pool
        else:
            _check_url(url, params)
            pool = redis.ConnectionPool.from_url(url, **params)
        pool.connection_class(**pool.connection_kwargs)  # it connects later
    except TypeError as error:
        raise ConfigurationError(f"redis-py does not take these parameters: {error}") from None
    return pool


def _check_url(url: str, params: dict[str, Any]) -> None:
    try:
        parts = urlsplit(url)
        if parts.scheme != "unix" and "@" in parts.path + parts.query + parts.fragment:
            raise ValueError  # what stands before it was meant as a password
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
        found = {*options, "host", "port", "unix_socket_path"}
    except ValueError:  # whose text would show parts of the url
        raise ConfigurationError(
            "the url of the Redis server cannot be read; it looks like"
            " redis://user:password@host:6379/0 (or rediss://, unix://), with odd characters in"
            " the password written as urllib.parse.quote(password, safe='') does"
        ) from None
    both = ", ".join(sorted(found & params.keys()))
    if both:
        raise ConfigurationError(f"the url says already where the server is: leave out {both}")


def _address(pool: Any) -> str:
    """Return where a server is, as a url without the password."""
    kwargs = pool.connection_kwargs
    user = kwargs.get("username") or ""
    who = f"{user}:***@" if kwargs.get("password") else f"{user}@" if user else ""
    if "path" in kwargs:
        return f"unix://{who}{kwargs['path']}?db={kwargs.get('db') or 0}"
    secure = issubclass(pool.connection_class, redis.SSLConnection)
    host, port = kwargs.get("host", "localhost"), kwargs.get("port", 6379)
    return f"redis{'s' if secure else ''}://{who}{host}:{port}/{kwargs.get('db') or 0}"
