"""An agenda in JupyterLab: the present moves, and what stays reads well in every theme."""

from __future__ import annotations

import axe
import pytest
from labpage import ONLY_LAB, THEMES, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel, ONLY_LAB]

CELLS = [
    "%load_ext huey_jupyter\nfrom huey_jupyter.teaching import Agenda",
    "@huey.task()\ndef remind(what):\n    return what\n\n"
    "handles = [remind.schedule((what,), delay=s)"
    " for what, s in (('tea', 2), ('bread', 5), ('walk', 3))]\n"
    "handles[2].revoke()",
    "Agenda(*handles)",
]


def test_the_present_moves_towards_the_tasks_and_what_stays_reads_well(notebook):
    notebook.open(CELLS)
    notebook.run(0, 1, 2)
    live = notebook.live(2)
    now = live.locator("[data-key=now].hj-run")
    widths = [now.bounding_box()["width"]]
    until(lambda: now.bounding_box()["width"] > widths[0] + 20, "the present moves")
    expect(live).to_contain_text("remind('tea')")
    assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("agenda-live", notebook.output(2))

    final = notebook.final(2)
    expect(final).to_contain_text("over")
    expect(final).to_contain_text("after its time")
    expect(final).to_contain_text("⊘ cancelled")
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
        notebook.screenshot(f"agenda-{theme}", notebook.output(2))
