"""The whole queue as it is drawn, a table of tasks, and a log as text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_overview import NOON, run, tell
from test_views import EVIL, SANITISER, TRIMMINGS, Page, assert_tame, squeezed

from huey_jupyter.cards import Board, Card, State
from huey_jupyter.overview import Facts, overview
from huey_jupyter.views import (
    ansi,
    dashboard_html,
    dashboard_text,
    log_text,
    tasks_html,
    tasks_text,
)
from huey_jupyter.views.offers import VERBS

both = pytest.mark.parametrize("live", [True, False], ids=["live", "static"])


def busy() -> Board:
    """Return a board with two workers' last minute on it, a queue and a schedule."""
    board = Board()
    run(board, "a", -30, -15)
    run(board, "b", -15, -12, kind="error", error="ValueError: bad", retries=0)
    run(board, "now", -6, None, args="n=1", worker="thread 2")
    tell(board, "now", "progress", -1, done=1, total=4)
    for n in range(9):
        tell(board, f"q{n}", "enqueued", -3, args=f"n={n}")
    tell(board, "later", "scheduled", -3, eta=NOON + 60, args="day=1")
    return board


def html(board: Board, live: bool = True, **facts: Any) -> str:
    facts = {"workers": ("thread 1", "thread 2"), "place": "memory", "lag": 0.012} | facts
    return dashboard_html(overview(board, Facts(NOON, **facts)), live=live, verbs=VERBS)


def test_runs_that_follow_each_other_at_once_are_told_apart():
    board = Board()
    run(board, "a", -9, -5)
    run(board, "b", -5, -1)
    run(board, "c", -1, -0.998)
    run(board, "d", -0.997, None)

    keys = re.findall(r'data-key="(-?\d[\d.]+)"', html(board))

    assert len(keys) == len(set(keys)) == 4


@both
def test_the_dashboard_says_all_in_words(live):
    text = Page(html(busy(), live)).text

    for said in (
        "● 2 threads",
        "1 running · 9 queued · 1 scheduled · 1 done · 1 failed",
        "2 in the last minute · memory · kernel lag 12 ms",
        "9 in the queue",
        "1 scheduled",
        "finished last",
        "✗ fit after 3.0 s",
        "● 25 % fit(n=1)",
        "idle",
    ):
        assert said in text, said


def test_time_runs_to_the_right():
    first = html(busy()).partition("thread 2")[0]
    track = re.findall(r'style="([^"]*)"', first)

    # half a minute of nothing, a quarter of one run, three seconds of the next
    assert track[:2] == ["margin-left:50.00%;width:25.00%", "width:5.00%"]


@both
def test_no_lane_is_longer_than_it_is(live):
    board = Board()
    for n in range(400):
        at = -70 + n * 0.17
        run(board, f"t{n}", at, at + 0.01 + n % 5 / 10, worker=f"thread {n % 3}")
    run(board, "now", -0.01, None, worker="thread 0")
    markup = html(board, live, workers=())

    lanes = re.split(r'class="hj-track', markup)[1:]
    assert len(lanes) == 3
    for lane in lanes:
        spans = lane.partition("</div>")[0].partition("<span")[2]
        widths = re.findall(r"(?:width|margin-left):([\d.]+)%", spans)
        assert 50 < sum(map(float, widths)) <= 100.01


def test_a_lane_tells_a_screen_reader_what_the_eye_sees():
    page = Page(html(busy()))

    labels = page.all("aria-label")
    assert "thread 1: idle; 2 tasks ended in the last minute" in labels
    assert "thread 2: ● 25 % fit(n=1); 0 tasks ended in the last minute" in labels
    assert "finished tasks: 2 in the last minute" in labels


def test_a_stretch_says_in_its_title_what_it_was():
    titles = Page(html(busy())).all("title")

    assert "fit · done · 15.0 s" in titles
    assert "fit · failed · 3.0 s" in titles


def test_many_on_one_lane_are_counted():
    board = Board()
    for n in range(3):
        run(board, f"t{n}", -10, None, worker="asyncio 1")

    assert "● 0:10 fit and 2 more" in Page(html(board, workers=("asyncio 1",))).text


@pytest.mark.parametrize(
    ("facts", "verbs"),
    [
        ({}, ["pause", "fewer", "more"]),
        ({"paused": True}, ["resume", "fewer", "more"]),
        ({"workers": ("thread 1",)}, ["pause", "more"]),
        ({"workers": ()}, ["more"]),
    ],
)
def test_the_dashboard_offers_what_makes_sense(facts, verbs):
    page = Page(html(busy(), **facts))

    assert page.all("data-verb") == verbs
    assert set(page.all("data-task")) == {"dashboard"}


def test_a_dashboard_may_be_without_buttons():
    seen = overview(busy(), Facts(NOON, ("thread 1",)))

    assert "button" in Page(dashboard_html(seen, live=True)).tags
    assert "button" not in Page(dashboard_html(seen, live=True, verbs=frozenset())).tags
    assert "button" not in Page(dashboard_html(seen, live=False)).tags


def test_a_paused_queue_and_a_slow_kernel_are_seen():
    markup = html(busy(), paused=True, lag=0.62)

    assert "◌ 2 threads, paused" in Page(markup).text
    assert re.search(r'class="hj-ink-wait"[^>]*>kernel lag 0.6 s', markup)


@both
def test_an_empty_queue_is_told_too(live):
    text = Page(html(Board(), live, workers=(), lag=None, place="")).text

    assert "○ no worker is running: %huey start" in text
    assert text.count("none") == 3
    assert "lag" not in text


@both
@pytest.mark.parametrize("text", EVIL)
def test_no_text_becomes_an_element_of_the_dashboard(text, live):
    board = Board()
    run(board, "a", -30, -1, label=text, worker=text)
    run(board, "b", -20, None, label=text, worker=text)
    tell(board, text, "enqueued", -1, label=text)
    markup = html(board, live, workers=(text,), kind=text, place=text, note=text)
    page = assert_tame(markup)

    assert squeezed(ansi.ansi_text(text)) in page.text


def saved() -> list[str]:
    board = busy()
    return [html(board, live=False), tasks_html(board.cards.values(), now=NOON)]


@pytest.mark.parametrize("markup", saved())
def test_what_is_saved_of_the_whole_queue_survives_a_sanitiser(markup):
    page = Page(markup)

    assert not {"style", "script", "svg", "button"} & set(page.tags)
    assert {name for _, name, _ in page.attributes} <= {
        *("class", "style", "title", "data-task", "scope")
    }
    more = {"min-width", "text-indent", "text-overflow", "margin-left", "border-right"}
    for style in page.all("style")[1:]:
        names = {declaration.partition(":")[0] for declaration in style.split(";")}
        assert names <= SANITISER | TRIMMINGS | more, style


def test_a_saved_dashboard_is_small_however_much_was_going_on():
    board = Board()
    for n in range(4_000):
        at = -60 + n * 0.015
        run(board, f"t{n}", at, at + 0.012, worker=f"thread {n % 4}")
    workers = tuple(f"thread {n}" for n in range(4))

    assert len(html(board, live=False, workers=workers)) < 80_000
    assert len(html(board, live=True, workers=workers)) < 80_000


def test_the_dashboard_reads_well_in_a_terminal():
    facts = Facts(NOON, ("thread 1", "thread 2"), place="memory", lag=0.012)
    lines = dashboard_text(overview(busy(), facts)).split("\n")

    assert lines[0] == "2 threads   1 running · 9 queued · 1 scheduled · 1 done · 1 failed"
    assert lines[1].endswith("2 in the last minute · memory · kernel lag 12 ms")
    assert lines[2] == f"  thread 1  {'·' * 20}{'✓' * 10}{'✗' * 3}{'·' * 7}  idle"
    assert lines[3] == f"  thread 2  {'·' * 36}{'●' * 4}  ● 25 % fit(n=1)"
    assert lines[4].startswith("  9 in the queue: ○ fit(n=0) waiting 0:03, ○ fit(n=1)")
    assert lines[5].startswith("  1 scheduled: ◷ fit(day=1) at ")
    assert lines[6] == "  finished last: ✗ fit after 3.0 s, ✓ fit 15.0 s"


# --- a table of tasks ---


def test_the_table_has_failures_first_and_says_why():
    page = Page(tasks_html(busy().cards.values(), now=NOON))
    rows = tasks_text(busy().cards.values(), NOON).split("\n")

    assert page.text.index("✗ failed") < page.text.index("✓ done") < page.text.index("● running")
    assert "ValueError: bad" in page.text
    assert [row.split()[1] for row in rows[:3]] == ["failed", "done", "running"]
    assert " ".join(rows[0].split()) == "✗ failed fit thread 1 after 3.0 s b ValueError: bad"


def test_a_long_table_ends_with_how_many_more():
    cards = [Card(f"t{n}", name="m.fit", state=State.done) for n in range(1_300)]

    assert Page(tasks_html(cards, now=NOON)).tags.count("tr") == 201
    assert "and 1,100 more" in Page(tasks_html(cards, now=NOON)).text
    assert tasks_text(cards, NOON).endswith("\nand 1,100 more")


def test_a_table_of_nothing_says_so():
    assert Page(tasks_html([], now=NOON)).text == "no tasks"
    assert tasks_text([], NOON) == "no tasks"


@pytest.mark.parametrize("text", EVIL)
def test_no_text_becomes_an_element_of_the_table(text):
    card = Card(text, label=text, args=text, worker=text, error=text, state=State.failed)
    page = assert_tame(tasks_html([card], now=NOON))

    assert page.text.count(squeezed(ansi.ansi_text(text))) >= 3
    assert "\x1b" not in tasks_text([card], NOON)


# --- a log ---


def test_a_log_is_told_whole_as_text():
    card = Card("a", name="m.fit")
    card.log.write("stdout", "\x1b[31mred\x1b[0m\n")
    card.log.display({"text/plain": "Figure(640x480)", "image/png": "QUJD"})
    card.log.display({"image/png": "QUJD"})
    card.log.write("stderr", "warned\n")

    assert log_text(card) == "red\nFigure(640x480)\n[a display]\nwarned"


def test_a_log_says_what_was_let_go_of():
    card = Card("a", name="m.fit")
    card.log.write("stdout", "".join(f"{n}\n" for n in range(5_000)))

    assert "\n… 3,000 lines left out …\n" in log_text(card)
    assert log_text(Card("a", name="m.fit")) == "fit has written nothing"
