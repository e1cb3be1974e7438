"""Groups and chords: tasks side by side, and a task that gets all their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.results import ChordResult, Result, ResultGroup
from huey.tasks import Task, TaskWrapper, follower
from huey.utils import make_id, normalize_expires

if TYPE_CHECKING:
    from huey.api import Huey


class Part(NamedTuple):
    """What a task knows of the chord that waits for it.

    :param key: names the chord.
    :param part: which part of it the task is, from 0.
    :param parts: how many there are.
    :param callback: the message of the task that gets the values.
    """

    key: str
    part: int
    parts: int
    callback: Message


class Gather(NamedTuple):
    """What a chord's callback knows of the values that it gets.

    :param key: names the chord.
    :param parts: how many there are.
    :param shape: the parts' numbers, in lists as the members stood in groups.
    """

    key: str
    parts: int
    shape: list[Any]


class group:
    """Tasks that run side by side; give it to ``Huey.enqueue`` and get a `ResultGroup`.

    :param tasks: tasks, pipelines, groups and chords, one by one or in one iterable.
    """

    def __init__(self, *tasks: Any) -> None:
        self.tasks = _members(tasks)

    def __repr__(self) -> str:
        return f"<group: {len(self.tasks)} members>"

    def then(self, task: TaskWrapper[..., Any] | Task[Any], *args: Any, **kwargs: Any) -> chord:
        """Return a chord: the members, and a task that gets the list of their values."""
        return chord(self.tasks, follower(task, args, kwargs))

    def error(self, task: TaskWrapper[..., Any] | Task[Any], *args: Any, **kwargs: Any) -> Self:
        """Have a task run for each member that has failed for good; return this group."""
        handler = follower(task, args, kwargs)
        for member in self.tasks:
            member.error(handler.anew())
        return self


class chord:
    """Tasks that run side by side, and one that runs when all of them are over.

    The callback gets the list of the members' values, in their order, after the arguments given
    with it. It runs in any case: a member that failed gives an `Error`, one that was revoked or
    expired gives `SKIPPED`. Of a pipeline the last value counts, of a chord its callback's, of a
    group the list. Give it to ``Huey.enqueue`` and get a `ChordResult`.

    :param tasks: a group, or tasks, pipelines, groups and chords.
    :param callback: a task function, or a task made by its ``s()``.
    """

    def __init__(
        self, tasks: group | Iterable[Any], callback: TaskWrapper[..., Any] | Task[Any]
    ) -> None:
        self.tasks = tasks.tasks if isinstance(tasks, group) else _members((tasks,))
        self.callback = follower(callback, (), {})

    def __repr__(self) -> str:
        return f"<chord: {len(self.tasks)} members, then {self.callback.name}>"

    def then(self, task: TaskWrapper[..., Any] | Task[Any], *args: Any, **kwargs: Any) -> Self:
        """Have a task run after the callback, with its value; return this chord."""
        self.callback.then(task, *args, **kwargs)
        return self

    def error(self, task: TaskWrapper[..., Any] | Task[Any], *args: Any, **kwargs: Any) -> Self:
        """Have a task run when the callback has failed for good; return this chord."""
        self.callback.error(task, *args, **kwargs)
        return self


def plan(huey: Huey, whole: Any, part: Part | None = None) -> tuple[list[Task[Any]], Any]:
    """Return the tasks to enqueue for a group or a chord, and what its caller gets.

    :param part: what it is to the chord around it.
    """
    if isinstance(whole, chord):
        return _plan_chord(huey, whole, part)
    if isinstance(whole, group):
        planned = [plan(huey, member) for member in whole.tasks]
        tasks = [task for some, _ in planned for task in some]
        return tasks, ResultGroup([result for _, result in planned], make_id())
    if part is not None:
        whole.chord_config = {"part": tuple(part)}
    return [whole], _result(huey, whole)


def _plan_chord(
    huey: Huey, whole: chord, part: Part | None
) -> tuple[list[Task[Any]], ChordResult[Any]]:
    parts: list[Any] = []
    shape = _shape(whole.tasks, parts)
    key, callback = make_id(), whole.callback
    if parts:
        callback.chord_config = {"gather": tuple(Gather(key, len(parts), shape))}
    else:
        callback.extend(shape)
    if part is not None:
        callback.chord_config = {**(callback.chord_config or {}), "part": tuple(part)}
    message = huey.registry.create_message(callback)
    tasks: list[Task[Any]] = [] if parts else [callback]
    results = []
    for number, member in enumerate(parts):
        some, result = plan(huey, member, Part(key, number, len(parts), message))
        tasks += some
        results.append(result[-1] if isinstance(result, ResultGroup) else result)
    after = _result(huey, callback)
    pipeline = after if isinstance(after, ResultGroup) else None
    first = after if pipeline is None else pipeline[0]
    return tasks, ChordResult(_group_results(shape, results), first, pipeline)


def _result(huey: Huey, task: Task[Any]) -> Any:
    results = [Result(huey, one) for one in task.pipeline()]
    return ResultGroup(results) if len(results) > 1 else results[0]


def _shape(members: Sequence[Any], parts: list[Any]) -> list[Any]:
    """Return the numbers of a chord's parts in lists as they stand in groups; collect them."""
    shape: list[Any] = []
    for member in members:
        if isinstance(member, group):
            shape.append(_shape(member.tasks, parts))
        else:
            shape.append(len(parts))
            parts.append(member)
    return shape


def fill(shape: list[Any], values: Any) -> list[Any]:
    """Return a shape with each part's value in its place."""
    return [fill(one, values) if isinstance(one, list) else values[one] for one in shape]


def _group_results(shape: list[Any], results: list[Any]) -> ResultGroup[Any]:
    members: list[Any] = [
        _group_results(one, results) if isinstance(one, list) else results[one] for one in shape
    ]
    return ResultGroup(members, make_id())


# -- what a worker needs of it ----------------------------------------------------------------


def part_of(config: Any) -> Part | None:
    """Return what a task or message with this ``chord_config`` is to the chord around it."""
    config = understood(config)
    return Part(*config["part"]) if isinstance(config, dict) and "part" in config else None


def gather_of(config: Any) -> Gather | None:
    """Return which values a callback with this ``chord_config`` still has to get."""
    return Gather(*config["gather"]) if isinstance(config, dict) and "gather" in config else None


def gathered(config: dict[str, Any]) -> dict[str, Any]:
    """Return the ``chord_config`` of a callback that has its values."""
    kept = {key: value for key, value in config.items() if key != "gather"}
    return {**kept, "forget": config["gather"][0]}


def apart(config: Any) -> Any:
    """Return the ``chord_config`` of a task whose chord has counted it already."""
    config = understood(config)
    if not isinstance(config, dict):
        return config
    return {key: value for key, value in config.items() if key != "part"} or None


def done_with(config: Any) -> list[str]:
    """Return the keys of chords whose values nobody needs once this task is over."""
    if not isinstance(config, dict):
        return []
    keys = [config["forget"]] if "forget" in config else []
    return [*keys, config["gather"][0]] if "gather" in config else keys


def understood(config: Any) -> Any:
    """Return a ``chord_config`` of ours for one that huey has written, any other as it is.

    huey's is a tuple: the chord, the number of parts, which of them, the callback's message.
    """
    if not isinstance(config, tuple) or len(config) != 4:
        return config
    key, parts, part, callback = config
    gather = tuple(Gather(key, parts, list(range(parts))))
    ours = {**(understood(callback.chord_config) or {}), "gather": gather}
    return {"part": (key, part, parts, callback._replace(chord_config=ours))}


def hand_on(task: Task[Any], after: Task[Any]) -> None:
    """Let the next task of a pipeline be the part that this one was."""
    part = part_of(task.chord_config)
    if part is not None:
        after.chord_config = {**(understood(after.chord_config) or {}), "part": tuple(part)}


def resolved(message: Message, *, utc: bool) -> Message:
    """Return a message with the time at which it expires, if it is enqueued now."""
    if message.expires is None:
        return message
    return message._replace(expires_resolved=normalize_expires(message.expires, utc=utc))


# -- what people give -------------------------------------------------------------------------


def _members(tasks: tuple[Any, ...]) -> list[Any]:
    if len(tasks) == 1 and not isinstance(tasks[0], (Task, TaskWrapper, group, chord)):
        try:
            tasks = tuple(tasks[0])
        except TypeError:
            raise ConfigurationError(
                f"a group or chord is made of tasks, not of {tasks[0]!r}: group([add.s(1, 2), …])"
            ) from None
    for task in tasks:
        if isinstance(task, TaskWrapper):
            raise ConfigurationError(
                f"{task} is a task function: give a task, made by its s(…) with the arguments"
            )
        if not isinstance(task, (Task, group, chord)):
            raise ConfigurationError(
                f"a group or chord is made of tasks, groups and chords, not of {task!r}"
            )
    twice = {id(task) for task in tasks}
    if len(twice) < len(tasks):
        raise ConfigurationError("a member stands there twice: make another one with s(…)")
    return list(tasks)
