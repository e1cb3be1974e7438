"""Tasks to messages and messages to tasks."""

from __future__ import annotations

import datetime
import logging
import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from huey.every import Every
from huey.exceptions import ConfigurationError, UnreadableMessage

if TYPE_CHECKING:
    from huey.tasks import Task

Validate = Callable[[datetime.datetime], bool]
"""Says whether a periodic task runs in a minute."""

logger = logging.getLogger("huey.registry")

_number = (int, float, numbers.Real)  # numpy's integers are but the last
_FIELDS: dict[str, tuple[type, ...]] = {  # what a field may be, or None; a worker relies on it
    "id": (str,),
    "eta": (datetime.datetime,),
    "retries": _number,
    "retry_delay": _number,
    "priority": _number,
    "args": (tuple, list),
    "kwargs": (dict,),
    "expires": (*_number, datetime.timedelta, datetime.datetime),
    "expires_resolved": (datetime.datetime,),
    "timeout": _number,
    "retry_backoff": _number,
}


class Message(NamedTuple):
    """A task as it travels.

    The fields, their order and this class's import path are those of huey's messages, so that
    producers and consumers of both understand each other. ``eta``, ``expires_resolved`` are naive
    datetimes, ``timeout`` is in seconds; ``retry_delay`` is the delay before the next try, whatever
    the first one was; ``chord_config`` is a dict of our own, huey's is understood, see
    `huey.composition`.
    """

    id: str
    name: str
    eta: datetime.datetime | None = None
    retries: int = 0
    retry_delay: float = 0
    priority: float | None = None
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    on_complete: Message | None = None
    on_error: Message | None = None
    expires: float | datetime.timedelta | datetime.datetime | None = None
    expires_resolved: datetime.datetime | None = None
    timeout: float | None = None
    chord_config: Any = None
    retry_backoff: float | None = 0


class Registry:
    """The task classes of one Huey by their names.

    ``missing``, if set, is asked for the class of a name that is not known; it may raise
    `UnreadableMessage`.
    """

    def __init__(self) -> None:
        self._classes: dict[str, type[Task[Any]]] = {}
        self.periodic: dict[str, Validate] = {}
        self.every: dict[str, Every] = {}
        self.missing: Callable[[str], type[Task[Any]] | None] | None = None

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def register(self, task_class: type[Task[Any]]) -> None:
        """Make a task class known.

        A name of ``__main__`` is replaced silently: that is a cell or a prompt run again. Any
        other duplicate is two functions with one name, and an error.
        """
        name = task_class.name
        if name in self._classes and task_class.__module__ != "__main__":
            raise ConfigurationError(
                f"a task named {name!r} is registered already: give one of them another name=..."
            )
        self._classes[name] = task_class
        self._forget_periods(name)

    def learn(self, other: Registry) -> None:
        """Know the task classes of another registry too, save those whose names are taken."""
        self._classes = {**other._classes, **self._classes}
        self.periodic = {**other.periodic, **self.periodic}
        self.every = {**other.every, **self.every}

    def unregister(self, name: str) -> bool:
        """Forget a task class; False if it is not known."""
        self._forget_periods(name)
        return self._classes.pop(name, None) is not None

    def _forget_periods(self, name: str) -> None:
        self.periodic.pop(name, None)
        self.every.pop(name, None)

    def register_periodic(self, task_class: type[Task[Any]], validate: Validate | Every) -> None:
        """Have a registered task run in each minute for which ``validate`` is true, or `every`."""
        if isinstance(validate, Every):
            self.every[task_class.name] = validate
        else:
            self.periodic[task_class.name] = validate

    def due(self, minute: datetime.datetime) -> list[type[Task[Any]]]:
        """Return the periodic tasks to run in a minute; one whose test fails is logged."""
        due = []
        for name, validate in list(self.periodic.items()):
            try:
                if validate(minute):
                    due.append(self._classes[name])
            except Exception:
                logger.exception("the minutes of the periodic task %s cannot be told", name)
        return due

    def task_class(self, name: str) -> type[Task[Any]] | None:
        """Return the task class of a name, None if it is not known."""
        return self._classes.get(name)

    def create_message(self, task: Task[Any]) -> Message:
        """Return the message that carries ``task`` and what follows it."""
        after, handler = task.on_complete, task.on_error
        return Message(
            task.id,
            task.message_name or task.name,
            task.eta,
            task.retries,
            task.retry_delay,
            task.priority,
            task.args,
            task.kwargs,
            None if after is None else self.create_message(after),
            None if handler is None else self.create_message(handler),
            task.expires,
            task.expires_resolved,
            task.timeout,
            task.chord_config,
            retry_backoff=task.retry_backoff,
        )

    def create_task(self, message: Any) -> Task[Any]:
        """Return the task that a message carries.

        :raises UnreadableMessage: if it is no message, or names a task unknown here.
        """
        name = getattr(message, "name", None)
        if not isinstance(name, str):
            raise UnreadableMessage(f"not a task message but a {type(message).__name__}")
        _check(message)
        task_class = self._classes.get(name) or self._find(name, message)
        if task_class is None:
            known = ", ".join(sorted(self._classes)) or "none"
            raise UnreadableMessage(
                f"no task named {name!r} is known here (known: {known}): "
                f"import the module that defines it where the consumer starts",
                getattr(message, "id", None),
            )
        return task_class(
            message.args,
            message.kwargs,
            message.id,
            message.eta,
            message.retries,
            message.retry_delay,
            message.priority,
            message.expires,
            None if message.on_complete is None else self.create_task(message.on_complete),
            None if message.on_error is None else self.create_task(message.on_error),
            expires_resolved=message.expires_resolved,
            chord_config=getattr(message, "chord_config", None),
            retry_backoff=getattr(message, "retry_backoff", None),
            timeout=message.timeout or None,
        )

    def _find(self, name: str, message: Any) -> type[Task[Any]] | None:
        """Ask elsewhere for the class of an unknown name; an error tells whose it is."""
        if self.missing is None:
            return None
        try:
            return self.missing(name)
        except UnreadableMessage as error:
            error.task_id = error.task_id or getattr(message, "id", None)
            raise


def _check(message: Any) -> None:
    shape = tuple(map(type, message)) if type(message) is Message else None
    if shape in _good_shapes:
        return
    for field, kinds in _FIELDS.items():
        value = getattr(message, field, None)
        if value is not None and not isinstance(value, kinds):
            kind = type(value).__name__
            raise UnreadableMessage(f"a task message whose {field} cannot be a {kind}")
    if shape is not None and len(_good_shapes) < _SHAPES_KEPT:
        _good_shapes.add(shape)


_SHAPES_KEPT = 1000
_good_shapes: set[tuple[type, ...]] = set()  # the types of fields of messages that were good
