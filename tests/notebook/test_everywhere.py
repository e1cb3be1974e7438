"""One notebook in all the places where notebooks are run without a page, and in none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from waiting import eventually

pytestmark = pytest.mark.kernel

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01_first_task.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
PATIENCE = 120  # seconds; nothing takes as long unless it is broken
CELLS = (
    "%load_ext huey_jupyter",
    "n = 3",
    "%%huey_task curve\nimport matplotlib.pyplot as plt\nplt.plot([1, n, 2])\nplt.show()\n'drawn'",
    "%%huey_task wrong\nprint('before')\n1 / 0",
    "@huey.task()\ndef square(x):\n    return x * x",
    "squares = square.map(range(20))\nsquares",
    "%%huey_task slow -o slow\nimport time\ntime.sleep(0.7)\nprint('a line')\n14 * n",
    "%huey wait",
)


def python(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def by_nbclient(notebook: Path, made: Path) -> None:
    book = nbformat.read(notebook, as_version=4)
    NotebookClient(book, timeout=PATIENCE, kernel_name="python3").execute()
    nbformat.write(book, made)


def by_jupyter_execute(notebook: Path, made: Path) -> None:
    python("-m", "jupyter", "execute", f"--output={made}", notebook)


def by_papermill(notebook: Path, made: Path) -> None:
    python("-m", "papermill", "-k", "python3", "--no-progress-bar", notebook, made)


def by_nbconvert(notebook: Path, made: Path) -> None:
    command = ("-m", "jupyter", "nbconvert", "--execute", "--to=html", f"--output={made}")
    python(*command, "--ExecutePreprocessor.kernel_name=python3", notebook)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A figure, a failure, a group and a slow task, with ``%huey wait`` as the last cell."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python", "language": "python"}
    book.cells[1].metadata["tags"] = ["parameters"]
    nbformat.write(book, tmp_path / "book.ipynb")
    return tmp_path / "book.ipynb"


def cards(path: Path) -> list[dict[str, str]]:
    book = nbformat.read(path, as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert WIDGET not in json.dumps(outputs)
    return [output.data for output in outputs if "text/html" in output.get("data", {})]


@pytest.mark.parametrize("execute", [by_nbclient, by_jupyter_execute, by_papermill])
def test_an_executed_notebook_holds_every_end(
    execute: Callable[[Path, Path], None], notebook: Path, tmp_path: Path
) -> None:
    execute(notebook, tmp_path / "made.ipynb")

    curve, wrong, squares, slow = cards(tmp_path / "made.ipynb")
    assert "✓ done   curve" in curve["text/plain"]
    assert "drawn" in curve["text/plain"]
    assert curve["text/html"].count("data:image/png") == 1
    assert "✗ failed   wrong" in wrong["text/plain"]
    assert "ZeroDivisionError" in wrong["text/html"]
    assert "before" in wrong["text/html"]
    assert "20 done" in squares["text/plain"]
    assert "✓ done   slow" in slow["text/plain"]
    assert "42" in slow["text/plain"]
    assert "a line" in slow["text/html"]


def test_papermill_gives_parameters(notebook: Path, tmp_path: Path) -> None:
    made = tmp_path / "made.ipynb"
    options = ("-k", "python3", "--no-progress-bar", "-p", "n", 5)
    python("-m", "papermill", *options, notebook, made)

    assert "70" in cards(made)[-1]["text/plain"]


def test_a_page_made_by_nbconvert_shows_every_end(notebook: Path, tmp_path: Path) -> None:
    by_nbconvert(notebook, tmp_path / "made.html")
    page = (tmp_path / "made.html").read_text()

    assert f'<script type="{WIDGET}">' not in page
    assert "Loading widget" not in page
    shown = re.sub(r"<[^>]*>", " ", page)
    for words in ("drawn", "failed", "ZeroDivisionError", "20 done", "a line", "42"):
        assert words in shown
    assert "data:image/png" in page


def test_what_ends_between_two_cells_is_told_in_the_next(notebook: Path, tmp_path: Path) -> None:
    book = nbformat.read(notebook, as_version=4)
    late = (
        "%%huey_task late\nimport pathlib, time\n"
        "while not pathlib.Path('released').exists(): time.sleep(0.01)\n"
        "pathlib.Path('over').touch()"
    )
    sources = (CELLS[0], late, "1")
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    resources = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(book, timeout=PATIENCE, kernel_name="python3", resources=resources)

    def linger(cell: Any, cell_index: int, **_reply: Any) -> None:
        if cell_index == 1:
            (tmp_path / "released").touch()
            eventually((tmp_path / "over").exists)
            time.sleep(0.5)  # the end is told meanwhile, and nobody listens

    client.on_cell_executed = linger
    client.execute()

    [card] = [output.data for output in book.cells[1].outputs]
    assert "✓ done   late" in card["text/plain"]
    assert WIDGET not in card


def test_the_file_keeps_no_scripts_of_cards(notebook: Path, tmp_path: Path) -> None:
    by_nbclient(notebook, tmp_path / "made.ipynb")

    metadata = nbformat.read(tmp_path / "made.ipynb", as_version=4).metadata
    assert len(json.dumps(metadata)) < 20_000


@pytest.mark.slow
def test_the_tutorial_is_finished_by_papermill(tmp_path: Path) -> None:
    by_papermill(TUTORIAL, tmp_path / "made.ipynb")

    heads = [card["text/plain"].split("\n")[0] for card in cards(tmp_path / "made.ipynb")]
    assert [head[0] for head in heads if head[0] in "✓✗⊘●◌"] == ["✓", "✗", "✓", "⊘"]
    assert sum(head.startswith("average_packets × 12") for head in heads) == 1
    assert sum(head.startswith("○ TODO") for head in heads) == 4


@pytest.mark.slow
def test_the_tutorial_is_finished_by_nbconvert(tmp_path: Path) -> None:
    by_nbconvert(TUTORIAL, tmp_path / "made.html")
    page = (tmp_path / "made.html").read_text()

    assert f'<script type="{WIDGET}">' not in page
    assert "Loading widget" not in page
    assert "12 done" in page


def test_a_terminal_shows_cards_as_text(tmp_path: Path) -> None:
    lines = [
        "%load_ext huey_jupyter",
        "import time",
        "square = huey.task()(lambda x: x * x)",
        "squares = square.map(range(4)); squares.get(blocking=True)",
        "squares",
        "wrong = huey.task(name='wrong')(lambda: 1 / 0)",
        "failed = wrong(); later = square.schedule((5,), delay=0.2)",
        "%huey wait",
        "failed",
        "later.get(blocking=True)",
        "%huey",
        "exit",
    ]
    options = ("--simple-prompt", "--colors=NoColor")
    done = python(
        *("-m", "IPython", *options),
        input="\n".join(lines) + "\n",
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )

    assert "[0, 1, 4, 9]" in done.stdout
    assert "4 done" in done.stdout
    assert "✗ failed" in done.stdout
    assert "ZeroDivisionError: division by zero" in done.stdout
    assert ": 25" in done.stdout
    assert "2 threads · 0 running" in done.stdout
    assert "<div" not in done.stdout
    assert done.stderr == ""


SCRIPT = """
import threading
from IPython.core.interactiveshell import InteractiveShell
from huey_jupyter import Session

session = Session(InteractiveShell.instance())
session.open()

@session.huey.task()
def add(a, b):
    print("adding")
    return a + b

result = add(2, 3)
print(result.get(blocking=True, timeout=20))
cell = session.run_cell("made = 6 * 7\\nmade", "answer")
print(session.wait(), session.ip.user_ns["made"])
print(session.describe(result))
session.close()
print(threading.active_count(), "thread")
"""


def test_a_script_without_a_kernel_has_a_session_too(tmp_path: Path) -> None:
    done = python("-c", SCRIPT, env={**os.environ, "IPYTHONDIR": str(tmp_path)})

    said = done.stdout.splitlines()
    assert said[0] == "5"
    assert "True 42" in said
    assert any("✓ done   add(2, 3)" in line for line in said)
    assert any("│ adding" in line for line in said)
    assert "<div" not in done.stdout
    assert done.stderr == ""


def test_plain_python_is_told_that_there_is_no_session() -> None:
    code = "import huey_jupyter\ntry: huey_jupyter.current()\nexcept RuntimeError as e: print(e)"

    assert python("-c", code).stdout == "there is no session: run %load_ext huey_jupyter first\n"
