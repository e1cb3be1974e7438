"""The kernel's Interrupt, while a cell waits for a result."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.kernel

PATIENCE = 30.0

# By itself it would look again in minutes: whether the interrupt comes does not hang on that.
SETUP = """
import huey.awaiting
huey.awaiting.LOOK_AGAIN = (600, 1, 600)
from huey import MemoryHuey
app = MemoryHuey()
@app.task()
def double(n):
    return 2 * n
group = double.map([1, 2])
"""
WAITS = {
    "await group[0]": ("CancelledError", "the task goes on: cancel() stops it"),
    "await group": ("CancelledError", "the tasks go on: cancel() stops them"),
    "async for result in group.as_completed():\n    pass": ("CancelledError", "the tasks go on"),
    "group[0].get(blocking=True)": ("KeyboardInterrupt", "the task goes on"),
    "group.get(blocking=True)": ("KeyboardInterrupt", "the tasks go on"),
}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        assert client.execute_interactive(SETUP, timeout=PATIENCE)["content"]["status"] == "ok"
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("code", WAITS)
def test_an_interrupt_ends_the_wait_and_not_the_task(kernel: Any, code: str) -> None:
    manager, client = kernel
    asked = client.execute(f"print('waits', flush=True)\n{code}", stop_on_error=False)
    wait_for_output(client, asked)
    time.sleep(0.3)  # nobody tells that the kernel has gone on from printing to waiting

    manager.interrupt_kernel()
    reply = answer(client, asked)

    kind, sentence = WAITS[code]
    assert reply["status"] == "error"
    assert reply["ename"] == kind
    assert "no longer waiting" in reply["evalue"]
    assert sentence in reply["evalue"]
    assert value(client, "len(app), huey.awaiting._tickers") == "(2, {})"


def wait_for_output(client: Any, asked: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = client.get_iopub_msg(timeout=PATIENCE)
        if message["parent_header"].get("msg_id") == asked and message["msg_type"] == "stream":
            return
    raise AssertionError("the cell printed nothing")


def answer(client: Any, asked: str) -> dict[str, Any]:
    """Return the reply; within a few seconds, as the wait would go on for minutes."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            message = client.get_shell_msg(timeout=1)
        except queue.Empty:
            continue
        if message["parent_header"].get("msg_id") == asked:
            content: dict[str, Any] = message["content"]
            return content
    raise AssertionError("the interrupt did not end the wait")


def value(client: Any, expression: str) -> str:
    reply = client.execute_interactive(
        "", user_expressions={"it": expression}, timeout=PATIENCE, output_hook=lambda message: None
    )
    return str(reply["content"]["user_expressions"]["it"]["data"]["text/plain"])
