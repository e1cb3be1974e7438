"""A pipeline, a group or a chord drawn as a graph: what stands in it, and how it lights up."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.utils.capture import capture_output

from huey import MemoryHuey, chord, group
from huey.exceptions import ConfigurationError
from huey_jupyter.teaching import Pipes
from huey_jupyter.teaching.graph import Chain, chain_of, is_over, looks, sentence
from huey_jupyter.teaching.pipes import PipesView

huey = MemoryHuey()


@huey.task()
def fetch(place: str) -> str:
    return place


@huey.task()
def parse(telegram: str) -> str:
    return telegram


@huey.task()
def complain(error: Exception) -> None: ...


def parts(chain: Chain) -> list[tuple[str, str]]:
    return [(step.card.function, look.word) for step, look in looks(chain)]


def fold(chain: Chain, *kinds: str) -> None:
    """Let something happen to each step in turn."""
    for kind, (step, _) in zip(kinds, list(looks(chain)), strict=False):
        if kind:
            step.card.fold({"kind": kind, "at": 1.0, "task": step.card.id})


# --- data ---


def test_a_pipeline_is_a_step_after_the_other() -> None:
    chain = chain_of(fetch.s("Oslo").then(parse))

    assert parts(chain) == [("fetch", "to come"), ("parse", "to come")]
    assert sentence(chain) == "0 of 2 steps done; to come: fetch, parse."
    assert not is_over(chain)


def test_what_runs_at_a_failure_stands_behind_its_step() -> None:
    chain = chain_of(fetch.s("Oslo").then(parse.s().error(complain)).then(parse))

    assert [name for name, _ in parts(chain)] == ["fetch", "parse", "complain", "parse"]


def test_an_error_task_is_not_needed_once_all_went_well() -> None:
    chain = chain_of(fetch.s("Oslo").error(complain))
    fold(chain, "complete")

    assert parts(chain) == [("fetch", "done"), ("complain", "not needed")]
    assert is_over(chain)


def test_a_failure_is_not_over_before_its_error_task_is() -> None:
    chain = chain_of(fetch.s("Oslo").error(complain))
    fold(chain, "error")
    assert not is_over(chain)

    fold(chain, "", "complete")
    assert is_over(chain)


def test_nothing_is_needed_behind_what_did_not_run() -> None:
    chain = chain_of(fetch.s("Oslo").then(parse.s().error(complain)))
    fold(chain, "revoked")

    assert parts(chain) == [
        *(("fetch", "cancelled"), ("parse", "not needed"), ("complain", "not needed"))
    ]
    assert is_over(chain)


def test_the_task_of_a_chord_is_to_come_whatever_became_of_its_members() -> None:
    chain = chain_of(chord([fetch.s("Oslo"), fetch.s("Bodø")], parse).then(parse))
    fold(chain, "complete", "error")

    assert [word for _, word in parts(chain)] == ["done", "failed", "to come", "to come"]
    assert sentence(chain) == "1 of 4 steps done; failed: fetch; to come: parse (2)."


def test_a_group_in_a_chord_is_drawn_within_it() -> None:
    chain = chain_of(chord([group([fetch.s("Oslo"), fetch.s("Bodø")]), fetch.s("Røst")], parse))

    assert len(parts(chain)) == 4


def test_a_task_function_is_no_task() -> None:
    with pytest.raises(ConfigurationError, match=r"a task made by s\(…\)"):
        chain_of(fetch)


# --- the real queue ---


@pytest.fixture
def tasks(loaded: Any) -> dict[str, Any]:
    """Task functions of the notebook's own queue."""
    made = {
        "fetch": lambda place: f"{place};?",
        "parse": lambda telegram: {"degrees": int(telegram[-1])},
        "complain": lambda error: f"again: {type(error).__name__}",
        "count": len,
    }
    return {name: loaded.huey.task(name=name)(function) for name, function in made.items()}


def run(whole: Any) -> Pipes:
    pipes = Pipes(whole)
    with capture_output():
        pipes.start()
        pipes.wait()
    return pipes


def test_a_plan_is_drawn_before_it_is_handed_over(loaded: Any, tasks: dict[str, Any]) -> None:
    pipes = Pipes(tasks["fetch"].s("Oslo").then(tasks["parse"]))

    assert repr(pipes).splitlines()[0].startswith("· a plan, not handed over   0 of 2 steps done")
    assert not len(loaded.huey)
    assert PipesView(pipes).terminal


def test_each_step_says_what_it_gave_and_how_it_ended(loaded: Any, tasks: dict[str, Any]) -> None:
    parse = tasks["parse"].s().error(tasks["complain"])
    pipes = run(tasks["fetch"].s("Bodø").then(parse).then(tasks["count"]))
    text = repr(pipes)

    assert text.startswith("✗ over, 1 failed   2 of 4 steps done; failed: parse; cancelled: count.")
    assert "fetch('Bodø')" in text
    assert "gives 'Bodø;?'" in text
    assert "→ ✗ failed     parse('Bodø;?')" in text
    assert "gives 'again: ValueError'" in text
    assert [one.id for one in pipes.result] == [one.id for one in pipes.whole.pipeline()]


def test_a_value_is_shown_also_if_it_was_taken_at_once(loaded: Any, tasks: dict[str, Any]) -> None:
    pipes = Pipes(chord([tasks["fetch"].s("Oslo"), tasks["fetch"].s("Bodø")], tasks["count"]))
    with capture_output():
        pipes.start()
        assert pipes.result.get(blocking=True) == 2
        pipes.wait()

    assert repr(pipes).splitlines()[-1].endswith("gives 2")


def test_what_is_handed_over_is_handed_over_once(loaded: Any, tasks: dict[str, Any]) -> None:
    pipes = run(tasks["fetch"].s("Oslo"))

    first = pipes.result
    with capture_output() as shown:
        pipes.start()

    assert pipes.result is first
    assert shown.stdout.startswith("These tasks are handed over already: make new ones")
    assert "1 of 1 step" in shown.stdout


def test_the_cell_that_starts_it_shows_it_once(loaded: Any, tasks: dict[str, Any]) -> None:
    pipes = Pipes(tasks["fetch"].s("Oslo"))
    with capture_output() as shown:
        pipes.start()
        pipes._ipython_display_()
        pipes.wait()

    assert len(re.findall("steps? done", shown.stdout)) == 1


# --- what is shown ---


def test_what_is_saved_needs_no_script_and_no_stylesheet(loaded: Any, tasks: Any) -> None:
    pipes = run(chord([tasks["fetch"].s("<b>").then(tasks["count"])], tasks["count"]))
    html = PipesView(pipes).bundle()["text/html"]

    assert not re.search(r"<(script|style|svg|input|button|b)\b", html)
    assert "&lt;b&gt;" in html
    assert "✓ done" in html


def test_a_live_graph_has_a_name_and_says_how_it_stands(loaded: Any, tasks: Any) -> None:
    html = PipesView(Pipes(tasks["fetch"].s("Oslo"))).html(live=True)

    assert 'aria-label="a graph of tasks"' in html
    assert 'role="status" data-key="told">0 of 1 step done; to come: fetch.<' in html
