"""What a task in a worker process writes to file descriptors 1 and 2 is on its card."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.display import HTML, display
from waiting import PATIENCE

from huey import SqliteHuey
from huey_jupyter.capture import Capture
from huey_jupyter.capture.descriptors import Descriptors
from huey_jupyter.cards import Board, Card
from huey_jupyter.log import Rich

pytestmark = pytest.mark.slow

Log = Callable[..., list[str]]


@pytest.fixture
def huey(tmp_path: Path) -> Iterator[SqliteHuey]:
    huey = SqliteHuey("descriptors", filename=str(tmp_path / "huey.db"), events=True)
    yield huey
    huey.storage.close()


@pytest.fixture
def run_task(huey: SqliteHuey, ip: Any) -> Log:
    """Run functions in one worker process, one after the other; return what the last printed."""

    def run_task(*funcs: Callable[[], Any]) -> list[str]:
        results = [huey.task(name=f"f{n}")(func)() for n, func in enumerate(funcs)]
        capture, descriptors = Capture(ip), Descriptors(huey)
        capture.start()
        descriptors.start()
        try:
            with huey.create_consumer(workers=1, worker_type="process"):
                for result in results:
                    with contextlib.suppress(Exception):
                        result.get(blocking=True, timeout=PATIENCE)
        finally:
            descriptors.stop()
            capture.stop()
        return card(huey, results[-1].id).log.texts()

    return run_task


def card(huey: SqliteHuey, task_id: str) -> Card:
    board = Board()
    for _, event in huey.events.read():
        board.fold(event)
    return board.cards[task_id]


def test_figures_and_displays_come_from_a_worker_process_too(run_task: Log, huey: Any) -> None:
    def task() -> None:
        from matplotlib import pyplot

        handle = display(HTML("first"), display_id=True)
        pyplot.figure(figsize=(1, 1))
        pyplot.plot([1, 2])
        print("drawn")
        handle.update(HTML("second"))

    assert run_task(task) == ["drawn"]
    events = [event for _, event in huey.events.read() if event["kind"] == "output"]
    log = card(huey, events[0]["task"]).log
    first, second = [entry.bundle for entry in log.entries() if isinstance(entry, Rich)]
    assert first["text/html"] == "second"
    assert base64.b64decode(second["image/png"]).startswith(b"\x89PNG")


def test_what_a_forked_child_of_a_worker_prints_is_the_tasks(run_task: Log) -> None:
    def child() -> None:
        print("from Python")
        os.system("echo from a shell")  # noqa: S605

    def task() -> None:
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()

    assert sorted(run_task(task)) == ["from Python", "from a shell"]


def test_what_c_and_programs_write_comes_in_order(run_task: Log) -> None:
    def task() -> None:
        c = ctypes.CDLL(None)
        print("one")
        c.printf(b"two, from C\n")
        print("three")
        os.system("echo four")  # noqa: S605
        os.write(1, b"five\n")
        print("six")
        subprocess.run(["echo", "seven"], check=True)
        os.write(2, b"eight\n")
        print("nine")

    words = [line.partition(",")[0] for line in run_task(task)]
    assert words == ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def test_half_a_character_waits_for_the_other_half(run_task: Log) -> None:
    def task() -> None:
        for byte in "Käse\n".encode():
            os.write(1, bytes([byte]))
            sys.stderr.write("")

    assert run_task(task) == ["Käse"]


def test_outside_a_task_the_descriptors_are_as_they_were(run_task: Log, huey: Any) -> None:
    def where() -> list[Any]:
        return [os.fstat(fd)[:3] for fd in (1, 2)]

    here = where()
    before: list[bool] = []
    opened: list[int] = []
    huey.pre_execute("look")(lambda task: before.append(where() == here))

    def task() -> None:
        opened.append(len(os.listdir("/dev/fd")))
        print(all(before), where() == here, max(opened) < opened[0] + 40)  # 4 are open in each

    # pre_execute hooks run in the order of their registration: this one before the descriptors'.
    assert run_task(*[task] * 20) == ["True False True"]


def test_a_task_that_closes_its_descriptors_harms_no_other(run_task: Log) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    assert run_task(close, lambda: os.write(1, b"still there\n")) == ["still there"]


def test_what_a_failing_task_wrote_is_kept(run_task: Log) -> None:
    def task() -> None:
        os.write(2, b"before the failure\n")
        raise ValueError("no")

    assert run_task(task) == ["before the failure"]


def test_a_dead_process_is_replaced_and_the_next_task_writes(run_task: Log, tmp_path: Any) -> None:
    died = tmp_path / "died"

    def die_once() -> None:
        if not died.exists():
            died.touch()
            os.write(1, b"gone with the process\n")
            os._exit(1)
        os.write(1, b"second life\n")

    assert run_task(die_once)[-1] == "second life"


def test_more_than_a_card_can_keep_is_counted_and_let_go(run_task: Log) -> None:
    def task() -> None:
        subprocess.run("yes | head -c 30000000", shell=True, check=True)  # noqa: S602

    assert "bytes left out]" in "\n".join(run_task(task))


def test_a_program_left_running_writes_to_its_own_task(run_task: Log, tmp_path: Any) -> None:
    go_on = tmp_path / "go_on"
    script = f"while [ ! -e {go_on} ]; do sleep 0.02; done; echo late"

    def leave_running() -> None:
        subprocess.Popen(["sh", "-c", script])

    def next_one() -> None:
        go_on.touch()
        os.write(1, b"mine\n")
        threading.Event().wait(0.2)  # time in which the other could come in between

    assert run_task(leave_running, next_one) == ["mine"]
