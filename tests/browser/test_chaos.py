"""Consumers with buttons in JupyterLab: a worker is killed by one, and its task is done again."""

from __future__ import annotations

import axe
import pytest
from labpage import ONLY_LAB, THEMES, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel, ONLY_LAB]

CELLS = [
    "%load_ext huey_jupyter\nfrom huey_jupyter.teaching import Consumers, work",
    "%huey use sqlite:{db}\n\n\n@huey.task()\ndef carry(what, dots):\n    work(dots, what)\n"
    "    return f'{what} is there'",
    "crew = Consumers(2).start()",
    'parcel = carry("the parcel", "." * 24)\nparcel',
    "{busy}",
    "crew.stop()",
]


@pytest.fixture
def chaos(notebook):
    """A notebook with two consumers, of which one carries a parcel; and their figure."""
    fills = {"db": f"{notebook.gate}.db", "busy": notebook.busy}
    cells = [cell.replace("{db}", fills["db"]).replace("{busy}", fills["busy"]) for cell in CELLS]
    notebook.open(cells)
    notebook.run(0, 1, 2, 3)
    notebook.wait_done(0, 1, 2, 3)
    expect(notebook.live(3)).to_contain_text("running")
    return notebook, notebook.live(2)


def test_a_worker_is_killed_by_a_button_while_a_cell_runs_and_its_task_is_done(chaos):
    notebook, figure = chaos
    notebook.run(4)
    busy = figure.locator(".hj-lane", has_text="carry")
    expect(busy).to_have_count(1)
    number = busy.get_by_role("button", name="SIGKILL worker").get_attribute("data-task")

    busy.get_by_role("button", name="SIGKILL worker").click()

    expect(figure).to_contain_text("☠ killed by SIGKILL", timeout=20_000)
    expect(notebook.live(3)).to_contain_text("was lost: it runs again", timeout=20_000)
    expect(figure.locator("[data-key=blows]")).to_contain_text("cut off, began again")
    assert notebook.prompt(4) == "[*]:"
    notebook.screenshot("chaos-again", notebook.output(2))
    notebook.screenshot("chaos-card", notebook.output(3))

    expect(notebook.final(3)).to_contain_text("the parcel is there", timeout=20_000)
    expect(notebook.final(3)).to_contain_text("was lost: it ran again")
    assert number not in figure.inner_html()
    notebook.release()


def test_a_figure_of_consumers_reads_well_in_every_theme_and_stays_when_they_are_stopped(chaos):
    notebook, figure = chaos
    figure.get_by_role("button", name="SIGTERM consumer 1").focus()
    notebook.page.keyboard.press("Enter")
    expect(figure).to_contain_text("◼ ended after SIGTERM")
    figure.get_by_role("button", name="Start a consumer").click()
    until(lambda: figure.locator(".hj-consumer").count() == 3, "a third consumer")
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("chaos-live", notebook.output(2))
    notebook.set_theme("light")

    notebook.run(5)
    notebook.wait_done(5)

    final = notebook.final(2)
    expect(final).to_contain_text("✓ stopped")
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
    notebook.screenshot("chaos-over", notebook.output(2))
    [saved] = next(c for c in notebook.save()["cells"] if "Consumers(2)" in "".join(c["source"]))[
        "outputs"
    ]
    assert set(saved["data"]) == {"text/html", "text/plain"}
