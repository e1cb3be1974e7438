"""Functions, arguments and values on their way between the notebook and other processes.

A function of the notebook is in no module that a worker could import, so its code travels: with
the globals that it uses, as they are at the call. The code lies in the storage, under ``code:``
and a hash of it; a message names it as ``__main__.f#HASH``.
"""

from __future__ import annotations

import hashlib
import io
import linecache
import pickle
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import FunctionType, MethodType
from typing import Any, NamedTuple
from weakref import WeakSet

import cloudpickle

from huey import Huey
from huey.awaiting import PAUSE, Endurance
from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, UnreadableMessage
from huey.registry import Message, Registry
from huey.serializer import Serializer
from huey.tasks import Task, TaskWrapper
from huey_jupyter import envelope
from huey_jupyter.baggage import (
    LARGE,
    CannotTravel,
    Report,
    describe,
    in_words,
    inspect_function,
    is_by_value,
)

__all__ = ["ByValue", "CannotTravel", "Courier", "Report", "check_python", "say_python"]

CODE = "code:"  # before the keys of functions' code in a storage
LOADED_AT_MOST = 200_000_000  # bytes of code whose functions are kept for the next task

_PYTHON = "huey_jupyter.python"  # under which the notebook says which Python it is
_HASH_LENGTH = 16

Files = dict[str, None]
"""Names of files, in order and each once."""


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
        return _dump(self, value, {}, whole=True)

    def dumps(self, data: Any) -> bytes:
        """Return an object as bytes, in an envelope if there is code in them."""
        raw = _dump(self, data)
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
        raw = _dump(self, data, found)
        return envelope.seal(pickle.dumps(_sources(found)) + raw)

    def unpack_names(self, data: bytes) -> Any:
        """Return the object that `pack_names` was given.

        :raises UnreadableMessage: if it is from another Python.
        """
        stream = io.BytesIO(envelope.unseal(data))
        _show_sources(pickle.load(stream))  # noqa: S301 - as every queue of ours
        with self._reading([], ""):
            return _Unpickler(stream).load()

    def code(self, wrapper: TaskWrapper[..., Any]) -> bytes:
        """Return a task function as bytes, with the source of its functions for tracebacks.

        :raises CannotTravel: if something that it uses cannot be sent.
        """
        files: Files = {}
        try:
            raw = _dump(self, wrapper, files, whole=True)
        except Exception as error:
            self.preflight(wrapper).refuse(wrapper.name)
            why = f"{type(error).__name__}: {error}"
            raise CannotTravel(f"{wrapper.name} cannot be sent to a worker: {why}") from error
        return envelope.seal(pickle.dumps(_sources(files)) + raw)

    # -- receiving ----------------------------------------------------------------------------

    def loads(self, data: bytes) -> Any:
        """Return the object that `dumps` was given.

        :raises UnreadableMessage: if there is code in it of another Python.
        """
        with self._reading([], ""):
            return _Unpickler(io.BytesIO(envelope.unseal(data))).load()

    def find(self, name: str) -> type[Task[Any]] | None:
        """Return the task class that a message names, None if it names no code.

        :raises UnreadableMessage: if the code is gone, or of another Python.
        """
        return None if "#" not in name else self.function(name).task_class

    def function(self, name: str) -> TaskWrapper[..., Any]:
        """Return the task function that a message names, see `find`."""
        base, _, rest = name.rpartition("#")
        key, _, number = rest.partition(".")
        with self._lock:
            if key not in self._loaded:
                self._load(key, base)
            self._loaded.move_to_end(key)
            return self._loaded[key][0][int(number or 0)]

    def _load(self, key: str, name: str) -> None:
        data = self._fetch(code_key(key))
        if data is EmptyData:
            raise UnreadableMessage(
                f"the code of {name} is not in the storage any more: run its cell and call it again"
            )
        stream = io.BytesIO(envelope.unseal(data))
        _show_sources(pickle.load(stream))  # noqa: S301 - as every queue of ours
        found: list[TaskWrapper[..., Any]] = []
        with self._reading(found, key):
            _Unpickler(stream).load()
        self._loaded[key] = (found, len(data))
        while len(self._loaded) > 1 and self._size_loaded() > LOADED_AT_MOST:
            self._loaded.popitem(last=False)

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

    @contextmanager
    def _reading(self, found: list[TaskWrapper[..., Any]], key: str) -> Iterator[None]:
        token = _reading.set(Reading(self, found, key))
        try:
            yield
        finally:
            _reading.reset(token)


class Parcel:
    """What is sent together: the code of each function, written before the messages are."""

    def __init__(self, courier: Courier) -> None:
        self.courier = courier
        self._codes: dict[TaskWrapper[..., Any], Code] = {}
        self._unwritten: dict[str, bytes] = {}

    def code_of(self, wrapper: TaskWrapper[..., Any]) -> Code:
        """Return the code of a task function, as its globals were at the first time of asking."""
        if wrapper not in self._codes:
            data = self.courier.code(wrapper)
            key = hashlib.sha256(data).hexdigest()[:_HASH_LENGTH]
            large = len(data) >= LARGE
            carries = self.courier.preflight(wrapper).carries if large else ""
            self._codes[wrapper] = Code(key, carries)
            self._unwritten[code_key(key)] = data
        return self._codes[wrapper]

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


class Shipped(TaskWrapper[..., Any]):
    """A task function that has come with its code; its own calls name the same code."""

    def _register(self) -> None:
        """Leave the registry alone: in it are the functions that were defined here."""


class ByValue(Serializer):
    """Pickle with the notebook's own functions and classes, see `Courier`."""

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

    :param name: its hash, perhaps with the number of one of its functions.
    """
    return f"{CODE}{name.partition('.')[0]}"


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
            f"{envelope.wrong_python(python)}"
        )


# -- pickling ---------------------------------------------------------------------------------


class Reading(NamedTuple):
    """What is being unpickled: for whom, the task functions found in it, the key of the code."""

    courier: Courier
    found: list[TaskWrapper[..., Any]]
    key: str


_parcel: ContextVar[Parcel | None] = ContextVar("huey_parcel", default=None)
_reading: ContextVar[Reading] = ContextVar("huey_reading")

_at_home: WeakSet[type] = WeakSet()  # classes that were sent from here,
_come: WeakSet[type] = WeakSet()  # and those that were sent here


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles the notebook's own by value, and what belongs to the queue by name.

    :param files: where to note in which files code was found.
    :param whole: take task functions along, instead of naming them and sending each by itself.
    """

    def __init__(
        self, stream: io.BytesIO, courier: Courier, files: Files | None, whole: bool
    ) -> None:
        super().__init__(stream, protocol=5)
        self._courier = courier
        self._files = files
        self._whole = whole

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType):
            if self._files is not None:
                self._files[obj.__code__.co_filename] = None
        elif isinstance(obj, TaskWrapper):
            if obj.huey is self._courier.huey and is_by_value(obj.func):
                return self._reduce(obj)
        elif isinstance(obj, type):
            if is_by_value(obj) and obj not in _come:
                _at_home.add(obj)
        elif obj is self._courier.huey:
            return _this_huey, ()
        elif isinstance(obj, MethodType) and obj.__name__ == "get_ipython":
            return _shells_door, ()
        elif isinstance(obj, (io.TextIOWrapper, Task)):
            raise TypeError(f"{describe(obj, pickle.dumps, 0)} cannot be sent")
        return super().reducer_override(obj)

    def _reduce(self, wrapper: TaskWrapper[..., Any]) -> Any:
        if not self._whole:
            return _named_function, (self._name(wrapper),)
        base = wrapper.task_class.__bases__[0]
        own = vars(wrapper.task_class)
        settings = {
            key.removeprefix("default_"): value
            for key, value in own.items()
            if key.startswith("default_") and key not in ("default_retries", "default_retry_delay")
        }
        state = (wrapper.func, wrapper.retries, wrapper.retry_delay, wrapper.context)
        return _blank, (), (*state, wrapper.name, base, settings), None, None, _fill

    def _name(self, wrapper: TaskWrapper[..., Any]) -> str:
        if isinstance(wrapper, Shipped):
            return wrapper.task_class.message_name
        with self._courier.parcel() as parcel:
            return f"{wrapper.task_class.name}#{parcel.code_of(wrapper).hash}"


class _Unpickler(pickle.Unpickler):
    """Unpickles, and leaves the classes alone that were defined in this process.

    A class that comes back is the very one that was sent; what came with it, its methods with
    copies of the globals that they use, must not take the place of its own.
    """

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        return partial(_set_class, found) if name == "_class_setstate" else found


def _set_class(fill: Callable[..., Any], kind: type, state: Any) -> Any:
    if kind in _at_home:
        return kind
    _come.add(kind)
    return fill(kind, state)


def _dump(courier: Courier, data: Any, files: Files | None = None, *, whole: bool = False) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, courier, files, whole).dump(data)
    return stream.getvalue()


def _this_huey() -> Huey:
    return _reading.get().courier.huey


def _named_function(name: str) -> TaskWrapper[..., Any]:
    return _reading.get().courier.function(name)


def _blank() -> Shipped:
    """Return a task function that is empty yet: its own code may refer to it."""
    wrapper = Shipped.__new__(Shipped)
    _reading.get().found.append(wrapper)
    return wrapper


def _fill(wrapper: Shipped, state: tuple[Any, ...]) -> None:
    func, retries, retry_delay, context, name, base, settings = state
    courier, found, key = _reading.get()
    huey = courier.huey
    TaskWrapper.__init__(
        wrapper, huey, func, retries, retry_delay, context, name, task_base=base, **settings
    )
    number = found.index(wrapper)
    ending = f".{number}" if number else ""
    wrapper.task_class.message_name = f"{wrapper.task_class.name}#{key}{ending}"


def _shells_door() -> Callable[[], Any]:
    return _get_ipython


def _get_ipython() -> Any:
    """Return the shell of this process, as a notebook's ``get_ipython`` does."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    if shell is None:
        raise ConfigurationError(
            "!commands and %magics need IPython where the task runs: start the worker with "
            "python -m huey_jupyter worker"
        )
    return shell


# -- sources, for tracebacks ------------------------------------------------------------------


def _sources(files: Files) -> dict[str, tuple[str, int | None]]:
    """Return the text of files that are in no folder, and the number of the cell that each is."""
    numbers = _cell_numbers()
    found = {}
    for name in files:
        known = linecache.cache.get(name)
        if known is not None and len(known) == 4 and known[1] is None:
            found[name] = ("".join(known[2]), numbers.get(name))
    return found


def _show_sources(sources: dict[str, tuple[str, int | None]]) -> None:
    numbers = _cell_numbers()
    for name, (text, number) in sources.items():
        lines = text.splitlines(keepends=True)
        linecache.cache[name] = (len(text), None, lines, name)
        if number is not None:
            numbers[name] = number


def _cell_numbers() -> dict[str, int]:
    """Return which cell each file is, as the shell of this process knows it."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    known: dict[str, int] = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return known
