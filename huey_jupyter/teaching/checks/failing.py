"""Notebook 04, When it fails: waits that grow, Sundays off, a card charged once, read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from huey import Huey
from huey.results import Result, ResultGroup
from huey_jupyter.states import State
from huey_jupyter.teaching.exercises import exercise, expect
from huey_jupyter.teaching.facts import Facts
from huey_jupyter.teaching.tries import Course

FIRST: Final = 0.18  # seconds of the first wait, at least: a little less than 0.2
GROWS: Final = 1.5  # by which a wait has to be longer than the one before, at least
TOO_FAST: Final = 2.6  # by which no wait should be longer; a busy machine makes some wait longer
OFTEN: Final = 12  # tries that are too many for a bank that is closed for a second


@exercise(
    "04.1",
    "Knock, then wait longer",
    praise="Each wait was longer than the one before, and the bank was left in peace.",
    hints=(
        "In the except clause, raise RetryTask(delay=...). Which delay is it the next time?",
        "task.attempt counts the retries that were spent, and RetryTask spends none. But what you "
        "write into task.retry_delay is still there at the next try.",
        "task.retry_delay *= 2, and then: raise RetryTask(delay=task.retry_delay)",
    ),
)
def waits_grow(facts: Facts, orders: Any) -> str:
    results = _handles(orders, "orders")
    states = [card.state for card in facts.ended(results)]
    courses = [_course(facts, result) for result in results]
    tries = max(len(one.tries) for one in courses)
    expect(
        tries > 1,
        "Each order was tried once. A wait inside the task keeps its worker from all others."
        if set(states) == {State.done}
        else "Each order was tried once and given up. Ask for another try: RetryTask.",
    )
    for course in courses:
        waits = course.pauses
        told = ", ".join(f"{wait:.2f}" for wait in waits)
        expect(
            all(later >= GROWS * wait for wait, later in pairwise(waits)),
            f"The waits of {course.title} were {told} seconds. Each should be about twice the "
            "one before.",
        )
    expect(
        all(state is State.done for state in states),
        "An order was given up. Ask for another try as often as it takes.",
    )
    expect(tries > 2, "The bank was not closed for long enough. Run the exercise's cell again.")
    expect(tries <= OFTEN, f"There were {tries} tries for one order. Begin with a longer wait.")
    first = min(one.pauses[0] for one in courses if one.pauses)
    expect(first > FIRST, f"The first wait was {first:.2f} s, and should be 0.2 s.")
    growth = min(b / a for one in courses for a, b in pairwise(one.pauses))
    expect(growth < TOO_FAST, f"Each wait was {growth:.1f} times the one before. Make it twice.")
    waits = max((one.pauses for one in courses), key=len)
    return f"Noted by the queue: waits of {', '.join(f'{wait:.2f}' for wait in waits)} s."


@exercise(
    "04.2",
    "Not on Sundays",
    praise="The hook cancelled Sunday's parcel before it began, and nothing else.",
    hints=(
        "A hook is told of every task, with its arguments: task.args and task.kwargs.",
        "day.weekday() is 0 on Monday and 6 on Sunday. To stop a task, raise CancelExecution.",
        "if task.name.endswith('deliver') and task.args[0].weekday() == 6: "
        "raise CancelExecution('closed on Sundays')",
    ),
)
def sundays_are_free(facts: Facts, hook: Any, parcels: Any) -> str:
    results = _handles(parcels, "parcels")
    expect(len(results) == 6, "`parcels` should be what hand_over() gives: six handles.")
    states = [card.state for card in facts.ended(results)]
    told = []
    for result, state in zip(results, states, strict=True):
        name, day = result.task.name.rpartition(".")[2], f"{result.task.args[0]:%A}"
        off = name == "deliver" and day == "Sunday"
        if off:
            expect(
                state is State.canceled,
                f"Sunday's parcel was delivered. Its task is called {result.task.name!r}, with the "
                "module in front. And only CancelExecution stops a task: what else a hook raises "
                "is logged, and what it returns is not looked at.",
            )
        expect(off or state is State.done, f"{name} was cancelled on a {day}.")
        told.append(f"{name} {day} {state.word}")
    expect(
        _is_hooked(facts.session.huey, hook),
        "No hook did that. Put @huey.pre_execute() over the function, and run its cell again.",
    )
    return f"Noted by the queue: {', '.join(told)}."


@exercise(
    "04.3",
    "Charge once",
    praise="Tried again, handed over twice, and each order was paid once.",
    hints=(
        "Who has the right to charge an order? Whoever is first to leave a mark for it.",
        "huey.put_if_empty(key, value) looks and writes in one step, and says whether it wrote.",
        'if huey.put_if_empty(f"charged {order}", True): take_money(order, cents)',
    ),
)
def each_order_is_charged_once(facts: Facts, receipts: Any, charges: Any) -> str:
    results = _handles(receipts, "receipts")
    expect(isinstance(charges, list), "`charges` should stay the bank's list.")
    states = [card.state for card in facts.ended(results)]
    orders = [result.task.args[0] for result in results]
    paid = Counter(order for order, _ in charges)
    for order in dict.fromkeys(orders):
        expect(
            paid[order] <= 1,
            f"Order {order} was charged {paid[order]} times. "
            "The key must be the same in every try and in every task for that order, and looking "
            "and marking must be one step.",
        )
        expect(paid[order] == 1, f"Order {order} was never charged. Has it a key of its own?")
    expect(
        all(state is State.done for state in states),
        "A task failed for good, so somebody has no receipt. What may fail has to be tried again.",
    )
    papers = [facts.value(result) for result in results]
    expect(
        all(str(paper).startswith("a receipt for ") for paper in papers),
        "A task is done and has given no receipt. Only the money must not move twice; the receipt "
        "is printed in each try.",
    )
    stories = [facts.story(result) for result in results]
    expect(
        any("retrying" in story for story in stories),
        "No task was tried again. Leave print_receipt and the retries as they were.",
    )
    tries = sum(story.count("executing") for story in stories)
    return f"Noted: {len(results)} tasks, {tries} tries, {len(charges)} charges."


@exercise(
    "04.4",
    "Look again",
    praise="The same handle, the same task, and a new value.",
    hints=(
        "The handle keeps what it has read, and answers from memory.",
        "bill.reset() makes it forget. The next get looks into the queue.",
        "bill.reset(), then printed = bill.get(blocking=True)",
    ),
)
def a_handle_looks_again(facts: Facts, bill: Any, printed: Any) -> str:
    story = facts.story(bill)
    expect(
        story.count("executing") > 1,
        "The task was not run again. A new task would print a second bill.",
    )
    expect(
        bill.status() != "error",
        "The handle still says what it read before the task ran again. It has to forget that.",
    )
    expect(printed is not None, "`printed` is None: nobody has waited for the second run.")
    expect(isinstance(printed, str), "`printed` should be the text that the task returned.")
    facts.ended([bill])
    expect(bill.is_read and bill.get() == printed, "`printed` did not come from `bill`.")
    kept = [kind for kind in story if kind in ("executing", "error", "complete")]
    return f"Noted by the queue, all of one task: {', '.join(kept)}."


def _handles(answer: Any, name: str) -> list[Result[Any]]:
    fits = isinstance(answer, ResultGroup | Sequence) and not isinstance(answer, str)
    expect(fits, f"`{name}` should be the handles of the tasks.")
    results = list(answer)
    expect(
        results and all(isinstance(one, Result) for one in results),
        f"`{name}` should be the handles of the tasks, not their values.",
    )
    return results


def _course(facts: Facts, result: Result[Any]) -> Course:
    """Return the tries of a task that has ended."""
    course = Course(str(result.task.args[0]) if result.task.args else "the task")
    for _, event in facts.session.huey.events.read():
        if event["task"] == result.id:
            course.fold(event)
    return course


def _is_hooked(huey: Huey, hook: Any) -> bool:
    """Say whether a function is called before each task; it stays so."""
    was = huey.unregister_pre_execute(hook)
    if was:
        huey.pre_execute()(hook)
    return was
