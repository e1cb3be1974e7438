"""Cells handed over in every way: many at once, after each other, again, on the live names."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from waiting import eventually

from huey.exceptions import TaskException
from huey_jupyter import Session
from huey_jupyter.cards import State
from huey_jupyter.options import CellOptions, parse_cron, parse_when

LINE = "%%huey_task"


def test_a_map_runs_the_cell_once_for_each_item(session: Session) -> None:
    session.ip.user_ns["base"] = 100
    group = session.map_cell("base + x * y", "x, y", [(1, 2), (3, 4)], "times")

    assert group.get(blocking=True, timeout=10) == [102, 112]
    cards = session.tasks()
    assert [card.title for card in cards] == ["times(x=1, y=2)", "times(x=3, y=4)"]
    assert "x" not in session.ip.user_ns


def test_a_map_refuses_what_does_not_fit_its_names(session: Session) -> None:
    with pytest.raises(ValueError, match="unpack"):
        session.map_cell("x", "x, y", [(1, 2, 3)])

    assert session.tasks() == []


def test_a_cell_starts_when_the_one_before_is_done(session: Session) -> None:
    gate = threading.Event()
    session.ip.user_ns["gate"] = gate
    first = session.run_cell("gate.wait(10); table = [1, 2]", "first")
    second = session.run_cell("sum(table)", "second", after=first)

    card = session.board.card(second.id)
    assert card.state is State.queued
    assert first.id[:4] in card.note
    gate.set()
    assert second.get(blocking=True, timeout=10) == 3


def test_a_cell_after_one_that_failed_is_not_run(session: Session) -> None:
    first = session.run_cell("1 / 0", "first")
    second = session.run_cell("'never'", "second", after=first)

    with pytest.raises(TaskException, match="cancelled"):
        second.get(blocking=True, timeout=10)
    session.wait()
    assert "first" in session.board.card(second.id).error


def test_a_shared_cell_works_on_the_notebooks_own_names(session: Session) -> None:
    session.ip.user_ns["n"] = 1
    session.run_cell("n += 1", share=True)

    eventually(lambda: session.ip.user_ns["n"] == 2)


def test_the_same_cell_again_shows_the_run_that_goes_on(session: Session) -> None:
    gate = threading.Event()
    session.ip.user_ns["gate"] = gate
    first = session.run_cell("gate.wait(10)", "slow", line=LINE)
    again = session.run_cell("gate.wait(10)", "slow", line=LINE)
    besides = session.run_cell("gate.wait(10)", "slow", line=LINE, on_rerun="queue")
    gate.set()
    session.wait()
    anew = session.run_cell("gate.wait(10)", "slow", line=LINE)

    assert again is first
    assert len({first.id, besides.id, anew.id}) == 3


def test_a_changed_cell_replaces_its_earlier_run(session: Session, monkeypatch: Any) -> None:
    parent = {"metadata": {"cellId": "the cell"}}
    monkeypatch.setattr(session.ip, "get_parent", lambda: parent, raising=False)
    first = session.run_cell("import time\nwhile True: time.sleep(0.01)", "endless", line=LINE)
    eventually(lambda: session.tasks("running"))
    second = session.run_cell("'changed'", "short", line=LINE)

    assert second.get(blocking=True, timeout=10) == "changed"
    eventually(lambda: session.board.card(first.id).state is State.canceled)


def test_a_cell_with_a_lock_is_dropped_while_another_has_it(session: Session) -> None:
    gate, begun = threading.Event(), threading.Event()
    session.ip.user_ns.update(gate=gate, begun=begun)
    session.run_cell("begun.set(); gate.wait(10)", lock="gpu")
    assert begun.wait(10)
    second = session.run_cell("1", lock="gpu")
    eventually(lambda: session.board.card(second.id).terminal)
    gate.set()
    session.wait()

    assert session.board.card(second.id).state is State.locked


def test_a_cell_waits_for_its_time(session: Session) -> None:
    later = session.run_cell("1", delay=3600)
    soon = session.run_cell("2", delay=0.05)

    assert soon.get(blocking=True, timeout=10) == 2
    assert session.tasks("scheduled")[0].id == later.id


def test_a_repeated_cell_is_declared_once_however_often_it_is_run(session: Session) -> None:
    for word in ("one", "two"):
        name = session.run_cell(f"said = '{word}'; said", "tick", every="* * * * *")

    assert list(session.huey.registry.periodic) == [name]
    session.huey.enqueue_periodic(int(time.time() // 60) + 1)
    eventually(lambda: {"text/plain": "'two'"} in [card.value for card in session.tasks("done")])
    assert session.cancel(name) == 1
    assert not session.huey.registry.periodic


@pytest.fixture
def in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_kolkata")
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no zone can be set here")
@pytest.mark.parametrize(("zone", "utc"), [(None, (4, 0)), (datetime.UTC, (9, 30))])
def test_a_repeated_cell_goes_by_the_clock_on_the_wall(
    session: Session, zone: datetime.tzinfo | None, utc: tuple[int, int]
) -> None:
    session.huey.timezone = zone
    session.run_cell("1", "tick", every="30 9 * * *")

    noon = datetime.datetime(2040, 6, 1, 12, tzinfo=datetime.UTC)
    session.huey.enqueue_periodic(int(noon.timestamp() // 60))
    assert session.tasks() == []
    hour, minute = utc
    due = noon.replace(day=2, hour=hour, minute=minute)
    session.huey.enqueue_periodic(int(due.timestamp() // 60))
    eventually(lambda: session.tasks("done"))


def test_a_cell_that_has_failed_is_run_again_on_its_card(session: Session) -> None:
    session.ip.user_ns["n"] = 0
    result = session.run_cell("10 / n", "divide")
    session.wait()
    assert session.board.card(result.id).state is State.failed
    session.ip.user_ns["n"] = 5
    assert session.retry(result.id[:8]) == 1
    session.wait()

    card = session.board.card(result.id)
    assert card.state is State.done
    assert card.value == {"text/plain": "2.0"}
    assert session.control.result(result.id).get(blocking=True, timeout=10) == 2.0


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="--share and --process"):
        CellOptions(share=True, process=True)
    with pytest.raises(ValueError, match="not negative"):
        CellOptions(retries=-1)
    with pytest.raises(ValueError, match="above 0"):
        CellOptions(timeout=0)
    with pytest.raises(ValueError, match="five fields"):
        CellOptions(every="hourly")


def test_a_crontab_line_matches_its_minutes() -> None:

    matches = parse_cron("*/5 9-17 * * *")
    assert matches(datetime.datetime(2030, 1, 1, 9, 10))
    assert not matches(datetime.datetime(2030, 1, 1, 9, 11))
    assert not matches(datetime.datetime(2030, 1, 1, 8, 10))


def test_a_time_of_day_is_the_next_one_to_come() -> None:

    now = datetime.datetime(2030, 1, 1, 12, 0)
    assert parse_when("17:30", now) == datetime.datetime(2030, 1, 1, 17, 30)
    assert parse_when("09:00", now) == datetime.datetime(2030, 1, 2, 9, 0)
    assert parse_when("2031-02-03T04:05", now) == datetime.datetime(2031, 2, 3, 4, 5)
    with pytest.raises(ValueError, match="17:30"):
        parse_when("tomorrow", now)


def test_a_name_that_the_notebook_kept_is_brought_back_when_asked_for(session: Session) -> None:
    gate = threading.Event()
    session.ip.user_ns.update(gate=gate, x=1)
    result = session.run_cell("gate.wait(10); x = 'the task'")
    session.ip.user_ns["x"] = "the notebook"
    gate.set()
    session.wait()
    card = session.board.card(result.id)
    assert session.ip.user_ns["x"] == "the notebook"
    assert card.unbound == ("x",)
    assert "take" in session.control.verbs(card)

    session.errands.ask("take", result.id)
    eventually(lambda: not card.unbound)
    session.ip.run_cell("pass")
    assert session.ip.user_ns["x"] == "the task"
