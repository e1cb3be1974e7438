"""Every state that a task can be in, each brought about by a notebook as it is written."""

import re

import axe
import pytest
from labpage import THEMES
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

PREPARE = """\
%load_ext huey_jupyter
import pathlib, threading, time
from huey import progress, track
wall = threading.Lock()
wall.acquire();"""

DONE = """\
%%huey_task answer
print("thinking")
6 * 7"""
FAILED = """\
%%huey_task load
int("sev" + "en")"""
EXPIRED = """\
%huey pause
%huey config workers=10
session = __import__("huey_jupyter").current()
stale = session.run_cell("1", "stale", expires=0.1)
time.sleep(0.2)
%huey resume"""
HOLDER = """\
%%huey_task holder --lock database
done = 0
while not pathlib.Path({gate!r}).exists():
    done = min(done + 1, 100)
    progress(done, 400, "row " + str(done))
    time.sleep(0.1)"""
LOCKED = """\
%%huey_task second --lock database
print("never")"""
STOPPING = """\
%%huey_task stubborn
import pathlib, time
while not pathlib.Path({gate!r}).exists():
    try:
        time.sleep(60)
    except BaseException:
        pass"""
LONG_CALL = """\
%%huey_task digest
print("beg" + "ins")
wall.acquire()"""
RETRY = """\
%%huey_task fetch --retries 2 --retry-delay 600
raise ConnectionError("no " + "route")"""
SCHEDULED = """\
%%huey_task tonight --delay 3600
print("late")"""
CANCELLED = """\
%%huey_task forever
for n in track(range(100_000)):
    time.sleep(0.1)"""
GROUP = """\
@huey.task()
def square(n):
    if n == 3:
        raise ValueError(f"no square today for {{n}}")
    while n > 8 and not pathlib.Path({gate!r}).exists():
        time.sleep(0.05)
    return n * n

squares = square.map(range(12))
squares"""
QUEUED = """\
%huey pause
session.run_cell("1", "next_one");"""
DASHBOARD = "%huey dashboard"
UNLOAD = """\
wall.release()
%unload_ext huey_jupyter"""


SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output"
UNTIL_ALL_ARE_THERE = ("locked", "queued", "dashboard", "lost")


def test_every_state_has_its_card_and_the_file_has_it_too(notebook):
    cells = every_state(notebook.gate)
    at = {name: number for number, name in enumerate(cells)}
    notebook.open(list(cells.values()))
    bring_about(notebook, at)

    for name, words in WORDS.items():
        expect(notebook.output(at[name])).to_contain_text(words)
    assert_lanes_end_now(notebook.live(at["dashboard"]))
    notebook.screenshot("states")
    notebook.final(at["failed"]).locator("summary").first.click()
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, SHOWN) == ""
    saved = notebook.save()

    (notebook.lab.folder / f"{notebook.gate}.stubborn").touch()
    notebook.run(at["lost"])
    notebook.wait_done(at["lost"])
    for name in ("running", "retry", "scheduled", "group", "queued"):
        expect(notebook.output(at[name])).to_contain_text("lost")
    expect(notebook.live(at["queued"])).to_have_count(0)
    notebook.screenshot("states-lost")
    notebook.shutdown()

    saved["cells"][0]["source"] += "  # changed by somebody, so it is not trusted"
    notebook.open_beside(notebook.write(saved))
    for state, words in (WORDS | BEGINNINGS).items():
        expect(notebook.output(at[state])).to_contain_text(words)
    expect(notebook.output(at["running"]).get_by_role("button")).to_have_count(0)
    assert axe.violations(notebook.page, SHOWN) == ""
    notebook.screenshot("states-untrusted")


def every_state(gate):
    """Return cells by what they bring about."""
    return {
        "prepare": PREPARE,
        "expired": EXPIRED,
        "done": DONE,
        "failed": FAILED,
        "running": HOLDER.format(gate=gate),
        "locked": LOCKED,
        "stopping": STOPPING.format(gate=f"{gate}.stubborn"),
        "long call": LONG_CALL,
        "retry": RETRY,
        "scheduled": SCHEDULED,
        "cancelled": CANCELLED,
        "group": GROUP.format(gate=gate),
        "queued": QUEUED,
        "dashboard": DASHBOARD,
        "lost": UNLOAD,
    }


WORDS = {
    "expired": "expired",
    "done": "42",
    "failed": "ValueError: invalid literal for int() with base 10: 'seven'",
    "running": "row",
    "locked": "locked by `database`",
    "stopping": "stopping",
    "long call": "stopping",
    "retry": "retry 2 of 3",
    "scheduled": "scheduled",
    "cancelled": "cancelled",
    "group": "1 failed · 8 done · 3 running",
    "queued": "next in the queue",
    "dashboard": "10 threads, paused",
}

# What a file that was saved meanwhile has of those that go on: how they began.
BEGINNINGS = {
    "running": "holder",
    "stopping": "stubborn",
    "long call": "digest",
    "retry": "fetch",
    "scheduled": "tonight",
    "group": "square × 12",
    "queued": "next_one",
    "dashboard": "in the queue",
}


def bring_about(notebook, at):
    """Run the cells up to the dashboard, so that at its end there is a task in every state."""
    notebook.run(*(number for name, number in at.items() if name not in UNTIL_ALL_ARE_THERE))
    notebook.wait_done(at["group"])
    notebook.watch_bar(at["running"], moves=1)
    notebook.run(at["locked"])
    notebook.watch_bar(at["cancelled"], moves=1)
    expect(notebook.live(at["long call"])).to_contain_text("begins")
    for name in ("stopping", "cancelled", "long call"):
        notebook.live(at[name]).get_by_role("button", name="Cancel").click()
    expect(notebook.final(at["cancelled"])).to_contain_text("cancelled")
    expect(notebook.live(at["group"])).to_contain_text("3 running")
    notebook.run(at["queued"], at["dashboard"])
    notebook.wait_done(at["dashboard"])


def assert_lanes_end_now(dashboard):
    """See that what runs is drawn up to the right end of its lane."""
    expect(dashboard.get_by_role("group", name=re.compile(": ● .*square"))).to_have_count(3)
    ends = dashboard.locator(".hj-track").evaluate_all(
        """(tracks) => tracks.filter((track) => track.querySelector(".hj-seg-run")).map((track) =>
            track.getBoundingClientRect().right
            - track.querySelector(".hj-seg-run").getBoundingClientRect().right)"""
    )
    assert len(ends) >= 4
    assert max(ends) < 3
