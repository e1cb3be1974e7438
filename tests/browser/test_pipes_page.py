"""The graph of a pipeline and the classes of a triage in JupyterLab, while they go on."""

from __future__ import annotations

from textwrap import indent

import axe
import pytest
from labpage import ONLY_LAB, THEMES, until
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.kernel, ONLY_LAB]

LOAD = "%load_ext huey_jupyter\nfrom huey_jupyter.teaching import Pipes, Triage, work"


def test_the_steps_of_a_graph_light_up(notebook):
    steps = (
        "@huey.task()\ndef fetch(place):\n    return place + ';?'\n\n\n"
        f"@huey.task()\ndef parse(telegram):\n{indent(notebook.busy, '    ')}"
        "\n    return int(telegram[-1])\n\n\n"
        "@huey.task()\ndef complain(error):\n    return 'again'"
    )
    pipes = "Pipes(fetch.s('Bodø').then(parse.s().error(complain)).then(complain))"
    notebook.open([LOAD, steps, f"pipes = {pipes}\npipes", "pipes.start()", "print(pipes)"])
    notebook.run(0, 1, 2, 3)
    notebook.wait_done(0, 1, 2, 3)

    expect(notebook.final(2)).to_contain_text("a plan, not handed over")
    live = notebook.live(3)
    expect(live.locator("[data-key=told]")).to_contain_text("running: parse")
    expect(live.locator(".hj-seg-run")).to_have_count(1)
    expect(live.locator(".hj-unlit")).to_have_count(2)
    notebook.screenshot("pipes-live", live)
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""

    notebook.release()
    expect(notebook.final(3)).to_contain_text("2 of 4 steps done; failed: parse; cancelled")
    notebook.run(4)
    until(lambda: "✗ failed" in notebook.text(4), "the text twin")
    notebook.screenshot("pipes-final", notebook.final(3))


def test_who_is_urgent_goes_first_and_a_slider_can_change_that(notebook):
    notebook.open(
        [
            LOAD,
            "@huey.task()\ndef treat(seconds):\n    work(seconds)\n\n\n%huey start -w 1",
            "room = Triage(treat, {'pain': (9, 14), 'arm': (5, 18), 'cough': (0, 18)}, 0.025, "
            "seconds=300, spread='constant', seed=1).start()",
            "print(room.rates)",
        ]
    )
    notebook.run(0, 1, 2)
    notebook.wait_done(0, 1, 2)
    live = notebook.live(2)
    queue = live.locator("[data-key=queue]")
    expect(queue).to_contain_text("●●●●●")
    shown = queue.locator(".hj-mono").text_content()
    assert list(shown) == sorted(shown, key="▲■●".index)
    notebook.screenshot("triage-live", live)
    for theme in THEMES:
        notebook.set_theme(theme)
        assert axe.violations(notebook.page, ".jp-OutputArea-output") == ""

    slider = live.get_by_role("slider", name="pain")
    slider.focus()
    notebook.page.keyboard.press("ArrowRight")

    def rates():
        notebook.run(3)
        notebook.wait_done(3)
        return "[15.0, 18.0, 18.0]" in notebook.text(3)

    until(rates, "more of them come")
    live.get_by_role("button", name="No more arrivals").click()
    expect(notebook.final(2)).to_contain_text("over")
