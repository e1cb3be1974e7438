"""How cards, groups and the dashboard look in each theme, for everybody: axe-core finds nothing."""

import axe
import pytest
from playwright.sync_api import expect

from huey_jupyter.states import State
from tools import gallery

pytestmark = pytest.mark.browser

LOAD = "%load_ext huey_jupyter"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the address of the gallery, which has a section a theme and look."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "gallery.html").write_text(gallery.page(), encoding="utf-8")
    return f"file://{folder}/gallery.html"


def opened(page, address):
    page.goto("about:blank")  # a new part of the address alone would not load the page anew
    page.goto(address)


@pytest.mark.parametrize("look", gallery.LOOKS)
@pytest.mark.parametrize("theme", gallery.THEMES)
def test_nobody_is_shut_out(page, pages, theme, look):
    opened(page, f"{pages}#{theme}-{look}")
    section = page.locator(f"#{theme}-{look}")
    for state in State:
        expect(section.get_by_text(f"{state.shape} {state.word}").first).to_be_visible()

    assert axe.violations(page, f"#{theme}-{look}") == ""
