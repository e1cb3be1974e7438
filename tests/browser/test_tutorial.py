"""The course, run in the browser as a reader would who presses Run All."""

import shutil
from pathlib import Path

import pytest
from labpage import ONLY_LAB, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

COURSE = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@ONLY_LAB
@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_a_tutorial_runs_from_top_to_bottom(notebook, path):
    shutil.copy(path, notebook.lab.folder)
    notebook.open_file(path.name)
    notebook.run_all()

    for number in notebook.code_cells():
        until(
            lambda n=number: errors_under(notebook, n) or notebook.prompt(n)[1:-2].isdigit(),
            f"cell {number}",
        )
        assert not errors_under(notebook, number)

    expect(notebook.page.locator(".hj-root")).to_have_count(0)
    notebook.screenshot(f"tutorial-{path.stem}")


def errors_under(notebook, number):
    return [output for output in notebook.outputs(number) if output["output_type"] == "error"]
