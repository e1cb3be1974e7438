"""A notebook in JupyterLab or Notebook 7 as a test sees it: cells to run, outputs to look at."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest

T = TypeVar("T")

DEADLINE = 60.0  # seconds; the machine may be busy with something else

# For tests of what cannot be different in Notebook 7.
ONLY_LAB = pytest.mark.parametrize("lab", ["lab"], indirect=True)

# What the browser complains about is our business if it names one of these.
OURS = ("huey", "card.js", "anywidget", "fatal error")

THEMES = {
    "light": "JupyterLab Light",
    "dark": "JupyterLab Dark",
    "contrast": "JupyterLab Dark High Contrast",
}

# The status shown on the page says idle before there is a kernel. A predicate must not be async:
# its promise would count as true.
KERNEL_IS_IDLE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const context = panel?.sessionContext;
    if (!context || !panel.context.isReady) return false;
    const kernel = context.session?.kernel;
    return !!(context.isReady && kernel
        && kernel.connectionStatus === "connected" && kernel.status === "idle");
}"""
IS_SHOWN = """(path) => {
    const panel = window.jupyterapp?.shell.currentWidget;
    return !!(panel?.context?.isReady && panel.context.path === path && panel.content?.widgets);
}"""


@dataclass(frozen=True)
class Lab:
    """A running server of JupyterLab, or of Notebook 7, which is made of the same parts.

    :param app: ``lab`` or ``notebook``.
    :param url: its address, without a slash at the end.
    :param folder: where its notebooks are.
    :param log: where it writes what it has to say.
    """

    app: str
    url: str
    token: str
    folder: Path
    log: Path

    def address(self, path: str) -> str:
        """Return where a notebook is shown, with nothing of what was open before."""
        place = "lab/tree" if self.app == "lab" else "notebooks"
        return f"{self.url}/{place}/{path}?token={self.token}&reset"


@dataclass
class Notebook:
    """One notebook on one page. Cells count from 0.

    :param page: a page of playwright.
    :param path: the file shown, within the server's folder.
    :param errors: what went wrong in the browser.
    :param gate: the file that busy cells wait for; `release` makes it.
    """

    page: Any
    lab: Lab
    path: str = ""
    errors: list[str] = field(default_factory=list)
    gate: str = field(default_factory=lambda: f"{uuid4().hex[:8]}.open")

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error.stack or error)))
        self.page.on("console", self._note)

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    @property
    def complaints(self) -> list[str]:
        """What went wrong in the browser and is our business."""
        return [error for error in self.errors if any(word in error.lower() for word in OURS)]

    # -- opening --------------------------------------------------------------------------------

    def open(self, cells: list[str]) -> None:
        """Write the cells to a file with a fresh name, open it, and wait for its kernel."""
        self.open_file(self.write(_notebook(cells)))

    def open_file(self, path: str) -> None:
        """Open a file of the server's folder and wait for its kernel."""
        self.path = path
        self.page.goto(self.lab.address(path))
        self.wait_for_kernel()
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft?.()")

    def open_beside(self, path: str) -> None:
        """Open one more file, on the same page where that can be, to see what is saved in it."""
        self.path = path
        if self.lab.app == "lab":
            self.page.evaluate(
                "(path) => window.jupyterapp.commands.execute('docmanager:open', { path })", path
            )
        else:
            self.page.goto(self.lab.address(path))
        self.page.wait_for_function(IS_SHOWN, arg=path)

    def reload(self) -> None:
        """Load the page anew, as a reader does who presses F5."""
        self.page.reload()
        self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """Wait until there is a kernel with nothing to do."""
        self.page.wait_for_function(KERNEL_IS_IDLE)

    # -- cells ----------------------------------------------------------------------------------

    def run(self, *numbers: int) -> None:
        """Hand cells to the kernel, in this order, and return at once."""
        for number in numbers:
            self.page.evaluate(
                """(number) => {
                    const app = window.jupyterapp;
                    app.shell.currentWidget.content.activeCellIndex = number;
                    void app.commands.execute("notebook:run-cell");
                }""",
                number,
            )

    def source(self, number: int) -> str:
        """Return what stands in a cell."""
        return str(
            self.page.evaluate(
                """(number) => window.jupyterapp.shell.currentWidget.content.widgets[number]
                    .model.sharedModel.source""",
                number,
            )
        )

    def write_over(self, number: int, source: str) -> None:
        """Put another source into a cell."""
        self.page.evaluate(
            """([number, source]) => window.jupyterapp.shell.currentWidget.content.widgets[number]
                .model.sharedModel.setSource(source)""",
            [number, source],
        )

    def run_all(self) -> None:
        self.page.evaluate(
            "() => { void window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )

    def wait_done(self, *numbers: int) -> None:
        """Wait until cells have run to their end."""
        for number in numbers:
            until(lambda n=number: re.fullmatch(r"\[\d+\]:", self.prompt(n)), f"cell {number}")

    def code_cells(self) -> list[int]:
        """Return the numbers of the cells that can be run."""
        found: list[int] = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .map((cell, number) => cell.model.type === "code" ? number : -1)
                .filter((number) => number >= 0)"""
        )
        return found

    def cell(self, number: int) -> Any:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").nth(number)

    def prompt(self, number: int) -> str:
        """Return ``[ ]:`` before a cell has run, ``[*]:`` while it does, then its number."""
        return str(self.cell(number).locator(".jp-InputPrompt").text_content()).strip()

    def output(self, number: int) -> Any:
        """Return what is under a cell; what stands in the cell itself does not count."""
        return self.cell(number).locator(".jp-Cell-outputWrapper")

    def text(self, number: int) -> str:
        """Return all text under a cell, what is folded away included."""
        return str(self.output(number).text_content())

    def outputs(self, number: int) -> list[dict[str, Any]]:
        """Return what is under a code cell as the file would hold it."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """(number) => window.jupyterapp.shell.currentWidget.content.widgets[number]
                .model.outputs.toJSON()""",
            number,
        )
        return found

    def live(self, number: int) -> Any:
        """Return the live cards under a cell."""
        return self.output(number).locator(".hj-root")

    def final(self, number: int) -> Any:
        """Return the cards under a cell that are plain HTML."""
        return self.output(number).locator(".jp-RenderedHTML > .hj")

    def bar(self, number: int) -> str | None:
        """Return how full the live bar under a cell is, in percent; None where there is none."""
        bars = self.live(number).get_by_role("progressbar")
        values: list[str | None] = bars.evaluate_all(
            "(bars) => bars.map((bar) => bar.getAttribute('aria-valuenow'))"
        )
        return values[0] if values else None

    def watch_bar(self, number: int, moves: int = 3) -> list[float]:
        """Wait until a live bar has moved so often; return what it showed."""
        seen: list[float] = []

        def look() -> bool:
            value = self.bar(number)
            if value is not None and float(value) not in seen[-1:]:
                seen.append(float(value))
            return len(seen) > moves

        until(look, f"bar {number} moves {moves} times")
        return seen

    # -- busy cells -----------------------------------------------------------------------------

    @property
    def busy(self) -> str:
        """Source of a line that keeps whoever runs it busy until `release`."""
        return (
            "import pathlib, time\n"
            f"while not pathlib.Path({self.gate!r}).exists(): time.sleep(0.05)"
        )

    def release(self) -> None:
        """Let busy cells come to their end."""
        (self.lab.folder / self.gate).touch()

    # -- the file -------------------------------------------------------------------------------

    def write(self, content: dict[str, Any]) -> str:
        """Write a notebook to a file with a fresh name, and return that."""
        name = f"{uuid4().hex[:8]}.ipynb"
        (self.lab.folder / name).write_text(json.dumps(content), encoding="utf-8")
        return name

    def save(self) -> dict[str, Any]:
        """Save the notebook and return what is in the file."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        text = (self.lab.folder / self.path).read_text(encoding="utf-8")
        saved: dict[str, Any] = json.loads(text)
        return saved

    def shutdown(self) -> None:
        """End the kernel."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def restart(self) -> None:
        """Start the kernel anew, and wait for it."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
        )
        self.wait_for_kernel()

    # -- looks ----------------------------------------------------------------------------------

    def see(self) -> str:
        """Return all text on the page, for a person who looks into what went wrong."""
        return str(self.page.locator("body").inner_text())

    def set_theme(self, theme: str) -> None:
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            THEMES[theme],
        )
        self.page.wait_for_function(
            """(theme) => document.body.dataset.jpThemeName === theme
                && !document.querySelector("#jupyterlab-splash")""",
            arg=THEMES[theme],
        )

    def screenshot(self, name: str, part: Any = None) -> None:
        """Take a picture in each theme, if the environment names a folder in HUEY_SCREENSHOTS.

        :param part: what of the page; by default the notebook in full length.
        """
        folder = os.environ.get("HUEY_SCREENSHOTS")
        if not folder:
            return
        if part is None:
            self._show_in_full()
        for theme in ("dark", "light"):
            self.set_theme(theme)
            (part or self.page).screenshot(path=Path(folder) / f"{name}-{theme}.png")

    def _show_in_full(self) -> None:
        bottom = self.page.evaluate(
            """() => {
                const panel = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden)");
                panel.querySelector(".jp-WindowedPanel-outer").scrollTop = 0;
                const last = [...panel.querySelectorAll(".jp-Cell")].at(-1);
                return last.getBoundingClientRect().bottom;
            }"""
        )
        self.page.set_viewport_size({"width": 1100, "height": round(bottom) + 60})


def until(found: Callable[[], T], what: str) -> T:
    """Ask again and again until the answer is true, and return it.

    :param what: named in the error when the time is over.
    """
    answer = None
    for answer in polled(found):
        if answer:
            return answer
    raise AssertionError(f"{what}: not within {DEADLINE:.0f} s; the last answer was {answer!r}")


def polled(ask: Callable[[], T]) -> Iterator[T]:
    """Yield answers until the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        yield ask()
        time.sleep(0.03)


def _notebook(cells: list[str]) -> dict[str, Any]:
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
