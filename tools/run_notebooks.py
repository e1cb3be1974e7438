"""Run the course's notebooks as a reader does, as one who solves all, and as one who errs.

    python tools/run_notebooks.py [-j N] [--mode MODES] [--timeout S] [--save-to FOLDER] FILE...

learner   as shipped: no error, and each check says TODO
solved    each cell tagged `exercise` has the source of its solution: each check says PASS
mutant    an exercise has one of the wrong answers in the solution's metadata `wrong`: its check
          does not say PASS; one run for each of them

Cells belong together by a tag such as `ex2`. Whatever the mode, a run fails at an error that no tag
`raises-exception` announces, at a traceback on stderr (of a worker, say), at a cell that takes too
long, and at a kernel that dies.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

MODES = ("learner", "solved", "mutant")
SAYS = {"learner": "TODO", "solved": "PASS"}
EXERCISE = re.compile(r"ex\d+")


class Job(NamedTuple):
    """One run of a notebook; `wrong` are an exercise and an answer to it that is wrong."""

    path: Path
    mode: str
    wrong: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        about = f" {self.wrong[0]}: {' '.join(self.wrong[1].split())[:50]}" if self.wrong else ""
        return f"{self.mode:7} {self.path.name}{about}"


class Outcome(NamedTuple):
    """How a run went: what is wrong with it, how long it took, the notebook with its outputs."""

    problems: list[str]
    seconds: float
    book: Any


def main() -> int:
    """Run what the command line asks for; return how many runs failed, at most 99."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="so many at once")
    parser.add_argument("--mode", default=",".join(MODES), metavar="MODES", help="with commas")
    parser.add_argument("--timeout", type=float, default=120, metavar="S", help="for a cell")
    parser.add_argument("--save-to", type=Path, metavar="FOLDER", help="keep the solved ones")
    options = parser.parse_args()
    modes = options.mode.split(",")
    if unknown := set(modes) - set(MODES):
        parser.error(f"the modes are {', '.join(MODES)}, not {', '.join(sorted(unknown))}")
    work = [job for path in options.files for job in jobs(path, modes)]
    failed = asyncio.run(_run_all(work, options.j, options.timeout, options.save_to))
    print(f"{len(work) - failed} of {len(work)} runs are right")
    return min(failed, 99)


def jobs(path: Path, modes: list[str]) -> Iterator[Job]:
    """Yield the runs of one notebook.

    :raises ValueError: if an exercise lacks its solution or its check.
    """
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    found = exercises(book)
    for mode in modes:
        if mode != "mutant":
            yield Job(path, mode)
            continue
        for name, cells in found.items():
            for wrong in cells["solution"].metadata.get("wrong", ()):
                yield Job(path, mode, (name, wrong))


def exercises(book: Any) -> dict[str, dict[str, Any]]:
    """Return the cells of each exercise by what they are: exercise, solution, check.

    :raises ValueError: if one of them is missing, or there twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for cell in book.cells:
        for kind in {"exercise", "solution", "check"} & _tags(cell):
            names = [tag for tag in _tags(cell) if EXERCISE.fullmatch(tag)]
            if len(names) != 1:
                raise ValueError(f"a cell tagged {kind} needs one tag like ex1: {cell.source!r}")
            cells = found.setdefault(names[0], {})
            if kind in cells:
                raise ValueError(f"{names[0]} has two cells tagged {kind}")
            cells[kind] = cell
    for name, cells in found.items():
        if missing := {"exercise", "solution", "check"} - cells.keys():
            raise ValueError(f"{name} has no cell tagged {' and '.join(sorted(missing))}")
    return found


async def run(job: Job, timeout: float = 120) -> Outcome:
    """Run a notebook once, in a kernel of its own."""
    book = nbformat.read(job.path, as_version=4)
    _prepare(book, job)
    strict = "1" if job.mode == "solved" else "0"
    client = NotebookClient(
        book,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(job.path.parent)}},
    )
    began, stopped = time.monotonic(), ""
    try:
        await client.async_execute(env={**os.environ, "HUEY_TUTORIAL_STRICT": strict})
    except CellExecutionError as error:
        stopped = f"{error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        stopped = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    problems = list(filter(None, [stopped, *_problems(book, job, stopped)]))
    return Outcome(problems, time.monotonic() - began, book)


def _prepare(book: Any, job: Job) -> None:
    """Put the answers where they belong; a solution's own cell is never run."""
    for name, cells in exercises(book).items():
        solution = cells["solution"]
        if job.mode == "solved":
            cells["exercise"].source = solution.source
        if job.wrong and job.wrong[0] == name:
            cells["exercise"].source = job.wrong[1]
            for cell in (cells["exercise"], cells["check"]):  # a wrong answer may raise, too
                cell.metadata.tags.append("raises-exception")
        solution.source = ""


def _problems(book: Any, job: Job, stopped: str) -> Iterator[str]:
    for cell in book.cells:
        if cell.cell_type == "code" and "raises-exception" not in _tags(cell):
            yield from _tracebacks(cell)
    if stopped:
        return
    for name, cells in exercises(book).items():
        said = text_of(cells["check"])
        if job.wrong and job.wrong[0] == name and (not said or "PASS" in said):
            yield f"{name} takes a wrong answer: {said.strip() or 'it says nothing'}"
        if job.mode in SAYS and SAYS[job.mode] not in said:
            yield f"{name} should say {SAYS[job.mode]}: {said.strip() or 'it says nothing'}"


def _tracebacks(cell: Any) -> Iterator[str]:
    for output in cell.outputs:
        if output.output_type == "stream" and "Traceback (most" in output.text:
            yield f"a traceback under {cell.source[:40]!r}: {output.text.strip().splitlines()[-1]}"


def text_of(cell: Any) -> str:
    """Return all text under a cell, of errors too."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append(f"{output.ename}: {output.evalue}")
        else:
            parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)


async def _run_all(work: list[Job], at_once: int, timeout: float, save_to: Path | None) -> int:
    """Run all, so many at once; return how many failed."""
    turns = asyncio.Semaphore(at_once)

    async def one(job: Job) -> bool:
        async with turns:
            outcome = await run(job, timeout)
        right = not outcome.problems
        print(f"{'ok  ' if right else 'FAIL'} {outcome.seconds:6.1f} s  {job.name}", flush=True)
        for problem in outcome.problems:
            print(f"       {problem}")
        if save_to is not None and job.mode == "solved":
            save_to.mkdir(parents=True, exist_ok=True)
            nbformat.write(outcome.book, save_to / job.path.name)
        return right

    return (await asyncio.gather(*map(one, work))).count(False)


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))


if __name__ == "__main__":
    sys.exit(main())
