"""What the course asks of a reader's answers, and the work that only takes time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.utils.capture import capture_output

from huey import MemoryHuey
from huey_jupyter.teaching import check, exercises, hint, work
from huey_jupyter.teaching.checking import CheckFailed, _asked
from huey_jupyter.teaching.exercises import NOTEBOOKS, Todo, exercise, expect
from huey_jupyter.teaching.facts import Run, most_at_once
from huey_jupyter.teaching.labour import Mishap, speed
from huey_jupyter.teaching.verdict import Grade, Verdict


@pytest.fixture
def doubling() -> Iterator[None]:
    """An exercise: a task whose value is 4."""

    @exercise("99.1", "Two and two", praise="It is four.", hints=("Add.", "Add two and two."))
    def rule(facts: Any, answer: Any) -> str:
        expect(facts.value(answer) == 4, "Your task gives something else.")
        return ", ".join(facts.story(answer))

    yield
    del exercises.EXERCISES["99.1"]
    _asked.clear()


def said(number: str, *answers: Any) -> str:
    with capture_output() as shown:
        check(number, *answers)
    [output] = shown.outputs
    return str(output.data["text/plain"])


# --- checks ---


def test_a_right_answer_passes_and_says_what_the_queue_noted(loaded: Any, doubling: None) -> None:
    add = loaded.huey.task()(lambda a, b: a + b)
    text = said("99.1", add(2, 2))

    assert text.startswith("✓ PASS  99.1 Two and two")
    assert "It is four." in text
    assert "enqueued, executing, complete" in text


def test_a_wrong_answer_is_not_yet_right_and_gets_help(loaded: Any, doubling: None) -> None:
    add = loaded.huey.task()(lambda a, b: a + b)
    text = said("99.1", add(2, 3))

    assert text.startswith("↻ NOT YET")
    assert "Your task gives something else." in text
    assert 'hint("99.1") helps.' in text


def test_dots_are_no_answer_yet(loaded: Any, doubling: None) -> None:
    assert said("99.1", ...).startswith("○ TODO")


def test_what_is_to_be_done_can_be_said_by_the_exercise(loaded: Any, doubling: None) -> None:
    @exercise("99.1", "Write", praise="Written.", hints=("",))
    def rule(facts: Any, answer: Any) -> str:
        raise Todo("Write the second method")

    assert "Write the second method, run it, then this cell again." in said("99.1", 4)


def test_a_task_that_nobody_has_written_is_no_answer_yet(loaded: Any, doubling: None) -> None:
    @loaded.huey.task()
    def unwritten() -> None:
        raise NotImplementedError

    assert said("99.1", unwritten()).startswith("○ TODO")


def test_nobody_waits_for_a_task_of_tomorrow(loaded: Any, doubling: None) -> None:
    @exercise("99.1", "Later", praise="Later.", hints=("",))
    def rule(facts: Any, tomorrow: Any) -> str:
        return facts.card(tomorrow).state.word

    later = loaded.huey.task(name="later")(lambda: 4).schedule(delay=86_400)

    assert said("99.1", later).startswith("✓ PASS")


@pytest.mark.parametrize("answer", [None, 7, "text", [], object(), ValueError])
def test_whatever_an_answer_is_a_check_does_not_raise(
    loaded: Any, doubling: None, answer: Any
) -> None:
    assert said("99.1", answer).startswith("↻ NOT YET")


def test_a_handle_of_another_queue_is_told_from_ours(loaded: Any, doubling: None) -> None:
    other = MemoryHuey(immediate=True)

    assert "another queue" in said("99.1", other.task()(lambda: 4)())


def test_a_check_leaves_the_value_where_it_is(loaded: Any, doubling: None) -> None:
    result = loaded.huey.task(name="four")(lambda: 4)()
    said("99.1", result)

    assert loaded.huey.result(result.id) == 4


def test_a_strict_check_stops_what_is_not_solved(
    loaded: Any, doubling: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUEY_TUTORIAL_STRICT", "1")

    with pytest.raises(CheckFailed, match="TODO"), capture_output():
        check("99.1", ...)


def test_an_unknown_exercise_is_named_with_those_that_there_are() -> None:
    with pytest.raises(LookupError, match=r"no exercise '01.77'; there is 01.1, 01.2"):
        check("01.77")


def test_hints_say_more_each_time(doubling: None) -> None:
    with capture_output() as shown:
        for _ in range(3):
            hint("99.1")

    told = [output.data["text/plain"] for output in shown.outputs]
    assert [text.splitlines()[1].strip() for text in told] == [
        *("Add.", "Add two and two.", "Add two and two.")
    ]
    assert told[0].startswith("→ HINT 1 of 2")


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_exercise_has_a_title_and_several_hints(notebook: str) -> None:
    exercises.find(f"{notebook}.1")
    own = [one for one in exercises.EXERCISES.values() if one.number.startswith(notebook)]

    assert len(own) >= 2
    assert all(one.title and one.praise and len(one.hints) >= 2 for one in own)


def test_a_verdict_is_escaped_and_has_a_word_beside_its_colour() -> None:
    html = Verdict(Grade.not_yet, "1.1", "<b>", "say <i>", "&")._repr_html_()

    assert "<i>" not in html
    assert "say &lt;i&gt;" in html
    assert ">NOT YET</span>" in html


def test_runs_that_touch_are_not_at_once() -> None:
    assert most_at_once([Run(0, 1, ""), Run(1, 2, ""), Run(2, 3, "")]) == 1
    assert most_at_once([Run(0, 2, ""), Run(1, 3, ""), Run(1.5, 4, "")]) == 3


# --- work ---


def test_a_dot_is_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUEY_TUTORIAL_SPEED", "20")
    began = time.perf_counter()

    assert work("...") == 3
    assert 0.15 <= time.perf_counter() - began < 1.5


def test_work_may_be_given_in_seconds() -> None:
    began = time.perf_counter()

    assert work(0.02) == 0.02
    assert 0.02 <= time.perf_counter() - began < 1


def test_work_fails_where_a_mark_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUEY_TUTORIAL_SPEED", "100")

    with pytest.raises(Mishap, match="after 1 of 2 s"):
        work(".!.")


@pytest.mark.parametrize(("how", "says"), [("..x", "'x'"), (-1, "-1"), (float("nan"), "nan")])
def test_work_says_what_it_does_not_know(how: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        work(how)


@pytest.mark.parametrize("told", ["fast", "0", "-2", "nan", "inf"])
def test_a_speed_is_a_number_above_0(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUEY_TUTORIAL_SPEED", told)

    with pytest.raises(ValueError, match="is a number above 0"):
        speed()


def test_work_reports_how_far_it_is_and_can_be_cancelled(loaded: Any) -> None:
    busy = loaded.huey.task(name="busy")(lambda: work("." * 60, "reading"))()
    seen = threading.Event()
    while not seen.is_set():
        loaded.watcher.catch_up()
        card = loaded.board.card(busy.id)
        if card.done and card.message == "reading":
            seen.set()

    assert card.total == 60
    busy.cancel()
    assert loaded.wait(busy.id)
    assert card.state == "canceled"
