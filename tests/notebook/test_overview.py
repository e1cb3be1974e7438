"""The whole queue as data: lanes, what waits, what is over, how fast; and a group's books."""

from __future__ import annotations

from typing import Any

import pytest

from huey_jupyter.cards import Board, State
from huey_jupyter.overview import SHOWN, Facts, overview
from huey_jupyter.runs import LATEST

NOON = 1_700_000_000.0


def tell(board: Board, task: str, kind: str, at: float, **facts: Any) -> None:
    board.fold({"task": task, "name": "m.fit", "kind": kind, "at": NOON + at} | facts)


def run(board: Board, task: str, at: float, until: float | None, **facts: Any) -> None:
    """Tell of a task that ran from then to then, on `thread 1` unless the facts say otherwise."""
    kind, worker = facts.pop("kind", "complete"), facts.pop("worker", "thread 1")
    tell(board, task, "enqueued", at, **{k: facts[k] for k in ("args", "label") if k in facts})
    tell(board, task, "executing", at, worker=worker)
    if until is not None:
        tell(board, task, kind, until, **facts)


def lanes(board: Board, at: float, *workers: str) -> dict[str, list[tuple[float, ...]]]:
    """Return the runs that are over, by worker, as (beginning, end, how many)."""
    seen = overview(board, Facts(NOON + at, workers))
    return {
        lane.worker: [(s.start - NOON, (s.end or 0) - NOON, s.runs) for s in lane.over]
        for lane in seen.lanes
    }


def test_a_lane_remembers_what_its_worker_ran_in_the_last_minute():
    board = Board()
    run(board, "a", 0, 5)
    run(board, "b", 6, 50)
    run(board, "c", 6, 8, worker="thread 2")

    assert lanes(board, 50) == {"thread 1": [(0, 5, 1), (6, 50, 1)], "thread 2": [(6, 8, 1)]}
    assert lanes(board, 67) == {"thread 1": [(6, 50, 1)], "thread 2": [(6, 8, 1)]}
    assert lanes(board, 200) == {}


def test_workers_have_a_lane_before_they_have_run_anything():
    board = Board()
    run(board, "a", 0, 5, worker="thread 9")

    seen = overview(board, Facts(NOON + 10, ("thread 1", "thread 2")))

    assert [(lane.worker, lane.alive) for lane in seen.lanes] == [
        ("thread 1", True),
        ("thread 2", True),
        ("thread 9", False),
    ]


def test_lanes_are_in_the_order_of_their_numbers():
    board = Board()
    for number in (10, 9, 1):
        run(board, f"t{number}", 0, 5, worker=f"thread {number}")

    assert list(lanes(board, 6)) == ["thread 1", "thread 9", "thread 10"]


def test_what_runs_now_is_on_its_workers_lane():
    board = Board()
    run(board, "a", 0, None)
    tell(board, "a", "progress", 1, done=1, total=4)
    run(board, "b", 2, None, worker="thread 2")
    tell(board, "b", "canceling", 3)

    one, two = overview(board, Facts(NOON + 4)).lanes

    assert [card.id for card in one.running] == ["a"]
    assert one.running[0].fraction == 0.25
    assert [card.state for card in two.running] == [State.stopping]


def test_each_try_is_a_run_of_its_own():
    board = Board()
    run(board, "a", 0, 2, kind="error", retries=1, again=True)
    tell(board, "a", "retrying", 2, eta=NOON + 5, retries=1)
    tell(board, "a", "executing", 5, worker="thread 2", attempt=2)
    tell(board, "a", "complete", 7)

    assert lanes(board, 10) == {"thread 1": [(0, 2, 1)], "thread 2": [(5, 7, 1)]}
    first = overview(board, Facts(NOON + 10)).lanes[0].over[0]
    assert first.state is State.retry


def test_an_interrupted_run_ends_its_stretch():
    board = Board()
    run(board, "a", 0, 2, kind="interrupted")

    assert lanes(board, 3) == {"thread 1": [(0, 2, 1)]}
    assert overview(board, Facts(NOON + 3)).lanes[0].running == []


def test_runs_too_short_to_be_drawn_are_kept_as_one():
    board = Board()
    for n in range(100):
        run(board, f"t{n}", n / 100, n / 100 + 0.01, kind="error" if n == 7 else "complete")

    kept = overview(board, Facts(NOON + 2)).lanes[0].over

    assert len(kept) <= 3
    assert sum(segment.runs for segment in kept) == 100
    assert kept[0].state is State.failed  # one that failed is not hidden by those that did not


def test_what_is_kept_does_not_grow():
    board = Board()
    for n in range(30_000):
        run(board, f"t{n}", n * 0.3, n * 0.3 + 0.3, worker=f"thread {n % 300}")

    kept = board.runs.lanes
    assert len(kept) <= 200
    assert sum(len(lane) for lane in kept.values()) < 30_000
    assert len(board.runs.latest) == LATEST
    assert len(board.runs._ends) <= 601


def test_the_queue_is_told_in_order_and_in_length():
    board = Board()
    for n in range(40):
        tell(board, f"t{n}", "enqueued", n)
    tell(board, "t0", "executing", 41, worker="thread 1")
    seen = overview(board, Facts(NOON + 50))

    assert seen.waiting == 39
    assert [card.id for card in seen.queue] == [f"t{n}" for n in range(1, 1 + SHOWN)]

    known = overview(board, Facts(NOON + 50, queue=("t30", "unknown", "t2")))
    assert [card.id for card in known.queue] == ["t30", "t2"]


def test_the_schedule_is_told_soonest_first_with_the_retries_in_it():
    board = Board()
    tell(board, "late", "scheduled", 0, eta=NOON + 900)
    tell(board, "soon", "scheduled", 0, eta=NOON + 60)
    run(board, "again", 0, 1, kind="error", retries=1, again=True)
    tell(board, "again", "retrying", 1, eta=NOON + 9, retries=1)
    seen = overview(board, Facts(NOON + 2))

    assert [card.id for card in seen.scheduled] == ["again", "soon", "late"]
    assert seen.later == 3


def test_what_ended_last_comes_first():
    board = Board()
    for n in range(30):
        run(board, f"t{n}", n, n + 1)

    seen = overview(board, Facts(NOON + 31))

    assert [card.id for card in seen.finished] == [f"t{n}" for n in range(29, 29 - SHOWN, -1)]


def test_throughput_is_counted_by_the_second():
    board = Board()
    for n in range(50):
        run(board, f"t{n}", 10 + n / 10, 10 + n / 10)
    seen = overview(board, Facts(NOON + 20.5))

    assert len(seen.ends) == 60
    assert seen.ends[-11:-5] == [10, 10, 10, 10, 10, 0]
    assert sum(seen.ends) == 50
    assert seen.speed == 5.0
    assert overview(board, Facts(NOON + 300)).ends == [0] * 60


def test_states_are_counted_also_of_cards_that_were_let_go_of():
    board = Board(max_idle=10)
    for n in range(30):
        run(board, f"t{n}", n, n + 1)
    tell(board, "w", "enqueued", 31)
    seen = overview(board, Facts(NOON + 40, ("thread 1",), paused=True, lag=0.5, place="memory"))

    assert seen.counts[State.done] == 10
    status = seen.status()
    assert (status["workers"], status["queued"], status["done"]) == (1, 1, 10)
    assert (status["paused"], status["lag"], status["storage"]) == (True, 0.5, "memory")


def test_by_state_every_card_is_in_one_place():
    board = Board()
    run(board, "a", 0, 3, kind="error", retries=1, again=True)
    tell(board, "a", "retrying", 3, eta=NOON + 9, retries=1)
    run(board, "b", 0, 3)
    tell(board, "c", "enqueued", 0)

    found = {state: list(ids) for state, ids in board.by_state.items() if ids}
    assert found == {State.queued: ["c"], State.retry: ["a"], State.done: ["b"]}


# --- a group's books ---


def test_a_group_keeps_its_failures_by_number():
    board = Board()
    group = board.group("g", ids=[f"t{n}" for n in range(5)])
    for n in (3, 1):
        run(board, f"t{n}", 0, 1, kind="error", error="E", retries=0)

    assert [(number, card.id) for number, card in group.failures(9)] == [(2, "t1"), (4, "t3")]
    assert [number for number, _ in group.failures(1)] == [2]
    assert group.failed == 2

    tell(board, "t3", "enqueued", 5)
    assert [number for number, _ in group.failures(9)] == [2]
    assert group.failed == 1


@pytest.mark.parametrize(
    ("seconds", "span"), [(0, 0), (0.009, 0), (0.01, 1), (0.5, 2), (9.9, 3), (4_000, 7)]
)
def test_a_group_counts_how_long_its_tasks_took(seconds, span):
    board = Board()
    group = board.group("g", ids=["a"])
    run(board, "a", 0, seconds, duration=seconds)
    assert +group.spans == {span: 1}

    tell(board, "a", "executing", 9_000)  # it runs again
    assert +group.spans == {}


def test_a_group_knows_when_it_began_and_ended():
    board = Board()
    group = board.group("g", ids=["a", "b"])
    assert group.created is None
    run(board, "b", 2, 9)
    run(board, "a", 1, 5)

    assert (group.created, group.ended) == (NOON + 1, NOON + 9)


def test_a_group_forgets_the_failures_that_the_board_forgets():
    board = Board(max_idle=1)
    group = board.group("g", ids=["a", "b", "c"])
    for task in "ab":
        run(board, task, 0, 1, kind="error", error="E", retries=0)

    assert [card.id for _, card in group.failures(9)] == ["b"]
    assert group.failed == 2
