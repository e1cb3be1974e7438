"""The figures of a run as tables in a terminal."""

from __future__ import annotations

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.goals import Verdict
from benchmarks.match import Entry
from benchmarks.results import Results
from benchmarks.tables import number, print_table, times
from benchmarks.workloads import Figure, Workload

HEAD = ("", "median", "least", "most", OURS)
TAKES = "The last column says how many times ours it is."


def print_workload(results: Results, workload: Workload) -> None:
    """Print a table for each storage and figure; of lines, one for each storage and contender."""
    for storage in workload.counts:
        if workload.along:
            print_lines(results, workload, storage)
        elif workload.ours_alone:
            print_figures(results, workload, storage)
        else:
            print_contenders(results, workload, storage)
    for entry in results.entries:
        if entry.workload == workload.name and entry.error:
            print_failure(entry)


def print_contenders(results: Results, workload: Workload, storage: str) -> None:
    """Print a table for each figure, with a row for each contender."""
    for figure in workload.figures:
        rows = figure_rows(results, workload.name, storage, figure)
        if rows:
            print_table(f"{workload.title}: {storage} ({figure.label})", HEAD, rows)


def print_figures(results: Results, workload: Workload, storage: str) -> None:
    """Print one table, with a row for each figure."""
    rows = own_rows(results, workload, storage)
    if rows:
        print_table(f"{workload.title}: {storage} ({workload.unit})", HEAD[:4], rows)


def print_lines(results: Results, workload: Workload, storage: str) -> None:
    """Print the medians of a storage's lines, a table for each contender."""
    places = sorted({figure.place for figure in workload.figures})
    head = (workload.along, *(f"{place:,}" for place in places))
    for name, contender in CONTENDERS.items():
        if results.entry(workload.name, storage, name):
            rows = line_rows(results, workload, storage, name)
            where = f"{storage}, {contender.label}"
            print_table(f"{workload.title}: {where} ({workload.unit})", head, rows)


def line_rows(
    results: Results, workload: Workload, storage: str, contender: str
) -> list[tuple[str, ...]]:
    """Return a row for each line that has figures, with its label first."""
    cells: dict[str, dict[int, str]] = {}
    for figure in workload.figures:
        median = results.median(workload.name, storage, contender, figure.name)
        if median is not None:
            cells.setdefault(figure.label, {})[figure.place] = number(median)
    places = sorted({figure.place for figure in workload.figures})
    return [(label, *(found.get(place, "") for place in places)) for label, found in cells.items()]


def figure_rows(
    results: Results, workload: str, storage: str, figure: Figure
) -> list[tuple[str, ...]]:
    """Return a row for each contender that played: median, least, most, ratio to ours."""
    rows = []
    for name, contender in CONTENDERS.items():
        found = results.summary(workload, storage, name, figure.name)
        if found:
            numbers = (number(found.median), number(found.least), number(found.most))
            rows.append((contender.label, *numbers, times(found.ratio)))
    return rows


def own_rows(results: Results, workload: Workload, storage: str) -> list[tuple[str, ...]]:
    """Return a row for each figure of ours: median, least, most."""
    rows = []
    for figure in workload.figures:
        found = results.summary(workload.name, storage, OURS, figure.name)
        if found:
            rows.append((figure.label, *map(number, (found.median, found.least, found.most))))
    return rows


def print_failure(entry: Entry) -> None:
    """Print why a contender did not play all its rounds."""
    print(f"\n  {entry.contender} failed in {entry.workload} on {entry.storage}:")
    for line in entry.error.splitlines():
        print(f"    {line}")


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Print which goals are reached."""
    rows = [(each.goal, each.wanted, each.ours, each.word) for each in verdicts]
    print_table("Goals", ("", "goal", OURS, ""), rows)
