"""Run the course's notebooks as a reader does, as one who solves all, and as one who errs.

    python tools/run_notebooks.py [-j N] [--mode MODES] [--twice] [--timeout S] [--save-to FOLDER]
        FILE...

learner   as shipped: no error, and each check says TODO
solved    each cell tagged `exercise` has the code of its solution: each check says PASS
mutant    each exercise has one of the wrong answers in its solution's metadata `wrong`: its check
          does not say PASS; as many runs as the exercise has that lists most

Cells belong together by a tag such as `ex2`. A solution is text with a folded block of code in it:
a hidden code cell would run with all others, in place of the reader's answer. Whatever the mode, a
run fails at an error that no tag `raises-exception` announces, at a traceback on stderr (of a
worker, say), at a cell that takes too long, and at a kernel that dies. With `--twice` all cells
are run a second time in the same kernel, as by a reader who presses Run All again.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
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
EXERCISE = re.compile(r"ex\d+")
BLOCK = re.compile(r"^```python\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


class Job(NamedTuple):
    """One run of a notebook; of mutants the `turn`-th, from 0."""

    path: Path
    mode: str
    turn: int = 0

    @property
    def name(self) -> str:
        turn = f" {self.turn + 1}" if self.mode == "mutant" else ""
        return f"{self.path.stem} {self.mode}{turn}"

    def wrong(self, cells: dict[str, Any]) -> str | None:
        """Return the wrong answer that an exercise has in this run; None if it is solved."""
        if self.mode != "mutant":
            return None
        return dict(enumerate(cells["solution"].metadata.get("wrong", ()))).get(self.turn)


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
    parser.add_argument("--twice", action="store_true", help="all cells again, in the same kernel")
    parser.add_argument("--timeout", type=float, default=120, metavar="S", help="for a cell")
    parser.add_argument(
        "--save-to",
        type=Path,
        metavar="FOLDER",
        help="keep the notebooks as the first of MODES left them",
    )
    options = parser.parse_args()
    modes = options.mode.split(",")
    if unknown := set(modes) - set(MODES):
        parser.error(f"the modes are {', '.join(MODES)}, not {', '.join(sorted(unknown))}")
    work = [job for path in options.files for job in jobs(path, modes)]
    failed = asyncio.run(_run_all(work, options))
    print(f"{len(work) - failed} of {len(work)} runs are right")
    return min(failed, 99)


def jobs(path: Path, modes: list[str]) -> Iterator[Job]:
    """Yield the runs of one notebook.

    :raises ValueError: if an exercise lacks its solution or its check.
    """
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    found = exercises(book)
    most = max(
        (len(one["solution"].metadata.get("wrong", ())) for one in found.values()), default=0
    )
    for mode in modes:
        for turn in range(most if mode == "mutant" else 1):
            yield Job(path, mode, turn)


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
        code_of(cells["solution"])
    return found


def code_of(solution: Any) -> str:
    """Return the code in a solution's cell.

    :raises ValueError: if there is no block of it, or more than one.
    """
    blocks = BLOCK.findall(solution.source)
    if solution.cell_type != "markdown" or len(blocks) != 1:
        raise ValueError(f"a solution is text with one ```python block: {solution.source!r}")
    return str(blocks[0])


async def run(job: Job, timeout: float = 120, *, twice: bool = False) -> Outcome:
    """Run a notebook in a kernel of its own.

    :param timeout: seconds that a cell may take.
    :param twice: run all cells, and then all again.
    """
    book = nbformat.read(job.path, as_version=4)
    _prepare(book, job)
    count = len(book.cells)
    if twice:
        book.cells += copy.deepcopy(book.cells)
    strict = "1" if job.mode == "solved" else "0"
    client = NotebookClient(
        book,
        timeout=timeout,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],  # it warns of TCP each time
        resources={"metadata": {"path": str(job.path.parent)}},
    )
    began, stopped = time.monotonic(), ""
    try:
        await client.async_execute(env={**os.environ, "HUEY_TUTORIAL_STRICT": strict})
    except CellExecutionError as error:
        stopped = f"{error.ename}: {error.evalue}"
    except (CellTimeoutError, DeadKernelError) as error:
        stopped = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    problems = list(filter(None, [stopped]))
    for start in range(0, len(book.cells), count):
        time_through = nbformat.v4.new_notebook(cells=book.cells[start : start + count])
        problems += _problems(time_through, job, stopped)
    return Outcome(problems, time.monotonic() - began, book)


def _prepare(book: Any, job: Job) -> None:
    """Put the answers where they belong."""
    for cells in exercises(book).values():
        wrong = job.wrong(cells)
        if job.mode != "learner":
            solution = code_of(cells["solution"])
            cells["exercise"].source = solution if wrong is None else wrong
        if wrong is not None:
            for cell in (cells["exercise"], cells["check"]):  # a wrong answer may raise, too
                cell.metadata.tags.append("raises-exception")


def _problems(book: Any, job: Job, stopped: str) -> Iterator[str]:
    for cell in book.cells:
        if cell.cell_type == "code" and "raises-exception" not in _tags(cell):
            yield from _tracebacks(cell)
    if stopped:
        return
    for name, cells in exercises(book).items():
        said = text_of(cells["check"])
        shown = said.strip() or "it says nothing"
        if job.wrong(cells) is not None:
            if not said or "PASS" in said:
                yield f"{name} takes wrong answer {job.turn + 1}: {shown}"
        elif (expected := "TODO" if job.mode == "learner" else "PASS") not in said:
            yield f"{name} should say {expected}: {shown}"


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


async def _run_all(work: list[Job], options: argparse.Namespace) -> int:
    """Run all, as the command line says; return how many failed."""
    turns, save_to = asyncio.Semaphore(options.j), options.save_to

    async def one(job: Job) -> bool:
        async with turns:
            outcome = await run(job, options.timeout, twice=options.twice)
        right = not outcome.problems
        print(f"{'ok  ' if right else 'FAIL'} {outcome.seconds:6.1f} s  {job.name}", flush=True)
        for problem in outcome.problems:
            print(f"       {problem}")
        if save_to is not None and job.mode == work[0].mode and job.turn == 0:
            save_to.mkdir(parents=True, exist_ok=True)
            nbformat.write(outcome.book, save_to / job.path.name)
        return right

    return (await asyncio.gather(*map(one, work))).count(False)


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))


if __name__ == "__main__":
    sys.exit(main())
