"""axe-core on a page: what a person could not see, hear or reach with the keyboard."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent

RUN = """async (part) => {
  const found = await axe.run(part, { resultTypes: ["violations"] });
  return found.violations.map(({ id, help, impact, nodes }) => ({
    id, help, impact, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })),
  }));
}"""


def violations(page: Any, part: str, impacts: Collection[str] | None = None) -> str:
    """Return what is wrong in a part of a page, given by a selector; empty if nothing is.

    :param impacts: of which weight, in axe-core's words; None for all.
    """
    if not page.evaluate("() => typeof window.axe === 'object'"):
        page.evaluate(script())
    found = page.evaluate(RUN, part)
    return "\n".join(
        f"{one['id']}: {one['help']}\n{node['html'][:300]}\n{node['failureSummary']}"
        for one in found
        if impacts is None or one["impact"] in impacts
        for node in one["nodes"]
    )


@cache
def script() -> str:
    """Return axe-core, fetched if need be; skip the test where it cannot be had."""
    done = subprocess.run([str(ROOT / "tools" / "axe")], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(done.stderr.strip())
    return (ROOT / done.stdout.strip()).read_text(encoding="utf-8")
