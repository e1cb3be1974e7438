"""What is told of a change, and how often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from huey_jupyter.display.budget import BYTES, LONGEST, MESSAGES, SHARE, Budget
from huey_jupyter.views.deltas import cut, delta
from huey_jupyter.views.widget import CardWidget, HubWidget, size_of

texts = st.text(alphabet="ab|\n", max_size=60)


def patched(old: list[str], new: list[str]) -> str:
    """Do what `hub.js` does."""
    pieces = list(old)
    for start, removed, text in reversed(delta(old, new)):
        pieces[start : start + removed] = cut(text)
    return "".join(pieces)


# -- what ---------------------------------------------------------------------------------------


@given(texts)
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(cut(text)) == text


@given(texts, texts)
def test_a_delta_makes_the_new_text_out_of_the_old_one(old: str, new: str) -> None:
    assert patched(cut(old), cut(new)) == new


def test_three_squares_of_a_thousand_are_three_changes() -> None:
    old = cut("head\n" + "|".join(["a"] * 1000) + "\ntail\n")
    new = list(old)
    for number in (10, 500, 900):
        new[number] = "b|"

    assert [change.text for change in delta(old, new)] == ["b|"] * 3


def test_a_line_more_is_a_line_in_the_delta() -> None:
    log = [f"line {number}\n" for number in range(100)]

    changes = delta(["1 %\n", *log, "end"], ["2 %\n", *log, "line 100\n", "end"])

    assert [change.text for change in changes] == ["2 %\n", "line 100\n"]


def test_a_card_tells_each_change_once_and_keeps_all_for_a_page_loaded_anew() -> None:
    widget = CardWidget("one\n" * 50)

    news = widget.news("one\n" * 50 + "two\n")

    assert news is not None
    assert [change.text for change in news["changes"]] == ["two\n"]
    assert widget.news("one\n" * 50 + "two\n") is None
    assert widget.get_state()["html"] == "one\n" * 50 + "two\n"
    assert widget.whole()["version"] == news["version"] == 1


def test_what_is_new_altogether_is_told_whole() -> None:
    widget = CardWidget("one\ntwo\nthree\n")

    news = widget.news("four\nfive\nsix\n")

    assert news is not None
    assert news["html"] == "four\nfive\nsix\n"


def test_a_card_that_was_missed_is_asked_for_by_name() -> None:
    missed: list[str] = []
    hub = HubWidget()
    hub.on_missing(missed.append)

    hub._hear(hub, {"missing": "a3f9"}, [])
    hub._hear(hub, {"missing": 7}, [])

    assert missed == ["a3f9"]


def test_the_size_of_news_is_about_what_they_take() -> None:
    assert 1000 <= size_of({"cards": {"a": {"version": 1, "html": "x" * 1000}}}) < 1100


# -- how often ----------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 0.5), max_size=200))
def test_no_second_has_more_messages_than_it_may(steps: list[float]) -> None:
    budget, now, sent = Budget(), 0.0, []
    for step in steps:
        now += step
        if budget.free(now):
            budget.sent(now)
            sent.append(now)

    assert all(sum(at <= t < at + 1 for t in sent) <= MESSAGES for at in sent)


def test_the_wait_ends_when_something_is_free() -> None:
    budget = Budget()
    for number in range(MESSAGES):
        budget.sent(number / 100)

    assert not budget.free(0.5)
    assert budget.free(0.5 + budget.wait(0.5))


def test_much_at_once_is_followed_by_a_rest() -> None:
    budget = Budget()
    budget.sent(0.0, BYTES)
    assert not budget.free(0.9)
    assert budget.free(1.0)

    budget.worked(2.0, SHARE)
    assert not budget.free(2.9)
    assert budget.free(3.0)

    budget.worked(4.0, 1000.0)
    assert budget.free(4.0 + LONGEST)
