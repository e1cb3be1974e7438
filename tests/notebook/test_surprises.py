"""What one does without a thought: rule the queue from a task, forget, reset, delete, and go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.utils.capture import capture_output
from kernelrun import kernel

import huey_jupyter
from huey_jupyter import Session


@pytest.fixture
def loaded(ip: Any) -> Iterator[Any]:
    """A shell in which the extension is loaded."""
    with capture_output():
        ip.run_line_magic("load_ext", "huey_jupyter")
        try:
            yield ip
        finally:
            ip.run_line_magic("unload_ext", "huey_jupyter")
            huey_jupyter._last = None


def run(ip: Any, source: str) -> None:
    assert ip.run_cell(source).success


@pytest.mark.parametrize(
    "line",
    ["%huey stop", "%huey restart", "%huey use sqlite", "%unload_ext huey_jupyter"],
)
def test_a_task_cannot_stop_the_workers_that_run_it(loaded: Any, line: str) -> None:
    session = huey_jupyter.current()

    stopping = session.run_cell(line, "stopping", quiet=True)
    assert session.wait(stopping.id)

    card = session.board.card(stopping.id)
    assert "a task cannot" in card.error
    assert session.run_cell("6 * 7", quiet=True).get(blocking=True, timeout=10) == 42


def test_a_value_that_a_variable_holds_outlives_a_clear(session: Session) -> None:
    held = session.run_cell("6 * 7", quiet=True)
    session.show(held)
    session.wait()

    session.clear()

    assert held.get() == 42
    assert session.describe(held).startswith("✓ done")


def test_a_card_of_a_forgotten_task_does_not_wait(session: Session) -> None:
    held = session.run_cell("6 * 7", quiet=True)
    session.wait()
    session.huey.storage.pop_data(held.id)
    with session.lock:
        session.board.forget([held.id])

    assert "queued" not in session.describe(held)


def test_a_reset_of_the_notebook_leaves_the_queue_its_name(loaded: Any) -> None:
    run(loaded, "%reset -f")

    assert loaded.user_ns["huey"] is huey_jupyter.current().huey


def test_what_was_deleted_meanwhile_is_not_called_bound(session: Session) -> None:
    session.ip.user_ns["x"] = 1
    result = session.run_cell("x = 2", quiet=True)
    del session.ip.user_ns["x"]

    session.wait(result.id)

    assert session.board.card(result.id).note == "you have deleted `x` meanwhile: it stays so"


def test_an_empty_group_is_shown_as_it_is(session: Session, capsys: Any) -> None:
    session.show(session.map_cell("n", "n", []))

    assert "<ResultGroup: 0 tasks>" in capsys.readouterr().out


def test_a_repeated_cell_is_counted_and_cancelled_by_its_name(loaded: Any) -> None:
    loaded.run_cell_magic("huey_task", "tick --every '0 0 1 1 *'", "1")
    session = huey_jupyter.current()
    assert session.status()["periodic"] == 1

    assert session.cancel("tick") == 1
    assert session.status()["periodic"] == 0


def test_text_of_a_card_holds_what_was_displayed(session: Session) -> None:
    result = session.run_cell("print('before')\ndisplay('shown')\nprint('after')", quiet=True)
    session.wait(result.id)

    lines = [line.strip() for line in session.describe(result).splitlines()]
    assert lines[-3:] == ["│ before", "│ 'shown'", "│ after"]


def test_a_terminal_shows_the_end_of_what_it_waited_for(loaded: Any, capsys: Any) -> None:
    loaded.run_cell_magic("huey_task", "fit --wait", "6 * 7")

    shown = capsys.readouterr().out
    assert "✓ done   fit" in shown
    assert "42" in shown


def test_a_setting_that_cannot_be_says_what_it_takes(session: Session) -> None:
    with pytest.raises(ValueError, match="workers is a whole number from 1 up, not '0'"):
        session.config("workers=0")


def test_a_cell_that_waits_for_another_is_not_done_when_events_were_missed(
    session: Session,
) -> None:
    gate = session.ip.user_ns["gate"] = threading.Event()
    first = session.run_cell("gate.wait(20)", quiet=True)
    then = session.run_cell("6 * 7", after=first, quiet=True)

    session.watcher.read_all()  # as after a flood of events, too

    assert not session.board.card(then.id).terminal
    gate.set()
    assert session.wait(then.id)
    assert then.get() == 42


@pytest.mark.kernel
@pytest.mark.parametrize(
    "cell", ["%%huey_map n in [1, 2] -n squares --wait\nn * n", "%%huey_task squares --wait\n4"]
)
def test_what_is_shown_stays_when_tasks_are_forgotten(tmp_path: Path, cell: str) -> None:
    with kernel(tmp_path) as started:
        started.run("%load_ext huey_jupyter")
        started.run(cell)

        shown = started.run("%huey clear") + started.run("%huey wait") + started.run("%huey")

    assert "○" not in shown
    assert "0 queued" in shown


def test_a_cell_starts_after_one_that_was_forgotten(session: Session) -> None:
    first = session.run_cell("1", quiet=True)
    session.wait()
    session.clear()

    then = session.run_cell("6 * 7", after=first, quiet=True)

    assert then.get(blocking=True, timeout=10) == 42
    assert session.status()["queued"] == 0


def test_one_can_wait_for_more_tasks_than_the_board_keeps(loaded: Any) -> None:
    huey_jupyter.current().board.max_idle = 10

    loaded.run_cell_magic("huey_map", "n in range(100) -o results --quiet --wait", "n")

    assert loaded.user_ns["results"].get() == list(range(100))
    assert huey_jupyter.current().status()["queued"] == 0


def test_a_task_is_found_by_its_name(session: Session) -> None:
    session.run_cell("1", "fit", quiet=True)
    latest = session.run_cell("2", "fit", quiet=True)
    session.wait()

    assert session.find("fit") == latest.id


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%huey start -", ["-w", "--workers", "-k", "--kind", "--detach"]),
        ("%huey start -k ", ["thread", "process"]),
        ("x = 1\n%huey st", ["status", "start", "stop", "step"]),
        ("%%huey_task --not", ["--notify"]),
        ("%%huey_task fit --on-rerun ", ["auto", "queue", "replace"]),
    ],
)
def test_tab_offers_nothing_else(loaded: Any, line: str, offered: list[str]) -> None:
    with provisionalcompleter():
        found = [c.text for c in loaded.Completer.completions(line, len(line))]

    assert sorted(found) == sorted(offered)
