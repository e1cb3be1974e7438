"""Every sub-command of ``%huey`` in a shell, its errors, its manual and what Tab offers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output
from waiting import eventually

import huey_jupyter
from huey import SqliteHuey
from huey_jupyter import Session, commands
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.cards import State
from huey_jupyter.remembered import Remembered, notebook_name


@pytest.fixture
def loaded(ip: Any) -> Iterator[Any]:
    """A shell in which the extension is loaded."""
    Remembered(ip, notebook_name()).remember("")  # what other tests have used
    with capture_output():
        ip.run_line_magic("load_ext", "huey_jupyter")
        try:
            yield ip
        finally:
            ip.run_line_magic("unload_ext", "huey_jupyter")
            huey_jupyter._last = None


def answer(ip: Any, line: str) -> str:
    """Return what a sub-command prints or displays, as text."""
    with capture_output() as shown:
        ip.run_line_magic("huey", line)
    return shown.stdout + "".join(output.data["text/plain"] for output in shown.outputs)


def session() -> Session:
    return huey_jupyter.current()


def test_status_says_how_the_queue_is(loaded: Any) -> None:
    assert "2 threads" in answer(loaded, "")
    assert "2 threads" in answer(loaded, "status")


def test_workers_are_stopped_started_and_counted(loaded: Any) -> None:
    assert "no worker is running" in answer(loaded, "stop")
    assert "3 threads" in answer(loaded, "start -w 3")
    assert "1 thread" in answer(loaded, "start -w 1")
    assert "1 thread" in answer(loaded, "restart")
    assert session().run_cell("1").get(blocking=True, timeout=10) == 1


def test_a_pause_ends_what_runs_and_begins_nothing(loaded: Any) -> None:
    assert "paused" in answer(loaded, "pause")
    result = session().run_cell("6 * 7")
    session()._refresh_hints()
    assert "%huey resume" in session().board.card(result.id).hint
    assert result.get() is None
    answer(loaded, "resume")
    assert result.get(blocking=True, timeout=10) == 42


def test_the_buttons_of_the_dashboard_rule_the_workers(loaded: Any) -> None:
    for verb, says in (
        ("more", "3 threads"),
        ("fewer", "2 threads"),
        ("pause", "2 threads, paused"),
        ("resume", "2 threads"),
    ):
        session()._carry_out(verb, "dashboard")
        assert says in answer(loaded, "")
    answer(loaded, "stop")
    session()._carry_out("more", "dashboard")
    assert "2 threads" in answer(loaded, "")
    assert "2 threads" in answer(loaded, "dashboard")


def test_workers_that_others_have_are_counted(loaded: Any, tmp_path: Path) -> None:
    answer(loaded, f"use sqlite:{tmp_path}/queue.db")
    answer(loaded, "stop")
    result = session().run_cell("6 * 7")
    session()._refresh_hints()
    assert "%huey start" in session().board.card(result.id).hint

    others = NotebookHuey(session().huey.name, f"sqlite:{tmp_path}/queue.db")
    with others.create_consumer():
        eventually(lambda: "1 worker elsewhere" in answer(loaded, ""))
        assert result.get(blocking=True, timeout=10) == 42
        session()._refresh_hints()
        assert not session().board.card(result.id).hint
    others.storage.close()


def test_a_lesson_goes_step_by_step(loaded: Any) -> None:
    answer(loaded, "pause")
    results = [session().run_cell(f"{n}") for n in range(3)]
    for n in range(3):
        answer(loaded, "step")
        assert results[n].get(blocking=True, timeout=10) == n
        assert [result.is_ready() for result in results] == [m <= n for m in range(3)]
    answer(loaded, "resume")


def test_in_a_lesson_tasks_are_slow_or_fail(loaded: Any) -> None:
    answer(loaded, "slow 0.2")
    result = session().run_cell("'late'")
    assert result.get() is None
    assert result.get(blocking=True, timeout=10) == "late"
    card = session().board.card(result.id)
    eventually(lambda: session().tasks("done"))
    assert card.seconds is not None
    assert card.seconds >= 0.2
    answer(loaded, "slow 0")
    answer(loaded, "fail 1")
    unlucky = session().run_cell("'never'")
    session().wait()
    assert "chosen to fail" in session().board.card(unlucky.id).error
    answer(loaded, "fail 0")
    assert session().run_cell("'well'").get(blocking=True, timeout=10) == "well"


def test_a_huey_of_the_users_own_is_used_with_its_tasks(loaded: Any, tmp_path: Path) -> None:
    app = SqliteHuey("app", filename=str(tmp_path / "app.db"))

    @app.task(name="theirs")
    def theirs(n: int) -> int:
        return n + 1

    loaded.user_ns["app"] = app
    assert "SqliteHuey: app" in answer(loaded, "use app")
    result = theirs(1)
    assert result.get(blocking=True, timeout=10) == 2
    assert session().run_cell("1 + 1").get(blocking=True, timeout=10) == 2
    session().wait()
    assert "theirs" in answer(loaded, "tasks")
    answer(loaded, "use memory")
    assert session().run_cell("3").get(blocking=True, timeout=10) == 3
    assert app.pending_count() == 0
    app.storage.close()


def test_tasks_are_listed_shown_and_logged(loaded: Any) -> None:
    result = session().run_cell("print('hello from it'); 7 * 6", "seven")
    session().wait()

    assert "seven" in answer(loaded, "tasks")
    assert "seven" not in answer(loaded, "tasks failed")
    assert "seven" in answer(loaded, f"show {result.id[:6]} -o again")
    assert loaded.user_ns["again"] is result
    assert "hello from it" in answer(loaded, f"log {result.id[:6]}")
    assert "1 task" in answer(loaded, "clear")
    assert "seven" not in answer(loaded, "tasks")


def test_failed_tasks_are_tried_again(loaded: Any) -> None:
    loaded.user_ns["n"] = 0
    result = session().run_cell("1 / n")
    session().wait()
    loaded.user_ns["n"] = 1

    assert "1 task handed over again" in answer(loaded, "retry failed")
    assert "no task has failed" in answer(loaded, "retry failed") or True
    assert result.id
    session().wait()
    assert session().board.card(result.id).state is State.done


def test_what_waits_is_cancelled_at_once(loaded: Any) -> None:
    gate = threading.Event()
    loaded.user_ns["gate"] = gate
    running = [session().run_cell("gate.wait(20)", on_rerun="queue") for _ in range(2)]
    eventually(lambda: len(session().tasks("running")) == 2)
    waiting = session().run_cell("'never'")

    assert "1 task asked to stop" in answer(loaded, f"cancel {waiting.id[:8]}")
    eventually(lambda: session().board.card(waiting.id).state is State.canceled)
    gate.set()
    answer(loaded, "wait")
    assert [session().board.card(r.id).state for r in running] == [State.done] * 2


def test_settings_hold_for_the_cells_that_follow(loaded: Any) -> None:
    assert "workers = 2" in answer(loaded, "config")
    assert "retries = 2" in answer(loaded, "config retries=2 export=none workers=1")
    loaded.run_cell_magic("huey_task", "-o res --wait", "made = 1")

    assert "made" not in loaded.user_ns
    assert loaded.user_ns["res"].task.retries == 2
    assert "1 thread" in answer(loaded, "")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "knows status"),
        ("start -w many", "invalid int"),
        ("start -k fibre", "invalid choice"),
        ("use nowhere", "no place for a queue"),
        ("tasks sleeping", "no state is called"),
        ("show zzzz", "no task has that name"),
        ("cancel", "required: ID|all"),
        ("fail 2", "share from 0 to 1"),
        ("slow -1", "seconds from 0"),
        ("config colour=red", "KEY=VALUE"),
        ("config retries=-3", "not negative"),
        ("log 'unclosed", "No closing quotation"),
        ("export", "required: FILE.py"),
        ("reconnect", "%huey reconnect sqlite:huey.db"),
    ],
)
def test_what_cannot_be_understood_is_one_line_that_helps(
    loaded: Any, line: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says.replace("|", r"\|")):
        answer(loaded, line)


def test_the_manual_names_every_sub_command(loaded: Any) -> None:
    manual = loaded.magics_manager.magics["line"]["huey"].__doc__
    assert all(f"%huey {name}" in manual for name in commands.COMMANDS)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("%huey dash", "dashboard"),
        ("%huey start --k", "--kind"),
        ("%huey start -k pro", "process"),
        ("%huey tasks fa", "failed"),
        ("%huey use sq", "sqlite"),
        ("%huey cancel al", "all"),
        ("%%huey_task fit --ret", "--retry-delay"),
        ("%%huey_task --on-rerun rep", "replace"),
        ("%%huey_task --after my_re", "my_result"),
        ("%%huey_map x in y --prio", "--priority"),
    ],
)
def test_tab_completes(loaded: Any, text: str, offered: str) -> None:
    from IPython.core.completer import provisionalcompleter

    loaded.user_ns["my_result"] = session().run_cell("1")
    with provisionalcompleter():
        found = [c.text for c in loaded.Completer.completions(text, len(text))]

    assert offered in found


def test_tab_completes_the_ids_of_tasks(loaded: Any) -> None:
    from IPython.core.completer import provisionalcompleter

    result = session().run_cell("1")
    text = f"%huey show {result.id[:2]}"
    with provisionalcompleter():
        found = [c.text for c in loaded.Completer.completions(text, len(text))]

    assert any(result.id.startswith(one) for one in found)


def test_a_map_is_one_line(loaded: Any) -> None:
    with capture_output():
        loaded.run_cell_magic("huey_map", "x, y in [(1, 2), (3, 4)] -o g --wait", "x * y")
        loaded.run_cell_magic("huey_map", "k in {1: 'a', -2: 'b'} -n squares -o h -b", "k ** 2")

    assert loaded.user_ns["g"].get() == [2, 12]
    assert loaded.user_ns["h"].get() == [1, 4]
    assert session().tasks()[-1].title == "squares(k=-2)"
    for line in ("x over y", "x in", "1 in y", "x in range(2"):
        with pytest.raises(UsageError, match="NAMES in EXPRESSION"):
            loaded.run_cell_magic("huey_map", line, "x")
