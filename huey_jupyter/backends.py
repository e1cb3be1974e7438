"""The notebook's one Huey, and the places where its queue can be."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from huey import Huey
from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, UnreadableMessage
from huey.serializer import ReferenceSerializer, Serializer
from huey.storage import BaseStorage, Batch, FileStorage, MemoryStorage, SqliteStorage
from huey.tasks import Task
from huey_jupyter.moving import Freight, Moved
from huey_jupyter.shipping import (
    CODE,
    ByValue,
    CannotTravel,
    Courier,
    Postbox,
    carried,
    code_key,
    explain,
    say_python,
)
from huey_jupyter.work import MADE, register_cells

MEMORY = "memory"
OWN = "huey:"  # before the name of a Huey of the user's, where that is all that is known
NO_RESULTS = (CODE, MADE)  # before keys of values that no task has returned

_EXAMPLES = "memory, sqlite:huey.db, redis:HOST, redis://:PASSWORD@HOST:6379/0, file:FOLDER"
_SCHEMES = ("redis", "rediss", "unix")
_DEFAULT_FILE = "huey.db"


class NotebookHuey(Huey):
    """A Huey for the whole life of a notebook: what is inside it can be swapped.

    :param name: the name of the queue.
    :param url: where the queue is, see `huey_jupyter.backends.parse_url`.
    """

    def __init__(self, name: str = "notebook", url: str = MEMORY) -> None:
        self.url = parse_url(url)
        self._own_name = name
        self._theirs: Huey | None = None  # whose storage and name these are, if not its own
        self.courier = Courier(self)
        super().__init__(name, events=True)
        self.registry = Postbox(self._pack)
        self.registry.missing = self.courier.find
        self.cell = register_cells(self.courier)

    def __repr__(self) -> str:
        return f"<NotebookHuey: {self.name} in {self.place}>"

    @property
    def place(self) -> str:
        """Where the queue is, for people: with no password in it."""
        return masked(self.url) if self._theirs is None else repr(self._theirs)

    @property
    def durable(self) -> bool:
        """Whether the queue outlives this process."""
        return self.url != MEMORY

    def create_storage(
        self, storage_class: type[BaseStorage] | None = None, **storage_kwargs: Any
    ) -> BaseStorage:
        return open_storage(self.url, self.name)

    def _default_serializer(self, compression: bool, use_zlib: bool) -> Serializer:
        return self._serializer_for(self.url)

    def _serializer_for(self, url: str) -> Serializer:
        return ReferenceSerializer() if url == MEMORY else ByValue(self.courier)

    @property
    def is_borrowed(self) -> bool:
        """Whether the queue is that of another Huey, see `adopt`."""
        return self._theirs is not None

    # -- moving -------------------------------------------------------------------------------

    def move_to(self, url: str, *, move: bool = False, leave: bool = False) -> Moved:
        """Have the queue in another place; task functions and results go on with it there.

        Values, endings and revocations come along. Stop the workers first.

        :param url: where, see `huey_jupyter.backends.parse_url`.
        :param move: take tasks along that wait or are scheduled; each is in the new place before
            it is taken from the old one.
        :param leave: leave them where they are. In memory they are lost, and their callers told.
        :raises ConfigurationError: if tasks wait and it was not said what becomes of them, if
            workers are at work, or if something cannot be sent; then nothing has changed.
        """
        url = parse_url(url)
        if url == self.url:
            return Moved(self.place, cursor=self.storage.last_event())
        storage = open_storage(url, self._own_name)
        try:
            _try_out(storage, url)
            return self._change_to(url, storage, move, leave)
        except BaseException:
            if self.storage is not storage:
                storage.close()
            raise

    def adopt(self, theirs: Huey, *, move: bool = False, leave: bool = False) -> Moved:
        """Have the queue where another Huey has its own, and know its task functions too.

        The other goes on as it is; its events are kept from now on.

        :param theirs: the other.

        The other parameters are those of `move_to`.
        """
        if isinstance(theirs, NotebookHuey) or theirs.immediate:
            raise ConfigurationError(f"{theirs!r} has no queue of its own that could be used")
        url = MEMORY if theirs.storage.keeps_objects else f"{OWN}{theirs.name}"
        moved = self._change_to(url, theirs.storage, move, leave)
        self._theirs, self.name, theirs.events.enabled = theirs, theirs.name, True
        self.registry.learn(theirs.registry)
        return moved._replace(place=self.place)

    def _change_to(self, url: str, storage: BaseStorage, move: bool, leave: bool) -> Moved:
        if move and leave:
            raise ConfigurationError("either --move or --leave: tasks cannot do both")
        freight = self._load(url, storage, move, leave)
        if freight is not None:
            freight.deliver()
        old, borrowed = self.storage, self._theirs is not None
        self._settle(url, storage)
        if freight is not None:
            freight.clear()
        if not borrowed:
            old.close()
        cursor = storage.last_event()
        if freight is None:
            return Moved(self.place, cursor=cursor)
        if leave:
            return Moved(self.place, 0, 0, freight.results, freight.tasks, cursor)
        counts = (len(freight.pending), len(freight.scheduled), freight.results)
        return Moved(self.place, *counts, cursor=cursor)

    def _load(self, url: str, storage: BaseStorage, move: bool, leave: bool) -> Freight | None:
        """Make everything ready; None if it is to be left in a place that cannot be reached."""
        serializer = self._serializer_for(url)
        try:
            self._check_move(move, leave)
            return Freight(self, self.courier, storage, serializer, leave=leave)
        except UnreadableMessage as error:
            why = f"nothing was moved: a message cannot be read: {error}"
            raise ConfigurationError(why) from error
        except Exception as error:
            if not self.storage.is_outage(error):
                raise
            if leave:
                return None
            why = f"{self.place} cannot be reached ({error}): --leave goes on without what is there"
            raise ConfigurationError(why) from error

    def _check_move(self, move: bool, leave: bool) -> None:
        """Refuse to move while somebody works, or tasks wait of which nothing was said."""
        self.storage.recover()
        others = self.storage.workers() or self.storage.inflight()
        if self.consumers or (others and not leave):
            raise ConfigurationError(
                f"workers are at work in {self.place}: stop them first, of other notebooks too, "
                f"or say --leave"
            )
        waiting, scheduled = len(self), self.scheduled_count()
        if waiting + scheduled and not (move or leave):
            raise ConfigurationError(
                f"in {self.place} tasks wait: {waiting} to be run and {scheduled} for their time: "
                f"--move takes them along, --leave leaves them"
            )

    def _settle(self, url: str, storage: BaseStorage) -> None:
        storage.priority_of = self._priority_of
        self._theirs, self.name = None, self._own_name
        self.url, self.storage, self.serializer = url, storage, self._serializer_for(url)
        if self.durable:
            say_python(self)

    # -- sending ------------------------------------------------------------------------------

    def prepare(self, tasks: Sequence[Task[Any]], group: str = "") -> Batch:
        with self.courier.parcel() as parcel:
            batch = super().prepare(tasks, group)
            parcel.hand_in()
        return batch

    def _enqueue_whole(self, whole: Any) -> Any:
        with self.courier.parcel():  # the messages of chords' callbacks are made before
            return super()._enqueue_whole(whole)

    def serialize_task(self, task: Task[Any]) -> Any:
        """Return a task as it travels.

        :raises CannotTravel: if its function or an argument cannot be sent.
        """
        with self.courier.parcel():
            message = self.registry.create_message(task)
            try:
                data = self.serializer.serialize(message)
            except CannotTravel:
                raise
            except Exception as error:
                raise explain(task, self.courier, error) from None
        if self.durable:
            task.carries = carried(task, len(data))
        return data

    # -- values -------------------------------------------------------------------------------

    def all_results(self) -> dict[str, Any]:
        items = super().all_results().items()
        return {key: data for key, data in items if not key.startswith(NO_RESULTS)}

    def flush(self) -> None:
        """Remove everything, as `Huey.flush` does, but the code of tasks that are running."""
        running = {task.message_name.rpartition("#")[2] for task in self.running()}
        kept = {key: self.storage.peek_data(key) for key in map(code_key, running - {""})}
        super().flush()
        self.storage.write(Batch(results=[(k, v) for k, v in kept.items() if v is not EmptyData]))

    def _pack(self, task: Task[Any]) -> None:
        if self.durable:
            self.courier.pack(task)
        else:
            task.message_name = type(task).message_name
            task.carries = ""


def _try_out(storage: BaseStorage, url: str) -> None:
    """Refuse a place that cannot be used."""
    try:
        storage.queue_size()
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(f"{masked(url)} cannot be used: {error}") from error


def open_storage(url: str, name: str) -> BaseStorage:
    """Return a storage for a queue of this name.

    :param url: as `parse_url` returns it.
    """
    kind, _, path = url.partition(":")
    if url == MEMORY:
        return MemoryStorage(name)
    if kind == "sqlite":
        return SqliteStorage(name, filename=path)
    if kind == "file":
        return FileStorage(name, path=path)
    from huey.storage import PriorityRedisStorage  # brings redis-py with it

    return PriorityRedisStorage(name, url=url)


def parse_url(text: str, folder: str | os.PathLike[str] | None = None) -> str:
    """Return in one spelling where a queue is to be.

    ``memory``; ``sqlite`` or ``sqlite:PATH``; ``redis``, ``redis:HOST[:PORT][/DB]`` or a URL as
    redis-py knows them, ``redis://…``, ``rediss://…``, ``unix://…``; ``file:FOLDER``.

    :param folder: to which a path is relative, by default the working folder.
    :raises ConfigurationError: if it is none of these; a password in it is not shown.
    """
    text = text.strip()
    kind, _, rest = text.partition(":")
    if text == MEMORY:
        return MEMORY
    if kind == "sqlite":
        return f"sqlite:{_absolute(rest or _DEFAULT_FILE, folder)}"
    if kind == "file":
        if not rest:
            raise ConfigurationError("file needs a folder: file:FOLDER, such as file:queue")
        return f"file:{_absolute(rest, folder)}"
    if rest.startswith("//"):
        return _server(text, kind)
    if kind == "redis":
        return _server(f"redis://{rest}", kind)
    raise ConfigurationError(f"{masked(text)!r} is no place for a queue: write {_EXAMPLES}")


def masked(url: str) -> str:
    """Return a URL for people: no password, and a path as short as it can be said here."""
    kind, _, rest = url.partition(":")
    if kind in ("sqlite", "file") and os.path.isabs(rest):
        near = os.path.relpath(rest)
        return f"{kind}:{rest if near.startswith(os.pardir) else near}"
    text = re.sub(r"(?<=:)[^:/]*:[^@]*@|(?<=//).*@", _mask, url)
    return re.sub(r"(?i)(password=)[^&]*", r"\1***", text)


def _mask(found: re.Match[str]) -> str:
    user = found[0].partition(":")[0] if ":" in found[0] else ""
    return f"{user}:***@"


def _absolute(path: str, folder: str | os.PathLike[str] | None) -> str:
    """Return a path that means the same in every working folder."""
    if path.startswith("//"):
        raise ConfigurationError(
            f"a path comes without //: write {path.lstrip('/')} or /{path.lstrip('/')} after the :"
        )
    return os.path.abspath(os.path.join(folder or os.curdir, os.path.expanduser(path)))


def _server(text: str, kind: str) -> str:
    """Return the URL of a Redis server with what it leaves out filled in."""
    if kind not in _SCHEMES:
        raise ConfigurationError(f"{masked(text)!r} is no place for a queue: write {_EXAMPLES}")
    parts = urlsplit(text)
    if kind == "unix":
        if not parts.path:
            raise ConfigurationError("unix:// needs the path of a socket: unix:///run/redis.sock")
        return text
    try:
        port = parts.port or 6379
    except ValueError:
        raise ConfigurationError(f"{masked(text)}: a port is a number up to 65535") from None
    number = parts.path.strip("/") or "0"
    if not number.isdigit():
        raise ConfigurationError(f"{masked(text)}: a database is a number, such as redis:HOST/0")
    login, at, _ = parts.netloc.rpartition("@")
    host = parts.hostname or "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    query = f"?{parts.query}" if parts.query else ""
    return f"{kind}://{login}{at}{host}:{port}/{number}{query}"
