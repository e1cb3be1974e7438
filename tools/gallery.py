"""Every state of a card on one page, in the themes of JupyterLab; and pictures of it.

    python tools/gallery.py FOLDER

writes FOLDER/gallery.html and takes a picture a theme, look and width with Chromium and playwright.
The looks: live as the widget shows it, static as it stays in the notebook, untrusted as
JupyterLab's sanitiser leaves it.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from huey_jupyter.cards import Board
from huey_jupyter.hints import HOLDS, NO_WORKER
from huey_jupyter.overview import Facts, overview
from huey_jupyter.views import card_html, dashboard_html, group_html, status_html, tasks_html
from huey_jupyter.views.offers import VERBS

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "huey_jupyter" / "views" / "static"
SHEETS = Path(sys.prefix) / "share" / "jupyter" / "lab" / "themes" / "@jupyterlab"
LOOKS = ("live", "static", "untrusted")
WIDTHS = (400, 1000)
# Names as the app has them, and the folders of their stylesheets.
THEMES = {
    "light": "theme-light-extension",
    "dark": "theme-dark-extension",
    "contrast": "theme-dark-high-contrast-extension",
}

FIGURE = """<svg xmlns="http://www.w3.org/2000/svg" width="420" height="180" viewBox="0 0 420 180">
<rect width="420" height="180" fill="white"/><g stroke="#999" fill="none">
<path d="M40 10V150H410"/></g><path d="M40 30 C120 120 180 130 410 140" stroke="#1f77b4" fill="none"
stroke-width="2"/><text x="200" y="172" font-size="12">epoch</text></svg>"""
TABLE = """<table border="1" class="dataframe"><thead><tr style="text-align: right;"><td></td>
<th>n</th><th>estimate</th><th>error</th></tr></thead><tbody>
<tr><th>0</th><td>1000</td><td>3.1320</td><td>0.0096</td></tr>
<tr><th>1</th><td>100000</td><td>3.1407</td><td>0.0009</td></tr></tbody></table>"""
TRACEBACK = """\x1b[31m---------------------------------------------------------------\x1b[39m
\x1b[31mValueError\x1b[39m                                Traceback (most recent call last)
\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[12]\x1b[39m\x1b[32m, line 4\x1b[39m
\x1b[32m      2\x1b[39m \x1b[38;5;28;01mdef\x1b[39;00m \x1b[38;5;21mload\x1b[39m(path):
\x1b[32m----> \x1b[39m\x1b[32m4\x1b[39m     \x1b[38;5;28;01mraise\x1b[39;00m \
\x1b[38;5;167;01mValueError\x1b[39;00m(\x1b[33m"\x1b[39m\x1b[33mbad <b>header</b>\x1b[39m"\x1b[39m)

\x1b[31mValueError\x1b[39m: bad <b>header</b>"""
LOG = [
    ["stdout", "".join(f"epoch {n:2d}  loss {1 / (n + 1):.4f}\n" for n in range(30))],
    ["stderr", "UserWarning: learning rate is \x1b[33mhigh\x1b[0m\n"],
    ["stdout", "\x1b[1mvalidation\x1b[0m \x1b[32mok\x1b[0m, \x1b[31m2 bad rows\x1b[0m, "],
    [
        "stdout",
        "\x1b[34mblue\x1b[0m \x1b[35mpink\x1b[0m \x1b[36mcyan\x1b[0m \x1b[43mmarked\x1b[0m\n",
    ],
]


class Story:
    """One task, told event by event; times are seconds since its beginning, `ago` before now."""

    def __init__(self, board: Board, ago: float, name: str = "fit", **facts: Any) -> None:
        self.id = f"{len(board.cards) * 7919 % 65536:04x}c2d1"
        self.board = board
        self.start = time.time() - ago
        self.name = f"__main__.{name}"
        self("enqueued", 0, **{"retries": 2, "args": "n=40"} | facts)
        board.cards[self.id].prompt = "In[12]"

    def __call__(self, kind: str, at: float, **facts: Any) -> Story:
        event = {"kind": kind, "task": self.id, "name": self.name, "at": self.start + at}
        self.board.fold(event | facts)
        return self

    def run(self, at: float = 0.2, attempt: int = 1, retries: int = 2) -> Story:
        return self("executing", at, worker="thread 2", attempt=attempt, retries=retries)

    def progress(self, last: int = 25, total: int | None = 40) -> Story:
        for n in range(last + 1):
            self("progress", 1 + 1.6 * n, done=n, total=total, message=f"epoch {n}/40")
        return self

    def output(self, at: float, *records: Any) -> Story:
        return self("output", at, records=list(records))


def stories(board: Board) -> None:
    """Put one task in each state, more where a state has more than one face."""

    def story(ago: float, **facts: Any) -> Story:
        return Story(board, ago, **facts)

    board.card(story(3).id).place = 3
    lonely = board.card(story(75).id)
    lonely.place, lonely.hint = 1, NO_WORKER
    story(2, carries="`df`, 38 MB")
    story(1)("scheduled", 0, eta=time.time() + 754)
    story(41.2).run().progress()
    story(12, name="estimate_pi").run().output(1, *LOG)
    board.card(story(20, name="sort").run().id).hint = HOLDS
    story(9, args="path='data/2024/january/measurements.parquet', columns=['a', 'b', 'c']").run()
    story(30).run().progress(12)("canceling", 27)
    story(7).run()("error", 3, error="OSError: connection reset", retries=1, again=True)(
        "retrying", 3, retries=1, eta=time.time() + 8
    )
    story(60).run()("complete", 2.6, duration=2.4).output(2.6, ["value", {"text/plain": "3.14159"}])
    note = story(60, name="load").run().output(1, *LOG)("complete", 2.6)
    note.output(2.6, ["value", {"text/plain": "...", "text/html": TABLE}])
    kept = board.cards[note.id]
    kept.note, kept.unbound = "you have bound `x` meanwhile: yours is kept", ("x",)
    story(60, name="plot").run().output(
        1, LOG[0], ["display", {"image/svg+xml": FIGURE}], *LOG[1:]
    )("complete", 83.2)
    failed = story(60, name="load", args="path='jan.csv'").run(attempt=3, retries=0)
    failed.progress(9).output(1, *LOG)
    failed("error", 16, error="ValueError: bad <b>header</b>", traceback=TRACEBACK, retries=0)
    story(60).run().progress(9)("canceled", 16)
    story(60)("expired", 30, error="waited longer than its 30 s")
    story(60)("locked", 1, error="TaskLockedException: unable to acquire lock gpu")
    story(600).run()("lost", 300, error="the kernel was restarted while it ran")


def groups(board: Board) -> None:
    for group, size, upto in (("a3f9-running", 200, 80), ("b771-done", 24, 24)):
        board.group(group, title="fit", expected=size)
        for n in range(size):
            task = Story(board, 42, args=f"n={n}", group=group)
            if n < upto:
                task.run(0.2 + n / 4)("complete", 1.4 + n / 4)
                task.output(1, ["value", {"text/plain": f"{3 + n / 170:.4f}"}])
            elif n < upto + 4:
                task.run(38)
            if size == 200 and n in (7, 23, 60):
                task("enqueued", 30).run(31)("error", 32, error="ValueError: bad", retries=0)
            if size == 200 and n == 40:
                task("enqueued", 33)("canceled", 34)


def big_group(board: Board, size: int = 5_000) -> None:
    """Put a group on the board that is too large for a square a task."""
    board.group("c0de-big", title="simulate", expected=size)
    for n in range(size - 800):
        task = Story(board, 300, name="simulate", args=f"seed={n}", group="c0de-big", retries=0)
        spent = 0.004 * (1 + n % 37) ** 2
        kind = "error" if n % 400 == 77 else "complete"
        error = "FloatingPointError: overflow" if kind == "error" else ""
        task.run(0.2, retries=0)(kind, 0.2 + spent, duration=spent, error=error, retries=0)


def busy_minute(board: Board) -> None:
    """Put on the board what four workers did in the last minute, what waits and what is to come."""
    for worker in range(1, 5):
        at, n = 75.0, worker
        while at > 3:
            spent = (2.5 * worker + n * 7 % 11) / (6 if worker == 3 else 1)
            if at < spent:
                break
            task = Story(board, at, name=("fit", "load", "resize", "score")[worker - 1], retries=0)
            task("executing", 0, worker=f"thread {worker}", attempt=1, retries=0)
            wrong = n % 6 == 5
            kind, error = ("error", "ValueError: bad") if wrong else ("complete", "")
            task(kind, spent, duration=spent, error=error, retries=0)
            at, n = at - spent - n % 3, n + 1
        if worker != 4:
            task = Story(board, at, name="fit", args=f"n={worker}")
            task("executing", 0, worker=f"thread {worker}", attempt=1)
            task("progress", 1, done=worker * 20, total=70)
    for n in range(37):
        Story(board, 12, args=f"n={41 + n}")
    for n in range(3):
        eta = time.time() + 60 + 754 * n
        Story(board, 3, name="report", args=f"day={n}")("scheduled", 0, eta=eta)


def dashboards(live: bool) -> Iterator[str]:
    board, now = Board(), time.time()
    busy_minute(board)
    names = tuple(f"thread {n}" for n in range(1, 5))
    facts = Facts(now, names, lag=0.012, place="redis://:***@localhost:6379/0")
    yield dashboard_html(overview(board, facts), live=live, verbs=VERBS)
    paused = Facts(now, names[:2], paused=True, lag=0.62, place="memory")
    yield dashboard_html(overview(board, paused), live=live, verbs=VERBS)
    yield dashboard_html(overview(Board(), Facts(now)), live=live, verbs=VERBS)
    if not live:
        yield tasks_html(board.cards.values(), now=now)
        yield tasks_html([], now=now)


def pieces(live: bool) -> Iterator[str]:
    """Yield each example as HTML."""
    board, now = Board(), time.time()
    stories(board)
    for card in board.cards.values():
        yield card_html(card, now=now, live=live, verbs=VERBS)
    groups(board)
    big_group(board)
    for group in board.groups.values():
        yield group_html(group, board.members(group), now=now, live=live, verbs=VERBS)
    picked = board.groups["a3f9-running"]
    board.pick("a3f9-running#8")
    yield group_html(picked, board.members(picked), now=now, live=live, verbs=VERBS)
    facts = {"workers": 2, "kind": "thread", "running": 1, "queued": 3, "done": 12, "failed": 1}
    yield status_html(facts | {"storage": "in memory, ends with the kernel", "lag": 0.012})
    yield status_html(facts | {"paused": True, "storage": "sqlite:huey.db"})
    yield status_html({"queued": 3})
    yield from dashboards(live)


def sanitised(html: str) -> str:
    """Leave of each style what JupyterLab leaves in a notebook that is not trusted."""

    def clean(style: re.Match[str]) -> str:
        kept = [d for d in style[1].split(";") if "var(" not in d and not d.startswith("--")]
        known = [d for d in kept if "color-mix" not in d and "font-variant-numeric" not in d]
        return f'style="{";".join(known)}"'

    return re.sub(r'style="([^"]*)"', clean, html)


def page(themes: Iterable[str] = THEMES, looks: Iterable[str] = LOOKS) -> str:
    """Return the gallery: a section a theme and look, all but the one in the address hidden."""
    sections = [section(theme, look) for theme, look in product(themes, looks)]
    return PAGE.format(
        themes="".join(theme_css(name) for name in THEMES),
        css=(STATIC / "card.css").read_text(),
        js="\n".join((STATIC / name).read_text() for name in ("live.js", "card.js")).replace(
            "export default", "const card ="
        ),
        sections="".join(sections),
    )


def section(theme: str, look: str) -> str:
    shown = list(pieces(live=look == "live"))
    if look == "live":
        inside = "".join(
            f"<div data-live='{json.dumps(p).translate(QUOTES)}'></div>" for p in shown
        )
    else:
        inside = "".join(sanitised(p) if look == "untrusted" else p for p in shown)
    return f'<section id="{theme}-{look}" class="{theme}">{inside}</section>'


QUOTES = str.maketrans({"'": "&#39;", "&": "&amp;"})
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Cards in every state</title>
<style>{themes}
body {{ margin: 0; }}
section {{ display: none; padding: 16px; background: var(--jp-layout-color1); }}
section:target {{ display: block; }}
section > * {{ margin-bottom: 14px !important; }}
</style><style>{css}</style></head><body><main>{sections}</main>
<script type="module">{js}
const model = (html) => ({{
  get: (name) => (name === "html" ? html : {{}}),
  on() {{}}, off() {{}},
  send: (message) => (window.sent ??= []).push(message),
}});
for (const el of document.querySelectorAll("[data-live]")) {{
  card.render({{ model: model(JSON.parse(el.dataset.live)), el }});
  delete el.dataset.live;
}}
</script></body></html>"""


def theme_css(name: str) -> str:
    """Return a theme's variables, with the palette that JupyterLab defines for all of them."""
    rule = re.search(r":root\s*\{(.*?)\}", sheet(name), flags=re.DOTALL)
    palette = {
        colour: literal
        for theme in THEMES
        for colour, literal in re.findall(r"var\((--md-[\w-]+),\s*(#\w+)\)", sheet(theme))
    }
    colours = "".join(f"{colour}:{literal};" for colour, literal in palette.items())
    return f".{name} {{{colours}{rule[1] if rule else ''}}}"


def sheet(name: str) -> str:
    return (SHEETS / THEMES[name] / "index.css").read_text()


def photograph(folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for width in WIDTHS:
            tab = browser.new_page(viewport={"width": width, "height": 600})
            for theme, look in product(THEMES, LOOKS):
                tab.goto(f"file://{folder.resolve()}/gallery.html#{theme}-{look}")
                path = folder / f"{theme}-{look}-{width}.png"
                tab.locator(f"#{theme}-{look}").screenshot(path=path)
        browser.close()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "gallery")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gallery.html").write_text(page(), encoding="utf-8")
    photograph(folder)


if __name__ == "__main__":
    main()
