"""What cards look like: HTML that escapes everything and keeps its look, text for a terminal."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huey_jupyter.cards import Board, Card, Group, State
from huey_jupyter.hints import GONE, HOLDS, refresh
from huey_jupyter.views import (
    ansi,
    card_html,
    card_text,
    group_html,
    group_text,
    looks,
    status_html,
    status_text,
    words,
)
from huey_jupyter.views.offers import VERBS, offers_of

NOON = 1_700_000_000.0
EVIL = [
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</pre></details></div><b>out</b>",
    "</script><!-- -->&lt;b&gt;&amp;",
    "\x1b[31m<b>red</b>\x1b[0m\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07",
    "{{ 7 * 7 }}{% raw %}",
]
OWN_TAGS = {
    *("div", "span", "code", "time", "pre", "details", "summary", "button", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
OWN_ATTRIBUTES = {
    *("class", "style", "title", "role", "tabindex", "hidden", "open", "type", "alt", "src"),
    *("scope", "aria-label", "aria-hidden", "aria-valuemin", "aria-valuemax", "aria-valuenow"),
    *("aria-valuetext", "data-key", "data-task", "data-verb", "data-since", "data-until"),
    *("data-after", "data-stick", "data-squares", "data-legend", "data-picked", "data-about"),
}


class Page(HTMLParser):
    """HTML taken apart: tags in order, attributes as (tag, name, value), text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return squeezed("".join(self.texts))

    def all(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def card(state: State = State.running, **facts: Any) -> Card:
    """Return a card with something in every field that a template prints."""
    made = Card("a3f9c2", name="__main__.fit", args="n=40", state=state, prompt="In[12]")
    made.created, made.started, made.waited = NOON, NOON + 0.2, 0.2
    made.worker, made.attempt, made.max_tries = "thread 2", 1, 3
    made.done, made.total, made.message = 25, 40, "epoch 25/40"
    if state.terminal:
        made.ended, made.duration = NOON + 41, 40.8
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def group(*states: State, **facts: Any) -> tuple[Group, list[Card]]:
    board = Board()
    for n, state in enumerate(states):
        made = board.card(f"t{n}")
        made.state, made.name, made.args, made.created = state, "m.fit", f"n={n}", NOON
        for name, value in facts.items():
            setattr(made, name, value)
    made_group = board.group("g123", "fit", ids=board.cards)
    return made_group, board.members(made_group)


def html(made: Card, live: bool = True, **options: Any) -> str:
    return card_html(made, now=NOON + 41.2, live=live, **options)


unhurried = settings(deadline=None)  # the first example compiles a template
both = pytest.mark.parametrize("live", [True, False], ids=["live", "static"])


# --- nothing gets out of its place ---


def assert_tame(markup: str) -> Page:
    page = Page(markup)
    assert set(page.tags) <= OWN_TAGS
    assert {name for _, name, _ in page.attributes} <= OWN_ATTRIBUTES
    assert all(src.startswith("data:image/") for src in page.all("src"))
    return page


def filled(text: str) -> Card:
    """Return a card with this text wherever somebody else's text can come."""
    made = card(State.done, id=text, name=text, label=text, args=text, prompt=text, note=text)
    made.worker = made.message = made.error = made.traceback = text
    made.value = {"text/plain": text}
    made.log.write("stdout", text + "\n")
    made.log.write("stderr", text + "\n")
    made.log.display({"text/plain": text})
    made.log.display({"image/png": text, "text/plain": text})
    return made


@both
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("text", EVIL)
def test_no_text_becomes_an_element_of_a_card(text, state, live):
    made = filled(text)
    made.state = state
    page = assert_tame(html(made, live))

    said = squeezed(ansi.ansi_text(text))
    for place in "note", "log":
        assert said in page.text, place


@both
@pytest.mark.parametrize("text", EVIL)
def test_no_text_becomes_an_element_of_a_group(text, live):
    made, cards = group(State.failed, State.done, label=text, args=text, error=text, id=text)
    made.title = made.note = made.prompt = made.id = text
    page = assert_tame(group_html(made, cards, now=NOON, live=live))

    assert squeezed(ansi.ansi_text(text)) in page.text


@pytest.mark.parametrize("text", EVIL)
def test_no_text_becomes_an_element_of_the_status_line(text):
    page = assert_tame(status_html({"storage": text, "note": text, "kind": text, "workers": 2}))

    assert squeezed(ansi.ansi_text(text)) in page.text


FIELDS = {
    **dict.fromkeys(("label", "args", "prompt", "note", "worker", "error"), State.failed),
    **dict.fromkeys(("traceback", "stdout", "stderr", "display"), State.failed),
    "message": State.running,
    "value": State.done,
}


@both
@pytest.mark.parametrize("field", FIELDS)
@unhurried
@given(text=st.text())
def test_any_text_in_any_field_is_there_and_is_only_text(field, live, text):
    made = card(FIELDS[field])
    match field:
        case "stdout" | "stderr":
            made.log.write(field, text)
            text = text.rpartition("\r")[2] if "\n" not in text else ""
        case "display":
            made.log.display({"text/plain": text})
        case "value":
            made.value = {"text/plain": text}
        case _:
            setattr(made, field, text)
    page = assert_tame(html(made, live))

    assert squeezed(ansi.ansi_text(text)) in page.text


@unhurried
@given(
    st.lists(
        st.sampled_from(
            ["a", "<b>", "&", "\x1b[", "\x1b[1m", "\x1b[38;5;", "\x1b[38;2;1;2;3m", "3"]
        )
        | st.text(max_size=3)
    )
)
def test_whatever_a_terminal_would_get_only_coloured_spans_come_out(pieces):
    text = "".join(pieces)
    page = Page(str(ansi.ansi_html(text)))

    assert set(page.tags) <= {"span"}
    assert {name for _, name, _ in page.attributes} <= {"class", "style"}
    assert "".join(page.texts) == ansi.ansi_text(text)


def test_the_values_own_html_is_shown_as_it_is():
    made = card(State.done, value={"text/html": "<table><tr><td>7</td></tr></table>"})

    assert "<td>7</td>" in html(made)


# --- the two looks ---


def everything() -> list[str]:
    cards = [card(state, note="a note", error="E: bad", place=2) for state in State]
    for made in cards:
        made.value = {"text/plain": "42"}
        made.traceback = "\x1b[31mValueError\x1b[0m: \x1b[38;5;28mbad\x1b[0m"
        made.log.write("stdout", "one\n\x1b[1;32mtwo\x1b[0m\n")
    shown = [html(made, live=False) for made in cards]
    for many in 1, 40:
        shown.append(group_html(*group(*State, *[State.done] * many * 10), now=NOON, live=False))
    done, members = group(State.done, State.done, value={"text/plain": "1"})
    return [*shown, group_html(done, members, now=NOON, live=False), status_html({})]


@pytest.mark.parametrize("markup", everything())
def test_what_is_saved_needs_nothing_that_a_sanitiser_drops(markup):
    page = Page(markup)

    assert not {"style", "script", "svg", "button"} & set(page.tags)
    names = {name for _, name, _ in page.attributes} - {"data-task"}
    assert not [n for n in names if n in ("role", "id") or re.match("data-|aria-|on", n)]


@pytest.mark.parametrize("state", State)
def test_what_is_saved_says_on_one_element_which_task_it_is(state):
    made = card(state, traceback="T", value={"text/plain": "1"}, unbound=("x",))
    page = Page(html(made, live=False, verbs=VERBS))

    assert page.all("data-task") == ["a3f9c2"]
    assert page.attributes[2][1] == "data-task"  # after its class and style
    assert Page(group_html(*group(state), now=NOON, live=False)).all("data-task") == ["g123"]


def test_a_saved_card_is_small():
    made = card(State.done, value={"text/plain": "3.14"}, note="a note")

    assert len(html(made, live=False)) < 4_000


# As JupyterLab's sanitiser has it; what is not in it is dropped there, and may be.
SANITISER = {
    *("background-color", "border", "border-bottom", "border-collapse", "border-color"),
    *("border-left", "border-radius", "box-sizing", "color", "cursor", "display", "font-family"),
    *("font-size", "font-style", "font-weight", "height", "letter-spacing", "line-height"),
    *("margin", "margin-right", "max-height", "max-width", "overflow", "overflow-x", "padding"),
    *("text-align", "text-decoration", "vertical-align", "white-space", "width", "word-break"),
    "word-wrap",
}
TRIMMINGS = {"font-variant-numeric", "font-variant-emoji"}


@pytest.mark.parametrize("markup", everything())
def test_a_colour_stands_as_it_is_before_it_stands_as_the_theme_has_it(markup):
    for number, style in enumerate(Page(markup).all("style")):
        before: set[str] = set()
        for declaration in filter(None, style.split(";")):
            name, _, value = declaration.partition(":")
            if name.startswith("--"):
                continue
            assert name in SANITISER | TRIMMINGS, style
            themed = "var(" in value or "color-mix(" in value
            assert not themed or name in before or number == 0, style
            before.add(name)


def test_the_theme_is_followed_with_a_literal_to_fall_back_on():
    style = Page(html(card(), live=False)).all("style")[0]

    assert "--hj-page:var(--jp-layout-color1, var(--vscode-editor-background, #ffffff))" in style
    assert "--hj-ansi-1" not in style  # declared only where it is used


def test_a_live_card_leaves_the_look_to_the_stylesheet():
    styles = Page(html(card(note="x", error="y"))).all("style")

    assert styles == ["width:62.50%"]


PALETTE = dict(reversed(re.findall(r"(--hj-[\w-]+): (#\w{6});", looks.stylesheet())))


@pytest.mark.parametrize("ground", ["page", "sunk"])
@pytest.mark.parametrize("name", [n for n in PALETTE if re.search("ink|dim|ansi|strong", n)])
def test_every_literal_text_colour_has_contrast(name, ground):
    paper = ansi._rgb(PALETTE[f"--hj-{ground}"])

    assert ansi._contrast(ansi._rgb(PALETTE[name]), paper) >= 4.5


@pytest.mark.parametrize("tone", ["idle", "run", "good", "wait", "bad"])
def test_every_square_has_contrast(tone):
    ink = PALETTE.get(f"--hj-{tone}-ink", PALETTE["--hj-dim"])
    ground = PALETTE.get(f"--hj-{tone}-tint", PALETTE["--hj-sunk"])

    assert ansi._contrast(ansi._rgb(ink), ansi._rgb(ground)) >= 4.5


@unhurried
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_any_colour_of_a_terminal_is_made_readable(rgb):
    assert ansi._contrast(ansi._darkened(rgb), ansi.PAPER) >= 4.5
    share = ansi._share(rgb)
    assert ansi._contrast(ansi._mixed(rgb, share, 0), ansi.PAPER) >= 4.5
    assert ansi._contrast(ansi._mixed(rgb, share, 255), ansi.SLATE) >= 4.5


# --- what a card says ---


@both
@pytest.mark.parametrize("state", State)
def test_a_card_says_its_state_in_a_shape_and_a_word(state, live):
    text = Page(html(card(state), live)).text

    assert f"{state.shape} {state.word}" in text
    assert "fit(n=40)" in text


def test_a_running_card_reads_like_an_instrument():
    made = card()
    made.pace.add(NOON + 1, 0)
    made.pace.add(NOON + 41, 25)

    assert Page(html(made)).text == (
        "● running fit(n=40) 62 % epoch 25/40 0:41 · about 0:23 left Cancel "
        "thread 2 · try 1 of 3 · queued 0.2 s · In[12] · a3f9"
    )


def test_the_bar_is_named_and_tells_its_value():
    page = Page(html(card()))

    assert ("span", "role", "progressbar") in page.attributes
    assert ("span", "aria-valuenow", "62.5") in page.attributes
    assert ("span", "aria-valuetext", "62 % epoch 25/40") in page.attributes


def test_without_a_total_the_bar_only_moves():
    markup = html(card(total=None, message=""))

    assert "hj-pulse" in markup
    assert "aria-valuenow" not in markup
    assert "hj-bar" not in html(card(total=None, message=""), live=False)


def test_only_the_state_is_announced():
    page = Page(html(card(note="x")))

    assert [tag for tag, name, value in page.attributes if (name, value) == ("role", "status")] == [
        "span"
    ]
    assert page.all("aria-live") == []


@pytest.mark.parametrize("state", State)
def test_a_button_is_there_where_its_verb_makes_sense(state):
    verbs = Page(html(card(state))).all("data-verb")

    waiting_or_running = state in (State.queued, State.scheduled, State.running)
    assert verbs == (["cancel"] if waiting_or_running else [])


def test_more_buttons_appear_with_more_verbs():
    page = Page(html(card(State.retry), verbs=VERBS))

    assert page.all("data-verb") == ["retry_now", "give_up"]
    assert "Retry now fit(n=40)" in page.all("aria-label")
    assert set(page.all("data-task")) == {"a3f9c2"}


ALL_BUTTONS = {
    State.queued: "Cancel",
    State.scheduled: "Cancel, Run now",
    State.running: "Cancel",
    State.stopping: "Kill",
    State.retry: "Retry now, Give up",
    State.done: "Bring back `x`, `y`, Run again",
    State.failed: "Retry, Copy traceback",
    **dict.fromkeys((State.canceled, State.expired, State.locked, State.lost), "Run again"),
}


@pytest.mark.parametrize("state", State)
def test_each_state_offers_what_can_be_done_about_it(state):
    made = card(state, unbound=("x", "y"), traceback="Traceback")
    offers = offers_of(made, VERBS)

    assert ", ".join(label for _, label in offers) == ALL_BUTTONS[state]
    assert Page(html(made, verbs=VERBS)).all("data-verb") == [verb for verb, _ in offers]
    assert "button" not in Page(html(made, live=False, verbs=VERBS)).tags


def test_nothing_is_offered_that_would_do_nothing():
    assert offers_of(card(State.done), VERBS) == [("run_again", "Run again")]
    assert offers_of(card(State.failed), VERBS) == [("retry", "Retry")]
    assert offers_of(card(State.failed), frozenset()) == []


def test_a_card_says_first_what_stands_in_its_way():
    waits = card(State.queued, started=None, worker="", attempt=0, waited=None, place=2)
    waits.hint = words.NO_WORKER
    line = "no worker is running: %huey start · number 2 in the queue · In[12] · a3f9"

    assert line in Page(html(waits)).text
    assert card_text(waits, NOON).endswith(line)
    assert HOLDS in Page(html(card(hint=HOLDS))).text
    assert HOLDS not in Page(html(card(State.done, hint=HOLDS))).text


@pytest.mark.parametrize(("state", "runs"), [(State.running, "runs"), (State.done, "ran")])
def test_a_card_says_that_its_worker_was_lost_and_that_it_runs_again(state, runs):
    again = card(state, deaths=1, died="process 1 (pid 42)", started=NOON)

    assert (
        f"an earlier worker, process 1 (pid 42), was lost: it {runs} again"
        in Page(html(again)).text
    )
    again.deaths = 2
    assert f"its worker was lost twice: it {runs} again" in card_text(again, NOON)


def test_a_card_says_that_it_was_put_back_once_it_runs_again():
    back = card(State.running, put_back=1, started=NOON)

    assert "was put back into the queue once" in Page(html(back)).text
    assert "put back" not in Page(html(card(State.queued, put_back=1))).text


def test_a_card_that_nobody_runs_any_more_says_so_unless_that_is_not_known():
    board = Board()
    for task, pid in (("a", 42), ("b", 43)):
        event = {"kind": "executing", "task": task, "at": NOON, "worker": "process 1", "pid": pid}
        board.fold(event)

    refresh(board, "", lags=False)
    assert [one.hint for one in board.cards.values()] == ["", ""]
    refresh(board, "", lags=False, living=frozenset({43}))
    assert [one.hint for one in board.cards.values()] == [GONE, ""]


def test_a_card_says_what_travels_along():
    made = card(carries="`df`, 38 MB")

    assert "carries `df`, 38 MB" in Page(html(made)).text
    assert "carries `df`, 38 MB" in card_text(made, NOON)


@both
def test_a_locked_card_names_the_lock(live):
    made = card(State.locked, error="TaskLockedException: unable to acquire lock gpu")
    made.traceback = "TaskLockedException ..."
    page = Page(html(made, live))

    assert "⊡ locked by `gpu`" in page.text
    assert "another task holds the lock `gpu`" in page.text
    assert "TaskLockedException" not in page.text + card_text(made, NOON)


@both
def test_a_lost_card_says_why_and_when(live):
    made = card(State.lost, error="the kernel was restarted while it ran")
    text = Page(html(made, live)).text

    assert "the kernel was restarted while it ran" in text
    assert f"at {words.moment(NOON + 41, float('inf'))}" in text


def test_clocks_carry_the_moment_that_they_count_from():
    page = Page(html(card(last_output_at=NOON + 40)))

    assert page.all("data-since") == [str(NOON + 0.2), str(NOON + 40)]
    assert page.all("data-after") == [str(NOON + 45)]
    assert ("span", "hidden", "") in page.attributes


def test_a_saved_card_counts_nothing_down():
    made = card(State.scheduled, eta=NOON + 99)

    assert "in 0:57" in Page(html(made)).text
    assert f"at {words.moment(NOON + 99, NOON)}" in Page(html(made, live=False)).text


def test_a_silent_task_says_when_it_last_spoke():
    made = card(last_output_at=NOON + 31)

    assert "last output 0:10 ago" in card_text(made, NOON + 41.2)
    assert "last output" not in card_text(made, NOON + 33)


def test_a_stubborn_task_says_what_it_waits_for():
    made = card(State.stopping, asked=NOON + 30)

    assert "waiting for a C call" in Page(html(made, live=False)).text
    assert "waiting for a C call" not in card_text(made, NOON + 31)


def test_a_retry_says_which_and_when():
    made = card(State.retry, error="OSError: gone", eta=NOON + 50)
    text = Page(html(made)).text

    assert "↻ retry 2 of 3" in text
    assert "in 0:08" in text
    assert "OSError: gone" in text


def test_a_failed_card_folds_its_traceback_away():
    made = card(State.failed, error="E: bad", traceback="\x1b[31mValueError\x1b[0m: bad")
    page = Page(html(made, live=False))

    assert page.tags.count("details") == 1
    assert page.all("open") == []
    assert "ValueError: bad" in page.text


# --- values and output ---


def test_a_done_card_shows_the_richest_representation():
    def shown(**bundle: Any) -> Page:
        return Page(html(card(State.done, value=bundle)))

    assert "42" in shown(**{"text/plain": "42"}).text
    assert shown(**{"text/plain": "x", "image/png": "QUJD\n"}).all("src") == [
        "data:image/png;base64,QUJD"
    ]
    assert shown(**{"image/jpeg": b"abc"}).all("src") == [
        "data:image/jpeg;base64," + base64.b64encode(b"abc").decode()
    ]
    (svg,) = shown(**{"image/svg+xml": "<svg onload='x'/>"}).all("src")
    assert svg == "data:image/svg+xml;charset=utf-8,%3Csvg%20onload%3D%27x%27/%3E"
    assert shown(**{"text/plain": "x", "image/png": "QUJD"}).all("alt") == ["x"]


def test_a_value_too_big_is_cut_and_the_card_says_so():
    long = card(State.done, value={"text/plain": "x" * 300_000})
    wide = card(State.done, value={"text/plain": "<table>", "text/html": "y" * 2_000_000})

    assert "The first 200 kB of 300 kB." in Page(html(long)).text
    assert len(html(long)) < 210_000
    assert "Its HTML takes 2.0 MB and is left out here." in Page(html(wide)).text
    assert "<table>" in Page(html(wide)).text


def test_output_is_open_while_it_runs_and_folded_once_there_is_a_value():
    running, done = card(), card(State.done, value={"text/plain": "42"})
    for made in running, done:
        made.log.write("stdout", "a\nb\n")

    assert "2 lines of output" in Page(html(running)).text
    assert Page(html(running)).all("open") == [""]
    assert Page(html(done, live=False)).all("open") == []


def test_figures_stand_between_the_lines_before_and_after():
    made = card(State.done)
    made.log.write("stdout", "before\n")
    made.log.display({"image/png": "QUJD"})
    made.log.write("stdout", "after\n")
    page = Page(html(made, live=False))

    assert [t for t in page.tags if t in ("details", "img")] == ["details", "img", "details"]


def test_a_colour_holds_on_in_the_next_line():
    made = card()
    made.log.write("stdout", "\x1b[31mred\nstill red\x1b[0m\nplain\n")

    (red,) = re.findall(r'<span class="hj-ansi-1"[^>]*>([^<]*)<', html(made))
    assert red == "red\nstill red"


def test_a_long_log_says_what_was_left_out():
    made = card(State.done)
    made.log.write("stdout", "".join(f"{n}\n" for n in range(5_000)))

    assert "… 3,000 lines left out …" in Page(html(made, live=False)).text
    assert "5,000 lines of output" in Page(html(made, live=False)).text


def test_while_it_runs_a_long_log_shows_its_end_in_pages_that_stay():
    made = card()
    made.log.write("stdout", "".join(f"{n}\n" for n in range(1_020)))
    first = Page(html(made))
    made.log.write("stdout", "more\n" * 10)
    second = Page(html(made))

    pages = [key for key in second.all("data-key") if re.fullmatch(r"p\d+", key)]
    assert pages == ["p18", "p19", "p20"]
    assert set(pages) == {key for key in first.all("data-key") if re.fullmatch(r"p\d+", key)}
    assert len(html(made)) < 10_000


def test_escapes_that_are_no_colours_disappear():
    text = "\x1b[2J\x1b[1;1Ha\x1b]0;title\x07b\x1b(Bc\x1b[?25ld\x08"

    assert str(ansi.ansi_html(text)) == ansi.ansi_text(text) == "abcd"


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ("1", "font-weight:bold"),
        ("31", "color:#b3202a;color:var(--hj-ansi-1,#b3202a)"),
        ("3;4;9", "font-style:italic;text-decoration:underline line-through"),
        ("43", "background-color:#b58900;color:#000000"),
        ("7", "background-color:#59636e;color:#ffffff"),
        ("38;5;9", "color:#b3202a;color:var(--hj-ansi-1,#b3202a)"),
    ],
)
def test_colours_of_a_terminal_are_spans(codes, style):
    assert f'style="{style}"' in str(ansi.ansi_html(f"\x1b[{codes}mx\x1b[0m"))


# --- groups ---


def test_a_group_says_its_counts_failures_first():
    shown = group(State.failed, State.done, State.done, State.running, State.queued)

    for text in (
        Page(group_html(*shown, now=NOON, live=True)).text,
        Page(group_html(*shown, now=NOON, live=False)).text,
        group_text(*shown, NOON),
    ):
        assert "fit × 5" in text
        assert "1 failed · 2 done · 1 running · 1 queued" in text


def test_the_bar_of_a_group_is_stacked_by_state():
    page = Page(
        group_html(
            *group(State.failed, State.done, State.queued, State.queued), now=NOON, live=True
        )
    )

    assert page.all("style") == ["width:25.00%", "width:25.00%"]
    assert "1 failed, 1 done, 2 queued" in page.all("aria-valuetext")


def test_a_group_has_a_square_a_task():
    shown = group(State.done, State.failed, duration=1.2, error="ValueError: bad")
    live, static = (Page(group_html(*shown, now=NOON, live=live)) for live in (True, False))

    assert live.all("data-squares") == ["f1.2 s|g1.2 s"]
    assert '"f": ["good", "\\u2713", "done"]' in live.all("data-legend")[0]
    assert "task 1 · done · 1.2 s" in static.all("title")
    assert "task 2 · failed · 1.2 s · ValueError: bad" in static.all("title")
    assert "✓✗" in static.text


def test_a_big_group_is_saved_small():
    markup = group_html(*group(*[State.done] * 600, *[State.failed] * 400), now=NOON, live=False)

    assert len(markup) < 20_000
    assert "tasks 1 to 600" in Page(markup).all("title")


class Untouched(list):
    """Cards that nobody may look through."""

    def __iter__(self):
        raise AssertionError("this would take long")


@pytest.fixture(scope="module")
def hundred_thousand():
    """Return a group of so many tasks that are over."""
    board = Board()
    made = board.group("g123", "fit", expected=100_000)
    board.hold("g123")
    for n in range(100_000):
        end = {"kind": "error", "error": "E: bad"} if n % 100 == 7 else {"kind": "complete"}
        for event in {"kind": "enqueued"}, end | {"duration": n / 1_000, "at": NOON + n}:
            board.fold({"task": f"t{n}", "name": "m.fit", "group": "g123", "at": NOON} | event)
    return made


@both
def test_a_hundred_thousand_tasks_are_told_without_a_look_at_each(hundred_thousand, live):
    made = hundred_thousand
    markup = group_html(made, Untouched(), now=NOON + 100_000, live=live)
    page = Page(markup)

    assert len(markup) < (6_000 if live else 16_000)
    assert "1,000 failed · 99,000 done" in page.text
    assert "✗ failed 1,000" in page.text
    assert "1 to 10 s 9,000" in page.text
    assert "and 980 more" in page.text
    assert "1 to 10 min" not in page.text.partition("10 to 60 s")[0]
    assert "  0.1 to 1 s  " in group_text(made, Untouched(), NOON + 100_000)


def test_above_a_thousand_a_group_only_counts():
    shown = group(*[State.done] * 1_001)

    assert "data-squares" not in group_html(*shown, now=NOON, live=True)
    assert "✓✓" not in group_text(*shown, NOON)
    assert "1,001 done" in group_text(*shown, NOON)


def test_a_group_lists_its_failures_with_their_errors():
    shown = group(*[State.failed] * 25, error="ValueError: bad")
    page = Page(group_html(*shown, now=NOON, live=False))

    assert page.text.count("ValueError: bad") == 20
    assert "and 5 more" in page.text
    assert "✗ 3 fit(n=2) ValueError: bad" in page.text


def test_a_chosen_square_tells_its_task_and_what_can_be_done():
    board = Board()
    made = board.group("g1", "fit", ids=["a", "b"])
    fold = {"task": "b", "at": NOON, "kind": "error", "error": "ValueError: bad", "retries": 0}
    board.fold(fold | {"traceback": "Traceback ...", "args": "n=2"})

    def shown() -> Page:
        return Page(group_html(made, board.members(made), now=NOON, live=True, verbs=VERBS))

    assert shown().all("data-about") == []
    before = board.version
    board.pick("g1#2")
    page = shown()

    assert board.changes(before).groups == ["g1"]
    assert page.all("data-about") == ["2"]
    assert "✗ task 2 failed task(n=2)" in page.text
    assert page.text.count("ValueError: bad") == 2  # there, and among the failures
    assert ("button", "data-task", "b") in page.attributes
    assert "Traceback ..." in page.text

    board.pick("g1#2")
    assert shown().all("data-about") == []


@pytest.mark.parametrize("key", ["g1#3", "g1#0", "g1#x", "g2#1", "g1", "#", "g1#²"])
def test_choosing_what_is_not_there_does_nothing(key):
    board = Board()
    made = board.group("g1", "fit", ids=["a", "b"])

    board.pick(key)

    assert made.picked is None


def test_short_values_of_a_group_make_a_table():
    shown = group(State.done, State.done, value={"text/plain": "3.14"})
    page = Page(group_html(*shown, now=NOON, live=False))
    assert "2 values" in page.text
    assert "argumentsvaluen=03.14n=13.14" in page.text

    long = group(State.done, State.done, value={"text/plain": "3\n14"})
    assert "table" not in Page(group_html(*long, now=NOON, live=False)).tags


def test_a_group_still_being_made_says_how_many_are_to_come():
    made, cards = group(State.done)
    made.expected = 10

    assert "1 done · 9 to come" in Page(group_html(made, cards, now=NOON, live=True)).text


def test_a_group_offers_only_what_can_still_be_done():
    going, over = group(State.failed, State.queued), group(State.failed, State.done)

    def verbs(shown: tuple[Group, list[Card]]) -> list[str]:
        return Page(group_html(*shown, now=NOON, live=True, verbs=VERBS)).all("data-verb")

    assert verbs(going) == ["cancel", "cancel_queued", "retry_failed"]
    assert verbs(over) == ["retry_failed"]


# --- plain text ---


def test_a_running_card_reads_well_in_a_terminal():
    made = card()
    made.pace.add(NOON + 1, 0)
    made.pace.add(NOON + 41, 25)

    assert card_text(made, NOON + 41.2).split("\n") == [
        "● running   fit(n=40)   ▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░ 62 %  epoch 25/40   0:41 · about 0:23 left",
        "  thread 2 · try 1 of 3 · queued 0.2 s · In[12] · a3f9",
    ]


def test_a_done_card_in_a_terminal_ends_with_its_value_and_output():
    made = card(State.done, value={"text/plain": "3.14"})
    made.log.write("stdout", "".join(f"line {n}\n" for n in range(30)))
    lines = card_text(made, NOON + 60).split("\n")

    assert lines[0] == "✓ done   fit(n=40)   40.8 s"
    assert lines[2] == "  3.14"
    assert lines[3] == "  30 lines of output, the last 20:"
    assert lines[-1] == "  │ line 29"


def test_a_failed_card_in_a_terminal_has_its_traceback_without_colours():
    made = card(State.failed, error="E: bad", traceback="\x1b[31mTraceback\x1b[0m\n  line 1")

    assert "  E: bad\n" in card_text(made, NOON + 60)
    assert "  Traceback\n    line 1" in card_text(made, NOON + 60)


@pytest.mark.parametrize("text", EVIL)
def test_no_escape_reaches_a_terminal(text):
    made, cards = group(State.failed, error=text, label=text)
    said = (
        card_text(filled(text), NOON) + group_text(made, cards, NOON) + status_text({"note": text})
    )

    assert "\x1b" not in said


def test_a_group_reads_well_in_a_terminal():
    shown = group(State.failed, State.done, State.running, State.queued, error="ValueError: bad")
    lines = group_text(*shown, NOON + 10).split("\n")

    assert lines[0] == "fit × 4   ▓▓▓▓▓▓▓▓▓▓░░░░░░░░░░ 2 of 4   0:10 · about 0:10 left"
    assert lines[2:] == ["  ✗✓●○", "  ✗ 1  fit(n=0)  ValueError: bad"]


def test_the_status_line_says_who_works_and_what_waits():
    facts = {
        "workers": 2,
        "kind": "thread",
        "running": 1,
        "queued": 3,
        "done": 12,
        "storage": "memory",
    }

    line = "2 threads · 1 running · 3 queued · 12 done · memory"
    assert status_text(facts) == line
    assert "● 2 threads 1 running · 3 queued · 12 done memory" in Page(status_html(facts)).text
    assert words.workers({"workers": 1, "kind": "process"}) == "1 process"
    assert words.workers({"workers": 2, "kind": "process"}) == "2 processes"


def test_the_status_line_says_what_keeps_tasks_waiting():
    assert status_text({}) == "no worker is running: %huey start · 0 running · 0 queued"
    paused = {"workers": 2, "kind": "thread", "paused": True, "lag": 0.62, "storage": "memory"}
    line = "2 threads, paused · 0 running · 0 queued · memory · kernel lag 0.6 s"
    assert status_text(paused) == line
    assert "◌ 2 threads, paused" in Page(status_html(paused)).text
    assert "memory · kernel lag 0.6 s" in Page(status_html(paused)).text


# --- numbers ---


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.04, "40 ms"),
        (0.2, "0.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00"),
        (3725, "1:02:05"),
    ],
)
def test_a_time_that_is_over_is_said_short(seconds, said):
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-3, "0:00"), (41.9, "0:41"), (3725, "1:02:05"), (90061, "1 d 1:01:01")]
)
def test_a_time_that_goes_on_is_said_as_a_clock_does(seconds, said):
    assert words.clock(seconds) == said


@unhurried
@given(st.floats())
def test_no_number_breaks_a_clock(seconds):
    assert words.clock(seconds)
    assert words.moment(seconds, NOON)


def test_a_hundred_percent_means_all():
    assert [words.percent(f) for f in (0, 0.625, 0.9999, 1)] == ["0 %", "62 %", "99 %", "100 %"]
