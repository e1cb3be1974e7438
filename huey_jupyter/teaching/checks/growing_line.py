"""Notebook 02, Watch the line grow: backlog, Little's law, how many workers, an alarm."""

from __future__ import annotations

import time
from types import CodeType
from typing import Any

from huey.alone import sleep
from huey_jupyter.teaching.exercises import exercise, expect
from huey_jupyter.teaching.facts import PATIENCE, TICK, Facts
from huey_jupyter.teaching.flow import Flow
from huey_jupyter.teaching.line import Line

AFTER = 10  # seconds for which the backlog is predicted
DEEPEST = "deepest"


@exercise(
    "02.1",
    "Predict the backlog",
    praise="A backlog grows by arrivals minus what the workers can do, every second.",
    hints=(
        "How many does one worker serve in a second, if each takes 20 ms?",
        "60 come each second and at most 50 go. What stays, each second?",
        "10 more each second, and ten seconds.",
    ),
)
def the_backlog_is_predicted(facts: Facts, predicted: Any, crowd: Any) -> str:
    _expect_number(predicted, "predicted")
    _expect_line(crowd, "crowd")
    end = crowd.flow.begin + crowd.seconds
    grown = crowd.flow.moments([end])[0].waiting * AFTER / crowd.seconds
    expect(
        predicted >= grown / 2,
        f"You predict {predicted:g}; at the pace measured there would be about {grown:.0f}. "
        "Does the worker keep up?",
    )
    expect(
        predicted <= grown * 2,
        f"You predict {predicted:g}; at the pace measured there would be about {grown:.0f}. "
        "Some are served meanwhile.",
    )
    return f"Measured: about {grown:.0f} after {AFTER} s, at this pace."


@exercise(
    "02.2",
    "Little's law from the log",
    praise="Arrival rate times mean stay gives the mean number in the system, as counted.",
    hints=(
        "The log has several lines for each task. Which of them is its arrival, and which its end?",
        "The rate: how many lines say enqueued, divided by the seconds from first to last line.",
        "The stay of a task: the time of its complete minus the time of its enqueued.",
    ),
)
def the_law_holds(facts: Facts, rate: Any, W: Any, sample: Any) -> str:
    _expect_number(rate, "rate")
    _expect_number(W, "W")
    _expect_line(sample, "sample")
    measured = sample.little()
    expect(
        _near(rate, measured.rate, 0.1),
        f"`rate` is {rate:.1f} a second; the queue has noted {measured.rate:.1f}. "
        "Count each task once.",
    )
    expect(
        _near(W, measured.W, 0.1),
        f"`W` is {W:.3f} s; from arrival to end it took {measured.W:.3f} s on average. "
        "Waiting and work both count.",
    )
    expect(measured.L is not None, "Nobody has counted heads: run the cell with `sample` again.")
    expect(
        _near(rate * W, measured.L or 0.0, 0.1),
        f"rate × W is {rate * W:.2f}, and {measured.L:.2f} were counted. Run `sample` again: "
        "something else may have been in the queue.",
    )
    return f"{measured}; yours: {rate * W:.2f}."


@exercise(
    "02.3",
    "How many workers?",
    praise="The smallest crew with room to spare. One worker fewer is far too few.",
    hints=(
        "Arrivals a second times seconds of work: so many workers are busy on average.",
        "72 × 0.025 s = 1.8. One worker is not enough. What is the utilisation of two, of three?",
        "At 90 % tasks wait for longer than they take. At 60 % hardly any does.",
    ),
)
def the_crew_is_right(facts: Facts, enough: Any, trial: Any) -> str:
    _expect_number(enough, "enough")
    _expect_line(trial, "trial")
    expect(trial.workers == enough, f"`trial` has {trial.workers} workers and not `enough`.")
    waits, work = trial.flow.waits, trial.service
    mean = sum(waits) / max(len(waits), 1)
    load = trial.rate * work
    told = f"The mean wait is {1000 * mean:.0f} ms, and the work takes {1000 * work:.0f} ms."
    expect(mean < 2.5 * work, f"{told} That is not enough workers.")
    expect(load / enough < 0.85, f"With {enough} workers, each is busy {load / enough:.0%}.")
    spare = load / max(enough - 1, 0.1)
    expect(spare > 0.85, f"One fewer would do: they would be busy {spare:.0%} of the time.")
    return told


@exercise(
    "02.4",
    "An alarm for depth",
    praise="The store kept the greatest depth, and anybody who knows the key can read it.",
    hints=(
        "len(huey) is the depth. It matters only if it is greater than what is stored.",
        "huey.get takes a value out of the store, unless you tell it to peek.",
        'Compare with huey.get("deepest", peek=True), then huey.put("deepest", ...).',
    ),
)
def the_depth_is_kept(facts: Facts, note_depth: Any, coach: Any) -> str:
    expect(isinstance(coach, list), "`coach` should stay the list of handles.")
    most = _most_waiting(facts, {one.id for one in coach})
    deepest = facts.session.huey.get(DEEPEST, peek=True)
    expect(
        isinstance(deepest, int),
        'There is no number under "deepest". Whoever gets a value without peek takes it away.',
    )
    expect(deepest > 0.6 * most, f"{deepest} is stored, and {most} were waiting at the peak.")
    expect(deepest < 1.5 * most + 3, f"{deepest} is stored, and never more than {most} waited.")
    expect(
        _names(getattr(note_depth, "__code__", None)) - {"huey", "put", "get"},
        f"{deepest} is stored, but `note_depth` asks nobody how many wait. On another night it "
        "would be wrong.",
    )
    return f"Stored: {deepest}. At the peak {most} were waiting."


def _most_waiting(facts: Facts, wanted: set[str]) -> int:
    """Return how many of these tasks were waiting at the same time, at most."""
    flow = Flow(0.0)
    for _, event in facts.session.huey.events.read():
        if event["task"] in wanted:
            flow.fold(event)
    just_after = [one.arrived + 1e-6 for one in flow.visits.values()]
    return max((one.waiting for one in flow.moments(just_after)), default=0)


def _names(code: CodeType | None) -> set[str]:
    """Return all names that code uses from outside, functions within it included."""
    if code is None:
        return {"unknown"}
    within = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return {*code.co_names, *code.co_freevars}.union(*within)


def _near(one: float, other: float, share: float) -> bool:
    return abs(one - other) <= share * abs(other)


def _expect_number(answer: Any, name: str) -> None:
    fits = isinstance(answer, int | float) and not isinstance(answer, bool)
    expect(fits, f"`{name}` should be a number.")


def _expect_line(answer: Any, name: str) -> None:
    expect(isinstance(answer, Line), f"`{name}` should stay the line that the cell made.")
    expect(answer.is_started, f"`{name}` has not begun: {name}.start() opens the shop.")
    deadline = time.monotonic() + PATIENCE
    while not answer.is_over and time.monotonic() < deadline:
        sleep(TICK, "look at the chart, which goes on by itself")
    expect(answer.is_over, f"`{name}` is not over yet. Run this cell again when it is.")
