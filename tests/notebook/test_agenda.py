"""The agenda: when tasks are due, the present, and what became of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.utils.capture import capture_output
from waiting import eventually

from huey_jupyter.card import Card
from huey_jupyter.states import State
from huey_jupyter.teaching import Agenda
from huey_jupyter.teaching.agenda import Entry, axis, lines, rows, sentence


def entry(*events: tuple[str, float], due: float | None = None) -> Entry:
    card = Card("a")
    for kind, at in events:
        card.fold({"kind": kind, "at": at, "name": "m.remind", "args": "'tea'", "eta": due})
    return Entry(card, due)


TEA = entry(("scheduled", 10.0), due=14.0)
BREAD = entry(("scheduled", 10.0), ("executing", 12.1), ("complete", 12.2), due=12.0)
MEETING = entry(("scheduled", 10.0), ("revoked", 13.0), due=13.0)
FAR = entry(("scheduled", 10.0), due=4000.0)


# --- data ---


def test_the_axis_reaches_to_the_last_time_that_is_not_far() -> None:
    assert axis([TEA, BREAD, FAR], 11.0) == (10.0, pytest.approx(4.2))


def test_the_sentence_names_what_is_next() -> None:
    said = sentence([TEA, BREAD, FAR], 13.0)

    assert said == "3 tasks: 2 scheduled, 1 done; next is remind('tea'), in 1.0 s."


def test_each_task_says_how_it_stands_with_its_time() -> None:
    said = [row.says for row in rows([TEA, BREAD, MEETING, FAR], 13.0)]

    assert said[0].startswith("▸ ")
    assert said[1:4] == [
        "◷ scheduled, in 1.0 s",
        "✓ done, 0.1 s after its time",
        "⊘ cancelled",
    ]
    assert re.fullmatch(r"◷ scheduled for \d\d:\d\d:\d\d", said[4])


def test_marks_stand_where_their_times_are_and_the_present_where_it_is() -> None:
    now, tea, bread, far = rows([TEA, BREAD, FAR], 13.0)

    assert now.pieces[0].width == pytest.approx(100 * 3 / 4.2)
    assert tea.pieces[0].width == pytest.approx(100 * 4 / 4.2)
    assert bread.pieces[0].width == pytest.approx(100 * 2.1 / 4.2)
    assert sum(one.gap + one.width for one in far.pieces) == pytest.approx(100)


def test_there_is_no_present_when_all_is_over() -> None:
    assert [row.label for row in rows([BREAD, MEETING], 20.0)] == ["remind('tea')"] * 2


def test_the_text_has_a_bar_for_the_present_and_a_shape_for_each_task() -> None:
    head, tea, bread = lines([TEA, BREAD], 13.0)

    assert head.startswith("● going on")
    assert bread.index("✓") < tea.index("│") == bread.index("│") < tea.index("◷")


# --- the real queue ---


@pytest.fixture
def remind(loaded: Any) -> Any:
    return loaded.huey.task(name="remind")(lambda what: f"Time to {what}!")


def test_an_agenda_follows_real_tasks_to_their_ends(remind: Any) -> None:
    handles = [remind.schedule((what,), delay=0.2) for what in ("sow", "reap", "<b>rest</b>")]
    handles[1].revoke()
    agenda = Agenda(*handles)
    with capture_output():
        agenda.wait()

    assert [one.card.state for one in agenda.entries()] == [
        *(State.done, State.canceled, State.done),
    ]
    assert all(one.due is not None for one in agenda.entries())
    html = agenda.bundle()["text/html"]
    assert not re.search(r"<(script|style|svg|input|button|b)\b", html)
    assert "&lt;b&gt;rest" in html


def test_what_is_due_tomorrow_is_at_the_edge(remind: Any) -> None:
    agenda = Agenda(remind.schedule(("sleep",), delay=86400))
    eventually(lambda: agenda.entries()[0].due)

    html = agenda.html(live=True)
    assert re.search(r"◷ scheduled for \d\d:\d\d:\d\d", html)
    assert "The same as a table" in html


def test_an_agenda_wants_handles(loaded: Any) -> None:
    with pytest.raises(TypeError, match="handles"):
        Agenda()
    with pytest.raises(TypeError, match="handles"):
        Agenda("tea")  # type: ignore[arg-type]
