"""What the buttons of cards do with tasks of a real session."""

import contextlib
import json
import re

import pytest
from labpage import ONLY_LAB
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

PREPARE = """\
%load_ext huey_jupyter
import pathlib, time
from huey import progress, track
runs, divisor = [], 0
def count():
    runs.append(len(runs))
    return f"run {len(runs)}"
"""

TONIGHT = """\
%%huey_task tonight --delay 3600
"awa" + "ke" """
FETCH = """\
%%huey_task {name} --retries 2 --retry-delay 3600
if not pathlib.Path({gate!r}).exists():
    raise ConnectionError("no " + "route")
"arri" + "ved" """
COUNTED = """\
%%huey_task counted
count()"""
FOREVER = """\
%%huey_task forever -o {name}
for n in track(range(100_000)):
    time.sleep(0.05)"""

DIVIDE = """\
%%huey_task divide
if divisor:
    while not pathlib.Path({gate!r}).exists():
        time.sleep(0.02)
84 / divisor"""
HALVE = """\
@huey.task()
def halve(n):
    if divisor:
        while not pathlib.Path({gate!r}).exists():
            time.sleep(0.02)
    return n / divisor
halves = halve(168)
halves"""
GROUP = """\
@huey.task()
def check(n):
    if n % 4 == 0 and not divisor:
        raise ValueError("not yet")
    return n
checks = check.map(range(12))
checks"""

STUBBORN = """\
@huey.task()
def stubborn():
    import time
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
held = stubborn()
held"""


@ONLY_LAB
def test_what_waits_can_be_hurried_given_up_and_run_again(notebook):
    fetches = [FETCH.format(name=name, gate=notebook.gate) for name in ("keen", "weary")]
    notebook.open([PREPARE, TONIGHT, *fetches, COUNTED])
    notebook.run(0, 1, 2, 3, 4)
    notebook.wait_done(4)
    expect(notebook.live(2)).to_contain_text("retry 2 of 3")

    press(notebook.live(1), "Run now")
    press_until(notebook.live(2), "Retry now", "retry 3 of 3")
    press(notebook.live(3), "Give up")
    expect(notebook.final(1)).to_contain_text("awake")
    expect(notebook.final(3)).to_contain_text("cancelled")

    notebook.release()
    press(notebook.live(2), "Retry now")
    expect(notebook.final(2)).to_contain_text("arrived")

    expect(notebook.final(4)).to_contain_text("run 1")
    press(notebook.final(4), "Run again")
    expect(notebook.final(4)).to_contain_text("run 2")
    assert "run 2" in saved_text(notebook, 4)
    assert "run 1" not in saved_text(notebook, 4)


def test_what_failed_passes_in_its_place_when_it_is_tried_again(notebook):
    divide, halve = DIVIDE.format(gate=notebook.gate), HALVE.format(gate=notebook.gate)
    notebook.open([PREPARE, divide, halve, GROUP, "divisor = 2"])
    notebook.run(0, 1, 2, 3)
    for number in (1, 2):
        expect(notebook.final(number)).to_contain_text("by zero")
    expect(notebook.final(3)).to_contain_text("3 failed")
    notebook.run(4)
    notebook.wait_done(4)

    for number in (1, 2):
        press(notebook.final(number), "Retry")
        expect(notebook.live(number)).to_contain_text("running")
        expect(notebook.final(number)).to_have_count(0)
    notebook.release()
    expect(notebook.final(1)).to_contain_text("42.0")
    expect(notebook.final(2)).to_contain_text("84.0")
    press(notebook.final(3), "Retry failed")
    expect(notebook.final(3)).to_contain_text("12 done")

    for number, end in ((1, "42.0"), (2, "84.0"), (3, "12 done")):
        assert end in saved_text(notebook, number)
        assert "zero" not in saved_text(notebook, number)
        assert "3 failed" not in saved_text(notebook, number)


@ONLY_LAB
def test_two_views_of_a_task_are_one_and_the_dashboard_rules_the_workers(notebook):
    notebook.open([PREPARE, FOREVER.format(name="endless"), "endless", "%huey dashboard"])
    notebook.run(0, 1, 2, 3)
    for number in (1, 2):
        notebook.watch_bar(number, moves=2)
    dashboard = notebook.live(3)
    expect(dashboard).to_contain_text("2 threads")

    press(dashboard, "One worker more")
    expect(dashboard).to_contain_text("3 threads")
    press(dashboard, "One worker fewer")
    expect(dashboard).to_contain_text("2 threads")
    press(dashboard, "Pause")
    expect(dashboard).to_contain_text("2 threads, paused")
    press(dashboard, "Resume")
    expect(dashboard).not_to_contain_text("paused")

    press(notebook.live(2), "Cancel")
    for number in (1, 2):
        expect(notebook.final(number)).to_contain_text("cancelled")
    expect(dashboard).to_contain_text("1 cancelled")


@ONLY_LAB
def test_kill_ends_a_process_that_will_not_stop(notebook):
    use = f"%huey use sqlite:{notebook.gate}.db\n%huey start -k process -w 1"
    notebook.open([PREPARE, use, STUBBORN, COUNTED, "%huey stop"])
    notebook.run(0, 1, 2, 3)
    notebook.wait_done(3)
    expect(notebook.live(2)).to_contain_text("running")

    press(notebook.live(2), "Cancel")
    expect(notebook.live(2)).to_contain_text("stopping")
    notebook.screenshot("stopping-process", notebook.output(2))
    press(notebook.live(2), "Kill")

    expect(notebook.final(2)).to_contain_text("cancelled")
    expect(notebook.final(3)).to_contain_text("run 1")
    notebook.run(4)
    notebook.wait_done(4)


def press(part, label):
    """Press a button by the first words of its name."""
    part.get_by_role("button", name=re.compile(f"^{label}( |$)")).click()


def press_until(part, label, text):
    """Press a button, once more if nothing comes of it: a busy page may have missed the click."""
    for timeout in (20_000, 40_000):
        press(part, label)
        with contextlib.suppress(AssertionError):
            expect(part).to_contain_text(text, timeout=timeout)
            return
    expect(part).to_contain_text(text)


def saved_text(notebook, number):
    """Return what the file holds under a cell, with one output there."""
    [output] = notebook.save()["cells"][number]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    return json.dumps(output["data"], ensure_ascii=False)
