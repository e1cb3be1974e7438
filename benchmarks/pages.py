"""The page of results for the manual: plots, and the same in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.contenders import CONTENDERS, OURS
from benchmarks.goals import verdicts
from benchmarks.report import figure_rows, line_rows, own_rows
from benchmarks.results import Results
from benchmarks.workloads import Workload

Row = tuple[str, ...]


def write_page(results: Results, workloads: Sequence[Workload], path: Path) -> None:
    """Write what the manual includes."""
    path.write_text("\n".join(_page(results, workloads)) + "\n")


def _page(results: Results, workloads: Sequence[Workload]) -> Iterator[str]:
    yield ".. Written by `python -m benchmarks.plot`; do not edit."
    yield ""
    yield _facts(results)
    found = verdicts(results)
    if found:
        rows = [(each.goal, each.wanted, each.ours, each.word) for each in found]
        yield from _headed("Goals")
        yield from _table(("what", "goal", OURS, ""), rows)
    for workload in workloads:
        yield from _headed(workload.title)
        yield f".. image:: /benchmarks/{workload.name}.svg"
        yield f"    :alt: {workload.title}: the numbers of the tables below, drawn"
        for storage in workload.counts:
            yield from _tables(results, workload, storage)


def _facts(results: Results) -> str:
    machine = results.machine
    dates = sorted({entry.date[:10] for entry in results.entries})
    commits = ", ".join(f"``{each}``" for each in sorted({one.commit for one in results.entries}))
    installed = [name for name, each in CONTENDERS.items() if each.requirements]
    theirs = [results.versions[name] for name in installed if name in results.versions]
    tools = [f"Python {machine['python']}", machine["redis"], *theirs]
    return (
        f"Measured on {' to '.join(dict.fromkeys((dates[0], dates[-1])))} at {commits}, on "
        f"{machine['cpus']} cores of {machine['processor']} with {machine['system']} "
        f"{machine['release']}; {', '.join(filter(None, tools))}."
    )


def _headed(title: str) -> Iterator[str]:
    yield from ("", title, "-" * len(title), "")


def _tables(results: Results, workload: Workload, storage: str) -> Iterator[str]:
    """Yield the tables of a storage."""
    if workload.along:
        places = sorted({figure.place for figure in workload.figures})
        head = (workload.along, *(f"{place:,}" for place in places))
        for name, contender in CONTENDERS.items():
            if results.entry(workload.name, storage, name):
                rows = line_rows(results, workload, storage, name)
                yield from _table(head, rows, f"{storage}, {contender.label}, {workload.unit}")
    elif workload.ours_alone:
        yield from _table(
            ("", "median", "least", "most"),
            own_rows(results, workload, storage),
            f"{storage}, {workload.unit}",
        )
    else:
        for figure in workload.figures:
            rows = figure_rows(results, workload.name, storage, figure)
            head = ("", "median", "least", "most", f"times {OURS}")
            yield from _table(head, rows, f"{storage}, {figure.label}")


def _table(head: Row, rows: Sequence[Row], title: str = "") -> Iterator[str]:
    """Yield a list table, nothing if it has no rows."""
    if not rows:
        return
    yield from ("", f".. list-table:: {title}".rstrip(), "    :header-rows: 1", "")
    for row in (head, *rows):
        for n, cell in enumerate(row):
            yield f"    {'*' if n == 0 else ' '} - {cell}".rstrip()
