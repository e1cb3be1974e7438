"""Notebook 05, Building with pipes: tuples, error tasks, a chord with a hole, priority."""

from __future__ import annotations

from typing import Any, Final

from huey.results import ChordResult, Result, ResultGroup
from huey.tasks import Task
from huey_jupyter.teaching.exercises import exercise, expect
from huey_jupyter.teaching.facts import Facts

PAIRS: Final = [(1, 1), (1, 2), (2, 3), (3, 5), (5, 8), (8, 13)]
STEPS: Final = ["fetch", "parse", "store"]
MEAN: Final = -2 / 3  # of -3, 8 and -7
AS_ZERO: Final = -2 / 4


@exercise(
    "05.1",
    "Two numbers at a time",
    praise="Two values became two arguments, five times over.",
    hints=(
        "Whatever `next_pair` returns becomes the arguments of the next one. It needs two.",
        "return b, a + b gives a tuple. To add a step: line.then(next_pair).",
        "Begin with line = next_pair.s(0, 1), call line.then(next_pair) five times, and hand it "
        "over: pairs = huey.enqueue(line).",
    ),
)
def pairs_are_handed_on(facts: Facts, pairs: Any) -> str:
    expect(
        isinstance(pairs, ResultGroup),
        "`pairs` should be what huey.enqueue gives for a pipeline: a handle for each step.",
    )
    expect(
        len(pairs[0].task.pipeline()) == len(pairs),
        "These tasks do not follow each other: each began with the same two numbers. "
        "`then` has one wait for the other.",
    )
    for number, error in enumerate(map(facts.error, pairs), 1):
        expect(
            not error,
            f"Step {number} failed: {error}. Of what a step returns, only a tuple becomes "
            "several arguments. A list or a number is one.",
        )
    expect(len(pairs) == len(PAIRS), f"There are {len(pairs)} steps, and should be {len(PAIRS)}.")
    values = [_by_place(facts.value(one)) for one in pairs]
    expect(values == PAIRS, f"The last pair is {values[-1]}, and should be {PAIRS[-1]}.")
    return f"Noted by the queue: {' → '.join(map(str, values))}."


def _by_place(pair: Any) -> Any:
    """Return the two numbers as a tuple, also where they were handed on by name."""
    return tuple(pair.values()) if isinstance(pair, dict) else pair


@exercise(
    "05.2",
    "Say which one",
    praise="The error task ran because `parse` failed, and knew the place.",
    hints=(
        "`error` belongs to the task that it is said of. Which of the three fails?",
        "parse.s() makes the task in the middle. Give it its error task before it goes into then.",
        'parse.s().error(blame, "Bodø") is the middle of the pipeline.',
    ),
)
def the_place_is_told(facts: Facts, line: Any, handles: Any) -> str:
    expect(isinstance(line, Task), "`line` should be the first task, made by fetch.s(…).")
    tasks = line.pipeline()
    expect(
        [_short(task) for task in tasks] == STEPS,
        f"The pipeline is {', '.join(map(_short, tasks))}, and should be {', '.join(STEPS)}. "
        "What runs at a failure is no part of it.",
    )
    expect(
        isinstance(handles, ResultGroup) and handles[0].id == line.id,
        "`handles` should be what huey.enqueue(line) gives.",
    )
    handler = tasks[1].on_error
    expect(
        handler is not None or line.on_error is None,
        "You have said `error` of the first task, `fetch`, and that one does not fail.",
    )
    expect(handler is not None, "Nothing runs if `parse` fails.")
    expect(facts.error(handles[1]), "`parse` did not fail. Is it the telegram from Bodø?")
    told: Result[Any] = Result(facts.session.huey, handler)
    error = facts.error(told)
    expect(not error, f"`blame` ran, and failed itself: {error}. What else does it need?")
    value = facts.value(told)
    given = [*handler.args, *handler.kwargs.values()]
    expect(
        "Bodø" in given,
        "`blame` has the place in its own code, so it fits one place only. Give it to `error`, "
        "after the task.",
    )
    expect(str(value).startswith("Bodø: "), f"`blame` does not say which place it was: {value!r}.")
    return f"Noted by the queue: {value}"


@exercise(
    "05.3",
    "A hole in the map",
    praise="The chord's last task ran although a member had failed, and made do with the rest.",
    hints=(
        "Not each entry of the list is a dictionary. Look at isinstance(one, Error).",
        'good = [one["degrees"] for one in reports if not isinstance(one, Error)]',
        "Return sum(good) / len(good). Then mean = huey.enqueue(chord([…], mean_degrees)), with "
        "fetch.s(place).then(parse) for each place in TELEGRAMS.",
    ),
)
def the_hole_is_left_out(facts: Facts, mean: Any) -> str:
    expect(
        isinstance(mean, ChordResult),
        "`mean` should be what huey.enqueue gives for a chord.",
    )
    members = list(mean.results)
    expect(len(members) == 4, f"The chord has {len(members)} members; there are four stations.")
    error = facts.error(mean.callback)
    expect(
        not error,
        f"`mean_degrees` failed: {error}. It gets a list with one entry a station; what is the "
        "entry of a station that failed?",
    )
    value = facts.value(mean.callback)
    expect(isinstance(value, int | float), f"`mean_degrees` gave {value!r}, which is no number.")
    expect(
        abs(value - AS_ZERO) > 0.01,
        "That is the mean with Bodø at 0 °C. Nobody has measured that: leave it out.",
    )
    expect(abs(value - MEAN) < 0.1, f"The mean is {value:.2f}; of -3, 8 and -7 it is {MEAN:.2f}.")
    failed = sum(bool(facts.error(one)) for one in members)
    return f"Noted by the queue: {len(members)} members, {failed} of them failed; mean {value:.2f}."


@exercise(
    "05.4",
    "Ann is next",
    praise="Two went past nineteen others, and these kept their order.",
    hints=(
        "A call takes priority= beside the arguments of the function. Who has none has 0.",
        "A task that waits can be moved, as in the tutorial on time: reschedule takes priority=.",
        'ann = see("Ann", priority=10), then lifted = coughs[-1].reschedule(priority=5).',
    ),
)
def two_overtake(facts: Facts, coughs: Any, ann: Any, lifted: Any) -> str:
    expect(isinstance(ann, Result), "`ann` should be a handle: what the call of `see` gives.")
    expect(isinstance(lifted, Result), "`lifted` should be a handle: what reschedule gives.")
    old = [one.id for one in coughs]
    expect(lifted.id not in old, "`lifted` is an old handle. To move a task gives a new one.")
    facts.ended([*coughs, ann, lifted])
    order = _order(facts, {*old, ann.id, lifted.id})
    place = order.index(ann.id) + 1 if ann.id in order else 0
    expect(place != len(order), "Ann came last. Above 0 one goes first, below 0 last.")
    expect(
        place == 1 or order[0] != lifted.id,
        "The last cough went before Ann. Its priority should be above 0 and below hers.",
    )
    expect(place == 1, f"Ann was number {place} of {len(order)}.")
    expect(old[-1] not in order, "The last cough was treated in its old place, too.")
    expect(
        order[1] == lifted.id,
        f"The last cough was number {order.index(lifted.id) + 1}, and should come right after Ann.",
    )
    return f"Noted by the queue: Ann, cough {len(old)}, then coughs 1 to {len(old) - 1}."


def _short(task: Task[Any]) -> str:
    return task.name.rpartition(".")[2]


def _order(facts: Facts, wanted: set[str]) -> list[str]:
    """Return the ids of tasks in the order in which workers took them."""
    events = facts.session.huey.events.read()
    return [
        event["task"]
        for _, event in events
        if event["kind"] == "executing" and event["task"] in wanted
    ]
