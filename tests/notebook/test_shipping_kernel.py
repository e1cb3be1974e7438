"""A real kernel and a real script whose functions run in a worker elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notebook_worker import Notebook, worker_for
from processes import run

HEAD = """
import dataclasses, math, threading
from huey_jupyter.backends import NotebookHuey
huey = NotebookHuey("demo", {url!r})
"""

FUNCTIONS = """
factor = 3
lock = threading.Lock()

@dataclasses.dataclass
class Point:
    x: float
    def scaled(self):
        return Point(self.x * factor)

def helper(point):
    return point.scaled()

@huey.task(retries=1)
def f(point):
    return helper(point)

@huey.task()
def call_f(x):
    return f(Point(x)).id

@huey.task()
def locked():
    with lock:
        return 1

@huey.task()
def fail():
    return math.sqrt(-1)
"""

CALLS = """
def value(result):
    return result.get(blocking=True, timeout=20)

came = value(f(Point(2.0)))
print(type(came) is Point, came.x)
print(huey.result(value(call_f(5.0)), blocking=True, timeout=20))
try:
    locked()
except Exception as error:
    print(type(error).__name__, error)
try:
    value(fail())
except Exception as error:
    print(error.metadata["traceback"])
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/queue.db"


def told(text: str) -> None:
    assert text.startswith("True 6.0\nPoint(x=15.0)\nCannotTravel")
    assert "`lock` is a lock, used in line" in text
    assert "return math.sqrt(-1)" in text
    assert "ValueError: math domain error" in text


@pytest.mark.kernel
def test_functions_of_a_kernel_run_elsewhere(
    run_notebook: Callable[..., Any], url: str, tmp_path: Path
) -> None:
    notebook = Notebook(url)
    with worker_for(notebook.huey, tmp_path / "elsewhere", "process"):
        done = run_notebook(
            HEAD.format(url=url),
            FUNCTIONS,
            CALLS,
            "from huey_jupyter.cells import Snapshot, compile_cell\n"
            "from huey_jupyter.work import Work, take_made\n"
            "ip = get_ipython()\n"
            "cell = compile_cell(ip, 'made = helper(Point(1.0))\\nmade.x')\n"
            "snapshot = Snapshot(ip.user_ns)\n"
            "work = Work(cell, snapshot, huey.courier)\n"
            "r = huey.enqueue(huey.cell.s(work, 'cell', 0))\n"
            "print(value(r))\n"
            "snapshot.receive(take_made(huey.courier, r.id))\n"
            "print(snapshot.bring_back(None, {}), type(made) is Point)\n"
            "huey.storage.close()",
        )

    printed = ["".join(o.text for o in cell.outputs) for cell in done.cells]
    told(printed[2])
    assert "used in line 23:" in printed[2]
    assert printed[3] == "3.0\n([], []) True\n"
    notebook.close()


def test_functions_of_a_script_run_elsewhere(url: str, tmp_path: Path) -> None:
    notebook = Notebook(url)
    script = tmp_path / "script.py"
    script.write_text(HEAD.format(url=url) + FUNCTIONS + CALLS + "huey.storage.close()\n")
    with worker_for(notebook.huey, tmp_path / "elsewhere"):
        told(run("import sys, runpy; runpy.run_path(sys.argv[1], run_name='__main__')", script))
    notebook.close()
