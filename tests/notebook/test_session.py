"""The session in a shell: cells handed over, output kept apart, everything given back."""

from __future__ import annotations

import gc
import logging
import re
import signal
import sys
import threading
from collections import Counter
from typing import Any

import pytest
from IPython.core import display_functions
from IPython.display import display

from huey import MemoryHuey
from huey.exceptions import TaskException, WorkerLost
from huey.storage import memory
from huey_jupyter import Session, current, load_ipython_extension, unload_ipython_extension
from huey_jupyter.cards import Card, State


def card_of(session: Session, task_id: str) -> Card:
    session.watcher.catch_up()
    return session.board.card(task_id)


def test_a_cell_gives_its_value(session: Session) -> None:
    result = session.run_cell("6 * 7", "answer")

    assert result.get(blocking=True, timeout=10) == 42
    card = card_of(session, result.id)
    assert card.state is State.done
    assert card.value == {"text/plain": "42"}
    assert card.title == "answer"


def test_arguments_and_values_pass_by_reference(session: Session) -> None:
    lock = threading.Lock()  # cannot be pickled

    @session.huey.task()
    def same(thing: Any) -> Any:
        return thing

    assert same(lock).get(blocking=True, timeout=10) is lock


def test_what_a_task_prints_and_displays_is_on_its_card_alone(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (
        "import sys, warnings\n"
        "from IPython.display import display, HTML\n"
        "print('to stdout')\n"
        "print('to stderr', file=sys.stderr)\n"
        "warnings.warn('a warning')\n"
        "display(HTML('<b>bold</b>'))"
    )
    with open_session() as session:
        session.pause()  # or it might have printed before its card is shown
        result = session.run_cell(source)
        card = capsys.readouterr().out
        session.resume()
        session.wait()

        text = session.describe(result)
        assert "to stdout" in text
        assert "to stderr" in text
        assert "a warning" in text
        assert "to stdout" not in card
        assert capsys.readouterr() == ("", "")


def test_two_tasks_at_once_keep_their_output_apart(open_session: Any) -> None:
    source = "import time\nfor _ in range(50):\n    print(word)\n    time.sleep(0.001)"
    with open_session() as session:
        results = []
        for word in ("one", "two"):
            session.ip.user_ns["word"] = word
            results.append(session.run_cell(source, "talk"))
        session.wait()

        for result, mine, other in zip(results, ("one", "two"), ("two", "one"), strict=True):
            lines = card_of(session, result.id).log.texts()
            assert [line.strip() for line in lines] == [mine] * 50, other


def test_prints_of_the_foreground_stay_in_the_foreground(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session() as session:
        result = session.run_cell("import time\nfor _ in range(20): time.sleep(0.005)")
        print("mine")
        session.wait()

        assert "mine" in capsys.readouterr().out
        assert "mine" not in session.describe(result)


def test_a_failed_cell_tells_its_own_line(session: Session) -> None:
    result = session.run_cell("x = 0\n1 / x", "broken", line="%%huey_task broken")

    with pytest.raises(TaskException, match="division by zero"):
        result.get(blocking=True, timeout=10)
    card = card_of(session, result.id)
    assert card.state is State.failed
    assert card.error == "ZeroDivisionError: division by zero"
    assert re.search(r"Cell.*In\[.*line.*3", card.traceback)
    assert "huey_jupyter" not in card.traceback
    assert "site-packages" not in card.traceback


def test_a_cell_is_tried_again(session: Session) -> None:
    source = "tries.append(1)\nif len(tries) < 3: raise ValueError('not yet')\nlen(tries)"
    session.ip.user_ns["tries"] = []

    result = session.run_cell(source, retries=2)

    assert result.get(blocking=True, timeout=10) == 3
    assert card_of(session, result.id).attempt == 3


def test_names_come_back_at_the_next_cell(session: Session, ip: Any) -> None:
    result = session.run_cell("made = 5")
    result.get(blocking=True, timeout=10)

    assert ip.run_cell("made + 1").result == 6


def test_a_name_rebound_meanwhile_is_kept_and_the_card_says_so(session: Session, ip: Any) -> None:
    ip.user_ns["gate"] = gate = threading.Event()
    result = session.run_cell("gate.wait(10)\nx = 'theirs'")
    ip.run_cell("x = 'mine'")
    gate.set()
    session.wait()

    assert ip.user_ns["x"] == "mine"
    assert "`x`" in card_of(session, result.id).note


def test_the_snapshot_is_let_go_when_the_task_is_over(session: Session) -> None:
    result = session.run_cell("1")
    session.wait()

    assert result.task.args[0].names.names == {}


def test_cancel_stops_a_running_cell_and_the_worker_goes_on(session: Session) -> None:
    result = session.run_cell("import time\nwhile True: time.sleep(0.01)")
    while card_of(session, result.id).state is not State.running:
        threading.Event().wait(0.01)

    assert session.cancel(result.id[:8]) == 1
    assert session.wait()
    card = card_of(session, result.id)
    assert card.state is State.canceled
    assert card.traceback == ""
    assert session.run_cell("1").get(blocking=True, timeout=10) == 1


def test_a_cell_and_a_function_may_have_the_same_name(session: Session) -> None:
    @session.huey.task()
    def fit(x: int) -> int:
        return 2 * x

    assert session.run_cell("1 + 1", "fit").get(blocking=True, timeout=10) == 2
    assert fit(3).get(blocking=True, timeout=10) == 6


def test_a_result_of_another_huey_is_shown_as_text_and_not_counted(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    other = MemoryHuey()

    @other.task()
    def theirs() -> int:
        return 1

    with open_session() as session:
        session.show(theirs())
        session.show(theirs.map([()]))

        assert capsys.readouterr().out.count("<Result") == 2
        assert session.wait()
        assert session.status()["queued"] == 0


def test_the_value_of_a_cell_goes_when_nobody_holds_its_result(session: Session) -> None:
    held = session.run_cell("'held'")
    session.run_cell("'dropped'")
    session.wait()
    assert list(session.huey.all_results()) == [held.id]

    del held
    gc.collect()

    assert session.huey.all_results() == {}


def test_what_a_cell_brought_back_goes_when_the_notebook_deletes_it(
    session: Session, ip: Any
) -> None:
    session.run_cell("class Thing: pass\nthing = Thing()")
    session.wait()
    ip.run_cell("import weakref; ref = weakref.ref(thing)")
    ip.run_cell("del thing")
    ip.run_cell("import gc; gc.collect()")

    assert ip.user_ns["ref"]() is None


def test_the_cards_of_a_pipeline_that_fails_all_end(session: Session) -> None:
    @session.huey.task()
    def half(n: int) -> float:
        return 1 / n

    group = session.huey.enqueue(half.s(0).then(half).then(half))
    session.show(group)

    assert session.wait()
    states = [card_of(session, result.id).state for result in group]
    assert states == [State.failed, State.canceled, State.canceled]


def test_closing_ends_the_waiting_of_callers(ip: Any, open_session: Any) -> None:
    with open_session() as session:
        running = session.run_cell("import time\nwhile True: time.sleep(0.01)")
        while card_of(session, running.id).state is not State.running:
            threading.Event().wait(0.01)

    with pytest.raises(WorkerLost, match="the extension was unloaded"):
        running.get(blocking=True, timeout=10)


def test_a_task_function_survives_a_reload(ip: Any) -> None:
    load_ipython_extension(ip)
    ip.run_cell("@huey.task()\ndef double(x): return 2 * x")
    unload_ipython_extension(ip)
    load_ipython_extension(ip)
    try:
        ip.run_cell("six = double(3).get(blocking=True, timeout=10)")
        assert ip.user_ns["six"] == 6
        assert current().huey is ip.user_ns["huey"]
    finally:
        unload_ipython_extension(ip)


def test_a_repr_that_fails_is_told_on_the_card_alone(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "class R:\n    def __repr__(self): raise ValueError('no repr')\nR()"
    with open_session() as session:
        result = session.run_cell(source)
        session.wait()

        card = card_of(session, result.id)
        assert card.state is State.done
        assert card.value == {"text/plain": "<R: its representation failed>"}
        assert "no repr" in "\n".join(card.log.texts())
        assert "no repr" not in capsys.readouterr().out


def test_the_parts_of_an_exception_group_are_on_the_card(session: Session) -> None:
    result = session.run_cell("raise ExceptionGroup('two', [ValueError('first'), TypeError()])")
    session.wait()

    assert "ValueError: first" in card_of(session, result.id).traceback


def test_a_traceback_is_not_longer_than_a_card_can_bear(session: Session) -> None:
    result = session.run_cell(
        "def f(n): return [g(n, n) for _ in 'a'][0]\ndef g(n, m): return f(n)\nf(1)"
    )
    session.wait()

    assert "RecursionError" in card_of(session, result.id).traceback
    assert len(card_of(session, result.id).traceback) < 21_000


def test_what_no_message_can_carry_is_replaced(session: Session) -> None:
    result = session.run_cell("print('half \\ud800 done')\n'\\ud800'")
    session.wait()

    session.describe(result).encode()


def test_a_task_cannot_wait_for_its_own_queue(session: Session) -> None:
    @session.huey.task()
    def wait() -> None:
        session.wait()

    with pytest.raises(TaskException, match="cannot wait for the queue that it is in"):
        wait().get(blocking=True, timeout=10)


def test_a_finished_task_is_not_cancelled_nor_revoked(session: Session) -> None:
    result = session.run_cell("1")
    session.wait()

    assert session.cancel(result.id) == 0
    assert session.cancel("all") == 0
    assert not result.cancel()
    assert not result.is_revoked()


def test_an_unknown_task_is_named(session: Session) -> None:
    with pytest.raises(LookupError, match="no task has that name, or an id that begins with 'zz'"):
        session.cancel("zz")


def test_a_flood_of_tasks_ends_on_the_board_though_events_were_dropped(
    ip: Any, open_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "EVENTS_KEPT", 20)
    with open_session() as session:

        @session.huey.task()
        def half(n: int) -> float:
            return 1 / (n % 2)

        group = half.map(range(200))
        session.show(group)
        assert session.wait()

        states = Counter(session.board.card(result.id).state for result in group)
        assert states == {State.done: 100, State.failed: 100}


def test_status_counts_tasks_by_state(session: Session) -> None:
    session.run_cell("1")
    session.run_cell("1 / 0")
    session.wait()

    status = session.status()

    assert (status["workers"], status["done"], status["failed"]) == (2, 1, 1)
    assert (status["running"], status["queued"]) == (0, 0)


def test_a_task_cannot_ask_for_input(run_notebook: Any) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "%%huey_task -o asked\ninput('name? ')",
        "try:\n    asked.get(blocking=True, timeout=10)\n"
        "except Exception as error:\n    print(error)",
    )

    assert "cannot ask for input" in notebook.cells[2].outputs[0].text


def test_loading_and_unloading_gives_everything_back(ip: Any) -> None:
    def state() -> tuple[Any, ...]:
        formatter = ip.display_formatter
        return (
            sys.stdout,
            sys.stderr,
            display_functions.publish_display_data,
            vars(ip.display_pub).get("clear_output"),
            dict(formatter.ipython_display_formatter.type_printers),
            dict(formatter.formatters["text/plain"].type_printers),
            {name: list(calls) for name, calls in ip.events.callbacks.items()},
            signal.getsignal(signal.SIGINT),
            sys.getswitchinterval(),
            {kind: set(known) for kind, known in ip.magics_manager.magics.items()},
            "huey" in ip.user_ns,
            {t for t in threading.enumerate() if t.is_alive()},
        )

    before = state()
    for _ in range(2):
        load_ipython_extension(ip)
        assert ip.run_cell("huey").result is not None
        load_ipython_extension(ip)  # a second time does nothing
        unload_ipython_extension(ip)
        ip.user_ns.pop("_", None)

    assert state() == before


def test_a_name_that_is_taken_is_left_alone(ip: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ip.user_ns["huey"] = "mine"
    load_ipython_extension(ip)
    try:
        assert ip.user_ns["huey"] == "mine"
        assert "was taken" in capsys.readouterr().out
    finally:
        unload_ipython_extension(ip)
    assert ip.user_ns["huey"] == "mine"


def test_display_in_the_foreground_still_displays(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_session():
        display("shown")

        assert "shown" in capsys.readouterr().out


def test_what_cards_tell_is_not_logged_too(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("huey.executor")
    before = log.level
    with open_session() as session:
        logging.basicConfig(level="INFO", force=True, stream=sys.stderr)
        session.run_cell("1 / 0")
        session.wait()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)

    assert "huey.executor" not in capsys.readouterr().err
    assert log.level == before


def test_the_first_card_of_a_later_task_says_when(session: Session, capsys: Any) -> None:
    session.pause()
    session.run_cell("1", delay=3600)

    assert "scheduled" in capsys.readouterr().out
