"""How much a notebook sends to its front end, counted at the kernel's own door."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.kernel

WORD = "released"

FLOOD = """\
%%huey_task flood
line = "x" * 99
for n in range(100_000):
    print(line)"""
FAST = """\
%%huey_task fast
import pathlib
from huey import progress
n = 0
while not pathlib.Path("released").exists():
    n += 1
    progress(n % 1000, 1000)"""
GROUP = """\
import pathlib, time
@huey.task()
def small(n):
    time.sleep(0.002)
    return n
small.map(range(1000))"""
BUSY = """\
while time.monotonic() < end:
    sum(range(1000))"""


class Kernel:
    """A kernel, and every message it has sent to its front end.

    :param client: with its channels open.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.messages: list[dict[str, Any]] = []

    def run(self, source: str) -> list[dict[str, Any]]:
        """Run a cell to its end; return what was sent until it was idle."""
        sent = self.client.execute(source)
        first = len(self.messages)
        while not self._is_idle(sent):
            self.messages.append(self.client.get_iopub_msg(timeout=60))
        return self.messages[first:]

    def listen(self, seconds: float) -> list[dict[str, Any]]:
        """Return what is sent within so many seconds while no cell runs."""
        first, end = len(self.messages), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.messages.append(self.client.get_iopub_msg(timeout=left))
            except queue.Empty:
                break
        return self.messages[first:]

    def _is_idle(self, sent: str) -> bool:
        return any(
            m["msg_type"] == "status"
            and m["content"]["execution_state"] == "idle"
            and m["parent_header"].get("msg_id") == sent
            for m in self.messages[-1:]
        )


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def most_in_a_second(messages: list[dict[str, Any]]) -> int:
    times = sorted(message["header"]["date"].timestamp() for message in messages)
    return max((sum(at <= t < at + 1 for t in times) for at in times), default=0)


def published(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what tells that a cell begins and ends."""
    return [m for m in messages if m["msg_type"] not in ("status", "execute_input")]


def test_whatever_is_shown_ten_messages_a_second_are_enough(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%load_ext huey_jupyter")
    for source in (GROUP, FLOOD, FAST):
        kernel.run(source)

    seen = published(kernel.run("end = time.monotonic() + 4\n" + BUSY))
    seen += published(kernel.listen(3))

    assert {"comm_msg"} <= {message["msg_type"] for message in seen}
    assert most_in_a_second(seen) <= 10
    size = sum(len(str(message["content"])) for message in seen)
    assert size < 7 * 600_000
    (tmp_path / WORD).touch()
    assert kernel.run("%huey wait")[-1]["content"]["execution_state"] == "idle"


def test_a_hundred_cards_are_one_message(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run("%load_ext huey_jupyter\nfrom huey import progress\nimport pathlib, time")
    kernel.run(
        "@huey.task()\ndef patient(n):\n"
        "    while not pathlib.Path('released').exists(): time.sleep(0.05); progress(n)"
    )
    kernel.run("from IPython.display import display\nfor n in range(100): display(patient(n))")
    (tmp_path / WORD).touch()

    seen = published(kernel.listen(6))

    told = [m["content"]["data"].get("content", {}) for m in seen if m["msg_type"] == "comm_msg"]
    assert max(len(content.get("cards", {})) for content in told) > 10
    assert "update_display_data" in {m["msg_type"] for m in seen}
    assert most_in_a_second(seen) <= 10


def test_every_end_is_told_before_the_cell_is_over(kernel: Kernel) -> None:
    kernel.run("%load_ext huey_jupyter\nfrom IPython.display import display")
    kernel.run("@huey.task()\ndef quick(n): return n")
    ends = kernel.run(
        "for n in range(40): display(quick(n))\nsession = __import__('huey_jupyter').current()\n"
        "session.wait()"
    )

    live = {
        m["content"]["transient"]["display_id"]
        for m in ends
        if m["msg_type"] == "display_data" and len(m["content"]["data"]) == 3
    }
    over = {
        m["content"]["transient"]["display_id"]
        for m in ends
        if m["msg_type"] == "update_display_data" and len(m["content"]["data"]) == 2
    }
    assert live
    assert over == live


def test_nothing_is_sent_when_nothing_is_shown_or_nothing_changes(kernel: Kernel) -> None:
    kernel.run("%load_ext huey_jupyter\nimport time")
    kernel.run("@huey.task()\ndef nap(): time.sleep(1.5)\nresults = [nap() for _ in range(4)]")
    assert published(kernel.listen(1)) == []

    kernel.run("results[3]")
    kernel.run("for result in results: result.get(blocking=True)")
    kernel.listen(1.5)
    assert published(kernel.listen(1)) == []


VIEW = """\
class Clock:
    terminal = gone = False
    def html(self, *, live):
        return f"<div class='hj'>{time.monotonic()}</div>"
    def text(self):
        return "a clock"
    def bundle(self):
        return {"text/html": self.html(live=False), "text/plain": self.text()}
import huey_jupyter, time
huey_jupyter.current().displays.show_view(Clock())"""


def test_a_view_that_is_no_card_is_told_twice_a_second(kernel: Kernel) -> None:
    kernel.run("%load_ext huey_jupyter")
    kernel.run(VIEW)

    seen = published(kernel.listen(3))

    assert len(seen) >= 3
    assert most_in_a_second(seen) <= 3  # the ends of a second count
    [end] = [
        m for m in kernel.run("%unload_ext huey_jupyter") if m["msg_type"] == "update_display_data"
    ]
    assert end["content"]["data"]["text/plain"] == "a clock"
