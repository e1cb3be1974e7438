"""A lesson that needs a Redis server, run where there is none."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from making import ROOT
from run_notebooks import Job, run, text_of

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


def test_it_says_what_to_do_and_skips_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))

    outcome = asyncio.run(run(Job(ROOT / "notebooks" / "08_production.ipynb", "learner")))

    assert outcome.problems == []
    said = "\n".join(text_of(cell) for cell in outcome.book.cells if cell.cell_type == "code")
    assert "apt-get install redis-server" in said
    assert "Skipped: it needs the Redis server." in said
    assert said.count("TODO") == 3
