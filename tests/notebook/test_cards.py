"""Cards: a task's story, event by event, and what the card says of it. No kernel, no clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huey_jupyter import log as logs
from huey_jupyter.card import STEPS
from huey_jupyter.cards import Board, Card, Group, Log, State
from huey_jupyter.log import Gap, Line, Rich

NOON = 1_700_000_000.0


def event(kind: str, at: float, **facts: Any) -> dict[str, Any]:
    return {"kind": kind, "task": "a3f9c2", "name": "__main__.fit", "at": NOON + at, **facts}


def enqueued(at: float = 0, **facts: Any) -> dict[str, Any]:
    return event("enqueued", at, **{"retries": 0} | facts)


def executing(at: float = 0.2, attempt: int = 1, retries: int = 0) -> dict[str, Any]:
    return event("executing", at, worker="thread 1", attempt=attempt, retries=retries)


def complete(at: float = 2) -> dict[str, Any]:
    return event("complete", at, duration=1.8)


def output(*records: Any, at: float = 1) -> dict[str, Any]:
    return event("output", at, records=list(records))


def told(*events: dict[str, Any]) -> Card:
    card = Card("a3f9c2")
    for each in events:
        card.fold(each)
    return card


# --- one story a state ---


def test_a_task_put_on_the_queue_is_queued():
    card = told(enqueued(args="n=40"))

    assert card.state is State.queued
    assert card.created == NOON
    assert card.title == "fit(n=40)"
    assert not card.terminal


def test_a_card_knows_what_travels_along():
    assert told(enqueued(carries="`df`, 38 MB"), executing()).carries == "`df`, 38 MB"


def test_what_was_said_of_a_run_is_forgotten_when_it_runs_again():
    card = told(enqueued(), executing(), complete())
    card.hint, card.unbound, card.note = "holds the interpreter", ("x",), "yours is kept"

    card.fold(executing(at=5))

    assert (card.hint, card.unbound, card.note) == ("", (), "")


def test_a_task_for_later_is_scheduled():
    card = told(enqueued(), event("scheduled", 0.1, eta=NOON + 60))

    assert card.state is State.scheduled
    assert card.eta == NOON + 60


def test_a_scheduled_task_that_is_due_is_queued():
    card = told(event("scheduled", 0, eta=NOON + 60), enqueued(60))

    assert card.state is State.queued
    assert card.eta is None


def test_a_task_in_a_worker_is_running():
    card = told(enqueued(), executing(0.2, retries=2))

    assert card.state is State.running
    assert (card.worker, card.attempt, card.max_tries) == ("thread 1", 1, 3)
    assert card.waited == pytest.approx(0.2)
    assert card.elapsed(NOON + 10.2) == pytest.approx(10)


def test_a_task_asked_to_stop_is_stopping_until_its_worker_says_so():
    card = told(executing(), event("canceling", 1))
    assert card.state is State.stopping
    assert card.asked == NOON + 1

    card.fold(event("canceled", 2))
    assert card.state is State.canceled


def test_a_done_task_knows_how_long_it_took_and_its_value():
    bundle = {"text/plain": "42"}
    card = told(enqueued(), executing(), output(["value", bundle]), complete())

    assert card.state is State.done
    assert card.seconds == 1.8
    assert card.value is bundle
    assert card.terminal


def test_a_failed_task_keeps_its_error_and_traceback():
    card = told(executing(), event("error", 2, error="ValueError: bad", traceback="…", retries=0))

    assert card.state is State.failed
    assert card.error == "ValueError: bad"
    assert card.traceback == "…"
    assert card.seconds == pytest.approx(1.8)


def test_a_traceback_in_the_notebooks_own_style_is_kept_over_the_plain_one():
    plain = event("error", 2, error="ValueError: bad", traceback="plain", retries=0)
    card = told(executing(), output(["traceback", "Cell In[3], line 4"]), plain)

    assert card.traceback == "Cell In[3], line 4"


def test_a_failed_task_with_retries_left_waits_for_its_next_try():
    card = told(
        enqueued(retries=2),
        executing(retries=2),
        event("error", 1, error="OSError: gone", retries=1, again=True),
        event("retrying", 1, retries=1, eta=NOON + 9),
        event("scheduled", 1, eta=NOON + 9),
    )

    assert card.state is State.retry
    assert card.eta == NOON + 9
    assert (card.attempt, card.max_tries) == (1, 3)
    assert card.error == "OSError: gone"


def test_the_next_try_begins_with_an_empty_bar_and_keeps_the_output():
    card = told(
        executing(retries=1),
        event("progress", 1, done=5, total=10),
        output(["stdout", "first try\n"]),
        event("error", 1, error="OSError: gone", retries=0, again=True),
        enqueued(2, retries=0),
        executing(3, attempt=2),
    )

    assert card.state is State.running
    assert (card.attempt, card.max_tries) == (2, 2)
    assert card.fraction is None
    assert card.log.texts() == ["first try"]


def test_success_after_a_retry_clears_the_error():
    card = told(
        executing(),
        event("error", 1, error="OSError", retries=0, again=True),
        executing(2),
        complete(),
    )

    assert card.state is State.done
    assert card.error == card.traceback == ""


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("canceled", State.canceled),
        ("revoked", State.canceled),
        ("expired", State.expired),
        ("locked", State.locked),
        ("rate_limited", State.locked),
        ("lost", State.lost),
        ("timeout", State.failed),
    ],
)
def test_every_other_ending_has_its_state_and_says_why(kind, state):
    card = told(enqueued(), event(kind, 3, error="because"))

    assert card.state is state
    assert card.terminal
    assert card.error == "because"


@pytest.mark.parametrize("kind", ["error", "canceled", "locked", "rate_limited", "timeout"])
def test_what_is_tried_again_is_not_over_even_if_that_is_the_last_retry(kind):
    card = told(executing(retries=1), event(kind, 1, retries=0, again=True))

    assert card.state is State.retry
    assert card.max_tries == 2


def test_an_interrupted_task_is_back_in_the_queue():
    card = told(executing(), event("interrupted", 1))

    assert card.state is State.queued
    assert "put back" in card.error


def test_a_card_remembers_that_its_worker_was_lost():
    again = {**executing(at=3), "pid": 43, "deaths": 1}
    card = told({**executing(), "pid": 42}, again, complete(5))

    assert (card.deaths, card.died, card.pid) == (1, "thread 1 (pid 42)", 43)
    assert card.state is State.done


def test_a_card_remembers_that_it_was_put_back():
    card = told(executing(), event("interrupted", 1), executing(at=2))

    assert (card.put_back, card.error) == (1, "")


def test_a_task_that_is_run_again_after_its_end_begins_a_new_story():
    lost = {**executing(at=3), "pid": 43, "deaths": 1}
    card = told(executing(), event("interrupted", 1), lost, complete(5), enqueued(9))

    assert (card.deaths, card.died, card.put_back) == (0, "", 0)


def test_each_state_has_a_shape_and_a_word_of_its_own():
    assert len({state.shape for state in State}) == len({state.word for state in State}) == 11
    assert State.canceled.word == "cancelled"


# --- names ---


def test_a_label_stands_in_for_the_name():
    assert told(enqueued(label="load data", args="2024")).title == "load data (2024)"
    assert told(enqueued(label="load")).title == "load"


def test_a_card_without_any_event_has_a_title():
    assert Card("a3f9c2").title == "task"


def test_a_title_stays_on_one_line():
    assert told(enqueued(args="a,\n\n  b")).title == "fit(a, b)"


# --- order ---


def test_late_progress_is_ignored():
    card = told(executing(), complete())

    assert not card.fold(event("progress", 3, done=1, total=2))
    assert card.fraction is None


def test_late_output_still_shows():
    card = told(executing(), complete())

    assert card.fold(output(["stdout", "the rest\n"], ["value", {"text/plain": "1"}], at=3))
    assert card.log.texts() == ["the rest"]
    assert card.value == {"text/plain": "1"}


def test_running_again_reopens_the_card():
    card = told(enqueued(), executing(), output(["stdout", "old\n"]), complete())
    card.fold(enqueued(10, retries=0))

    assert card.state is State.queued
    assert (card.created, card.started, card.value, card.log.lines) == (NOON + 10, None, None, 0)

    card.fold(executing(11))
    assert card.attempt == 1
    assert card.waited == pytest.approx(1)


def test_an_enqueued_told_late_does_not_reopen_the_card():
    card = told(executing(), complete(), enqueued(0, args="n=1"))

    assert card.state is State.done
    assert card.title == "fit(n=1)"


def test_a_cancel_that_comes_too_late_changes_nothing():
    card = told(executing(), complete())

    assert not card.fold(event("revoked", 3))
    assert not card.fold(event("canceling", 3))
    assert card.state is State.done


def test_a_task_that_took_too_long_has_failed_and_says_where_it_was():
    facts = {"error": "TaskTimeout: timed out after 5 s", "traceback": "in fit", "retries": 0}
    card = told(executing(), event("timeout", 5.2, duration=5.0, **facts))

    assert (card.state, card.error) == (State.failed, "TaskTimeout: timed out after 5 s")
    assert (card.traceback, card.seconds) == ("in fit", 5.0)


def test_a_traceback_that_follows_a_timeout_is_kept():
    card = told(executing(), event("timeout", 2), event("error", 2, error="TaskTimeout", retries=0))

    assert card.state is State.failed
    assert card.error == "TaskTimeout"


def test_a_worker_thought_lost_may_still_come_back():
    assert told(executing(), event("lost", 1), complete()).state is State.done


# --- garbage ---


def test_an_unknown_kind_is_ignored():
    card = Card("a3f9c2")

    assert not card.fold(event("dancing", 1))
    assert not card.fold({})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
KINDS = st.sampled_from(sorted(STEPS))
KEYS = st.sampled_from(
    [
        *("name", "at", "retries", "args", "label", "group", "eta", "worker", "attempt", "done"),
        *("pid", "deaths"),
        *("total", "message", "records", "duration", "error", "traceback"),
    ]
)
RECORDS = st.lists(st.sampled_from(["stdout", "display", "clear", "value"]) | ANYTHING, max_size=3)
EVENTS = st.builds(
    lambda kind, facts, records: {**facts, **records, "kind": kind, "task": "t"},
    KINDS,
    st.dictionaries(KEYS, ANYTHING, max_size=6),
    st.dictionaries(st.just("records"), st.lists(RECORDS, max_size=3), max_size=1),
)


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=8))
def test_no_event_however_odd_breaks_a_card(events):
    board = Board()
    for each in events:
        board.fold(each)
    card = board.card("t")

    assert isinstance(card.title, str)
    assert card.fraction is None or 0 <= card.fraction <= 1
    assert card.time_left(NOON) is None or card.time_left(NOON) >= 0


# --- progress ---


def test_the_bar_goes_from_nothing_to_all():
    card = told(executing())
    assert card.fraction is None

    for done, fraction in (0, 0.0), (25, 0.25), (100, 1.0), (120, 1.0):
        card.fold(event("progress", 1, done=done, total=100))
        assert card.fraction == fraction


def test_progress_says_whether_it_shows():
    card = told(executing())

    assert card.fold(event("progress", 1, done=1, total=2, message="half"))
    assert not card.fold(event("progress", 2, done=1, total=2, message="half"))
    assert card.fold(event("progress", 2, done=1, total=2, message="still half"))


def test_a_steady_task_has_a_right_guess_of_what_is_left():
    card = told(executing(0), *(event("progress", n, done=n, total=40) for n in range(1, 26)))

    assert card.time_left(NOON + 25) == pytest.approx(15)
    assert card.time_left(NOON + 30) == pytest.approx(10)
    assert card.time_left(NOON + 99) == 0


def test_a_task_that_slows_down_has_longer_left():
    fast = [event("progress", n / 10, done=n, total=100) for n in range(50)]
    slow = [event("progress", 5 + n, done=50 + n, total=100) for n in range(10)]
    card = told(executing(0), *fast, *slow)

    overall = 41 / (59 / 14)
    assert card.time_left(NOON + 14) > overall * 1.2


def test_without_a_total_nothing_is_guessed():
    card = told(executing(), event("progress", 1, done=5, total=None))

    assert card.time_left(NOON + 2) is None


# --- the log ---


def written(*pieces: str, stream: str = "stdout") -> Log:
    log = Log()
    for piece in pieces:
        log.write(stream, piece)
    return log


def test_lines_may_come_in_pieces():
    assert written("a", "b\nc", "\n", "d").texts() == ["ab", "c", "d"]


def test_a_carriage_return_writes_the_line_anew():
    assert written("10 %\r20 %\r30 %").texts() == ["30 %"]
    assert written("10 %", "\r20 %", "\r").texts() == ["20 %"]
    assert written("10 %\r", "20 %\n", "done\n").texts() == ["20 %", "done"]


def test_lines_that_end_as_on_windows_are_lines():
    assert written("a\r\nb\r\n").texts() == ["a", "b"]
    assert written("a\r", "\nb").texts() == ["a", "b"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "\r", "\n", "\r\n", "xyz"]), max_size=20))
def test_how_text_is_cut_into_pieces_makes_no_difference(pieces):
    assert written(*pieces).texts() == written("".join(pieces)).texts()


def test_another_stream_begins_another_line():
    log = Log()
    log.write("stdout", "a")
    log.write("stderr", "b")
    log.write("stdout", "c")

    assert [(line.stream, line.text) for line in log.entries() if isinstance(line, Line)] == [
        ("stdout", "a"),
        ("stderr", "b"),
        ("stdout", "c"),
    ]


def test_of_many_lines_the_first_and_the_last_are_kept():
    log = written(*(f"{n}\n" for n in range(5_000)))
    kept = log.texts()

    assert len(kept) == logs.MAX_LINES
    assert (kept[0], kept[-1]) == ("0", "4999")
    assert [entry for entry in log.entries() if isinstance(entry, Gap)] == [Gap(3_000)]
    assert log.left_out == 3_000


def test_of_long_lines_fewer_are_kept():
    log = written(*(f"{n:05}" + "x" * 995 + "\n" for n in range(1_000)))

    assert sum(map(len, log.texts())) <= logs.MAX_SIZE
    assert log.texts()[-1].startswith("00999")


def test_a_line_without_end_is_cut():
    assert len(written("x" * 100_000).texts()[0]) == logs.MAX_LINE + 1


class Counted(Log):
    """A log that counts the characters it had to look at again."""

    touched = 0

    def _append(self, stream: str, text: str) -> None:
        self.touched += len(text)
        super()._append(stream, text)


@pytest.mark.parametrize(
    "chunk",
    ["y" * 79 + "\n", "z", "\r 10 % ####"],
    ids=["lines", "one line", "one line anew"],
)
def test_ten_megabytes_cost_ten_times_one(chunk):
    costs = []
    for chunks in 10, 100:
        log = Counted()
        for _ in range(chunks):
            log.write("stdout", chunk * (100_000 // len(chunk)))
        costs.append(log.touched)

    assert costs[1] <= 10.5 * costs[0]


def test_displays_stand_where_they_were_shown():
    log = written("a\n")
    log.display({"text/plain": "picture"})
    log.write("stdout", "b\n")

    kinds = [entry.text if isinstance(entry, Line) else "display" for entry in log.entries()]
    assert kinds == ["a", "display", "b"]


def test_of_many_displays_the_last_are_kept():
    log = Log()
    for n in range(30):
        log.display({"text/plain": str(n)})

    kept = [entry.bundle["text/plain"] for entry in log.entries() if isinstance(entry, Rich)]
    assert kept == [str(n) for n in range(10, 30)]
    assert log.rich_left_out == 10


def test_displays_together_stay_below_five_megabytes():
    log = Log()
    for _ in range(5):
        log.display({"image/png": "x" * 1_500_000})

    assert log.rich_left_out == 2


def test_clearing_empties_the_log_at_once_or_when_something_follows():
    card = told(executing(), output(["stdout", "old\n"], ["clear", False]))
    assert card.log.texts() == []

    card.fold(output(["stdout", "older\n"], ["clear", True]))
    assert card.log.texts() == ["older"]
    card.fold(output(["stdout", "new\n"]))
    assert card.log.texts() == ["new"]


# --- the board ---


def tell(board: Board, kind: str, task: str, at: float = 0, **facts: Any) -> Card | None:
    return board.fold({"kind": kind, "task": task, "name": "m.fit", "at": NOON + at, **facts})


def test_the_board_makes_a_card_for_each_task():
    board = Board()
    tell(board, "enqueued", "a")
    tell(board, "enqueued", "b")

    assert list(board.cards) == ["a", "b"]


def test_events_without_a_task_make_no_card():
    board = Board()

    assert board.fold({"kind": "enqueued"}) is None
    assert board.fold({"kind": "enqueued", "task": 7}) is None
    assert board.fold({"kind": "dancing", "task": "a"}) is None
    assert board.fold({"kind": ["complete"], "task": "a"}) is None
    assert board.cards == {}


def test_a_publisher_asks_what_changed_since_it_last_looked():
    board = Board()
    tell(board, "enqueued", "a", group="g")
    tell(board, "enqueued", "b")
    seen = board.changes(0)
    assert (seen.cards, seen.groups) == (["a", "b"], ["g"])
    assert board.groups["g"].title == "fit"
    assert board.changes(seen.version).cards == []

    tell(board, "executing", "a")
    later = board.changes(seen.version)
    assert (later.cards, later.groups) == (["a"], ["g"])

    board.touch("b")
    assert board.changes(later.version).cards == ["b"]


def test_an_event_that_shows_nothing_new_is_no_change():
    board = Board()
    tell(board, "executing", "a")
    tell(board, "progress", "a", done=1, total=2)
    version = board.version

    assert tell(board, "progress", "a", done=1, total=2) is None
    assert board.version == version


def test_a_group_counts_its_failures_first():
    board = Board()
    for task, kind in ("a", "complete"), ("b", "executing"), ("c", "error"), ("d", "enqueued"):
        tell(board, "enqueued", task, group="g")
        tell(board, kind, task, retries=0)
    group = board.groups["g"]

    assert group.counts == [
        (State.failed, 1),
        (State.done, 1),
        (State.running, 1),
        (State.queued, 1),
    ]
    assert group.fraction == 0.5
    assert not group.terminal
    assert [card.id for card in board.members(group)] == ["a", "b", "c", "d"]


def test_a_group_is_over_when_all_it_expects_are():
    board = Board()
    group = board.group("g", "fit", expected=2)
    tell(board, "enqueued", "a", group="g")
    tell(board, "complete", "a")
    assert not group.terminal

    tell(board, "complete", "b", group="g")
    assert group.terminal
    assert group.fraction == 1


def test_a_group_may_be_made_of_cards_that_are_there():
    board = Board()
    tell(board, "complete", "a")
    group = board.group("g", ids=["a", "b"])

    assert group.counts == [(State.done, 1), (State.queued, 1)]
    assert group.title == "fit"
    assert board.group("g", "fits").title == "fits"


def test_a_rerun_opens_its_group_again():
    board = Board()
    tell(board, "complete", "a", group="g")
    assert board.groups["g"].terminal

    tell(board, "executing", "a", 5)
    assert not board.groups["g"].terminal


def test_an_empty_group_is_neither_over_nor_a_division_by_zero():
    assert not Group("g").terminal
    assert Group("g").fraction == 0


def test_cards_that_are_over_and_not_shown_are_let_go_oldest_first():
    board = Board(max_idle=2)
    for task in "abc":
        tell(board, "complete", task)

    assert list(board.cards) == ["b", "c"]
    assert board.changes(0).cards == ["b", "c"]


def test_a_card_on_a_screen_is_kept_until_it_is_released():
    board = Board(max_idle=1)
    tell(board, "complete", "a")
    board.hold("a")
    for task in "bc":
        tell(board, "complete", task)
    assert list(board.cards) == ["a", "c"]

    board.release("a")
    assert list(board.cards) in (["a"], ["c"])


def test_a_group_on_a_screen_keeps_its_cards():
    board = Board(max_idle=1)
    board.hold("g")
    for task in "abc":
        tell(board, "complete", task, group="g")
    assert len(board.cards) == 3

    board.release("g")
    assert len(board.cards) == 1


def test_a_group_goes_with_its_last_card():
    board = Board(max_idle=0)
    tell(board, "complete", "a", group="g")

    assert board.cards == {}
    assert board.groups == {}


def test_a_running_card_is_never_let_go():
    board = Board(max_idle=0)
    tell(board, "executing", "a")
    tell(board, "complete", "b")

    assert list(board.cards) == ["a"]
