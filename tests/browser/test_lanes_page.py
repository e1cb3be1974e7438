"""Lanes of workers in JupyterLab: they move, and stay as plain HTML that says the same."""

from __future__ import annotations

import axe
import pytest
from labpage import ONLY_LAB, THEMES, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel, ONLY_LAB]

CELLS = [
    "%load_ext huey_jupyter\nfrom huey_jupyter.teaching import Lanes, work",
    "@huey.task(retries=100, retry_delay=0.2)\n@huey.lock_task('<slip>')\n"
    "def sell(glass):\n    work(0.8)",
    "with Lanes() as lanes:\n    for glass in range(6):\n        sell(glass)",
]


def test_lanes_move_and_read_well_in_every_theme_when_they_are_over(notebook):
    notebook.open(CELLS)
    notebook.run(0, 1, 2)
    live = notebook.live(2)
    expect(live.locator("[data-key='back in line']")).to_be_visible()
    first = live.locator("[data-key=counts]").text_content()
    assert "6 tasks" in first
    bars = live.locator(".hj-seg-good")
    until(lambda: bars.count() >= 2, "the lanes move")
    assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("lanes-live", notebook.output(2))

    notebook.wait_done(2)
    final = notebook.final(2)
    expect(final).to_contain_text("never by two at once")
    expect(final).to_contain_text("▨ <slip>")
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
        notebook.screenshot(f"lanes-over-{theme}", notebook.output(2))
    notebook.set_theme("light")
    [output] = next(c for c in notebook.save()["cells"] if "Lanes()" in "".join(c["source"]))[
        "outputs"
    ]
    assert set(output["data"]) == {"text/html", "text/plain"}
