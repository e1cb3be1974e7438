"""The runner of the course: what it lets pass, and what it must not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from making import ROOT, Write, exercise
from run_notebooks import Job, Outcome, jobs, run

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

JUDGE = (
    "import os\n"
    "says = 'TODO' if answer is ... else 'PASS' if answer == 4 else 'NOT YET'\n"
    "print(says)\n"
    "if os.environ['HUEY_TUTORIAL_STRICT'] == '1': assert says == 'PASS', says"
)
SOUND = exercise("answer = ...", "answer = 2 + 2", JUDGE, "answer = 5", "answer = 1 / 0")


def outcome(path: Path, mode: str = "learner", timeout: float = 30) -> Outcome:
    return asyncio.run(run(Job(path, mode), timeout))


@pytest.mark.parametrize("mode", ["learner", "solved"])
def test_a_sound_notebook_is_right(write: Write, mode: str) -> None:
    assert outcome(write(*SOUND), mode).problems == []


def test_each_wrong_answer_has_a_run_in_which_it_is_refused(write: Write) -> None:
    other = exercise("b = ...", "b = 1", "print('PASS' if b == 1 else '-')", "b = 2", name="ex2")
    runs = [asyncio.run(run(job)) for job in jobs(write(*SOUND, *other), ["mutant"])]

    assert [one.problems for one in runs] == [[], []]
    sources = [[one.book.cells[0].source, one.book.cells[3].source] for one in runs]
    assert sources == [["answer = 5", "b = 2"], ["answer = 1 / 0", "b = 1"]]


def test_a_check_that_takes_a_wrong_answer_is_found(write: Write) -> None:
    path = write(*exercise("answer = ...", "answer = 4", "print('PASS')", "answer = 5"))
    [job] = jobs(path, ["mutant"])

    assert asyncio.run(run(job)).problems == ["ex1 takes wrong answer 1: PASS"]


def test_a_check_that_calls_dots_solved_is_found(write: Write) -> None:
    path = write(*exercise("answer = ...", "answer = 4", "print('PASS')", "answer = 5"))

    assert outcome(path).problems == ["ex1 should say TODO: PASS"]


def test_a_solution_that_does_not_pass_is_found(write: Write) -> None:
    [problem] = outcome(write(*exercise("answer = ...", "answer = 5", JUDGE)), "solved").problems

    assert problem == "AssertionError: NOT YET"


def test_an_error_is_found(write: Write) -> None:
    assert outcome(write("1 / 0")).problems == ["ZeroDivisionError: division by zero"]


def test_an_error_that_was_announced_is_none(write: Write) -> None:
    assert outcome(write(("1 / 0", {"tags": ["raises-exception"]}))).problems == []


def test_a_cell_that_hangs_is_found(write: Write) -> None:
    [problem] = outcome(write("import time\nwhile True: time.sleep(0.1)"), timeout=2).problems

    assert problem.startswith("CellTimeoutError")


def test_a_kernel_that_dies_is_found(write: Write) -> None:
    [problem] = outcome(write("import os\nos._exit(1)")).problems

    assert problem.startswith("DeadKernelError")


def test_a_thread_that_crashes_is_found(write: Write) -> None:
    crash = "import threading\nt = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()"
    [problem] = outcome(write(crash, "import time; time.sleep(0.2)")).problems

    assert "ZeroDivisionError" in problem


def test_a_notebook_that_cannot_be_run_again_in_its_kernel_is_found(write: Write) -> None:
    path = write("a = globals().get('a', 0) + 1", *SOUND, "print(1 / (2 - a))")
    job = Job(path, "solved")

    assert asyncio.run(run(job)).problems == []
    assert asyncio.run(run(job, twice=True)).problems == ["ZeroDivisionError: division by zero"]


def test_what_a_check_says_the_second_time_is_looked_at(write: Write) -> None:
    once = "n = globals().get('n', 0) + 1; print('TODO' if n == 1 else 'PASS')"
    path = write(*exercise("answer = ...", "answer = 4", once, "answer = 5"))

    [problem] = asyncio.run(run(Job(path, "learner"), twice=True)).problems

    assert problem == "ex1 should say TODO: PASS"


def test_output_that_comes_late_is_no_problem(write: Write) -> None:
    late = "import threading, sys\nthreading.Timer(0.2, print, ['late']).start()"

    assert outcome(write(late, "import time; time.sleep(0.5)")).problems == []


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (SOUND[:2], "no cell tagged check"),
        ([SOUND[0], *SOUND], "two cells tagged exercise"),
        ([("answer = ...", {"tags": ["exercise"]})], "needs one tag like ex1"),
        ([SOUND[0], ("no code", SOUND[1][1]), SOUND[2]], "text with one ```python block"),
    ],
)
def test_an_exercise_that_lacks_a_part_is_no_exercise(write: Write, cells: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        list(jobs(write(*cells), ["learner"]))


def test_the_command_counts_failures_and_keeps_what_was_solved(
    write: Write, tmp_path: Path
) -> None:
    paths = [write(*SOUND, name="01_good.ipynb"), write("1 / 0", name="02_bad.ipynb")]
    command = [sys.executable, ROOT / "tools" / "run_notebooks.py", "--save-to", tmp_path / "kept"]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "4 of 6 runs are right" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert (tmp_path / "kept" / "01_good.ipynb").exists()
