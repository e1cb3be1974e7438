"""Tasks of several priorities that arrive at random: who goes first, and how it is shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.utils.capture import capture_output

from huey_jupyter.teaching import Triage, work
from huey_jupyter.teaching.classes import ClassesView, Facts, sentence

KINDS = {"pain": (10, 14), "arm": (5, 18), "cough": (0, 18)}


@pytest.fixture
def treat(loaded: Any) -> Any:
    return loaded.huey.task(name="treat")(work)


@pytest.fixture
def triage(treat: Any) -> Triage:
    """Ann, Ben and Cleo have come in this order, and the doctor has begun with Ben."""
    triage = Triage(treat, KINDS, 0.025, seconds=60)
    begin = triage.flow.begin - 4
    for flow in (triage.flow, *triage.flows):
        flow.begin = begin
    for number, (task, kind) in enumerate([("ann", 2), ("ben", 0), ("cleo", 2)]):
        triage._kind_of[task] = kind
        triage._fold({"kind": "enqueued", "at": begin + number, "task": task})
    triage._fold({"kind": "executing", "at": begin + 2, "task": "ben"})
    return triage


def test_the_urgent_go_first_and_the_others_pay(loaded: Any, treat: Any) -> None:
    triage = Triage(treat, KINDS, 0.025, seconds=2, workers=1, spread="constant", seed=5)
    with capture_output():
        triage.start()
        triage.wait()
    waits = triage.mean_waits()

    assert list(waits) == ["pain", "arm", "cough", "everybody"]
    assert waits["pain"] < waits["everybody"] < waits["cough"]
    assert sum(len(flow.visits) for flow in triage.flows) == len(triage.flow.visits)


def test_the_queue_is_shown_in_its_order(loaded: Any, treat: Any) -> None:
    loaded.pause()
    triage = Triage(treat, KINDS, 0.025, seed=5)
    for _ in range(20):
        loaded.huey.enqueue(triage._make(0.0))
    order = [kind.name for kind in triage.queue()]

    assert set(order) == set(KINDS)
    assert order == sorted(order, key=list(KINDS).index)


def test_a_class_has_two_to_four_beside_it(treat: Any) -> None:
    with pytest.raises(ValueError, match="two to four classes, not 1"):
        Triage(treat, {"pain": (10, 5)}, 0.02)


def test_arrivals_of_a_class_can_be_changed(treat: Any) -> None:
    triage = Triage(treat, KINDS, 0.025)
    triage.change("0", 40)
    triage.change("service", 30)

    assert triage.rates == [40, 18, 18]
    assert triage.rate == 76
    assert triage.service == 0.03


def test_whoever_still_waits_counts_for_the_longest(triage: Triage) -> None:
    rows = Facts.of(triage).rows

    assert [row.now.waiting for row in rows] == [0, 0, 2]
    assert rows[0].longest == pytest.approx(1)
    assert rows[2].mean == 0
    assert rows[2].longest >= 4


def test_a_sentence_says_what_the_picture_shows(triage: Triage) -> None:
    said = sentence(Facts.of(triage))

    assert said.startswith("pain: 0 waiting, waited 1 s on average, 1 s at most; arm: nobody yet;")


def test_what_is_saved_needs_no_script_no_stylesheet_and_no_svg(triage: Triage) -> None:
    bundle = ClassesView(triage).bundle()

    assert not re.search(r"<(script|style|svg|input|button)\b", bundle["text/html"])
    assert "Waiting, as a table" in bundle["text/html"]
    assert "▲ pain   priority 10" in bundle["text/plain"]


def test_a_live_chart_has_a_slider_for_each_class(triage: Triage) -> None:
    html = ClassesView(triage).html(live=True)

    names = re.findall(r'<input type="range"[^>]*aria-label="([^"]+)"', html)
    assert names == ["pain", "arm", "cough", "workers"]
    assert 'aria-label="in the queue, the next first: nobody"' in html


def test_a_slider_reaches_the_class_that_it_is_named_after(triage: Triage) -> None:
    ClassesView(triage).hear("set", "2=33")

    assert triage.rates == [14, 18, 33]
