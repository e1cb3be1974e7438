"""What a type checker knows of tasks and results; mypy reads this file, nobody runs it."""

import datetime
from typing import Any, assert_type

from huey import Huey, MemoryHuey, SqliteHuey, current_task, track
from huey.consumer import Consumer
from huey.results import Result, ResultGroup
from huey.tasks import Task

huey = MemoryHuey("app", events=True)


@huey.task
def bare(a: int, b: int) -> int:
    return a + b


@huey.task()
def add(a: int, b: int = 2) -> int:
    return a + b


@huey.task(retries=3, retry_delay=1.5, priority=2, expires=datetime.timedelta(minutes=1))
def shout(word: str, *, loud: bool = False) -> str:
    return word.upper() if loud else word


@huey.task(context=True)
def nothing(task: Task[None] | None = None) -> None:
    pass


# Calling gives a result of the function's own type, and the arguments are checked.
assert_type(bare(1, 2), Result[int])
assert_type(add(1), Result[int])
assert_type(shout("a", loud=True), Result[str])
assert_type(nothing(), Result[None])
add("1")  # type: ignore[arg-type]
add()  # type: ignore[call-arg]
shout("a", True)  # type: ignore[call-arg]
shout("a", quiet=True)  # type: ignore[call-arg]

# Its value may not be there yet.
assert_type(add(1).get(), int | None)
assert_type(add(1)(), int | None)
assert_type(shout("a").get(blocking=True, timeout=1.0), str | None)
assert_type(add(1).id, str)
assert_type(add(1).is_ready(), bool)
assert_type(add(1).cancel(), bool)
assert_type(add(1).reschedule(delay=60), Result[int])

# The other ways to call.
assert_type(add.call_local(1), int)
add.call_local("1")  # type: ignore[arg-type]
assert_type(add.s(1), Task[int])
assert_type(huey.enqueue(add.s(1)), Result[int])
assert_type(add.schedule((1,), delay=60), Result[int])
assert_type(add.schedule((1,), eta=datetime.datetime.now()), Result[int])
assert_type(add.is_revoked(), bool)
assert_type(add.restore(), bool)

# Several at once.
assert_type(add.map([(1, 2), (3, 4)]), ResultGroup[int])
assert_type(add.map(range(3)).get(blocking=True), list[int | None])
assert_type([result for result in shout.map("ab")], list[Result[str]])
assert_type(add.map([1])[0], Result[int])
assert_type(huey.enqueue_many([add.s(1)]), ResultGroup[int])

# Around a task.
assert_type(list(track([1.5, 2.5])), list[float])
assert_type(current_task(), Task[Any] | None)
assert_type(huey.pending(), list[Task[Any]])
assert_type(huey.create_consumer(workers=2), Consumer)
assert_type(huey.execute(add.s(1)), int | None)


# Decorators of hooks and signals leave the function as it is.
@huey.signal("complete")
def told(signal: str, task: Task[Any]) -> int:
    return 1


@huey.pre_execute()
def before(task: Task[Any]) -> None:
    pass


assert_type(told("complete", add.s(1)), int)
assert_type(before(add.s(1)), None)

hueys: list[Huey] = [huey, SqliteHuey("app", filename="app.db"), SqliteHuey("/data/app.db")]
