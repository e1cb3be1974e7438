"""Cards whose tasks are over: plain HTML in the notebook and in its file."""

import re

import pytest
from labpage import ONLY_LAB
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

LOAD = "%load_ext huey_jupyter"

TABLE = """\
class Table:
    def _repr_html_(self):
        rows = "".join(
            f"<tr><th>{n}</th><td>{n * 1000}</td><td>{3.14 + n / 9:.3f}</td></tr>" for n in range(5)
        )
        head = "<thead><tr><th></th><th>n</th><th>estimate</th></tr></thead>"
        return f"<table border='1' class='dataframe'>{head}<tbody>{rows}</tbody></table>"
"""
MAKE_TABLE = """\
%%huey_task table -o res
for n in range(3):
    print("row", n)
Table()"""

FAIL = """\
%%huey_task load -o res
print("reading")

def parse(text):
    return int(text)

parse("seven")"""

SQUARES = """\
import time

@huey.task()
def square(n):
    {busy}
    if n in (3, 7):
        raise ValueError(f"no square today for {{n}}")
    return n * n

squares = square.map(range(12))
squares"""

IMG = """<img src=x onerror="window.hacked=1">"""
HOSTILE = f"""\
%%huey_task value
print('''{IMG}''')
{{busy}}
'''{IMG}'''"""
HOSTILE_ERROR = f"""\
%%huey_task error
raise ValueError('''{IMG}''')"""
HOSTILE_GROUP = f"""\
@huey.task()
def take(text):
    raise ValueError(text)
take.map(['''{IMG}''', "harmless"])"""


def test_a_finished_card_stays_when_its_kernel_is_gone(notebook):
    notebook.open([LOAD, TABLE, MAKE_TABLE, "%huey wait"])
    notebook.run(0, 1, 2, 3)
    notebook.wait_done(3)
    expect(notebook.final(2)).to_contain_text("done")
    expect(notebook.final(2).locator("table")).to_contain_text("3.584")
    expect(notebook.live(2)).to_have_count(0)
    notebook.screenshot("card-done", notebook.output(2))

    saved = notebook.save()
    [output] = saved["cells"][2]["outputs"]
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "done" in "".join(output["data"]["text/plain"])

    notebook.shutdown()
    notebook.open_beside(notebook.write(saved))  # signed by its content, so it is trusted
    expect(notebook.final(2).locator("table")).to_contain_text("3.584")
    assert "var(--jp-" in notebook.final(2).get_attribute("style")
    expect(notebook.output(2).get_by_role("button")).to_have_count(0)
    assert "not found" not in notebook.text(2)

    saved["cells"][0]["source"] = "# changed by somebody"
    notebook.open_beside(notebook.write(saved))
    for text in ("done", "table", "3 lines of output", "3.584"):
        expect(notebook.final(2).get_by_text(text, exact=True).first).to_be_visible()
    assert "var(--jp-" not in notebook.final(2).get_attribute("style")  # JupyterLab took it out
    expect(notebook.output(2).get_by_role("button")).to_have_count(0)
    assert "not found" not in notebook.text(2)
    notebook.screenshot("card-done-untrusted", notebook.output(2))


@ONLY_LAB
def test_tasks_that_are_over_at_once_leave_no_error_in_the_browser(notebook):
    notebook.open([LOAD, *["%%huey_task\n6 * 7"] * 4])
    notebook.run(0, 1, 2, 3, 4)
    notebook.wait_done(4)

    for number in (1, 2, 3, 4):
        expect(notebook.final(number)).to_contain_text("42")
    # anywidget complains two seconds after a card is gone that it had not finished loading.
    notebook.page.wait_for_timeout(2500)
    assert notebook.complaints == []


@ONLY_LAB
def test_a_failed_card_tells_the_line(notebook):
    notebook.open([LOAD, FAIL, "%huey wait"])
    notebook.run(0, 1, 2)
    notebook.wait_done(2)

    card = notebook.final(1)
    expect(card).to_contain_text("failed")
    message = "ValueError: invalid literal for int() with base 10: 'seven'"
    expect(card.get_by_text(message).first).to_be_visible()
    traceback = card.locator("details", has_text="traceback")
    expect(traceback.locator("pre")).not_to_be_visible()

    traceback.locator("summary").first.click()

    expect(traceback.locator("pre")).to_be_visible()
    expect(traceback.locator("pre")).to_contain_text(re.compile(r"Cell In\[\d+\], line 7"))
    expect(traceback.locator("pre")).to_contain_text("line 5, in parse")
    notebook.screenshot("card-failed", notebook.output(1))


@ONLY_LAB
def test_a_group_shows_its_tasks_and_ends_as_html(notebook):
    busy = notebook.busy.replace("\n", "\n    ")
    notebook.open([LOAD, SQUARES.format(busy=busy), "%huey wait"])
    notebook.run(0, 1)

    expect(notebook.live(1).get_by_role("button", name=re.compile("^task "))).to_have_count(12)
    expect(notebook.live(1)).to_contain_text("2 running")
    expect(notebook.live(1)).to_contain_text("10 queued")
    notebook.screenshot("group-running", notebook.output(1))
    notebook.release()
    notebook.run(2)
    notebook.wait_done(2)

    card = notebook.final(1)
    expect(card).to_contain_text("square × 12")
    expect(card).to_contain_text("2 failed")
    expect(card).to_contain_text("10 done")
    expect(card).to_contain_text("ValueError: no square today for 7")
    expect(card.get_by_title(re.compile("^task "))).to_have_count(12)
    expect(notebook.live(1)).to_have_count(0)
    notebook.screenshot("group-done", notebook.output(1))


@ONLY_LAB
def test_text_of_a_task_is_never_markup(notebook):
    cells = [HOSTILE.format(busy=notebook.busy), HOSTILE_ERROR, HOSTILE_GROUP]
    notebook.open([LOAD, *cells, "%huey wait"])
    notebook.run(0, 1)
    expect(notebook.live(1)).to_contain_text(IMG)
    assert not hacked(notebook)

    notebook.release()
    notebook.run(2, 3, 4)
    notebook.wait_done(4)

    for number in (1, 2, 3):
        expect(notebook.final(number).get_by_text(IMG).first).to_be_visible()
        expect(notebook.output(number).locator("img")).to_have_count(0)
    assert not hacked(notebook)


@ONLY_LAB
def test_loading_twice_is_harmless(notebook):
    notebook.open([LOAD, LOAD, "%%huey_task\n6 * 7", "%huey wait", "%huey"])
    notebook.run(0, 1, 2, 3, 4)
    notebook.wait_done(4)

    assert notebook.text(1).count("2 workers") == 0
    expect(notebook.final(2)).to_contain_text("42")
    expect(notebook.final(4)).to_contain_text("2 thread")


def hacked(notebook) -> bool:
    return notebook.page.evaluate("() => window.hacked !== undefined")
