"""The notebook's own as bytes and back: functions and classes by value, the queue's by name."""

from __future__ import annotations

import io
import linecache
import pickle
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

import cloudpickle

from huey import Huey
from huey.exceptions import ConfigurationError
from huey.tasks import Task, TaskWrapper
from huey_jupyter.shipping.baggage import describe, is_by_value

Files = dict[str, None]
"""Names of files, in order and each once."""


class Post(Protocol):
    """For whom is pickled, and who finds task functions by the names in their messages."""

    huey: Huey

    def name_of(self, wrapper: TaskWrapper[..., Any]) -> str:
        """Return the name by which a task function is found on the other side."""
        ...

    def function(self, name: str) -> TaskWrapper[..., Any]:
        """Return the task function of such a name."""
        ...


def dump(post: Post, data: Any, files: Files | None = None, *, whole: bool = False) -> bytes:
    """Return an object as bytes.

    :param files: where to note in which files code was found.
    :param whole: take task functions along, instead of naming them and sending each by itself.
    """
    stream = io.BytesIO()
    _Pickler(stream, post, files, whole).dump(data)
    return stream.getvalue()


def load(
    post: Post, stream: io.BytesIO, found: list[TaskWrapper[..., Any]] | None = None, key: str = ""
) -> Any:
    """Return the object that `dump` was given.

    :param found: where to add the task functions that came along, in order.
    :param key: of the code that they are part of.
    """
    token = _reading.set(Reading(post, [] if found is None else found, key))
    try:
        return _Unpickler(stream).load()
    finally:
        _reading.reset(token)


class Shipped(TaskWrapper[..., Any]):
    """A task function that has come with its code; its own calls name the same code."""

    def _register(self) -> None:
        """Leave the registry alone: in it are the functions that were defined here."""


class Reading(NamedTuple):
    """What is being unpickled: for whom, the task functions found in it, the key of the code."""

    post: Post
    found: list[TaskWrapper[..., Any]]
    key: str


_reading: ContextVar[Reading] = ContextVar("huey_reading")

_at_home: WeakSet[type] = WeakSet()  # classes that were sent from here,
_come: WeakSet[type] = WeakSet()  # and those that were sent here


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles the notebook's own by value, and what belongs to the queue by name."""

    def __init__(self, stream: io.BytesIO, post: Post, files: Files | None, whole: bool) -> None:
        super().__init__(stream, protocol=5)
        self._post = post
        self._files = files
        self._whole = whole

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType):
            if self._files is not None:
                self._files[obj.__code__.co_filename] = None
        elif isinstance(obj, CodeType):
            # cloudpickle from 3.1.3 on forgets the file, by whose name a traceback finds its lines
            return _code_of, (obj.co_filename, *self.dispatch_table[CodeType](obj))
        elif isinstance(obj, TaskWrapper):
            if obj.huey is self._post.huey and is_by_value(obj.func):
                return self._reduce(obj)
        elif isinstance(obj, type):
            if is_by_value(obj) and obj not in _come:
                _at_home.add(obj)
        elif obj is self._post.huey:
            return _this_huey, ()
        elif isinstance(obj, MethodType) and obj.__name__ == "get_ipython":
            return _shells_door, ()
        elif isinstance(obj, (io.TextIOWrapper, Task)):
            raise TypeError(f"{describe(obj, pickle.dumps, 0)} cannot be sent")
        return super().reducer_override(obj)

    def _reduce(self, wrapper: TaskWrapper[..., Any]) -> Any:
        if not self._whole:
            return _named_function, (self._post.name_of(wrapper),)
        base = wrapper.task_class.__bases__[0]
        own = vars(wrapper.task_class)
        settings = {
            key.removeprefix("default_"): value
            for key, value in own.items()
            if key.startswith("default_") and key not in ("default_retries", "default_retry_delay")
        }
        state = (wrapper.func, wrapper.retries, wrapper.retry_delay, wrapper.context)
        return _blank, (), (*state, wrapper.name, base, settings), None, None, _fill


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


def _code_of(filename: str, make: Callable[..., CodeType], parts: tuple[Any, ...]) -> CodeType:
    return make(*parts).replace(co_filename=filename)


def _this_huey() -> Huey:
    return _reading.get().post.huey


def _named_function(name: str) -> TaskWrapper[..., Any]:
    return _reading.get().post.function(name)


def _blank() -> Shipped:
    """Return a task function that is empty yet: its own code may refer to it."""
    wrapper = Shipped.__new__(Shipped)
    _reading.get().found.append(wrapper)
    return wrapper


def _fill(wrapper: Shipped, state: tuple[Any, ...]) -> None:
    func, retries, retry_delay, context, name, base, settings = state
    post, found, key = _reading.get()
    TaskWrapper.__init__(
        wrapper, post.huey, func, retries, retry_delay, context, name, task_base=base, **settings
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


def sources_of(files: Files) -> dict[str, tuple[str, int | None]]:
    """Return the text of files that are in no folder, and the number of the cell that each is."""
    numbers = _cell_numbers()
    found = {}
    for name in files:
        known = linecache.cache.get(name)
        if known is not None and len(known) == 4 and known[1] is None:
            found[name] = ("".join(known[2]), numbers.get(name))
    return found


def show_sources(sources: dict[str, tuple[str, int | None]]) -> None:
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
