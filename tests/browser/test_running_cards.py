"""Cards while their tasks run."""

import pytest
from labpage import ONLY_LAB, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

LOAD = "%load_ext huey_jupyter"

COUNT = """\
%%huey_task counting -o res
import time
from huey import track

total = 0
for n in track(range(60), message="adding"):
    print("added", n)
    total += n
    time.sleep(0.1)
total"""

FOREVER = """\
%%huey_task {name}
import time
from huey import track

for n in track(range(100_000)):
    time.sleep(0.1)"""

UNTIL_RELEASED = """\
%%huey_task patient
import pathlib, time
from huey import progress

done = 0
while not pathlib.Path({gate!r}).exists():
    done += 1
    progress(done, done + 100)
    time.sleep(0.1)
"released" """

TALK = """\
%%huey_task {name} -o {name}
import time
from IPython.display import HTML, display

for n in range(5):
    print("{word}", n)
    time.sleep(0.1)
display(HTML("<b>{word} shown</b>"))"""

TALK_MEANWHILE = """\
while not (first.is_ready() and second.is_ready()):
    print("foreground")
    time.sleep(0.05)"""

MANY = """\
import time
from huey import track

@huey.task()
def forever(n):
    for _ in track(range(100_000)):
        time.sleep(0.1)

forever.map(range(12))"""

AWAIT = """\
import asyncio
await asyncio.sleep(60)"""


@ONLY_LAB
def test_a_bar_moves_while_a_later_cell_is_busy(notebook):
    notebook.open([LOAD, COUNT, notebook.busy, "res.get(blocking=True)"])
    notebook.run(0, 1, 2, 3)

    values = notebook.watch_bar(1, moves=3)

    assert values == sorted(values)
    assert notebook.prompt(2) == "[*]:"
    notebook.screenshot("card-running", notebook.output(1))
    notebook.release()
    notebook.wait_done(3)
    assert notebook.text(3).endswith("1770")
    expect(notebook.final(1)).to_contain_text("done")
    expect(notebook.final(1)).to_contain_text("1770")


def test_cancel_stops_a_task_whatever_the_notebook_is_at(notebook):
    names = ("first", "second", "third")
    forever = [FOREVER.format(name=name) for name in names]
    notebook.open([LOAD, "%huey start -w 3", *forever, MANY, notebook.busy, AWAIT])
    notebook.run(0, 1, 2, 3, 4, 5)
    notebook.wait_done(5)
    for number in (2, 3, 4):
        notebook.watch_bar(number, moves=1)

    cancel(notebook, 2)

    notebook.run(6)
    until(lambda: notebook.prompt(6) == "[*]:", "the cell runs")
    cancel(notebook, 3)
    expect(notebook.live(5)).to_contain_text("2 running")
    notebook.live(5).get_by_role("button", name="Cancel all").click()
    expect(notebook.final(5)).to_contain_text("12 cancelled")
    assert notebook.prompt(6) == "[*]:"
    notebook.release()
    notebook.wait_done(6)

    notebook.run(7)
    until(lambda: notebook.prompt(7) == "[*]:", "the cell runs")
    cancel(notebook, 4)
    assert notebook.prompt(7) == "[*]:"


def cancel(notebook, number):
    notebook.live(number).get_by_role("button", name="Cancel").click()
    expect(notebook.final(number)).to_contain_text("cancelled")


@ONLY_LAB
def test_what_a_task_says_is_on_its_own_card_alone(notebook):
    first, second = (
        TALK.format(name=n, word=w) for n, w in (("first", "apple"), ("second", "plum"))
    )
    notebook.open([LOAD, "import time", first, second, TALK_MEANWHILE])
    notebook.run(0, 1, 2, 3, 4)
    notebook.wait_done(4)

    for number, own in ((2, "apple"), (3, "plum")):
        card = notebook.final(number)
        for line in (f"{own} 0", f"{own} 4", f"{own} shown"):
            expect(card).to_contain_text(line)
        expect(card.locator("b")).to_have_text(f"{own} shown")
    assert words_in(notebook.text(2)) == {"apple"}
    assert words_in(notebook.text(3)) == {"plum"}
    assert words_in(notebook.text(4)) == {"foreground"}


@ONLY_LAB
def test_a_card_goes_on_after_the_page_was_loaded_anew(notebook):
    notebook.open([LOAD, UNTIL_RELEASED.format(gate=notebook.gate)])
    notebook.run(0, 1)
    notebook.watch_bar(1, moves=1)
    notebook.save()

    notebook.reload()

    notebook.watch_bar(1, moves=3)
    notebook.release()
    expect(notebook.output(1)).to_contain_text("done")
    expect(notebook.output(1)).to_contain_text("'released'")


def words_in(text: str) -> set[str]:
    return {word for word in ("apple", "plum", "foreground") if word in text}
