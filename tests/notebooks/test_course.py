"""The course itself: each notebook as shipped, solved, and with each wrong answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from check_notebooks import complaints, coverage, uncovered
from making import ROOT
from run_notebooks import MODES, Job, jobs, run

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SPEED = "4"  # work in the lessons takes a quarter of the time
JOBS = [job for path in NOTEBOOKS for job in jobs(path, list(MODES))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_in_order(path: Path) -> None:
    assert list(complaints(path)) == []
    assert list(uncovered(path, coverage().get(path.name[:2], []))) == []


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_notebook_runs_as_it_should(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUEY_TUTORIAL_SPEED", SPEED)

    twice = job.mode == "learner"  # readers press Run All again

    assert asyncio.run(run(job, twice=twice)).problems == []
