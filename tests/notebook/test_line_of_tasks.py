"""A line of tasks: its events folded, both sides of Little's law, and how it is shown."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from IPython.utils.capture import capture_output
from waiting import eventually

from huey_jupyter.teaching import Line, work
from huey_jupyter.teaching.chart import Facts, LineView, sentence
from huey_jupyter.teaching.flow import Flow

STORY = [
    *(("enqueued", 0.0, "a"), ("executing", 0.0, "a"), ("enqueued", 1.0, "b")),
    *(("complete", 2.0, "a"), ("executing", 2.0, "b"), ("error", 4.0, "b")),
]


@pytest.fixture
def flow() -> Flow:
    """Two tasks and one worker: a stays from 0 to 2, b from 1 to 4 and waits a second."""
    flow = Flow(0.0)
    for kind, at, task in STORY:
        flow.fold({"kind": kind, "at": at, "task": task})
    return flow


@pytest.fixture
def serve(loaded: Any) -> Any:
    return loaded.huey.task(name="serve")(work)


# --- data ---


def test_a_moment_says_who_waits_and_who_is_served(flow: Flow) -> None:
    moments = flow.moments([0.5, 1.5, 3.0, 5.0])

    assert [one[1:] for one in moments] == [(1, 0, 1, 0), (2, 1, 1, 0), (2, 0, 1, 1), (2, 0, 0, 2)]


def test_the_law_holds_for_two_tasks(flow: Flow) -> None:
    for heads in (1, 2, 1, 1):
        flow.count(heads, 1.0)
    little = flow.little(4.0)

    assert (little.L, little.rate, little.W) == (1.25, 0.5, 2.5)
    assert little.apart == 0
    assert str(little) == "L = 1.25 counted; λ × W = 0.5 a second × 2.500 s = 1.25"


def test_a_look_that_comes_late_stands_for_all_the_time_that_has_passed(flow: Flow) -> None:
    for heads, seconds in ((1, 1.0), (2, 1.0), (1, 2.0)):
        flow.count(heads, seconds)

    assert flow.little(4.0).L == 1.25


def test_a_worker_is_busy_as_long_as_it_serves(flow: Flow) -> None:
    assert flow.utilisation(4.0, 1) == 1
    assert flow.utilisation(8.0, 2) == 0.25


def test_events_of_tasks_that_never_arrived_are_passed_over() -> None:
    flow = Flow(0.0)
    flow.fold({"kind": "executing", "at": 1.0, "task": "x"})
    flow.fold({"kind": "complete", "at": 2.0, "task": "x"})

    assert flow.moments([3.0])[0][1:] == (0, 0, 0, 0)
    assert flow.little(3.0).apart is None


# --- the real queue ---


@pytest.mark.slow
@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_what_is_counted_agrees_with_what_is_measured(serve: Any, utilisation: float) -> None:
    line = Line(serve, 20, utilisation / 20, seconds=5, workers=1, seed=7)
    with capture_output():
        line.start()
        little = line.wait()

    assert little.apart is not None
    assert little.apart <= 0.1
    assert line.flow.utilisation(line.until, 1) == pytest.approx(utilisation, rel=0.5)


def test_a_line_is_over_when_the_last_task_has_left(loaded: Any, serve: Any) -> None:
    line = Line(serve, 50, 0.005, seconds=60, spread="constant", workers=2)
    with capture_output():
        line.start()
        while len(line.flow.visits) < 5:
            time.sleep(0.01)
        line.stop()
        line.wait()

    assert all(one.left for one in line.flow.visits.values())
    assert not len(loaded.huey)
    eventually(lambda: not (line._arriving.running or line._counting.running))


def test_a_line_that_is_still_open_is_closed_before_the_next_one_begins(
    loaded: Any, serve: Any
) -> None:
    first = Line(serve, 50, 0.05, seconds=60, workers=1)
    second = Line(serve, 50, 0.005, seconds=60, workers=1)
    with capture_output() as captured:
        first.start()
        while first.flow.moments([time.time()])[0].waiting < 5:
            first.catch_up()
            time.sleep(0.01)
        second.start()
        second.stop()
        second.wait()
        first.wait()

    assert "The line before this one is closed first" in captured.stdout
    assert first.flow.last <= second.flow.begin
    assert not len(loaded.huey)


def test_a_line_can_be_changed_within_limits(loaded: Any, serve: Any) -> None:
    line = Line(serve, 10, 0.05)
    for what, value in (("rate", 1000), ("service", 80), ("workers", 3)):
        line.change(what, value)

    assert (line.rate, line.service, line.workers) == (100, 0.08, 3)
    assert loaded.workers.count == 3


def test_a_spread_that_is_none_is_refused(serve: Any) -> None:
    with pytest.raises(ValueError, match="exponential or constant, not 'even'"):
        Line(serve, 10, 0.05, spread="even")


# --- what is shown ---


def facts_of(flow: Flow, **changes: Any) -> Facts:
    return Facts.of(flow, 4.0, 10.0, 1, True)._replace(**changes)


def test_a_sentence_says_what_the_picture_shows(flow: Flow) -> None:
    assert sentence(facts_of(flow)) == (
        "2 arrived, 2 done, 0 waiting after 4 s; at most 1 waited at once, 500 ms on average; "
        "workers busy 100 % of the time."
    )


@pytest.fixture
def view(serve: Any) -> LineView:
    line = Line(serve, 10, 0.05)
    line.flow.begin = time.time() - 4
    for kind, at, task in STORY:
        line.flow.fold({"kind": kind, "at": line.flow.begin + at, "task": task})
    return LineView(line)


def test_what_is_saved_needs_no_script_no_stylesheet_and_no_svg(view: LineView) -> None:
    html = view.bundle()["text/html"]

    assert not re.search(r"<(script|style|svg|input|button)\b", html)
    assert "Little's law" in html
    assert "The same as a table" in html
    assert view.text().startswith("● going on   2 arrived, 2 done")


def test_a_live_chart_has_named_sliders_and_a_button_to_pause_it(view: LineView) -> None:
    html = view.html(live=True)

    names = re.findall(r'<input type="range"[^>]*aria-label="([^"]+)"', html)
    assert names == ["arrivals", "work each", "workers"]
    assert 'data-verb="hold"' in html


def test_the_sentence_changes_every_two_seconds_at_most(view: LineView) -> None:
    def told() -> str:
        return re.findall(r'data-key="told">([^<]*)<', view.html(live=True))[0]

    first = told()
    view.line.flow.fold({"kind": "enqueued", "at": time.time(), "task": "c"})
    assert told() == first

    view._told_at -= 2
    assert told().startswith("3 arrived")


def test_a_paused_picture_stands_still_and_goes_on(view: LineView) -> None:
    view.hear("hold", "")
    view.line.flow.fold({"kind": "enqueued", "at": time.time(), "task": "c"})
    held = view.html(live=True)
    view.hear("go_on", "")

    assert "2 arrived ·" in held
    assert 'data-verb="go_on"' in held
    assert "3 arrived ·" in view.html(live=True)


def test_a_slider_changes_the_line(view: LineView) -> None:
    view.hear("set", "rate=33")

    assert view.line.rate == 33
