"""Consumer processes of a notebook, killed on purpose: what was begun, and what becomes of it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from consumers import is_alive
from IPython.utils.capture import capture_output
from kernelrun import Kernel, kernel
from waiting import PATIENCE, eventually

import huey_jupyter
from huey.exceptions import ConfigurationError, ResultTimeout, WorkerLost
from huey_jupyter.teaching import Consumers
from huey_jupyter.teaching.crew import CrewView, sums
from huey_jupyter.teaching.ledger import Blow, Fate, Ledger
from huey_jupyter.teaching.members import DIED
from huey_jupyter.teaching.outcomes import row

needs_processes = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# --- data ---


def told(*events: tuple[Any, ...]) -> Ledger:
    ledger = Ledger()
    for kind, at, task, *rest in events:
        pid = {"pid": rest[0]} if rest else {}
        ledger.fold({"kind": kind, "at": at, "task": task, "worker": "process 1", **pid})
    return ledger


def blow(at: float, name: str = "SIGKILL", pid: int = 7, target: str = "worker") -> Blow:
    return Blow(at, name, target, 1, pid, frozenset({pid}))


CUT_OFF = [
    *(("enqueued", 0, "a"), ("executing", 1, "a", 7)),
    *(("executing", 3, "a", 8), ("complete", 5, "a")),
]


def test_a_run_that_begins_again_was_cut_off() -> None:
    ledger = told(*CUT_OFF)

    assert [run.fate for run in ledger.runs] == [Fate.cut_off, Fate.done]
    assert str(ledger.counts) == (
        "1 task handed over. 2 runs begun: 1 finished, 0 put back, 1 cut off, 0 under way. "
        "0 tasks lost."
    )


def test_a_dead_process_cuts_off_what_it_ran_and_nothing_else() -> None:
    ledger = told(("executing", 1, "a", 7), ("executing", 1, "b", 8))
    ledger.bury(7, 2)

    assert [(run.end, run.fate) for run in ledger.runs] == [(2, Fate.cut_off), (None, Fate.going)]
    assert (ledger.counts.under_way, ledger.counts.waiting) == (1, 1)


def test_the_runs_begun_are_those_that_ended_in_some_way_or_are_under_way() -> None:
    ledger = told(
        *CUT_OFF,
        *(("executing", 1, "b", 8), ("interrupted", 2, "b"), ("executing", 3, "b", 9)),
        *(("executing", 1, "c", 5), ("error", 2, "c")),
    )
    counts = ledger.counts

    assert counts.begun == 5
    assert counts.begun == sum(counts[2:6])
    (_, runs), (_, tasks) = sums(ledger)
    assert [one.number for one in runs] == [5, 2, 1, 1, 1]
    assert [one.number for one in tasks] == [3, 2, 1, 0, 0]


def test_a_blow_is_told_by_what_came_of_it() -> None:
    ledger = told(*CUT_OFF)
    ledger.strike(blow(2))
    ledger.strike(blow(6, "SIGINT", pid=8))

    assert [row(one, str.upper) for one in ledger.outcomes()] == [
        ("SIGKILL → worker 7", "A", "cut off, began again 1.0 s later in process 8, finished"),
        ("SIGINT → worker 8", "", "nothing was running"),
    ]


def test_a_task_that_is_lost_says_so() -> None:
    ledger = told(("executing", 1, "a", 7), ("lost", 3, "a"))
    ledger.strike(blow(2))

    assert ledger.counts.lost == 1
    assert str(ledger.outcomes()[0]) == "cut off, lost, and its caller is told"


# --- real processes ---

CARRY = """
from huey_jupyter.teaching import work

@huey.task()
def carry(seconds):
    return work(seconds)

@huey.task(at_most_once=True)
def once(seconds):
    return work(seconds)

@huey.task()
def poison():
    import os, signal
    work(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def session(ip: Any, tmp_path: Path) -> Iterator[Any]:
    """A session whose queue is in a file."""
    with capture_output():
        ip.run_line_magic("load_ext", "huey_jupyter")
        ip.run_line_magic("huey", f"use sqlite:{tmp_path / 'chaos.db'}")
        try:
            yield huey_jupyter.current()
        finally:
            ip.run_line_magic("unload_ext", "huey_jupyter")
            huey_jupyter._last = None


@pytest.fixture
def crew(session: Any) -> Iterator[Consumers]:
    crew = Consumers(2)
    with capture_output():
        crew.start()
        yield crew
        crew.stop()
    for one in crew.crew:
        eventually(lambda one=one: not is_alive(one.pid))


@pytest.fixture
def carry(ip: Any, session: Any) -> Any:
    """A task function of a cell, so that its code travels."""
    ip.run_cell(CARRY)
    return ip.user_ns["carry"]


def value(result: Any) -> Any:
    return result.get(blocking=True, timeout=PATIENCE)


@needs_processes
@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "fates"),
    [
        ("interrupt", [Fate.done]),
        ("terminate", [Fate.put_back, Fate.done]),
        ("kill_worker", [Fate.cut_off, Fate.done]),
        ("kill", [Fate.cut_off, Fate.done]),
    ],
)
def test_whatever_hits_a_worker_its_task_is_done(
    crew: Consumers, carry: Any, deed: str, fates: list[Fate]
) -> None:
    parcel = carry(1.0)
    getattr(crew, deed)(parcel)

    assert value(parcel) == 1.0
    eventually(lambda: [run.fate for run in crew.ledger.of(parcel.id)] == fates)
    assert crew.story(parcel).count("begun") == len(fates)
    eventually(lambda: len(crew.alive) == (2 if deed == "kill_worker" else 1))
    crew.start()
    assert len([one for one in crew.alive if not one.asked]) == 2


@needs_processes
@pytest.mark.slow
def test_a_task_that_must_not_run_twice_is_lost_and_its_caller_told(
    ip: Any, crew: Consumers, carry: Any
) -> None:
    parcel = ip.user_ns["once"](30.0)
    crew.kill_worker(parcel)

    with pytest.raises(WorkerLost):
        value(parcel)
    assert crew.ledger.counts.lost == 1


@needs_processes
@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_told_from_those_who_end(
    ip: Any, crew: Consumers, carry: Any
) -> None:
    with pytest.raises(WorkerLost):
        value(ip.user_ns["poison"]())

    counts = crew.ledger.counts
    assert (counts.cut_off, counts.lost) == (3, 1)
    eventually(lambda: CrewView(crew).text().count(f"☠ {DIED}") == 3)


@needs_processes
@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of others need Linux")
def test_a_value_waits_for_room_on_the_disk(crew: Consumers, carry: Any) -> None:
    letter = carry(0.3)
    assert crew.fill_disk(letter)
    with pytest.raises(ResultTimeout):
        letter.get(blocking=True, timeout=1.5)

    crew.empty_disk()
    assert value(letter) == 0.3
    assert not crew.fill_disk(letter)  # as it is over


@needs_processes
@pytest.mark.slow
def test_whoever_is_not_there_cannot_be_hit(crew: Consumers, carry: Any) -> None:
    with pytest.raises(LookupError, match="no consumer 9 is alive: there is 1, 2"):
        crew.kill(9)
    done = carry(0.0)
    value(done)
    crew.kill(done)

    assert not crew.ledger.blows


@needs_processes
@pytest.mark.slow
def test_buttons_do_what_the_methods_do_and_heed_no_strangers(crew: Consumers, carry: Any) -> None:
    view = CrewView(crew)
    parcel = carry(1.0)
    eventually(lambda: crew.ledger.counts.under_way == 1)
    html = view.html(live=True)
    [run] = crew.ledger.of(parcel.id)
    assert f'data-verb="sigkill_worker" data-task="{view.key}#{run.pid}"' in html

    view.hear("sigkill", str(os.getpid()))
    view.hear("sigkill_worker", str(os.getpid()))
    view.hear("sigkill_worker", str(run.pid))

    assert value(parcel) == 1.0
    said = repr(crew.outcomes({"SIGKILL worker": "cut off", "SIGINT": "lost"}))
    assert re.search(r"SIGKILL worker +✓ cut off +cut off, began again", said)
    assert "✗ &lt;b&gt;" in crew.outcomes({"SIGKILL worker": "<b>"})._repr_html_()
    eventually(lambda: "☠ killed by SIGKILL" in view.text())
    assert "cut off, began again" in view.bundle()["text/html"]
    assert not re.search(r"<(script|style|svg|button)\b", view.bundle()["text/html"])


def test_a_queue_in_memory_is_refused(ip: Any) -> None:
    with capture_output():
        ip.run_line_magic("load_ext", "huey_jupyter")
        try:
            with pytest.raises(ConfigurationError, match="cannot see a queue in memory"):
                Consumers().start()
        finally:
            ip.run_line_magic("unload_ext", "huey_jupyter")
            huey_jupyter._last = None


def test_so_many_consumers_are_refused(session: Any) -> None:
    with pytest.raises(ValueError, match="from 1 to 6"):
        Consumers(7)


@needs_processes
@pytest.mark.kernel
@pytest.mark.slow
def test_consumers_end_with_a_kernel_that_is_killed(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        pids = started(one)
        os.kill(one.manager.provisioner.pid, signal.SIGKILL)
        for pid in pids:
            eventually(lambda pid=pid: not is_alive(pid))
        one.kill()


def started(one: Kernel) -> list[int]:
    """Start consumers in a kernel; return all of their processes."""
    said = one.run(
        "%load_ext huey_jupyter\n%huey use sqlite:chaos.db\n"
        "from huey_jupyter.teaching import Consumers\ncrew = Consumers(2).start()\n"
        "print('pids', *[p for one in crew.alive for p in (one.pid, *one.workers)])"
    )
    return [int(pid) for pid in re.findall(r"pids (.*)", said)[0].split()]
