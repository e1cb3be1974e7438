"""How cards, groups and the dashboard look in each theme, for everybody: axe-core finds nothing."""

from __future__ import annotations

import re

import axe
import pytest
from labpage import ONLY_LAB, THEMES
from playwright.sync_api import expect

from huey_jupyter.states import State
from tools import gallery

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return where a page of the gallery is kept for each theme and look."""
    return tmp_path_factory.mktemp("gallery")


@pytest.fixture
def opened(page, folder):
    """Open a section of the gallery, the only one on its page, and return it."""

    def open_section(theme, look):
        path = folder / f"{theme}-{look}.html"
        if not path.exists():
            path.write_text(gallery.page([theme], [look]), encoding="utf-8")
        page.goto(f"file://{path}#{theme}-{look}")
        return page.locator(f"#{theme}-{look}")

    return open_section


# --- every state, in every theme ---


@pytest.mark.parametrize("look", gallery.LOOKS)
@pytest.mark.parametrize("theme", gallery.THEMES)
def test_nobody_is_shut_out(page, opened, theme, look):
    section = opened(theme, look)
    for state in State:
        expect(section.get_by_text(f"{state.shape} {state.word}").first).to_be_visible()

    assert axe.violations(page, f"#{theme}-{look}") == ""


@pytest.mark.parametrize("width", gallery.WIDTHS)
@pytest.mark.parametrize("look", gallery.LOOKS)
def test_nothing_is_wider_than_the_page(page, opened, look, width):
    page.set_viewport_size({"width": width, "height": 600})
    section = opened("light", look)

    wider = section.evaluate(
        """(section) => [...section.querySelectorAll(".hj")]
            .filter((card) => card.scrollWidth > card.clientWidth + 1)
            .map((card) => card.innerText.slice(0, 60))"""
    )

    assert wider == []


def test_with_forced_colours_bars_and_lanes_can_still_be_told(page, opened):
    page.emulate_media(forced_colors="active")
    section = opened("light", "live")
    seen = """(one) => {
        const probe = document.body.appendChild(document.createElement("div"));
        probe.style.backgroundColor = "Canvas";
        const canvas = getComputedStyle(probe).backgroundColor;
        probe.remove();
        return getComputedStyle(one).backgroundColor !== canvas;
    }"""

    for name in (".hj-fill-run.hj-fill", ".hj-share", ".hj-long", ".hj-bar-up.hj-fill-run"):
        assert section.locator(name).last.evaluate(seen), name
    edge = "(one) => getComputedStyle(one).borderLeftStyle"
    assert section.locator(".hj-run").first.evaluate(edge) == "solid"
    assert axe.violations(page, "#light-live") == ""


def test_with_less_motion_nothing_moves_by_itself(page, opened):
    page.emulate_media(reduced_motion="reduce")
    section = opened("light", "live")

    moving = section.evaluate(
        """(section) => section.getAnimations({ subtree: true }).length
            + [...section.querySelectorAll("*")]
                .filter((one) => getComputedStyle(one).transitionDuration !== "0s").length"""
    )

    assert moving == 0


def test_every_button_can_be_reached_and_pressed_with_the_keyboard(page, opened):
    section = opened("light", "live")
    dashboard = section.locator("[data-task=dashboard]").first
    wanted = ["pause", "fewer", "more"]
    page.evaluate("() => { window.sent = []; }")
    dashboard.focus()

    for verb in wanted:
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.dataset.verb") == verb
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")

    sent = page.evaluate("() => window.sent")
    assert [message["verb"] for message in sent] == wanted
    assert {message["task"] for message in sent} == {"dashboard"}


def test_every_button_has_a_name_that_tells_it_from_the_others(opened):
    section = opened("light", "live")
    buttons = section.locator("[data-verb]")
    names = buttons.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")

    assert len(names) > 20
    assert all(re.fullmatch(r"\S.*\S", name) for name in names)


# --- in JupyterLab itself ---


@ONLY_LAB
@pytest.mark.kernel
def test_a_dashboard_keeps_its_lanes_in_a_notebook_that_is_not_trusted(notebook):
    shown = next(gallery.dashboards(live=False))
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": "one",
                "metadata": {},
                "execution_count": 1,
                "source": "# made by somebody else",
                "outputs": [
                    {
                        "output_type": "display_data",
                        "data": {"text/html": shown, "text/plain": "dashboard"},
                        "metadata": {},
                    }
                ],
            }
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    notebook.open_file(notebook.write(content))
    output = notebook.output(0)
    expect(output.get_by_text("4 threads")).to_be_visible()
    assert "var(--jp-" not in output.locator(".hj").first.get_attribute("style")

    lanes = output.locator(".hj-track").evaluate_all(
        """(tracks) => tracks.map((track) => {
            const { left, width } = track.getBoundingClientRect();
            return [...track.children].map((one) => {
                const box = one.getBoundingClientRect();
                const height = Math.round(box.height);
                return [(box.left - left) / width, box.width / width, height];
            });
        })"""
    )
    assert len(lanes) == 4
    for lane in lanes:
        assert len(lane) >= 3
        assert lane == sorted(lane)  # time runs to the right
        assert lane[-1][0] + lane[-1][1] <= 1.001
        assert {height for *_, height in lane} == {26}
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""
