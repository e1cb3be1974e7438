"""A notebook that needs no thread: solved, in a process that refuses each one."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pytest
from making import ROOT
from run_notebooks import code_of, exercises

pytestmark = pytest.mark.kernel

HEAD = """
import asyncio, sys, threading

def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

ip = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

async def main():
    for source in sys.stdin.read().split("\\0"):
        ip.run_cell(source).raise_error()
    ip.run_line_magic("unload_ext", "huey_jupyter")

asyncio.run(main())
"""


@pytest.mark.parametrize("name", ["09_under_the_hood"])
def test_a_notebook_can_be_solved_where_no_thread_can_start(name: str) -> None:
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for cells in exercises(book).values():
        cells["exercise"].source = code_of(cells["solution"])
    sources = [cell.source for cell in book.cells if cell.cell_type == "code"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEAD],
        input="\0".join(sources),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == len(exercises(book))
