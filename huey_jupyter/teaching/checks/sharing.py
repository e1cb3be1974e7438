"""Notebook 06, Sharing: a lost update, forgotten locks, a connection a worker, a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from huey.results import Result, ResultGroup
from huey_jupyter.states import State
from huey_jupyter.teaching.exercises import exercise, expect
from huey_jupyter.teaching.facts import Facts

WASHES = 8
GIFTS = [State.done, State.failed, State.done]
DEBT = -500  # cents
BALANCES = {"Ada": 80, "Ben": 120}


@exercise(
    "06.1",
    "Fix the counter",
    praise="Whoever reads the number writes it before anybody else reads it.",
    hints=(
        "Two workers must not be between reading and writing at the same time.",
        'Put @huey.lock_task("washed") between @huey.task() and the function.',
        "A task that finds the lock taken is dropped, unless it has retries and a retry_delay.",
    ),
)
def no_glass_is_forgotten(facts: Facts, washes: Any) -> str:
    results = _handles(washes, "washes", WASHES)
    expect(facts.session.workers.count > 1, "One worker alone has nobody to race with. Hire two.")
    states = [card.state for card in facts.ended(results)]
    dropped = states.count(State.locked)
    expect(
        not dropped,
        f"{dropped} of {WASHES} tasks were refused and dropped. A task that may try again is not.",
    )
    expect(states.count(State.done) == WASHES, "Some of the tasks have failed.")
    counted = facts.session.huey.get("washed", peek=True)
    expect(
        not isinstance(counted, int) or counted <= WASHES,
        f"{WASHES} glasses were washed and {counted} counted: some were from a run before, which "
        "had not ended. Run the cell above once more.",
    )
    expect(
        counted == WASHES,
        f"{WASHES} glasses were washed and {counted} counted: two workers read the same number. "
        "They have to use one and the same lock, from before the reading until after the writing.",
    )
    refused = sum(facts.story(one).count("locked") for one in results)
    return f"Noted by the queue: {counted} of {WASHES} counted; {refused} times a task was refused."


@exercise(
    "06.2",
    "Somebody went home with the keys",
    praise="Both doors are open, and the next delivery went through.",
    hints=(
        "flush_locks() frees what it knows. Which of the two names is only inside the task?",
        "Names that it cannot know are arguments of flush_locks.",
        'freed = huey.flush_locks("cellar")',
    ),
)
def the_doors_are_open(facts: Facts, freed: Any, delivery: Any) -> str:
    [handle] = _handles([delivery], "delivery", 1)
    [card] = facts.ended([handle])
    taken = [name for name in ("shop", "cellar") if facts.session.huey.is_locked(name)]
    expect(not taken, f"Still taken: {' and '.join(taken)}. Who is told this name?")
    expect(card.state is State.done, f"The delivery was {card.state.word}. Run this cell again.")
    expect(
        isinstance(freed, set) and "cellar" in freed,
        "The doors are open. `freed` should be what the call returned: the names it has freed. Run "
        "the cell that takes the keys again, then yours once.",
    )
    return f"Freed: {', '.join(sorted(freed))}; then {', '.join(facts.story(handle))}."


@exercise(
    "06.3",
    "A connection for each worker",
    praise="Each worker opened its own, once, and used it for all that it was asked.",
    hints=(
        "A function under @huey.on_startup() is called by each worker that starts.",
        "In it: connection.set(connect()).",
        "Workers that are there already have started. %huey restart comes after the hook.",
    ),
)
def each_has_its_own(facts: Facts, answers: Any) -> str:
    results = _handles(answers, "answers", WASHES)
    used: dict[str, set[int]] = {}
    for result, card in zip(results, facts.ended(results), strict=True):
        error = facts.error(result)
        expect(
            not error.startswith("LookupError"),
            "A worker had no connection. The hook is called when a worker *starts*, and by it: "
            "is there a hook, and has anybody started since?",
        )
        expect(
            not error.startswith("ProgrammingError"),
            "A worker was given the connection of another thread. Open it inside the hook.",
        )
        expect(not error, f"A task failed with {error}.")
        used.setdefault(card.worker, set()).add(facts.value(result)[1])
    opened = sorted(len(own) for own in used.values())
    expect(opened[-1] == 1, f"One worker used {opened[-1]} connections. It should open one.")
    expect(len(used) > 1, "One worker answered everything. Hire two, and ask again.")
    several = set.union(*used.values())
    expect(len(several) == len(used), "Two workers used the same connection.")
    return f"Noted by the queue: {', '.join(sorted(used))}, with a connection each."


@exercise(
    "06.4",
    "A gift that is never half",
    praise="The gift that could not be paid left no trace, and no cent was lost or made.",
    hints=(
        "A task that runs inside a with is made by huey.context_task(...).",
        "What stands behind the with is `transaction`. The function wants what it gives, as `db`.",
        "@huey.context_task(transaction, as_argument=True)",
    ),
)
def no_gift_is_half(facts: Facts, gifts: Any, balances: Any) -> str:
    results = _handles(gifts, "gifts", len(GIFTS))
    cards = facts.ended(results)
    errors = [facts.error(one) for one in results]
    expect(
        not any(error.startswith("TypeError") for error in errors),
        "The function did not get its first argument. context_task can hand it over.",
    )
    expect(
        not any(error.startswith("ProgrammingError") for error in errors),
        "A connection that you have opened is no use to a worker. Use `transaction`.",
    )
    expect(
        not any("database is locked" in error for error in errors),
        "A second connection has to wait for the transaction to end, and the transaction for it. "
        "Use the one that the transaction gives.",
    )
    now = balances()
    expect(
        sum(now.values()) == sum(BALANCES.values()),
        f"Now there are {sum(now.values())} cents, and there were 200: one gift was half.",
    )
    states = [card.state for card in cards]
    told = ", ".join(state.word for state in states)
    expect(states == GIFTS, f"The gifts were {told}. Only the second one cannot be paid.")
    expect(now == BALANCES, f"They have {now}. Fill the accounts, and give the three gifts once.")
    _give_a_debt(facts, results[0], balances)
    return f"Noted by the queue: {told}; Ada has {now['Ada']} cents, Ben {now['Ben']}."


def _give_a_debt(facts: Facts, gift: Result[Any], balances: Callable[[], Any]) -> None:
    """Have the other half of a gift fail: nobody can be given a debt that they cannot pay."""
    task = gift.task
    args = [DEBT if isinstance(one, int) else one for one in task.args]
    kwargs = {key: DEBT if isinstance(one, int) else one for key, one in task.kwargs.items()}
    debt = facts.session.huey.enqueue(type(task)(tuple(args), kwargs))
    facts.ended([debt])
    now = balances()
    expect(
        now == BALANCES,
        f"I handed over a gift of {DEBT} cents, which cannot be: it failed, and yet they have "
        f"{now}. In another order, the other half stays. Use `transaction`.",
    )


def _handles(answer: Any, name: str, count: int) -> Sequence[Result[Any]]:
    """Return an answer that should be so many handles."""
    fits = isinstance(answer, list | tuple | ResultGroup)
    results = list(answer) if fits else []
    whose = "the handle" if count == 1 else f"the {count} handles"
    right = len(results) == count and all(isinstance(one, Result) for one in results)
    expect(right, f"`{name}` should be {whose} of what you handed over.")
    return results
