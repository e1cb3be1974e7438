"""Notebook 01, First task: tasks, handles, failures, many at once, immediate mode."""

from __future__ import annotations

import threading
from typing import Any

from huey.results import Result, ResultGroup
from huey_jupyter.teaching.exercises import exercise, expect
from huey_jupyter.teaching.facts import Facts, most_at_once

FRIENDS = 10
LAST_PACKET = "the shop has no packets left"
FEWEST, MOST = 37, 54  # packets of five for an album of 50: 45.5 on average


@exercise(
    "01.1",
    "Catch what went wrong",
    praise="You have read the original message at the handle of the failed task.",
    hints=(
        "The error waits where the value would have been. Ask the handle for it.",
        "Write try, a line with errand.get(blocking=True), then except TaskException as error.",
        "str(error) is the message that the task failed with.",
    ),
)
def the_failure_is_read(facts: Facts, errand: Any, message: Any) -> str:
    expect(isinstance(errand, Result), "`errand` should stay the handle that the cell made.")
    error = facts.error(errand)
    expect(error, "The task did not fail. Run the cell that makes `errand` again.")
    expect(isinstance(message, str), "`message` should be a text: what the task failed with.")
    expect(
        LAST_PACKET in message,
        "`message` does not say what went wrong in the task. The error that get() raises does.",
    )
    return f"Noted by the queue: {error}"


@exercise(
    "01.2",
    "A function becomes a task",
    praise="A worker has run your function, and you have waited for its value.",
    hints=(
        "Section 5 shows the one line that goes over a function.",
        "Put @huey.task() over average_fives. Each call then gives a handle.",
        "get() looks once. get(blocking=True) waits for the value.",
    ),
)
def a_function_becomes_a_task(facts: Facts, fives: Any, fives_value: Any) -> str:
    expect(
        isinstance(fives, Result),
        "`fives` is no handle. Either the function is no task yet, or it was called at once and "
        "here, with no queue between, or nobody has handed the task over.",
    )
    card = facts.ended([fives])[0]
    story = facts.story(fives)
    expect("executing" in story, "No worker has run this task.")
    expect(not facts.error(fives), f"The task failed with {facts.error(fives)}.")
    expect(
        fives_value is not None,
        "`fives_value` is None: get() looked before the worker was done. Tell it to wait.",
    )
    expect(fives_value == facts.value(fives), "`fives_value` is not the value of this task.")
    expect(isinstance(fives_value, float), "That was one album. The mean of many is asked for.")
    expect(
        FEWEST <= fives_value <= MOST,
        f"An album of 50 takes about 45 packets of five, and this says {fives_value:.1f}. Is it "
        "an album of 50, and five stickers a packet?",
    )
    return f"Noted by the queue: {', '.join(dict.fromkeys(story))}; run by {card.worker}."


@exercise(
    "01.3",
    "Ten letters at once",
    praise="While one letter was on its way, the next one was too.",
    hints=(
        "Hand over all ten before you wait for the first.",
        "The name of the method is map: write_to.map(friends) makes one task a friend.",
        "Keep what map returns. The check asks it for the values.",
    ),
)
def letters_overlap(facts: Facts, letters: Any) -> str:
    if isinstance(letters, list | tuple) and letters and isinstance(letters[0], Result):
        results = list(letters)
    else:
        expect(
            isinstance(letters, ResultGroup),
            "`letters` is not what map returns. Keep the group itself, not its values.",
        )
        results = list(letters)
    expect(len(results) == FRIENDS, f"There are {FRIENDS} friends, and {len(results)} tasks.")
    to = {repr((one.task.args, one.task.kwargs)) for one in results}
    expect(len(to) == FRIENDS, "Some friend gets more than one letter, and so some other none.")
    runs = facts.runs(results)
    expect(len(runs) == FRIENDS, "Some of the tasks have not been run.")
    most = most_at_once(runs)
    expect(most > 1, "One letter was over before the next one began: something waited in between.")
    took = max(run.end for run in runs) - min(run.start for run in runs)
    alone = sum(run.end - run.start for run in runs)
    expect(took < 0.8 * alone, "Together they took as long as one after the other.")
    return f"Noted by the queue: {most} at once; {took:.1f} s instead of {alone:.1f} s."


@exercise(
    "01.4",
    "Who ran it?",
    praise="The worker has a thread of its own. In immediate mode you run the task yourself.",
    hints=(
        "Make a task function for each Huey, and call it. What the call gives is the handle.",
        "A Huey is in immediate mode if it is made so: MemoryHuey(immediate=True).",
        "who_am_i is a plain function: huey.task()(who_am_i) makes a task function of it.",
    ),
)
def the_threads_differ(facts: Facts, by_worker: Any, by_me: Any) -> str:
    for name, answer in (("by_worker", by_worker), ("by_me", by_me)):
        expect(
            isinstance(answer, Result),
            f"`{name}` should be a handle. Calling a task function gives one; keep that.",
        )
    expect(
        by_me.huey.immediate,
        "`by_me` went to a queue. Make a MemoryHuey with immediate=True, and a task of it.",
    )
    worker, mine = facts.value(by_worker), by_me.get(preserve=True)
    me = threading.main_thread().name
    expect(mine == me, f"`by_me` says {mine!r}, and your own thread is called {me!r}.")
    expect(isinstance(worker, str), "`by_worker` should give the name of a thread.")
    return f"The worker's thread is called {worker}, yours {mine}."
