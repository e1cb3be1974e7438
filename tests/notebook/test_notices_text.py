"""``--notify``: the reader is told of an end, in a terminal and through the page's hub."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from kernelrun import DEADLINE, kernel
from waiting import eventually

from huey_jupyter import Session
from huey_jupyter.cards import Board
from huey_jupyter.display.notices import Notices


def notices_of(board: Board) -> tuple[Notices, list[str]]:
    told: list[str] = []
    return Notices(board, threading.RLock(), told.append), told


def fold(board: Board, *kinds: str, task: str = "a3f9", **facts: Any) -> None:
    for kind in kinds:
        board.fold({"kind": kind, "task": task, "at": 1.0, "label": "fit", **facts})


def test_an_end_is_told_once() -> None:
    board = Board()
    notices, told = notices_of(board)
    fold(board, "enqueued", "executing")
    notices.expect("a3f9")
    notices.look(["a3f9"])
    assert told == []

    fold(board, "complete")
    notices.look(["a3f9"])
    notices.look(["a3f9"])

    assert told == ["✓ fit: done"]


def test_what_is_over_already_is_told_at_once() -> None:
    board = Board()
    notices, told = notices_of(board)
    fold(board, "enqueued", "executing")
    fold(board, "error", error="ValueError: <b>\nno")

    notices.expect("a3f9")

    assert told == ["✗ fit: failed · ValueError: <b> no"]


def test_a_group_is_told_when_its_last_task_ends() -> None:
    board = Board()
    board.group("g", "fit", ["a", "b"], 2)
    notices, told = notices_of(board)
    notices.expect("g")
    fold(board, "complete", task="a")
    notices.look(["a", "g"])
    assert told == []

    fold(board, "error", task="b", error="no")
    notices.look(["b", "g"])

    assert told == ["✗ fit × 2: 1 failed, 1 done"]


def test_a_terminal_rings(
    open_session: Callable[[], AbstractContextManager[Session]], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ""

    def has_rung() -> bool:
        nonlocal shown
        shown += capsys.readouterr().out
        return "\a✓ fit: done\n" in shown

    with open_session() as session:
        session.run_cell("1", "fit", notify=True, quiet=True)
        eventually(has_rung)


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("cell", "notice"),
    [
        ("%%huey_task fit --notify --quiet\n1 / 0", "✗ fit: failed · ZeroDivisionError: "),
        ("%%huey_map x in [1, 2] -n fit --notify\nx", "✓ fit × 2: 2 done"),
    ],
)
def test_the_page_is_told(tmp_path: Path, cell: str, notice: str) -> None:
    with kernel(tmp_path) as started:
        started.run("%load_ext huey_jupyter")
        started.client.execute(cell)

        told = next(text for text in notices(started.client) if text.startswith(notice))

    assert "\n" not in told


def notices(client: Any) -> Iterator[str]:
    """Yield what the hub is given to tell the reader."""
    while True:
        message = client.get_iopub_msg(timeout=DEADLINE)
        if message["msg_type"] == "comm_msg":
            content = message["content"]["data"].get("content", {})
            yield from content.get("notify", ())
