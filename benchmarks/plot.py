"""Draw kept results for the manual: ``python -m benchmarks.plot FILE.json FOLDER``.

One SVG for each workload, and ``results.rst``, which shows them and says the same in tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.pages import write_page
from benchmarks.results import Results, read
from benchmarks.tables import number
from benchmarks.workloads import WORKLOADS, Figure, Workload

# Okabe and Ito's colours, which differ for colour-blind eyes too.
COLOURS = dict(
    zip(
        CONTENDERS,
        (
            *("#0072B2", "#D55E00", "#E69F00", "#009E73"),
            *("#999999", "#CC79A7", "#56B4E9", "#000000"),
        ),
        strict=True,
    )
)
NINTH = "#882255"  # of Paul Tol's, for one line more than there are contenders
LINES = ("o", "s", "^", "D", "v", "P", "X", "*", "<")
STYLE = {
    "figure.facecolor": "white",  # of its own, so that it can be read on a dark page too
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "benchmarks",  # the same numbers make the same file
}
Bars = list[tuple[str, float, str]]
"""Labels, values and colours, from the top down."""


def draw(results: Results, folder: Path) -> list[Workload]:
    """Draw every workload of which there are figures; return these."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(STYLE)
    drawn = [each for each in WORKLOADS.values() if results.has(each.name)]
    for workload in drawn:
        figure = _lines(results, workload) if workload.along else _bars(results, workload)
        path = folder / f"{workload.name}.svg"
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        _tidy(path)
    return drawn


def _tidy(path: Path) -> None:
    """Take away what stands at the ends of lines, which git would mark."""
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n")


# --- bars --------------------------------------------------------------------------------------


def _bars(results: Results, workload: Workload) -> Any:
    """Return a panel of bars for each storage and figure."""
    from matplotlib.figure import Figure as Sheet

    panels = _panels(results, workload)
    heights = [len(bars) + 1.6 for _, bars in panels]
    sheet = Sheet(figsize=(7, 0.27 * sum(heights) + 0.3), layout="constrained")
    sheet.suptitle(workload.title, fontsize=11)
    grid = sheet.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for (title, bars), (axes,) in zip(panels, grid, strict=True):
        _draw_bars(axes, title, bars, log=not workload.ours_alone)
    return sheet


def _panels(results: Results, workload: Workload) -> list[tuple[str, Bars]]:
    panels = []
    for storage in workload.counts:
        if workload.ours_alone:
            bars = _bars_of_ours(results, workload, storage)
            panels.append((f"{storage}, {workload.unit}", bars))
            continue
        for figure in workload.drawn:
            bars = _bars_of_all(results, workload, storage, figure)
            less = ", less is better" if figure.less_is_better else ""
            panels.append((f"{storage}, {figure.label}{less}", bars))
    return [(title, bars) for title, bars in panels if bars]


def _bars_of_all(results: Results, workload: Workload, storage: str, figure: Figure) -> Bars:
    found = []
    for name, contender in CONTENDERS.items():
        median = results.median(workload.name, storage, name, figure.name)
        if median is not None:
            found.append((contender.label, median, COLOURS[name]))
    return found


def _bars_of_ours(results: Results, workload: Workload, storage: str) -> Bars:
    found = []
    for figure in workload.drawn:
        median = results.median(workload.name, storage, OURS, figure.name)
        if median is not None:
            found.append((figure.label, median, COLOURS[OURS]))
    return found


def _draw_bars(axes: Any, title: str, bars: Bars, *, log: bool) -> None:
    labels, values, colours = zip(*bars, strict=True)
    places = range(len(bars))
    axes.set_title(title, loc="left", fontsize=9)
    axes.barh(places, values, color=colours, height=0.7)
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    if log:
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 3, max(values) * 4)
        axes.xaxis.set_major_formatter(lambda value, _: number(value))
        axes.xaxis.set_minor_formatter("")
    else:
        axes.set_xlim(0, max(values) * 1.15)
    axes.tick_params(axis="x", which="both", labelsize=7)
    for place, value in zip(places, values, strict=True):
        gap = {"xytext": (4, 0), "textcoords": "offset points"}
        axes.annotate(number(value), (value, place), va="center", fontsize=8, **gap)


# --- lines -------------------------------------------------------------------------------------


def _lines(results: Results, workload: Workload) -> Any:
    """Return a panel of lines for each storage and contender."""
    from matplotlib.figure import Figure as Sheet

    panels = [
        (storage, name)
        for storage in workload.counts
        for name in CONTENDERS
        if results.entry(workload.name, storage, name)
    ]
    rows = (len(panels) + 2) // 2  # one is left for the legend
    sheet = Sheet(figsize=(8, 2.6 * rows + 0.4), layout="constrained")
    sheet.suptitle(f"{workload.title}, {workload.unit}", fontsize=11)
    grid = list(sheet.subplots(rows, 2, squeeze=False, sharex=True, sharey=True).flat)
    handles: dict[str, Any] = {}
    for (storage, name), axes in zip(panels, grid, strict=False):
        axes.set_title(f"{storage}, {CONTENDERS[name].label}", loc="left", fontsize=9)
        _draw_lines(axes, results, workload, storage, name, handles)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    grid[len(panels)].legend(handles.values(), handles.keys(), loc="center", frameon=False)
    return sheet


def _draw_lines(
    axes: Any,
    results: Results,
    workload: Workload,
    storage: str,
    contender: str,
    handles: dict[str, Any],
) -> None:
    labels = list(dict.fromkeys(figure.label for figure in workload.figures))
    colours = [*COLOURS.values(), NINTH]
    for n, label in enumerate(labels):
        points = [
            (figure.place, results.median(workload.name, storage, contender, figure.name))
            for figure in workload.figures
            if figure.label == label
        ]
        known = [(place, value) for place, value in points if value is not None]
        if known:
            look = {"color": colours[n], "marker": LINES[n], "markersize": 4}
            (handles[label],) = axes.plot(*zip(*known, strict=True), **look)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(workload.along)
    places = sorted({figure.place for figure in workload.figures})
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.minorticks_off()
    axes.tick_params(labelbottom=True)  # which shared axes show below the last panel alone
    axes.grid(axis="y", color="#dddddd")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.plot", description="Draw the results that a run has kept."
    )
    parser.add_argument("file", type=Path, help="what --json wrote")
    parser.add_argument("folder", type=Path, help="where SVGs and results.rst go")
    options = parser.parse_args(arguments)
    results = read(options.file)
    options.folder.mkdir(parents=True, exist_ok=True)
    drawn = draw(results, options.folder)
    write_page(results, drawn, options.folder / "results.rst")
    return 0


if __name__ == "__main__":
    sys.exit(main())
