"""The manual's pages in a browser: read by everybody, in both themes, asking no other host."""

from __future__ import annotations

import os
from pathlib import Path

import axe
import pytest
from labpage import DEADLINE
from sites import served

pytestmark = [pytest.mark.browser, pytest.mark.site, pytest.mark.slow]

THEMES = ("light", "dark")
GRAVE = ["serious", "critical"]


@pytest.fixture(scope="module")
def address(manual):
    with served(manual / "html") as url:
        yield url


@pytest.mark.parametrize("theme", THEMES)
def test_every_page_is_for_everybody_and_asks_no_other_host(page, manual, address, theme):
    asked, grave = [], {}
    page.on("request", lambda request: asked.append(request.url))
    page.emulate_media(color_scheme=theme)
    for path in pages(manual / "html"):
        page.goto(f"{address}/{path}")
        shoot(page, theme, path)
        grave[path] = axe.violations(page, "body", impacts=GRAVE)

    assert "\n\n".join(f"{path}\n{one}" for path, one in grave.items() if one) == ""
    assert [url for url in asked if not url.startswith((address, "data:"))] == []


def test_a_lesson_opens_in_the_browser_from_its_link(page, address):
    page.goto(f"{address}/tutorials/index.html")
    page.get_by_role("link", name="Lesson 01 in the browser").click()
    title = page.get_by_role("heading", name="First task: hand work to someone else")
    title.wait_for(timeout=1000 * DEADLINE)


def pages(folder: Path) -> list[str]:
    """Return the manual's pages, of the lessons' site only the link to it."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*.html")
        if path.relative_to(folder).parts[0] not in {"lite", "_static"}
    )


def shoot(page, theme, path):
    if folder := os.environ.get("HUEY_SCREENSHOTS"):
        name = path.removesuffix(".html").replace("/", "-")
        page.screenshot(path=Path(folder) / f"manual-{name}-{theme}.png", full_page=True)
