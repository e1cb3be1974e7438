"""The calls of a storage and its promises in JupyterLab: a table in every theme, saved as it is."""

from __future__ import annotations

import axe
import pytest
from labpage import ONLY_LAB, THEMES
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel, ONLY_LAB]

CELLS = [
    "from datetime import datetime\n"
    "from huey.storage import BlackHoleStorage, MemoryStorage\n"
    "from huey_jupyter.teaching import Promises, Trace\n"
    "trace = Trace(MemoryStorage())\n"
    "trace.heading('A heading')\n"
    "trace.enqueue(b'12345')\n"
    "trace.add_to_schedule(b'123', datetime(2026, 11, 30))\n"
    "trace.put_if_empty('key', b'1'), trace.put_if_empty('key', b'1')\n"
    "trace.dequeue(), trace.dequeue(), trace.peek_data('key'), trace.flush_results()\n"
    "trace.append_events([b'1'])\n"
    "trace",
    "Promises(BlackHoleStorage)",
]


def test_arrows_and_promises_read_well_in_every_theme(notebook):
    notebook.open(CELLS)
    notebook.run(0, 1)
    notebook.wait_done(0, 1)
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("trace", notebook.output(0))


def test_no_word_of_a_row_is_cut_off(notebook):
    notebook.open(CELLS)
    notebook.run(0)
    notebook.wait_done(0)
    table = notebook.output(0).locator("table")
    expect(table).to_be_visible()

    cut = table.evaluate(
        """(table) => [...table.querySelectorAll("td, th")]
            .filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
            .map((cell) => cell.textContent)"""
    )
    assert cut == []


def test_a_saved_trace_that_nobody_trusts_looks_the_same(notebook):
    notebook.open(CELLS)
    notebook.run(0)
    notebook.wait_done(0)
    saved = notebook.save()
    saved["metadata"].pop("signature", None)
    saved["cells"][0]["outputs"][0]["data"]["text/html"] += " "  # now it is not what was signed
    notebook.open_beside(notebook.write(saved))

    table = notebook.output(0).locator("table")
    expect(table.locator("tr")).to_have_count(11)
    wires = table.evaluate(
        """(table) => [...table.querySelectorAll(".hj-wire")]
            .map((wire) => [wire.offsetWidth > 5, getComputedStyle(wire).borderTopWidth])"""
    )
    assert wires
    assert all(wire == [True, "2px"] for wire in wires)
    notebook.screenshot("trace-saved", notebook.output(0))
