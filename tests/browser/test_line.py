"""The chart of a line of tasks in JupyterLab: it moves, obeys, and stays as plain HTML."""

from __future__ import annotations

import axe
import pytest
from labpage import ONLY_LAB, THEMES, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel, ONLY_LAB]

CELLS = [
    "%load_ext huey_jupyter\nfrom huey_jupyter.teaching import Line, work",
    "@huey.task()\ndef serve(seconds):\n    work(seconds)\n\n\n%huey start -w 1",
    "line = Line(serve, rate=30, service=0.04, seconds=300, seed=1).start()",
    "print(line.rate, line.workers)",
]


@pytest.fixture
def chart(notebook):
    """A chart that moves; return the notebook, and the chart."""
    notebook.open(CELLS)
    notebook.run(0, 1, 2)
    notebook.wait_done(0, 1, 2)
    live = notebook.live(2)
    expect(live.locator("[data-key=told]")).to_contain_text("waiting after")
    return notebook, live


def told(live):
    return live.locator("[data-key=counts]").text_content()


def test_a_chart_moves_until_its_picture_is_paused(chart):
    _, live = chart
    first = told(live)
    until(lambda: told(live) != first, "the chart moves")

    live.get_by_role("button", name="Pause the picture").focus()
    live.page.keyboard.press("Enter")
    expect(live.get_by_role("button", name="Go on")).to_be_visible()
    held = told(live)
    live.page.wait_for_timeout(1500)
    assert told(live) == held

    live.get_by_role("button", name="Go on").click()
    until(lambda: told(live) != held, "the chart moves again")


def test_a_slider_is_moved_with_the_keyboard(chart):
    notebook, live = chart
    slider = live.get_by_role("slider", name="workers")
    slider.focus()
    notebook.page.keyboard.press("ArrowRight")

    expect(slider).to_have_attribute("value", "2")
    expect(slider).to_be_focused()

    def workers():
        notebook.run(3)
        notebook.wait_done(3)
        return notebook.text(3).strip() == "30 2"

    until(workers, "there are two workers")


def test_a_chart_reads_well_in_every_theme_and_stays_when_it_is_over(chart):
    notebook, live = chart
    until(lambda: "5 s" in live.locator("[data-key=table]").text_content(), "a table")
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("line-live", notebook.output(2))
    notebook.set_theme("light")

    live.get_by_role("button", name="No more arrivals").click()

    final = notebook.final(2)
    expect(final).to_be_visible()
    expect(final).to_contain_text("% apart")
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("line-over", notebook.output(2))
    [saved] = next(c for c in notebook.save()["cells"] if "seed=1" in "".join(c["source"]))[
        "outputs"
    ]
    assert set(saved["data"]) == {"text/html", "text/plain"}
