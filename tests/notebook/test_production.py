"""What the lesson on production brings: machines, their shifts, supervisors' files, skipping."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from IPython.utils.capture import capture_output
from waiting import eventually

from huey.exceptions import ConfigurationError
from huey_jupyter.teaching import Machines, Service, redis_server
from huey_jupyter.teaching.machines import Done, Machine, joined, left, runs
from huey_jupyter.teaching.server import PROGRAMS
from huey_jupyter.teaching.shifts import Facts, Shift, ShiftView, sentence
from huey_jupyter.teaching.skipping import skip_cells

MODULE = """\
import os
from huey import PriorityRedisHuey
huey = PriorityRedisHuey("shop", url=os.environ["HUEY_TEST_URL"], events=True)

@huey.task()
def where(number):
    return os.getcwd(), sorted(os.environ)
"""

# --- shifts, as data ---


def done(*ends: float) -> list[Done]:
    return [Done(f"task {end}", end - 1, end) for end in ends]


@pytest.fixture
def facts() -> Facts:
    """Two machines: the second joins after three seconds, and then twice as much is done."""
    shifts = [
        Shift("leeds", 0.0, None, done(1, 2, 3, 4, 5, 6)),
        Shift("york", 3.0, None, done(4, 5, 6)),
    ]
    return Facts.of(shifts, tasks=9, now=99.0)


def test_each_stretch_has_those_who_were_there_and_their_pace(facts: Facts) -> None:
    assert [(one.names, one.tasks, one.pace) for one in facts.stretches] == [
        (("leeds",), 3, 1.0),
        (("leeds", "york"), 6, 2.0),
    ]
    assert not facts.going


def test_rows_count_what_was_done_in_each_column(facts: Facts) -> None:
    assert facts.step == 0.5
    assert [(row.name, sum(row.counts), row.note) for row in facts.rows] == [
        ("leeds", 6, "6 done"),
        ("york", 3, "3 from 3.0 s on"),
        ("together", 9, "9 done"),
    ]


def test_a_sentence_says_what_the_chart_shows(facts: Facts) -> None:
    assert sentence(facts) == (
        "9 of 9 tasks done in 6.0 s. Leeds: 1.0 tasks a second; leeds and york: 2.0 tasks a second."
    )


def test_a_batch_of_which_nothing_is_done_says_so() -> None:
    assert sentence(Facts.of([], 5, 1.0)) == "5 tasks wait; no machine has done one yet."


def test_a_log_tells_who_came_ran_what_and_left() -> None:
    log = [
        {"at": 1.0, "logger": "huey.consumer", "message": "started with 2 thread workers"},
        {"at": 2.0, "logger": "huey.executor", "message": "executing <a>", "task": "a"},
        {"at": 2.5, "logger": "shop", "message": "said by the task", "task": "a"},
        {"at": 3.0, "logger": "huey.executor", "message": "<a> done in 1 s", "task": "a"},
        {"at": 3.5, "logger": "huey.executor", "message": "executing <b>", "task": "b"},
        {"at": 4.0, "logger": "huey.consumer", "message": "stopped"},
    ]
    assert (joined(log), left(log), list(runs(log))) == (1.0, 4.0, [Done("a", 2.0, 3.0)])
    assert (joined([]), left([])) == (None, None)
    again = {"at": 5.0, "logger": "huey.consumer", "message": "started with 2 thread workers"}
    assert (joined([*log, again]), left([*log, again])) == (1.0, None)


def test_a_task_that_goes_back_to_the_queue_is_not_done() -> None:
    said = ("executing <a>", "<a> was interrupted and goes back to the queue", "executing <a>")
    log = [
        {"at": at, "logger": "huey.executor", "message": message, "task": "a"}
        for at, message in enumerate([*said, "<a> done in 1 s"])
    ]
    assert list(runs(log)) == [Done("a", 2, 3)]


# --- machines ---


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module in the working directory, with a queue on a server."""
    if not any(map(shutil.which, PROGRAMS)):
        pytest.skip("no Redis server: sudo apt-get install redis-server")
    server = redis_server()
    assert server is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUEY_TEST_URL", server.url)
    monkeypatch.setenv("SECRET_OF_THE_NOTEBOOK", "1")
    Path("shop.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with server:
        module = importlib.import_module("shop")
        yield module
        module.huey.storage.close()
        del sys.modules["shop"]


@pytest.fixture
def machines(shop: Any) -> Iterator[Machines]:
    machines = Machines("shop.huey")
    yield machines
    for one in machines.all.values():
        one.end()


def test_a_machine_runs_the_tasks_in_a_folder_of_its_own(shop: Any, machines: Machines) -> None:
    leeds = machines.start("leeds", "-w 2")

    folder, names = shop.where(1).get(blocking=True, timeout=20)

    assert folder == str(leeds.folder) != os.getcwd()
    assert "HUEY_TEST_URL" in names
    assert "SECRET_OF_THE_NOTEBOOK" not in names
    assert repr(leeds) == "<Machine leeds, running: huey_consumer shop.huey -w 2>"


def test_a_batch_is_shown_with_who_ran_it(shop: Any, machines: Machines) -> None:
    batch = shop.where.map(range(6))
    view = ShiftView(machines, [one.id for one in batch])
    assert "6 tasks wait" in view.text()
    assert not view.terminal

    machines.start("leeds", "-w 2")

    eventually(lambda: view.terminal)
    eventually(lambda: 'aria-label="leeds: 6 ' in view.html(live=True))  # its log may come late
    assert "6 of 6 tasks done" in view.text()
    assert "6 of 6 done" in view.html(live=False)


def test_a_machine_that_is_stopped_is_gone(shop: Any, machines: Machines) -> None:
    leeds = machines.start("leeds")
    machines.stop()

    assert not leeds.running
    assert "stopped" in leeds.log
    assert shop.huey.workers() == []
    with pytest.raises(ConfigurationError, match="no machine is running"):
        machines.wait(shop.where.map([1]))


@pytest.mark.usefixtures("loaded")
def test_what_a_machine_ran_before_it_was_started_again_counts(
    shop: Any, machines: Machines
) -> None:
    batch = shop.where.map(range(4))
    view = ShiftView(machines, [one.id for one in batch])
    machines.start("leeds")
    machines.wait(batch)

    machines.start("leeds")
    machines.wait(batch)

    assert len(machines.done()["leeds"]) == 4
    assert "4 of 4 tasks done" in view.text()


@pytest.mark.usefixtures("loaded")
def test_what_others_have_run_is_not_waited_for(
    shop: Any, machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = shop.where.map(range(4))
    first = machines.start("leeds")
    machines.wait(batch)

    others = Machines("shop.huey")
    assert not first.running
    assert capsys.readouterr().out == "Sent home first, from shop.huey: leeds.\n"
    assert len(machines.done()["leeds"]) == 4

    second = others.start("leeds")
    try:
        others.wait(batch)
    finally:
        second.end()
    assert "have run 0 of the 4 tasks" in capsys.readouterr().out


@pytest.mark.usefixtures("shop")
def test_a_consumer_that_does_not_start_is_told_of() -> None:
    Path("broken.py").write_text("import nothing_like_it", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="did not start"):
        Machine("leeds", "broken.huey")
    with pytest.raises(ConfigurationError, match="export it first"):
        Machine("leeds", "missing.huey")
    with pytest.raises(ValueError, match="letters"):
        Machine("<b>", "shop.huey")


# --- files for supervisors ---


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze: sudo apt-get install systemd")
    program = tmp_path / "a shop" / ".venv" / "bin" / "huey_consumer"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/true", program)
    unit = tmp_path / "shop.service"
    folder = str(tmp_path / "a shop")
    unit.write_text(Service("shop.huey", "-w 4 -L 'a lock'", folder).systemd(), encoding="utf-8")

    checked = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )

    assert "shop.service" not in checked.stderr


def test_the_compose_file_has_a_server_and_a_consumer() -> None:
    services = yaml.safe_load(Service("shop.huey", "-w 4 -k process").compose())["services"]

    consumer = services["consumer"]
    assert consumer["command"] == ["huey_consumer", "shop.huey", "-w", "4", "-k", "process"]
    assert consumer["healthcheck"]["test"][-1] == "--healthcheck"
    assert consumer["stop_signal"] == "SIGINT"
    assert "--requirepass" in services["redis"]["command"]


def test_what_is_no_import_path_is_refused() -> None:
    with pytest.raises(ValueError, match="no import path"):
        Service("shop.huey\nExecStart=evil").systemd()


# --- cells skipped ---


def test_cells_are_skipped_and_checks_stay_open(ip: Any) -> None:
    def said(cell: str) -> str:
        with capture_output() as captured:
            assert ip.run_cell(cell).success
        return str(captured.stdout)

    skip_cells("Skipped.")
    try:
        assert said("1 / 0") == "Skipped.\n"
        assert said("%%writefile /nowhere/at/all\nx") == "Skipped.\n"
        assert said("def check(number, answer): print(number, answer)  # redis_server(") == ""
        assert said('check("08.1", undefined)') == "08.1 Ellipsis\n"
    finally:
        skip_cells("")
    assert said("print(1)") == "1\n"
