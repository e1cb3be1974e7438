"""A ladder of tries: the events of a task folded, and how they are shown."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from IPython.utils.capture import capture_output
from waiting import eventually

from huey import CancelExecution, RetryTask
from huey_jupyter.states import State
from huey_jupyter.teaching import Ladder
from huey_jupyter.teaching.ladder import lines, sentence
from huey_jupyter.teaching.tries import Course

BUSY = "ConnectionError: the line is busy"


def course(*events: dict[str, Any], title: str = "call('fern')") -> Course:
    found = Course(title)
    for event in events:
        found.fold(event)
    return found


def event(kind: str, at: float, **facts: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at, "task": "a", **facts}


def failed(at: float, due: float) -> list[dict[str, Any]]:
    return [event("error", at, error=BUSY, again=True), event("retrying", at, eta=due)]


@pytest.fixture
def twice() -> Course:
    """It fails at once and again after 0.2 s, waits for 0.4 s, and then it is done."""
    return course(
        event("enqueued", 10.0),
        event("executing", 10.0),
        *failed(10.1, 10.3),
        event("executing", 10.3),
        *failed(10.4, 10.8),
        event("executing", 10.8),
        event("complete", 11.0),
    )


# --- data ---


def test_each_try_says_how_it_ended_and_how_long_the_wait_after_it_was(twice: Course) -> None:
    assert [one.word for one in twice.tries] == ["failed", "failed", "done"]
    assert [one.why for one in twice.tries] == [BUSY, BUSY, ""]
    assert twice.pauses == pytest.approx([0.2, 0.4])
    assert twice.state is State.done


def test_a_task_that_waits_for_its_next_try_has_not_ended() -> None:
    one = course(event("enqueued", 1.0), event("executing", 1.0), *failed(1.1, 2.0))

    assert one.end is None
    assert one.state is State.retry


def test_a_task_may_ask_for_another_try_itself() -> None:
    one = course(event("executing", 1.0), event("error", 2.0, error="RetryTask: soon", again=True))

    assert (one.tries[0].word, one.tries[0].state) == ("asks again", State.retry)


def test_what_is_interrupted_is_next_in_the_queue_or_lost() -> None:
    begun = (event("executing", 1.0), event("interrupted", 2.0))
    back, gone = course(*begun), course(*begun, event("lost", 2.0, error="stopped"))

    assert (back.state, back.pauses) == (State.retry, [0.0])
    assert (gone.state, gone.tries[0].word) == (State.lost, "interrupted")


def test_a_task_that_never_began_has_no_try() -> None:
    one = course(event("enqueued", 1.0), event("revoked", 2.0))

    assert (one.tries, one.state) == ([], State.canceled)


def test_a_task_that_is_run_again_goes_on(twice: Course) -> None:
    twice.fold(event("executing", 20.0))

    assert twice.state is State.running
    assert twice.tries[-1].number == 4


@pytest.mark.parametrize("strange", [{}, {"kind": "error"}, {"kind": "executing", "at": "now"}])
def test_an_event_that_says_nothing_is_passed_over(twice: Course, strange: Any) -> None:
    twice.fold(strange)

    assert len(twice.tries) == 3


# --- in words ---


def test_a_sentence_names_the_waits_of_one_task_and_counts_many(twice: Course) -> None:
    assert sentence([twice], 11.0) == (
        "call('fern'): done, 3 tries in 1.00 s; waits of 0.20 s, 0.40 s."
    )
    other = course(event("enqueued", 10.5), title="call('rose')")
    assert sentence([twice, other], 12.0) == (
        "2 tasks, 3 tries, at most 3 for one, in 2.0 s: 1 done, 1 queued."
    )


def test_the_text_has_a_line_a_try_with_shapes_at_their_times(twice: Course) -> None:
    text = list(lines([twice], 11.0))

    assert text[0].startswith("✓ over   call('fern'): done")
    assert [line.split()[:2] for line in text[2:]] == [["try", "1"], ["try", "2"], ["try", "3"]]
    places = [re.search(r"[✗✓]", line).start() for line in text[2:]]  # type: ignore[union-attr]
    assert places == sorted(places)
    assert 2 * text[2].count("·") == pytest.approx(text[3].count("·"), abs=2)


def test_many_tries_of_a_task_are_on_one_line() -> None:
    pairs = [(event("executing", n), *failed(n + 0.1, n + 1.0)) for n in map(float, range(20))]
    one = course(*(each for pair in pairs for each in pair))

    assert len(list(lines([one], 20.0))) == 3


# --- the real queue ---


def test_a_ladder_follows_real_tasks_to_their_ends(loaded: Any) -> None:
    @loaded.huey.task(retry_delay=0.02, context=True)
    def patient(task: Any = None) -> str:
        if task.retry_delay < 0.1:
            task.retry_delay *= 2
            raise RetryTask(delay=task.retry_delay)
        return "at last"

    @loaded.huey.task(retries=3)
    def in_vain() -> None:
        raise CancelExecution("no such card")

    ladder = Ladder([patient(), in_vain()])
    with capture_output():
        ladder.wait()
    first, second = ladder.courses.values()

    assert [one.word for one in first.tries] == ["asks again"] * 3 + ["done"]
    assert first.pauses == pytest.approx([0.04, 0.08, 0.16], abs=0.03)
    assert [(one.word, one.why) for one in second.tries] == [("cancelled", "no such card")]
    assert "2 tasks, 5 tries, at most 4 for one" in ladder.summary


def test_a_ladder_wants_handles(loaded: Any) -> None:
    with pytest.raises(ValueError, match="handles"):
        Ladder()
    with pytest.raises(TypeError, match="not 'fern'"):
        Ladder("fern")  # type: ignore[arg-type]


# --- as a picture ---


@pytest.fixture
def ladder(loaded: Any) -> Ladder:
    """A ladder of a task whose first try has failed; the second is due in a while."""

    @loaded.huey.task(retries=1, retry_delay=3600)
    def call(plant: str) -> None:
        raise ConnectionError(plant)

    found = Ladder(call("<b>fern</b>"))
    eventually(lambda: found.catch_up() or next(iter(found.courses.values())).pauses)
    return found


def test_what_is_saved_needs_no_script_no_stylesheet_and_no_svg(ladder: Ladder) -> None:
    html = ladder.bundle()["text/html"]

    assert not re.search(r"<(script|style|svg|input|button)\b", html)
    assert "<b>" not in html
    assert "&lt;b&gt;fern" in html
    assert "The same as a table" in html


def test_a_wait_that_goes_on_is_a_rung_of_its_own(ladder: Ladder) -> None:
    html = ladder.html(live=True)

    assert re.findall(r'role="img" aria-label="(try \d)', html) == ["try 1", "try 2"]
    assert "○ not yet" in html
    assert "waiting to be tried again" in html


def test_the_sentence_changes_every_two_seconds_at_most(ladder: Ladder) -> None:
    def told() -> str:
        return re.findall(r'data-key="told">([^<]*)<', ladder.html(live=True))[0]

    assert told() == "Each try is drawn as it happens."
    next(iter(ladder.courses.values())).fold({"kind": "executing", "at": time.time()})
    assert told() == "Each try is drawn as it happens."

    ladder._told_at -= 2
    assert "running, 2 tries" in told()
