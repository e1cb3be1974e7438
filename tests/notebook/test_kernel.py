"""Whole notebooks in a kernel, as nbclient, papermill and CI run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient.exceptions import CellExecutionError

pytestmark = pytest.mark.kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01_first_task.ipynb"


def bundles(cell: Any) -> list[dict[str, Any]]:
    return [output.data for output in cell.outputs if "data" in output]


def printed(cell: Any) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def test_a_card_ends_as_html_with_its_value(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "%%huey_task sum_up -o res\nfrom huey import track\nimport time\ntotal = 0\n"
        "for i in track(range(20)):\n    time.sleep(0.02)\n    total += i\nprint('ready')\ntotal",
        "res.get(blocking=True)",
    )

    [card] = bundles(notebook.cells[1])
    assert set(card) == {"text/html", "text/plain"}
    assert "done" in card["text/plain"]
    assert "190" in card["text/plain"]
    assert "ready" in card["text/plain"]
    assert "sum_up" in card["text/html"]
    assert bundles(notebook.cells[2])[0]["text/plain"] == "190"


def test_a_card_that_ends_while_no_cell_runs_is_brought_up_to_date_by_the_next(
    run_notebook: Callable[..., Any],
) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "%%huey_task late\nimport time\ntime.sleep(0.3)",
        "%huey wait",
    )

    [card] = bundles(notebook.cells[1])
    assert WIDGET not in card
    assert "done" in card["text/plain"]


def test_a_group_ends_as_html(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "@huey.task()\ndef square(x):\n    if x == 3: raise ValueError('three')\n    return x * x",
        "g = square.map(range(6))\ng",
        "%huey wait",
        "g[0].get(), g[5].get()",
    )

    [grid] = bundles(notebook.cells[2])
    assert WIDGET not in grid
    assert "5 done" in grid["text/plain"]
    assert "1 failed" in grid["text/plain"]
    assert bundles(notebook.cells[4])[0]["text/plain"] == "(0, 25)"


def test_wait_raises_if_the_task_fails(run_notebook: Callable[..., Any]) -> None:
    with pytest.raises(CellExecutionError, match="the task failed"):
        run_notebook("%load_ext huey_jupyter", "%%huey_task --wait\n1 / 0")


def test_wait_raises_if_the_task_is_cancelled(run_notebook: Callable[..., Any]) -> None:
    source = "from huey import CancelExecution\nraise CancelExecution('not today')"
    with pytest.raises(CellExecutionError, match="the task was cancelled"):
        run_notebook("%load_ext huey_jupyter", f"%%huey_task --wait\n{source}")


def test_names_may_be_quoted(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter", "%%huey_task 'my task' --export \"a, b\" --wait\na = 1", "a"
    )

    card = bundles(notebook.cells[1])[0]["text/plain"]
    assert "my task" in card
    assert "'my task'" not in card
    assert "the cell bound no `b`" in card
    assert bundles(notebook.cells[2])[0]["text/plain"] == "1"


def test_an_interrupt_ends_the_waiting_and_run_all_but_not_the_task(tmp_path: Path) -> None:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        for source in (
            "%load_ext huey_jupyter",
            "%%huey_task -o res\nimport time\ntime.sleep(2)\n'done'",
        ):
            client.execute_interactive(source, timeout=30, output_hook=lambda message: None)
        waiting = client.execute("open('begun', 'w').close()\n%huey wait")
        after = client.execute("print('went on')")
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        manager.interrupt_kernel()

        replies = {
            r["parent_header"]["msg_id"]: r["content"]
            for r in (client.get_shell_msg(timeout=30), client.get_shell_msg(timeout=30))
        }
        assert "The tasks go on" in replies[waiting]["evalue"]
        assert replies[after]["status"] == "aborted"
        reply = client.execute_interactive(
            "assert res.get(blocking=True, timeout=20) == 'done'",
            timeout=30,
            output_hook=lambda message: None,
        )
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_bad_options_are_one_line_without_a_traceback(run_notebook: Callable[..., Any]) -> None:
    lines = ("-o 1x", "--retries many", "--export 1,2", "--nonsense")
    cells = [f"%%huey_task {line}\n1" for line in lines]
    notebook = run_notebook("%load_ext huey_jupyter", *cells, allow_errors=True)

    for cell in notebook.cells[1:]:
        text = printed(cell)
        assert "UsageError" in text
        assert "Traceback" not in text


def test_a_syntax_error_is_the_cells_own(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook("%load_ext huey_jupyter", "%%huey_task\n1 +", allow_errors=True)

    [error] = [o for o in notebook.cells[1].outputs if o.output_type == "error"]
    assert error.ename == "SyntaxError"
    assert "huey_jupyter" not in "".join(error.traceback)


def test_the_result_shown_again_shows_the_same_card(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter", "%%huey_task again -o res --wait\n'value'", "res", "repr(res)"
    )

    first, second = bundles(notebook.cells[1])[0], bundles(notebook.cells[2])[0]
    assert first["text/plain"] == second["text/plain"]
    assert "<Result: task " in bundles(notebook.cells[3])[0]["text/plain"]


def test_status_says_how_the_queue_is(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook("%load_ext huey_jupyter", "%%huey_task --wait\n1", "%huey")

    [status] = bundles(notebook.cells[2])
    assert "2 threads" in status["text/plain"]
    assert "1 done" in status["text/plain"]


def test_unloading_turns_live_cards_into_html(run_notebook: Callable[..., Any]) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "%%huey_task endless\nimport time\nwhile True: time.sleep(0.01)",
        "%unload_ext huey_jupyter",
        "print('still here')",
    )

    [card] = bundles(notebook.cells[1])
    assert WIDGET not in card
    assert printed(notebook.cells[3]) == "still here\n"


def test_jupyter_execute_leaves_the_tutorial_finished(tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    command = [sys.executable, "-m", "jupyter", "execute", f"--output={executed}", str(TUTORIAL)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)

    notebook = nbformat.read(executed, as_version=4)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    text = json.dumps(outputs)
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o for o in outputs if o.get("name") == "stderr"]
    assert WIDGET not in text
    assert "Loading widget" not in text
    cards = [o.data["text/plain"] for o in outputs if "text/html" in o.get("data", {})]
    assert [card[0] for card in cards if card[0] in "✓✗⊘●◌"] == ["✓", "✗", "✓", "⊘"]
    assert "12 of 12" in "".join(cards)
    assert sum(card.startswith("○ TODO") for card in cards) == 4


def test_a_terminal_shows_cards_as_text(tmp_path: Path) -> None:
    lines = [
        "%load_ext huey_jupyter",
        "@huey.task()",
        "def add(a, b): return a + b",
        "",
        "res = add(2, 3)",
        "res.get(blocking=True)",
        "res",
        "exit",
    ]
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor"]
    done = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )

    assert "✓ done   add(2, 3)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
