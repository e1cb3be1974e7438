"""Cells that run in another process, and the names that they bring back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from notebook_worker import worker_for
from waiting import PATIENCE

from huey.exceptions import TaskException
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.cells import Snapshot, compile_cell
from huey_jupyter.shipping import CannotTravel, envelope
from huey_jupyter.work import Work, take_made

SHELL = """
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config()
config.HistoryManager.enabled = False
ip = InteractiveShell.instance(config=config)
"""


class Sender:
    """A notebook that sends cells: its shell, its queue, its names."""

    def __init__(self, ip: Any, huey: NotebookHuey) -> None:
        self.ip, self.huey, self.names = ip, huey, ip.user_ns
        self.names["huey"] = huey
        self.brought: dict[str, Any] = {}

    def run(self, text: str) -> None:
        self.ip.run_cell(text, store_history=True).raise_error()

    def send(self, text: str, retries: int = 0) -> Sent:
        return Sent(self, text, retries)


class Sent:
    """A cell in the hands of a worker elsewhere."""

    def __init__(self, sender: Sender, text: str, retries: int) -> None:
        self.sender = sender
        names = sender.names
        self.snapshot = Snapshot(names)
        cell = compile_cell(sender.ip, text, "%%huey_task")
        work = Work(cell, self.snapshot, sender.huey.courier)
        task = sender.huey.cell.s(work, "the label", retries, retries=retries)
        self.result = sender.huey.enqueue(task)

    def value(self) -> Any:
        return self.result.get(blocking=True, timeout=PATIENCE)

    def bring_back(self, wanted: set[str] | None = None) -> tuple[list[str], list[str]]:
        self.value()
        self.made = take_made(self.sender.huey.courier, self.result.id)
        if self.made is not None:
            self.snapshot.receive(self.made)
        return self.snapshot.bring_back(wanted, self.sender.brought)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cells")
    huey = NotebookHuey("demo", f"sqlite:{folder}/queue.db")
    with worker_for(huey, folder / "elsewhere"):
        yield huey.url
    huey.storage.close()


@pytest.fixture
def sender(ip: Any, url: str) -> Iterator[Sender]:
    huey = NotebookHuey("demo", url)
    yield Sender(ip, huey)
    huey.storage.close()


@pytest.fixture
def alone(ip: Any, tmp_path: Path) -> Iterator[Sender]:
    """A notebook whose queue has no worker."""
    huey = NotebookHuey("demo", f"sqlite:{tmp_path}/alone.db")
    yield Sender(ip, huey)
    huey.storage.close()


VALUES = {
    "1 + 1": 2,
    "x = 3\nx * 2": 6,
    "x = 3\nx * 2;": None,
    "x = 3": None,
    "import os\nos.path.basename('a/b')": "b",
    "import asyncio\nawait asyncio.sleep(0)\n'slept'": "slept",
    "[n * k for n in range(3)]": [0, 7, 14],
    "helper(2)": 14,
    "k = 10\nhelper(2)": 20,
    "def own(n): return helper(n) + k\nown(1)": 14,
    "class A:\n  def go(self): return helper(1)\nk = 2\nA().go()": 2,
    "P(k).twice().x": 14,
    "k = 3\nP(1).scaled()": 3,
    "__name__": "__main__",
    "task.call_local(2)": 14,
    "huey.name": "demo",
}


@pytest.mark.parametrize("text", VALUES)
def test_a_cell_runs_elsewhere_on_the_names_that_it_uses(sender: Sender, text: str) -> None:
    sender.run(
        "k = 7\nunused = __import__('threading').Lock()\ndef helper(n): return n * k\n"
        "class P:\n    def __init__(self, x): self.x = x\n"
        "    def twice(self): return P(2 * self.x)\n"
        "    def scaled(self): return self.x * k\n"
        "@huey.task()\ndef task(n): return helper(n)"
    )

    assert sender.send(text).value() == VALUES[text]


def test_names_that_a_cell_made_come_back(sender: Sender) -> None:
    sender.run("k = 1\nkept = 'old'\ngiven = [1]")

    sent = sender.send(
        "a = k + 1\n_b = 3\ndef f(): return a + k\nclass P: pass\np = P()\nkept = 'new'\ngiven"
    )
    sender.run("kept = 'own'")

    assert sent.bring_back() == (["kept"], [])
    names = sender.names
    assert (names["a"], names["kept"], names["given"]) == (2, "own", [1])
    assert "_b" not in names
    assert type(names["p"]) is names["P"]
    sender.run("a, k = 100, 1000")
    assert names["f"]() == 1100
    assert names["f"].__globals__ is names


def test_only_the_names_that_are_wanted_come_back(sender: Sender) -> None:
    sent = sender.send("a, b = 1, 2")

    assert sent.bring_back({"b", "c"}) == ([], ["c"])
    assert "a" not in sender.names
    assert sender.names["b"] == 2


def test_a_later_cell_wins(sender: Sender) -> None:
    first, second = sender.send("a = 1"), sender.send("a = 2")

    second.bring_back()
    first.bring_back()

    assert sender.names["a"] == 2


def test_made_names_that_cannot_travel_are_left_out_and_named(sender: Sender) -> None:
    sent = sender.send(
        "import threading\nlock = threading.Lock()\ngood = 1\ndef locked():\n    return lock\n"
        "numbers = (n for n in [1])"
    )

    assert sent.bring_back() == ([], [])
    assert sent.made is not None
    assert set(sent.made.left_out) == {"lock", "locked", "numbers"}
    assert sent.made.left_out["numbers"] == "a generator"
    assert sender.names["good"] == 1
    assert "lock" not in sender.names


def test_made_names_are_there_when_the_task_is_done_and_taken_once(sender: Sender) -> None:
    sent = sender.send("a = 1")
    sent.value()

    assert f"made:{sent.result.id}" not in sender.huey.all_results()
    assert take_made(sender.huey.courier, sent.result.id) is not None
    assert take_made(sender.huey.courier, sent.result.id) is None


def test_each_try_begins_with_the_same_names(sender: Sender) -> None:
    sender.run("tries = [0]\nn = 1")

    sent = sender.send(
        "tries.append(n)\nn = n + 1\nfrom huey.tasks import current_task\n"
        "assert current_task().retries < 2\ntries, n",
        retries=3,
    )

    assert sent.value() == ([0, 1], 2)
    events = [e for _, e in sender.huey.events.read() if e["task"] == sent.result.id]
    assert [e["attempt"] for e in events if e["kind"] == "executing"] == [1, 2, 3]
    assert next(e["label"] for e in events if e["kind"] == "enqueued") == "the label"


def test_a_traceback_shows_the_cells_own_lines(sender: Sender) -> None:
    sender.run("def helper(n):\n    return 1 / n")

    sent = sender.send("x = 1\n\nhelper(0)")

    with pytest.raises(TaskException, match="ZeroDivisionError") as caught:
        sent.value()
    text = caught.value.metadata["traceback"]
    assert "line 4, in <module>\n    helper(0)" in text
    assert "line 2, in helper\n    return 1 / n" in text
    assert "huey_jupyter" not in text


def test_a_cell_that_is_no_python_is_refused_at_once(sender: Sender) -> None:
    with pytest.raises(SyntaxError):
        sender.send("x = = 1")


NOT_NEEDED = (
    "lock = 3\nlock",
    "with open('/dev/null') as lock:\n    lock.name",
    "for lock in range(3):\n    lock",
    "import math as lock\nlock.pi",
    "[lock for lock in range(3)]",
    "def lock(): return lock\nlock",
    "if 1:\n    lock = 1\nelse:\n    lock = 2\nlock",
    "try:\n    lock = 1\nfinally:\n    pass",
    "def f(lock): return lock\nf(1)",
)
NEEDED = {
    "lock": 2,
    "lock.locked()\nlock = 1": 2,
    "def f():\n    return lock\nf()": 3,
    "if 0:\n    lock = 1\nlock": 4,
    "try:\n    lock = 1\nexcept ValueError:\n    pass\nlock": 6,
    "while 0:\n    lock = 1\nlock": 4,
    "[lock for _ in range(3)]": 2,
    "del lock": 2,
    "with lock:\n    pass": 2,
}


@pytest.mark.parametrize("text", NOT_NEEDED)
def test_what_a_cell_binds_itself_is_not_sent(alone: Sender, text: str) -> None:
    alone.run("import threading\nlock = threading.Lock()")

    alone.send(text)

    assert len(alone.huey) == 1


@pytest.mark.parametrize("text", NEEDED)
def test_what_a_cell_needs_and_cannot_travel_is_named(alone: Sender, text: str) -> None:
    alone.run("import threading\nlock = threading.Lock()")

    with pytest.raises(
        CannotTravel, match=r"the cell cannot be sent .* `lock` is a lock"
    ) as caught:
        alone.send(text)

    assert f"used in line {NEEDED[text]}:" in str(caught.value)
    assert len(alone.huey) == 0
    assert not alone.huey.storage.result_items()


def test_large_names_are_told(alone: Sender) -> None:
    alone.run("data = b'x' * 38_000_000")

    alone.send("len(data)")

    [event] = [event for _, event in alone.huey.events.read()]
    assert event["carries"] == "`data`, 38 MB"
    assert event["label"] == "the label"


def test_commands_and_magics_need_a_shell_there(sender: Sender) -> None:
    with pytest.raises(TaskException, match="need IPython where the task runs"):
        sender.send("!echo hello").value()
    sender.run("def shout():\n    return get_ipython().getoutput('echo hi')")
    with pytest.raises(TaskException, match="need IPython where the task runs"):
        sender.send("shout()").value()


def test_commands_and_magics_use_the_workers_shell(alone: Sender, tmp_path: Path) -> None:
    with worker_for(alone.huey, tmp_path / "elsewhere", before=SHELL):
        said = alone.send("words = !echo hello\n%time n = 3\nwords[0], n")
        assert said.value() == ("hello", 3)
        alone.run("def shout():\n    return get_ipython().getoutput('echo hi')[0]")
        assert alone.send("shout()").value() == "hi"
        failed = alone.send(
            "import sys\nfrom huey_jupyter.reprs import Storyteller\ntry:\n    1 / 0\n"
            "except ZeroDivisionError as error:\n"
            "    told = Storyteller(get_ipython()).traceback(error)\ntold"
        )
        number = alone.ip.displayhook.prompt_count
        told = re.sub("\x1b.*?m", "", failed.value())
        assert f"Cell In[{number}], line 5" in told
        assert "1 / 0" in told


def test_a_worker_of_another_python_sets_cells_aside(alone: Sender, monkeypatch: Any) -> None:
    alone.run("def helper(): return 1")
    sent = alone.send("helper()")
    monkeypatch.setattr(envelope, "PYTHON", "3.99")

    with alone.huey.create_consumer(), pytest.raises(TaskException, match="no consumer"):
        sent.value()
    [(_, reason)] = alone.huey.set_aside()
    assert "python3.11 -m huey_jupyter worker" in reason


def test_workers_in_this_process_run_sent_cells_too(alone: Sender) -> None:
    alone.run("k = 2\ndef helper(): return k")

    with alone.huey.create_consumer():
        sent = alone.send("k = 5\nhelper()")
        assert sent.value() == 5
        assert alone.names["k"] == 2
        sent.bring_back()

    assert alone.names["k"] == 5
    assert isinstance(alone.names["helper"], FunctionType)


def test_a_cell_that_waits_in_memory_moves_along(ip: Any, tmp_path: Path) -> None:
    huey = NotebookHuey("demo")
    sender = Sender(ip, huey)
    sender.run("k = 2\ndef helper(): return k")
    sent = sender.send("k = 5\nhelper()")

    huey.move_to(f"sqlite:{tmp_path}/queue.db", move=True)
    with worker_for(huey, tmp_path / "elsewhere"):
        assert sent.bring_back() == ([], [])
    assert sent.value() == 5
    assert sender.names["k"] == 5
    huey.storage.close()


def test_exit_ends_the_cell_and_not_its_worker(sender: Sender) -> None:
    with pytest.raises(TaskException, match="SystemExit"):
        sender.send("exit()").value()
    assert sender.send("1").value() == 1


def test_the_names_of_a_map_travel_once(sender: Sender) -> None:
    sender.run("table = bytes(range(256)) * 4_000\ndef look(n): return table[n] + base\nbase = 1")
    cell = compile_cell(sender.ip, "base = base + n\nlook(n)", "%%huey_map n in range(20)")
    snapshot = Snapshot(sender.names)
    works = [Work(cell, snapshot, sender.huey.courier, {"n": n}) for n in range(20)]
    tasks = [sender.huey.cell.s(work, "the label", 0) for work in works]
    batch = sender.huey.prepare(tasks)
    sent = sum(len(data) for data, _ in batch.enqueue)

    got = sender.huey.enqueue_many(tasks).get(blocking=True, timeout=PATIENCE)

    assert sent < 100_000
    assert all("`table`, 1 MB" in task.describe()["carries"] for task in tasks)
    assert got == [2 * n + 1 for n in range(20)]
