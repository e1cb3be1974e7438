"""``--notify`` on the page: a notice of the system if the page may, else a title that flashes."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel]

LOAD = "%load_ext huey_jupyter"
TOLD = "%%huey_task soon --notify\n{busy}"

# A page under a driver has no way to look at the desktop, so what it asks to be shown is noted too.
NOTE_NOTICES = """() => {
    const asked = (window.asked = []);
    window.Notification = class extends window.Notification {
        constructor(text, options) {
            super(text, options);
            asked.push(text);
        }
    };
}"""


def test_the_title_flashes_until_the_reader_is_back(notebook):
    notebook.open([LOAD, TOLD.format(busy=notebook.busy)])
    title = notebook.page.title()
    notebook.run(0, 1)
    expect(notebook.live(1)).to_contain_text("running")

    notebook.release()

    expect(notebook.page).to_have_title("✓ soon: done")
    notebook.page.keyboard.press("Shift")
    assert "soon" not in notebook.page.title()
    assert re.sub(r"\W", "", title) in re.sub(r"\W", "", notebook.page.title())


def test_the_system_shows_a_notice_if_the_page_may(notebook):
    notebook.page.context.grant_permissions(["notifications"], origin=notebook.lab.url)
    try:
        notebook.open([LOAD, TOLD.format(busy=notebook.busy)])
        notebook.page.evaluate(NOTE_NOTICES)
        notebook.run(0, 1)
        expect(notebook.live(1)).to_contain_text("running")

        notebook.release()

        notebook.page.wait_for_function("() => window.asked.length")
        assert notebook.page.evaluate("() => window.asked") == ["✓ soon: done"]
        assert "soon" not in notebook.page.title()
    finally:
        notebook.page.context.clear_permissions()
