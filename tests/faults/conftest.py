"""Every storage that outlives a process, with an application on it that is about to be killed."""

import pytest
from rig import rig

OPEN = {
    # A small page cache: one that fills slowly looks like a leak in `test_memory`.
    "sqlite": lambda folder: ("SqliteHuey", {"filename": str(folder / "huey.db"), "cache_mb": 1}),
    "file": lambda folder: ("FileHuey", {"path": str(folder / "queue")}),
}


@pytest.fixture(params=OPEN)
def faults(request, tmp_path):
    with rig(OPEN[request.param](tmp_path), tmp_path) as one:
        one.title = request.param
        yield one
