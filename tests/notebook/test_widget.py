"""The widget: what it sends, what it takes, and that a page keeps its state under it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from huey_jupyter import views
from huey_jupyter.cards import Board, Card, State
from huey_jupyter.views.widget import CardWidget

NOON = 1_700_000_000.0
STATIC = Path(views.__file__).parent / "static"


# --- Python's side ---


def test_a_click_reaches_whoever_listens():
    heard: list[tuple[str, str]] = []
    widget = CardWidget("<div></div>")
    widget.on_verb(lambda verb, task: heard.append((verb, task)))

    widget._hear(widget, {"verb": "cancel", "task": "a3f9"}, [])

    assert heard == [("cancel", "a3f9")]


@pytest.mark.parametrize(
    "content", [{}, None, "cancel", {"verb": "format", "task": "a"}, {"verb": "cancel", "task": 7}]
)
def test_only_known_verbs_pass(content):
    heard: list[tuple[str, str]] = []
    widget = CardWidget()
    widget.on_verb(lambda verb, task: heard.append((verb, task)))

    widget._hear(widget, content, [])

    assert heard == []


def test_a_big_picture_travels_beside_the_html_once():
    widget = CardWidget()
    picture = "data:image/png;base64," + "A" * 5_000
    sent: list[Any] = []
    widget.observe(sent.append, "pictures")

    for n in range(3):
        widget.html = f'<div>{n}<img src="{picture}"></div>'

    assert len(widget.html) < 100
    assert list(widget.pictures.values()) == [picture]
    assert len(sent) == 1


# --- the browser's side ---

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>card</title>
<style>{css}</style><body><div id="el"></div><button id="elsewhere">elsewhere</button>
<script type="module">{js}
const traits = {{ html: "", pictures: {{}} }}, listeners = new Set();
window.sent = [];
const model = {{
  get: (name) => traits[name],
  on: (_, f) => listeners.add(f),
  off: (_, f) => listeners.delete(f),
  send: (message) => sent.push(message),
}};
window.listeners = listeners;
window.heard = heard;
window.show = (html, pictures = {{}}) => {{
  Object.assign(traits, {{ html, pictures }});
  listeners.forEach((f) => f());
}};
window.end = card.render({{ model, el: document.querySelector("#el") }});
</script></body></html>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    page.set_content(
        PAGE.format(
            css=(STATIC / "card.css").read_text(encoding="utf-8"),
            js="".join(
                (STATIC / name).read_text(encoding="utf-8") for name in ("live.js", "card.js")
            ).replace("export default", "const card ="),
        )
    )
    page.wait_for_function("() => window.show")
    yield page
    page.close()


def running(lines: int = 0, done: int = 10, **facts: Any) -> Card:
    card = Card("a3f9", name="fit", state=State.running, started=NOON, done=done, total=40)
    card.log.write("stdout", "".join(f"line {n}\n" for n in range(lines)))
    for name, value in facts.items():
        setattr(card, name, value)
    return card


def show(page: Any, card: Card, now: float = NOON + 5) -> None:
    page.evaluate("html => show(html)", views.card_html(card, now=now, live=True))


pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")


@pytest.mark.browser
def test_a_click_is_sent_and_the_button_waits_for_news(page):
    show(page, running())
    button = page.locator("[data-verb=cancel]")

    button.click()
    button.click(force=True)

    assert page.evaluate("sent") == [{"verb": "cancel", "task": "a3f9"}]
    assert button.inner_text() == "asked…"
    assert button.get_attribute("aria-busy") == "true"

    show(page, running(done=11))
    assert button.inner_text() == "Cancel"
    assert button.get_attribute("aria-disabled") is None


@pytest.mark.browser
def test_a_button_that_nobody_heard_says_when_it_will_act(page):
    page.evaluate("hueyJupyter.hubs.set('hub', {isHere: true})")  # who would tell that it was heard
    show(page, running())
    button = page.locator("[data-verb=cancel]")
    button.click()
    assert button.inner_text() == "asked…"

    page.wait_for_function(
        "() => document.querySelector('[data-verb]').textContent.startsWith('will act')",
        timeout=5_000,
    )
    show(page, running(done=12))

    assert button.inner_text() == "will act when the running cell ends"
    assert button.get_attribute("aria-label") == "Cancel fit: will act when the running cell ends"
    page.evaluate("heard('cancel', 'a3f9')")
    assert button.inner_text() == "Cancel"
    assert button.get_attribute("aria-label") == "Cancel fit"
    assert button.get_attribute("aria-busy") is None


@pytest.mark.browser
def test_an_update_moves_the_same_bar(page):
    show(page, running(done=10))
    bar = page.locator(".hj-fill").element_handle()

    show(page, running(done=20))

    assert bar.evaluate("bar => bar.isConnected && bar.style.width") == "50%"


@pytest.mark.browser
def test_focus_stays_on_a_button_through_updates(page):
    show(page, running(message="one"))
    page.locator("[data-verb]").focus()

    show(page, running(error="an error above", note="a note", total=None))

    assert page.evaluate("document.activeElement.dataset.verb") == "cancel"


@pytest.mark.browser
def test_focus_goes_to_the_card_when_its_button_goes(page):
    show(page, running())
    page.locator("[data-verb]").focus()

    show(page, running(state=State.stopping))

    assert page.evaluate("document.activeElement.dataset.task") == "a3f9"


@pytest.mark.browser
def test_focus_elsewhere_is_left_alone(page):
    show(page, running())
    page.locator("#elsewhere").focus()

    show(page, running(state=State.stopping))

    assert page.evaluate("document.activeElement.id") == "elsewhere"


@pytest.mark.browser
def test_what_the_reader_folded_stays_folded(page):
    show(page, running(lines=3))
    page.locator("summary").click()

    show(page, running(lines=4))

    assert not page.evaluate("document.querySelector('details').open")
    assert page.locator("summary").inner_text() == "4 lines of output"


@pytest.mark.browser
def test_the_log_folds_by_itself_when_the_value_is_there(page):
    show(page, running(lines=3))

    show(page, running(lines=3, state=State.done, value={"text/plain": "42"}))

    assert not page.evaluate("document.querySelector('details').open")


@pytest.mark.browser
def test_the_log_follows_its_end_until_one_scrolls_up(page):
    left = """() => {
      const log = document.querySelector('pre');
      return log.scrollHeight - log.scrollTop - log.clientHeight;
    }"""
    show(page, running(lines=60))
    show(page, running(lines=80))
    assert page.evaluate(left) < 2

    page.evaluate("document.querySelector('pre').scrollTop = 100")
    show(page, running(lines=90))
    assert page.evaluate("document.querySelector('pre').scrollTop") == 100


@pytest.mark.browser
@pytest.mark.parametrize(("before", "after"), [(60, 61), (240, 330)])
def test_a_selection_in_the_log_survives(page, before, after):
    show(page, running(lines=before))
    page.evaluate(
        """() => {
          const text = [...document.querySelectorAll('pre span')].at(-1).firstChild;
          getSelection().setBaseAndExtent(text, 0, text, 6);
        }"""
    )
    selected = page.evaluate("getSelection().toString()")

    show(page, running(lines=after))

    assert selected.startswith("line ")
    assert page.evaluate("getSelection().toString()") == selected


@pytest.mark.browser
def test_clocks_tick_without_a_message(page):
    started = page.evaluate("Date.now() / 1000") - 3725
    show(page, running(started=started), now=started)

    assert page.locator("time").first.inner_text() in ("1:02:05", "1:02:06")
    page.wait_for_function(
        "was => document.querySelector('time').textContent !== was",
        arg=page.locator("time").first.inner_text(),
        timeout=5_000,
    )


@pytest.mark.browser
def test_what_holds_later_appears_by_itself(page):
    now = page.evaluate("Date.now() / 1000")
    show(page, running(last_output_at=now - 4.2), now=now)
    assert page.locator("[data-after]").is_hidden()

    page.locator("[data-after]").wait_for(state="visible", timeout=5_000)


@pytest.mark.browser
def test_named_pictures_are_filled_in(page):
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
    page.evaluate("p => show('<div><img data-picture=\"k\"></div>', {k: p})", pixel)

    assert page.evaluate("document.querySelector('img').src") == pixel


@pytest.mark.browser
def test_the_squares_of_a_group_are_one_stop_and_tell_what_they_are(page):
    board = Board()
    for n in range(5):
        board.card(f"t{n}").state = State.queued
    group = board.group("g", "fit", ids=board.cards)

    def shown() -> str:
        return views.group_html(group, board.members(group), now=NOON, live=True)

    page.evaluate("html => show(html)", shown())
    squares = page.locator("[data-squares] button")
    assert squares.count() == 5
    assert [squares.nth(n).get_attribute("tabindex") for n in range(5)] == ["0", *["-1"] * 4]

    squares.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    told = page.locator("[data-picked]")
    assert told.inner_text() == "task 2 · queued"

    board.cards["t1"].state, board.cards["t1"].duration = State.done, 1.2
    page.evaluate("html => show(html)", shown())
    assert told.inner_text() == "task 2 · done · 1.2 s"
    assert page.evaluate("document.activeElement.title") == "task 2 · done · 1.2 s"
    assert page.evaluate("sent") == [{"verb": "pick", "task": "g#2"}]

    board.pick("g#2")
    page.evaluate("html => show(html)", shown())
    assert told.is_hidden()
    assert page.locator("[data-about]").is_visible()


@pytest.mark.browser
def test_less_motion_means_no_moving_bar(page):
    page.emulate_media(reduced_motion="reduce")
    show(page, running(total=None))

    style = "getComputedStyle(document.querySelector('.hj-pulse')).animationName"
    assert page.evaluate(style) == "none"


@pytest.mark.browser
def test_a_closed_card_leaves_nothing_behind(page):
    show(page, running())
    page.evaluate("end()")

    assert page.evaluate("listeners.size") == 0
    assert page.evaluate("document.querySelector('#el').children.length") == 0


@pytest.mark.browser
def test_a_saved_card_shows_in_a_page_without_any_stylesheet(page):
    html = views.card_html(running(), now=NOON + 41, live=False)
    page.set_content(f"<body style='background: #111; color: #eee'>{html}")
    title = "getComputedStyle(document.querySelector('code')).color"
    ground = "getComputedStyle(document.querySelector('.hj-band')).backgroundColor"

    assert page.evaluate(title) == "rgb(31, 35, 40)"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator("button").count() == 0
