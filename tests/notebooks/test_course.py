"""The course itself: each notebook as shipped, solved, and with each wrong answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from check_notebooks import complaints, coverage, uncovered
from making import ROOT
from run_notebooks import MODES, Job, Outcome, jobs, run

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SPEED = "4"  # work in the lessons takes a quarter of the time
AT_ONCE = 3  # most of a run is waiting
JOBS = [job for path in NOTEBOOKS for job in jobs(path, list(MODES))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_in_order(path: Path) -> None:
    assert list(complaints(path)) == []
    assert list(uncovered(path, coverage().get(path.name[:2], []))) == []


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[Job, Future[Outcome]]]:
    """The runs that are asked for, some of them at once, in the order of their tests."""
    wanted = [
        item.callspec.params["job"]
        for item in request.session.items
        if getattr(item, "originalname", None) == test_a_notebook_runs_as_it_should.__name__
    ]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(AT_ONCE) as pool:
        patch.setenv("HUEY_TUTORIAL_SPEED", SPEED)
        yield {job: pool.submit(outcome, job) for job in wanted}
        pool.shutdown(cancel_futures=True)


def outcome(job: Job) -> Outcome:
    twice = job.mode == "learner"  # readers press Run All again
    return asyncio.run(run(job, twice=twice))


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_notebook_runs_as_it_should(job: Job, outcomes: dict[Job, Future[Outcome]]) -> None:
    assert outcomes[job].result().problems == []
