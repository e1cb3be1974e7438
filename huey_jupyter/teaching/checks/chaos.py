"""Notebook 07, Chaos: what was cut off, what may happen twice, and what must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huey.results import Result
from huey_jupyter.states import State
from huey_jupyter.teaching.consumers import Consumers, latest
from huey_jupyter.teaching.exercises import NotYet, exercise, expect
from huey_jupyter.teaching.facts import Facts
from huey_jupyter.teaching.ledger import Fate


@exercise(
    "07.1",
    "Find what was cut off",
    praise="A task that begins again without a word in between has lost its worker.",
    hints=(
        "Go through the log and remember which tasks are under way: begun, and not heard of since.",
        "Whatever a log says of a task after executing is a word: interrupted, complete.",
        "If executing comes for a task that is under way already, its worker was lost.",
    ),
)
def the_cut_off_are_found(facts: Facts, cut_off: Any, log: Any) -> str:
    expect(callable(cut_off), "`cut_off` should stay a function of the log.")
    runs = _crew().ledger.runs
    known = {task for _, task in log}
    last = {run.task: run for run in runs}
    lost = {r.task for r in runs if r.fate is Fate.cut_off and r is not last[r.task]} & known
    put_back = {run.task for run in runs if run.fate is Fate.put_back} & known
    expect(lost, "No worker was killed while the log was written: run the cells above again.")
    found = cut_off(log)
    expect(
        isinstance(found, list | set | tuple), "`cut_off` should return a list of the tasks' ids."
    )
    expect(found, "It finds none. A task that was cut off has finished all the same, later.")
    expect(
        not set(found) & put_back - lost,
        "It takes a task for cut off that was put back: its worker has said so, by interrupted.",
    )
    expect(lost <= set(found), f"It misses {len(lost - set(found))} of {len(lost)}.")
    expect(set(found) <= lost, "It takes a task for cut off that was not.")
    return f"Cut off, as the ledger has it: {len(lost)}. Put back: {len(put_back)}."


@exercise(
    "07.2",
    "Paid once",
    praise="However often the task is delivered, the money moves once.",
    hints=(
        "A second delivery must find out that the first has paid. Where can it look?",
        "Memory dies with a process, the books do not: read them before you write.",
        'Write only if the order is not in books.read_text().split("\\n").',
    ),
)
def an_order_is_paid_once(facts: Facts, order: Any, books: Any) -> str:
    expect(isinstance(order, Result), "`order` should be the handle of your task.")
    [card] = facts.ended([order])
    expect(
        card.state is not State.lost,
        "The task was lost with its worker. It must run again, and do no harm by that.",
    )
    expect(card.state is State.done, f"The task is {card.state.word}: {facts.error(order)}")
    name = str(order.task.args[0]) if order.task.args else ""
    before = _times(books, name)
    expect(before > 0, f"The books say nothing of {name!r}.")
    expect(
        before == 1,
        f"{name!r} is in the books {before} times. Empty them before you try again: "
        'books.write_text("").',
    )
    _deliver_again(facts, order)
    after = _times(books, name)
    expect(
        after == 1,
        f"I killed the worker once more, in the last moment of the task, and {name!r} is in the "
        f"books {after} times.",
    )
    runs = facts.story(order).count("executing")
    return f"Noted by the queue: {runs} runs of one task. In the books: once."


@exercise(
    "07.3",
    "Look before you launch again",
    praise="The queue did not guess. It told you, and you have decided.",
    hints=(
        "Ask `first` for its value, and wait. What is raised?",
        "WorkerLost says that nobody knows how far the launch got. Catch it.",
        'In the except block: second = launch("Ariane").',
    ),
)
def a_launch_is_decided(facts: Facts, first: Any, second: Any) -> str:
    expect(isinstance(first, Result), "`first` should stay the handle of the first launch.")
    expect(isinstance(second, Result), "`second` should be the handle of a second launch.")
    lost, _ = facts.ended([first])[0], facts.ended([second])
    expect(lost.state is State.lost, "The first launch was not lost: run its cell again.")
    expect(second.id != first.id, "`second` is the first launch, which is lost for good.")
    expect(facts.card(second).state is State.done, "The second launch has not succeeded.")
    events = [(e["kind"], e["task"]) for _, e in facts.session.huey.events.read()]
    expect(
        events.index(("lost", first.id)) < events.index(("enqueued", second.id)),
        "You launched again before you knew what had become of the first.",
    )
    return "Noted by the queue: one lost, then one handed over and complete."


def _crew() -> Consumers:
    crew = latest()
    if crew is None:
        raise NotYet("No consumers have been started yet: run the cells above.")
    return crew


def _deliver_again(facts: Facts, order: Result[Any]) -> None:
    """Run a task once more, elsewhere: as if its worker had died in the last moment."""
    crew = _crew()
    expect(crew.alive, "No consumer is alive: crew.start() starts some.")
    for run in crew.ledger.of(order.id):
        crew.kill_process(run.pid)
    order.reset()
    facts.session.huey.run_again(order.task)
    facts.value(order)


def _times(books: Any, order: str) -> int:
    expect(isinstance(books, Path), "`books` should stay the path of the books.")
    return books.read_text().split("\n").count(order) if books.exists() else 0
