"""Functions, arguments and values on their way between the notebook and other processes.

A function of the notebook is in no module that a worker could import, so its code travels: with
the globals that it uses, as they are at the call. The code lies in the storage, under ``code:``
and a hash of it; a message names it as ``__main__.f#HASH``.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from huey import Huey
from huey.awaiting import PAUSE, Endurance
from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, UnreadableMessage
from huey.registry import Message, Registry
from huey.serializer import Serializer
from huey.tasks import Task, TaskWrapper
from huey_jupyter.shipping import envelope
from huey_jupyter.shipping.baggage import (
    LARGE,
    CannotTravel,
    Report,
    describe,
    in_words,
    inspect_function,
    is_by_value,
)
from huey_jupyter.shipping.pickles import Files, Shipped, dump, load, show_sources, sources_of

__all__ = ["ByValue", "CannotTravel", "Courier", "Report", "check_python", "say_python"]

CODE = "code:"  # before the keys of functions' code in a storage
LOADED_AT_MOST = 200_000_000  # bytes of code whose functions are kept for the next task

_PYTHON = "huey_jupyter.python"  # under which the notebook says which Python it is
_HASH_LENGTH = 16


class Code(NamedTuple):
    """A task function as it travels: the key of its code, and what is large in it."""

    hash: str
    carries: str


class Courier:
    """Packs what a Huey sends to other processes, and unpacks what comes from them.

    :param huey: in code and values it stands for itself: on the other side for the Huey there.
    """

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self._lock = threading.RLock()
        self._loaded: OrderedDict[str, tuple[list[TaskWrapper[..., Any]], int]] = OrderedDict()
        self._shared: tuple[str, bytes] = "", b""  # the latest that many tasks have in common

    # -- sending ------------------------------------------------------------------------------

    @contextmanager
    def parcel(self) -> Iterator[Parcel]:
        """Send what is packed inside together: each function once, and all code or none."""
        outer = _parcel.get()
        if outer is not None and outer.courier is self:
            yield outer
            return
        parcel = Parcel(self)
        token = _parcel.set(parcel)
        try:
            yield parcel
            parcel.hand_in()
        finally:
            _parcel.reset(token)

    def pack(self, task: Task[Any]) -> None:
        """Have a task's message name its function's code, if that is the notebook's own.

        :raises CannotTravel: if something that the function uses cannot be sent.
        """
        wrapper = task.made_by
        if wrapper is None or isinstance(wrapper, Shipped) or not is_by_value(type(task)):
            return
        with self.parcel() as parcel:
            code = parcel.code_of(wrapper)
        task.message_name, task.carries = f"{task.name}#{code.hash}", code.carries

    def preflight(self, func: Any) -> Report:
        """Return what goes along with a function or task function, and what cannot."""
        return inspect_function(func, self.weigh)

    def weigh(self, value: Any) -> bytes:
        """Return an object as bytes that nobody is to read; nothing is written."""
        return dump(self, value, {}, whole=True)

    def dumps(self, data: Any) -> bytes:
        """Return an object as bytes, in an envelope if there is code in them."""
        raw = dump(self, data)
        if b"cloudpickle" not in raw:
            return raw
        return envelope.seal(raw, data.id if isinstance(data, Message) else "")

    def obstacle(self, value: Any) -> str:
        """Say what a value is that cannot be sent; empty if it can."""
        try:
            self.weigh(value)
        except Exception:
            return describe(value, self.weigh)
        return ""

    def pack_names(self, data: Any, *files: str) -> bytes:
        """Return an object as bytes, with the source of the functions in it for tracebacks.

        :param files: further files whose source goes along.
        """
        found = dict.fromkeys(files)
        raw = dump(self, data, found)
        return envelope.seal(pickle.dumps(sources_of(found)) + raw)

    def unpack_names(self, data: bytes, *, to_worker: bool = False) -> Any:
        """Return the object that `pack_names` was given.

        :param to_worker: it is on the way to a worker.
        :raises UnreadableMessage: if it is from another Python.
        """
        stream = io.BytesIO(envelope.unseal(data, to_worker=to_worker))
        show_sources(pickle.load(stream))  # noqa: S301 - as every queue of ours
        return load(self, stream)

    def code(self, wrapper: TaskWrapper[..., Any]) -> bytes:
        """Return a task function as bytes, with the source of its functions for tracebacks.

        :raises CannotTravel: if something that it uses cannot be sent.
        """
        files: Files = {}
        try:
            raw = dump(self, wrapper, files, whole=True)
        except Exception as error:
            self.preflight(wrapper).refuse(wrapper.name)
            why = f"{type(error).__name__}: {error}"
            raise CannotTravel(f"{wrapper.name} cannot be sent to a worker: {why}") from error
        return envelope.seal(pickle.dumps(sources_of(files)) + raw)

    # -- receiving ----------------------------------------------------------------------------

    def loads(self, data: bytes) -> Any:
        """Return the object that `dumps` was given.

        :raises UnreadableMessage: if there is code in it of another Python.
        """
        stream = io.BytesIO(envelope.unseal(data))
        try:
            return load(self, stream)
        except Exception as error:
            if not envelope.task_in(data):
                raise
            raise _unloadable("an argument", error, envelope.task_in(data)) from error

    def find(self, name: str) -> type[Task[Any]] | None:
        """Return the task class that a message names, None if it names no code.

        :raises UnreadableMessage: if the code is gone, or of another Python.
        """
        return None if "#" not in name else self.function(name).task_class

    def name_of(self, wrapper: TaskWrapper[..., Any]) -> str:
        """Return the name by which a task function is found on the other side."""
        if isinstance(wrapper, Shipped):
            return wrapper.task_class.message_name
        with self.parcel() as parcel:
            return f"{wrapper.task_class.name}#{parcel.code_of(wrapper).hash}"

    def function(self, name: str) -> TaskWrapper[..., Any]:
        """Return the task function that a message names, see `find`."""
        base, _, rest = name.rpartition("#")
        key, _, number = rest.partition(".")
        with self._lock:
            if key not in self._loaded:
                try:
                    self._load(key, base)
                except UnreadableMessage:
                    raise
                except Exception as error:
                    raise _unloadable(f"the code of {base}", error) from error
            self._loaded.move_to_end(key)
            return self._loaded[key][0][int(number or 0)]

    def _load(self, key: str, name: str) -> None:
        data = self._fetch(code_key(key))
        if data is EmptyData:
            raise UnreadableMessage(
                f"the code of {name} is not in the storage any more: run its cell and call it again"
            )
        stream = io.BytesIO(envelope.unseal(data, to_worker=True))
        show_sources(pickle.load(stream))  # noqa: S301 - as every queue of ours
        found: list[TaskWrapper[..., Any]] = []
        load(self, stream, found, key)
        self._loaded[key] = (found, len(data))
        while len(self._loaded) > 1 and self._size_loaded() > LOADED_AT_MOST:
            self._loaded.popitem(last=False)

    def names_of_cells(self, key: str) -> bytes:
        """Return what `Parcel.share` was given, by the key that it has returned.

        :raises UnreadableMessage: if it is gone.
        """
        with self._lock:
            if self._shared[0] != key:
                data = self._fetch(code_key(key))
                if data is EmptyData:
                    raise UnreadableMessage(
                        "the names of the cell are not in the storage any more: run it again"
                    )
                self._shared = key, data
            return self._shared[1]

    def _size_loaded(self) -> int:
        return sum(size for _, size in self._loaded.values())

    def _fetch(self, key: str) -> Any:
        """Read a value; wait while the storage cannot be reached: the message is not to blame."""
        endure = Endurance(self.huey.storage.is_outage)
        while True:  # until there is an answer, or a minute is over
            try:
                return self.huey.storage.peek_data(key)
            except Exception as error:
                if not endure(error):
                    raise
                time.sleep(PAUSE)


class Parcel:
    """What is sent together: the code of each function, written before the messages are."""

    def __init__(self, courier: Courier) -> None:
        self.courier = courier
        self._codes: dict[TaskWrapper[..., Any], Code] = {}
        self._shared: dict[int, tuple[object, Code]] = {}
        self._unwritten: dict[str, bytes] = {}

    def code_of(self, wrapper: TaskWrapper[..., Any]) -> Code:
        """Return the code of a task function, as its globals were at the first time of asking."""
        if wrapper not in self._codes:
            data = self.courier.code(wrapper)
            large = len(data) >= LARGE
            carries = self.courier.preflight(wrapper).carries if large else ""
            self._codes[wrapper] = Code(self._keep(data), carries)
        return self._codes[wrapper]

    def share(self, owner: object, pack: Callable[[], tuple[bytes, str]]) -> Code:
        """Return the key of bytes that several messages need, which are written once.

        :param owner: what they belong to; it is kept.
        :param pack: makes them at the first time of asking, and says what is large in them.
        """
        if id(owner) not in self._shared:
            data, carries = pack()
            self._shared[id(owner)] = owner, Code(f"#{self._keep(data)}", carries)
        return self._shared[id(owner)][1]

    def _keep(self, data: bytes) -> str:
        key = hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]
        self._unwritten[code_key(key)] = data
        return key

    def hand_in(self) -> None:
        """Write the code that the storage does not have yet."""
        storage = self.courier.huey.storage
        for key, data in self.take().items():
            if not storage.has_data_for_key(key):
                storage.put_data(key, data)
                say_python(self.courier.huey)

    def take(self) -> dict[str, bytes]:
        """Return the code that is not written, by its keys, for somebody else to write."""
        taken, self._unwritten = self._unwritten, {}
        return taken


class ByValue(Serializer):
    """Pickle with the notebook's own functions and classes, see `Courier`."""

    shows_text = True

    def __init__(self, courier: Courier) -> None:
        super().__init__()
        self.courier = courier

    def _serialize(self, data: Any) -> bytes:
        return self.courier.dumps(data)

    def _deserialize(self, data: bytes) -> Any:
        return self.courier.loads(data)


class Postbox(Registry):
    """The task classes of a Huey whose messages name the code of the notebook's functions.

    :param packing: called with each task of which a message is made.
    """

    def __init__(self, packing: Callable[[Task[Any]], None]) -> None:
        super().__init__()
        self._packing = packing

    def create_message(self, task: Task[Any]) -> Message:
        self._packing(task)
        return super().create_message(task)


def code_key(name: str) -> str:
    """Return the key of code in a storage.

    :param name: its hash, perhaps with a ``#`` before, or behind it the number of one of its
        functions.
    """
    return f"{CODE}{name.removeprefix('#').partition('.')[0]}"


def explain(task: Task[Any], courier: Courier, error: Exception) -> CannotTravel:
    """Return what is wrong with a call whose arguments cannot be sent, or those behind it."""
    for one in task.pipeline():
        given: dict[str, Any] = {f"argument {n}": value for n, value in enumerate(one.args, 1)}
        given |= {f"argument {name!r}": value for name, value in one.kwargs.items()}
        for name, value in given.items():
            if what := courier.obstacle(value):
                return CannotTravel(
                    f"{name} of {one.name} cannot be sent to a worker: it is {what}"
                )
    return CannotTravel(f"{task.name} cannot be sent to a worker: {type(error).__name__}: {error}")


def _unloadable(what: str, error: Exception, task_id: str | None = None) -> UnreadableMessage:
    cure = ""
    if isinstance(error, ModuleNotFoundError):
        cure = ": install it where the worker runs, or have it on the worker's PYTHONPATH"
    return UnreadableMessage(
        f"{what} cannot be loaded here: {type(error).__name__}: {error}{cure}", task_id
    )


def carried(task: Task[Any], size: int) -> str:
    """Return what takes long to send with a task whose message has this many bytes."""
    own = [f"its arguments, {in_words(size)}"] if size >= LARGE else []
    return ", ".join([*([task.carries] if task.carries else []), *own])


# -- which Python -----------------------------------------------------------------------------


def say_python(huey: Huey) -> None:
    """Leave word in the storage which Python the notebook is."""
    huey.put(_PYTHON, envelope.PYTHON)


def check_python(huey: Huey) -> None:
    """Refuse to be a worker for a notebook of another Python; call it before workers start.

    A worker that starts nevertheless sets the notebook's messages aside, unread.

    :raises ConfigurationError: if the notebook has left word that it is another one.
    """
    python = huey.get(_PYTHON, peek=True)
    if python is not None and python != envelope.PYTHON:
        raise ConfigurationError(
            f"the queue {huey.name!r} is served from Python {python}: "
            f"{envelope.wrong_python(python, python)}"
        )


_parcel: ContextVar[Parcel | None] = ContextVar("huey_parcel", default=None)
