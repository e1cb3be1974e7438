"""The page and the hub: buttons on finished cards, pages loaded anew, and how much is sent."""

import pytest
from labpage import ONLY_LAB, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

LOAD = "%load_ext huey_jupyter"

RECEIVE = """\
import pathlib, time
import huey_jupyter
from huey import progress
from huey_jupyter.states import State
from huey_jupyter.views.offers import OFFERS

session = huey_jupyter.current()
OFFERS[State.failed] = (("retry", "Retry"), ("copy", "Copy traceback"))
session.displays.verbs = lambda card: frozenset({"cancel", "retry", "copy"})

def press(verb, task):
    if verb == "retry":
        session.huey.enqueue(moody_result.task)
session.displays.on_verb = press"""

MOODY = """\
tries = []

@huey.task()
def moody():
    tries.append(len(tries) + 1)
    if tries[-1] > 1:
        progress(tries[-1], 10, f"try {tries[-1]}")
        while not pathlib.Path(f"GATE.{tries[-1]}").exists():
            time.sleep(0.02)
    if tries[-1] < 3:
        raise ValueError(f"not at try {tries[-1]}")
    return "at last"

moody_result = moody()
moody_result"""

FOREVER = """\
@huey.task()
def forever(name):
    done = 0
    while True:
        done += 1
        progress(done, done + 1000)
        time.sleep(0.1)

first, second = forever("first"), forever("second")
first"""

AWAIT = """\
import asyncio
while not pathlib.Path("GATE").exists():
    await asyncio.sleep(0.05)"""

FLOOD = """\
%%huey_task flood
line = "x" * 99
for n in range(100_000):
    print(line)"""
FAST = """\
%%huey_task fast
import pathlib
from huey import progress
n = 0
while not pathlib.Path("GATE").exists():
    n += 1
    progress(n % 1000, 1000)"""
GROUP = """\
import pathlib, time
@huey.task()
def small(n):
    time.sleep(0.002)
    return n
small.map(range(1000))"""
WORK = """\
end = time.monotonic() + 4
while time.monotonic() < end:
    sum(range(1000))"""

COUNT = """() => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    window.received = [];
    kernel.anyMessage.connect((_, { direction, msg }) => {
        if (direction !== "recv" || msg.channel !== "iopub") return;
        if (["status", "execute_input"].includes(msg.header.msg_type)) return;
        window.received.push(Date.parse(msg.header.date) / 1000);
    });
}"""


@ONLY_LAB
def test_a_finished_card_has_buttons_while_its_kernel_lives(notebook):
    notebook.open([LOAD, RECEIVE, MOODY.replace("GATE", notebook.gate)])
    notebook.run(0, 1, 2)
    card = notebook.final(2)
    retry = card.get_by_role("button", name="Retry moody")
    expect(retry).to_be_visible()
    saved = "".join(notebook.save()["cells"][2]["outputs"][0]["data"]["text/html"])
    assert "data-task" in saved
    assert "<button" not in saved
    notebook.screenshot("card-failed-buttons", notebook.output(2))

    card.get_by_role("button", name="Copy traceback").click()
    copied = "() => navigator.clipboard.readText()"
    until(lambda: "not at try 1" in notebook.page.evaluate(copied), "the traceback is copied")

    retry.focus()
    notebook.page.keyboard.press("Enter")
    expect(notebook.live(2)).to_contain_text("try 2")
    expect(notebook.final(2)).to_have_count(0)
    open_gate(notebook, 2)
    expect(notebook.final(2)).to_contain_text("not at try 2")
    expect(retry).to_be_visible()

    notebook.save()
    notebook.reload()
    expect(retry).to_be_visible()
    notebook.screenshot("card-failed-reloaded", notebook.output(2))
    retry.click()
    expect(notebook.live(2)).to_contain_text("try 3")
    expect(notebook.final(2)).not_to_be_visible()
    open_gate(notebook, 3)
    expect(notebook.live(2)).to_contain_text("at last")

    notebook.shutdown()
    expect(notebook.output(2).get_by_role("button")).to_have_count(0)


def test_cards_loaded_anew_are_live_in_both_places_and_can_be_cancelled(notebook):
    waiting = AWAIT.replace("GATE", notebook.gate)
    imports = "import pathlib, time\nfrom huey import progress"
    busy = notebook.busy.replace(notebook.gate, f"{notebook.gate}.6")
    notebook.open([LOAD, imports, FOREVER, "first", "second", waiting, busy])
    notebook.run(0, 1, 2, 3, 4)
    for number in (2, 3, 4):
        notebook.watch_bar(number, moves=1)
    notebook.save()

    notebook.reload()

    for number in (2, 3, 4):
        notebook.watch_bar(number, moves=2)
    notebook.run(5)
    notebook.live(2).get_by_role("button", name="Cancel forever('first')").click()
    for number in (2, 3):
        expect(notebook.output(number)).to_contain_text("cancelled")
    assert notebook.prompt(5) == "[*]:"
    notebook.release()

    notebook.run(6)
    until(lambda: notebook.prompt(6) == "[*]:", "the cell runs")
    notebook.live(4).get_by_role("button", name="Cancel forever('second')").click()
    expect(notebook.output(4)).to_contain_text("cancelled")
    assert notebook.prompt(6) == "[*]:"
    open_gate(notebook, 6)
    notebook.wait_done(5, 6)


@ONLY_LAB
def test_a_cell_ends_on_the_page_whatever_is_shown(notebook):
    fast = FAST.replace("GATE", notebook.gate)
    notebook.open([LOAD, GROUP, FLOOD, fast, WORK])
    notebook.run(0, 1, 2, 3)
    notebook.wait_done(1, 2, 3)
    notebook.page.evaluate(COUNT)
    notebook.run(4)
    notebook.wait_done(4)

    expect(notebook.live(3)).to_contain_text("running")
    notebook.screenshot("three-at-once", notebook.page)
    received = notebook.page.evaluate("() => window.received")
    assert received
    assert max(sum(at <= t < at + 1 for t in received) for at in received) <= 10
    assert "rate exceeded" not in notebook.lab.log.read_text(errors="replace")
    notebook.release()
    expect(notebook.final(3)).to_contain_text("done")


def open_gate(notebook, number):
    (notebook.lab.folder / f"{notebook.gate}.{number}").touch()
