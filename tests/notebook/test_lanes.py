"""Lanes of workers: turns and holds folded, noted at the real queue, and how they are shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.utils.capture import capture_output

from huey.exceptions import TaskLockedException
from huey_jupyter.states import State
from huey_jupyter.teaching import Lanes, work
from huey_jupyter.teaching.holds import Hold, Holds, Note, Wait, most_holders
from huey_jupyter.teaching.lanechart import LanesView, sentence, table
from huey_jupyter.teaching.lanefacts import facts_of
from huey_jupyter.teaching.lanerows import rows
from huey_jupyter.teaching.turns import Turn, Turns

NOTES = [
    Note(1.0, "taken", "slip", "h1", "a"),
    Note(1.5, "refused", "slip", "h2", "b"),
    Note(2.0, "refused", "slip", "h3", "b"),
    Note(3.0, "freed", "slip", "h1", "a"),
    Note(3.5, "taken", "slip", "h4", "b"),
]


def event(kind: str, task: str, at: float, **facts: Any) -> dict[str, Any]:
    return {"kind": kind, "task": task, "name": "m.sell", "at": at, **facts}


# --- data ---


def test_a_hold_lasts_from_taken_to_freed() -> None:
    holds = Holds.of(NOTES)

    assert holds.holds == [Hold("slip", "a", 1.0, 3.0), Hold("slip", "b", 3.5)]
    assert holds.locks == ["slip"]


def test_a_task_waits_from_its_first_refusal_until_it_has_the_lock() -> None:
    assert Holds.of(NOTES).waits() == [Wait("slip", "b", 1.5, 3.5)]
    assert Holds.of(NOTES[:3]).waits() == [Wait("slip", "b", 1.5)]


def test_a_lock_that_was_freed_whosever_it_was_is_held_no_more() -> None:
    [hold] = Holds.of([NOTES[0], Note(2.0, "freed", "slip", None, "")]).holds

    assert hold.end == 2.0


def test_a_lock_that_was_taken_before_anybody_listened_is_passed_over() -> None:
    assert Holds.of([Note(2.0, "freed", "slip", "h0", "z")]).holds == []


def test_holders_of_two_locks_are_not_holders_of_one() -> None:
    one, two = Hold("slip", "a", 0, 2), Hold("jar", "b", 1, 3)

    assert most_holders([one, two], 3) == 1
    assert most_holders([one, two._replace(lock="slip")], 3) == 2
    assert most_holders([one, Hold("slip", "b", 2)], 3) == 1


def test_each_try_is_a_turn_of_its_own() -> None:
    turns = Turns()
    for one in (
        event("enqueued", "a", 0.0, args="1"),
        event("executing", "a", 1.0, worker="thread 1"),
        event("locked", "a", 1.1, again=True),
        event("retrying", "a", 1.1, eta=2.0),
        event("executing", "a", 2.0, worker="thread 2"),
    ):
        turns.fold(one)

    assert turns.turns == [
        Turn("a", "sell(1)", "thread 1", 1.0, 1.1, State.locked),
        Turn("a", "sell(1)", "thread 2", 2.0),
    ]
    assert not turns.are_over(later=100)
    turns.fold(event("complete", "a", 3.0))
    assert turns.are_over(later=100)
    assert (turns.begin, turns.last, turns.workers) == (0.0, 3.0, ["thread 1", "thread 2"])


def test_tasks_that_began_before_and_those_of_tomorrow_are_not_waited_for() -> None:
    turns = Turns()
    turns.fold(event("progress", "old", 0.0, done=1))
    turns.fold(event("scheduled", "late", 0.0, eta=1000.0))

    assert list(turns.cards) == ["late"]
    assert turns.are_over(later=100)
    assert not turns.are_over(later=1001)


# --- the real queue ---


@pytest.fixture
def sell(loaded: Any) -> Any:
    """A task function that holds a lock while it works, and comes again if it is refused."""

    @loaded.huey.task(retries=500, retry_delay=0.02, name="sell")
    @loaded.huey.lock_task("slip")
    def sell(glass: int) -> None:
        work(0.03)

    return sell


def sold(sell: Any, glasses: int = 4) -> Lanes:
    with capture_output(), Lanes() as lanes:
        for glass in range(glasses):
            sell(glass)
    return lanes


def test_two_never_hold_one_lock_at_once(sell: Any) -> None:
    lanes = sold(sell)

    assert lanes.is_over
    assert len(lanes.holds) == 4
    assert most_holders(lanes.holds, lanes.until) == 1
    assert [turn.state for turn in lanes.runs].count(State.done) == 4


def test_a_hold_lies_within_its_task(sell: Any) -> None:
    lanes = sold(sell)
    done = {turn.task: turn for turn in lanes.runs if turn.state is State.done}

    for hold in lanes.holds:
        turn = done[hold.task]
        assert turn.end is not None
        assert hold.end is not None
        assert turn.start <= hold.start < hold.end <= turn.end


def test_a_lock_that_a_task_forgot_is_seen_to_be_freed(loaded: Any) -> None:
    with capture_output(), Lanes() as lanes:
        loaded.huey.task(name="forget")(lambda: loaded.huey.lock_task("slip").acquire())()
    [hold] = lanes.holds

    assert hold.end is not None


def test_afterwards_the_storage_is_as_it_was(loaded: Any) -> None:
    storage = loaded.huey.storage
    before = {**vars(storage)}
    with capture_output(), Lanes(), Lanes() as inner, loaded.huey.lock_task("slip"):
        assert not storage.acquire_lock("slip", "somebody else")
    assert [hold.task for hold in inner.holds] == [""]
    assert vars(storage).keys() == before.keys()


def test_who_asks_without_a_pause_fills_no_memory_and_is_counted(loaded: Any) -> None:
    storage = loaded.huey.storage
    with capture_output(), Lanes() as lanes, loaded.huey.lock_task("slip"):
        for _ in range(10_000):
            storage.acquire_lock("slip", "somebody else")
    refusals = lanes.noted().refusals

    assert sum(one.number for one in refusals) == 10_000
    assert len(refusals) < 1_000


def test_an_error_in_the_block_goes_on_and_ends_the_lanes(loaded: Any) -> None:
    lanes = Lanes()
    with capture_output(), pytest.raises(ZeroDivisionError), lanes:
        1 / 0  # noqa: B018

    assert lanes.is_over


def test_patience_ends(loaded: Any) -> None:
    loaded.workers.pause()
    with capture_output(), Lanes(patience=0.05) as lanes:
        loaded.huey.task(name="never")(work)(0)

    assert lanes.is_over
    assert lanes.runs == []
    loaded.workers.resume()


# --- what is shown ---


def test_a_sentence_says_who_had_the_lock_and_who_asked_in_vain(sell: Any) -> None:
    said = sentence(facts_of(sold(sell)))

    assert said.startswith("At most 1 at work at once; the lock `slip` was held 4 times, never by")
    assert re.search(r"asked for (once|twice|\d+ times) in vain; all over after .+\.$", said)


def test_a_lane_a_worker_and_below_it_its_locks(sell: Any) -> None:
    facts = facts_of(sold(sell))
    names = [row.name for row in rows(facts)]

    assert names[:2] == [facts.workers[0], f"{facts.workers[0]}, locks"]
    assert names[-1] == "back in line"
    for row in rows(facts):
        assert sum(one.gap + one.width for one in row.stretches) <= 100.001
    assert len(list(table(facts))) == len(facts.tries)


def test_a_task_that_keeps_its_worker_is_seen_to_wait(loaded: Any) -> None:
    huey = loaded.huey

    @huey.task(name="insist")
    def insist() -> None:
        while True:
            try:
                with huey.lock_task("slip"):
                    return work(0.1)
            except TaskLockedException:
                work(0.005)

    with capture_output(), Lanes() as lanes:
        insist()
        insist()
    kinds = [one.kind for row in rows(facts_of(lanes)) if row.thin for one in row.stretches]

    assert sorted(kinds) == ["held", "held", "waits"]


def test_what_is_dropped_is_counted_and_does_not_wait(loaded: Any) -> None:
    once = loaded.huey.task(name="once")(loaded.huey.lock_task("slip")(lambda: work(0.3)))
    with capture_output(), Lanes() as lanes:
        for _ in range(4):
            once()
    text = LanesView(lanes).text()

    assert "4 tasks · 2 workers · 3 dropped" in text
    assert "back in line" not in text


def test_what_is_saved_needs_no_script_no_stylesheet_and_no_svg(sell: Any) -> None:
    bundle = LanesView(sold(sell)).bundle()

    assert not re.search(r"<(script|style|svg|input|button)\b", bundle["text/html"])
    assert "The same as a table" in bundle["text/html"]
    assert "repeating-linear-gradient" in bundle["text/html"]
    assert bundle["text/plain"].startswith("✓ over   4 tasks · 2 workers")
    assert "▨ has the lock" in bundle["text/plain"]


def test_names_are_escaped(loaded: Any) -> None:
    task = loaded.huey.task(name="<b>")(loaded.huey.lock_task("<i>")(lambda: work(0.1)))
    with capture_output(), Lanes() as lanes:
        task()
    html = LanesView(lanes).html(live=True)

    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;i&gt;" in html


def test_lanes_in_which_nothing_ran_say_so(loaded: Any) -> None:
    with capture_output() as shown, Lanes():
        pass

    assert "No worker has run anything yet." in str(shown.outputs or shown.stdout)
    assert sentence(facts_of(Lanes())) == "No worker has run anything yet."


def test_live_lanes_say_what_each_row_is(sell: Any) -> None:
    html = LanesView(sold(sell)).html(live=True)

    assert html.count('role="img"') >= 3
    assert 'role="status"' in html
