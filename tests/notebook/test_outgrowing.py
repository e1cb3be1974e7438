"""A notebook that outgrows its kernel: other storages, processes, a crash and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kernelrun import CellFailed, kernel
from redis_server import RedisServer

from huey_jupyter.backends import NotebookHuey

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

COUNTED = """
import pathlib, uuid
runs = pathlib.Path('runs'); runs.mkdir(exist_ok=True)
@huey.task()
def note(n):
    import pathlib, uuid
    (pathlib.Path('runs') / f'{n}-{uuid.uuid4().hex}').touch()
    return n
"""


def runs_of(folder: Path) -> list[int]:
    return sorted(int(path.name.partition("-")[0]) for path in (folder / "runs").iterdir())


@pytest.fixture
def server() -> Iterator[RedisServer]:
    started = RedisServer()
    yield started
    started.end()


@pytest.mark.server
def test_what_waits_moves_to_redis_and_runs_once_each(tmp_path: Path, server: RedisServer) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("%huey stop")
        notebook.run(COUNTED)
        notebook.run("waiting = note.map(range(100))")
        notebook.run("later = [note.schedule((n,), delay=0.2 + n / 1000) for n in range(100, 120)]")
        with pytest.raises(CellFailed, match="--move"):
            notebook.run(f"%huey use {server.url}")
        notebook.run(f"%huey use {server.url} --move")
        notebook.run("%huey start")
        got = notebook.run("print(waiting.get(blocking=True, timeout=30) == list(range(100)))")
        more = notebook.run("print([r.get(blocking=True, timeout=30) for r in later][:3])")

        assert "True" in got
        assert "[100, 101, 102]" in more
        assert runs_of(tmp_path) == list(range(120))
        assert "redis" in notebook.run("%huey")


def test_a_crash_loses_nothing_and_the_cards_come_back(tmp_path: Path) -> None:
    with kernel(tmp_path, {"IPYTHONDIR": str(tmp_path / "ipython")}) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("%huey use sqlite")
        notebook.run(COUNTED)
        notebook.run("%%huey_task finished --wait\nprint('said before'); 'kept'")
        notebook.run("%huey pause")
        notebook.run("waiting = note.map(range(5)); last = note.schedule((9,), delay=1)")
        notebook.restart()

        assert "%huey reconnect" in notebook.run("%load_ext huey_jupyter")
        shown = notebook.run("%huey reconnect")
        assert "finished" in shown
        assert "kept" in shown
        assert "said before" in shown
        notebook.run("%huey wait")
        notebook.run(
            "import time\n"
            "while not any(c.args == '9' and c.terminal for c in "
            "__import__('huey_jupyter').current().tasks()): time.sleep(0.05)"
        )
        assert runs_of(tmp_path) == [0, 1, 2, 3, 4, 9]
        assert notebook.run("%huey tasks done").count("note") >= 6


def test_functions_of_the_notebook_run_in_processes(tmp_path: Path) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run(
            "import os\n"
            "def helper(n): return 1 if n < 2 else n * helper(n - 1)\n"
            "@huey.task()\n"
            "def factorial(n):\n"
            "    print('in', os.getpid())\n"
            "    return helper(n), os.getpid()"
        )
        said = notebook.run("%huey start -k process -w 2")
        assert "huey.db" in said
        assert "2 processes" in said
        notebook.run("value, pid = factorial(5).get(blocking=True, timeout=30)")
        assert "120 True" in notebook.run("print(value, pid != os.getpid())")
        notebook.run("%%huey_task by_value -o res --wait\nprint('there'); made = helper(4)\nmade")
        assert "there" in notebook.run("res")
        assert "24" in notebook.run("print(made)")


def test_a_lock_among_the_globals_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("%huey use sqlite")
        notebook.run(
            "import threading\nguard = threading.Lock()\n"
            "@huey.task()\ndef guarded():\n    with guard:\n        return 1"
        )
        with pytest.raises(CellFailed, match="guard"):
            notebook.run("guarded()")
        assert "0" in notebook.run("print(huey.pending_count())")


def test_tasks_left_in_a_storage_are_found_there_again(tmp_path: Path) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("%huey stop")
        notebook.run(COUNTED)
        notebook.run("%huey use sqlite:a.db")
        notebook.run("left = note(1)")
        notebook.run("%huey use memory --leave")
        assert "left in sqlite:a.db" in notebook.run("left")
        notebook.run("%huey wait")

        notebook.run("%huey use file:queue")
        notebook.run("%huey use sqlite:a.db")
        assert "queued" in notebook.run("left")
        notebook.run("%huey start")
        notebook.run("%huey wait")
        assert "done" in notebook.run("left")
        assert runs_of(tmp_path) == [1]


def test_what_a_killed_worker_ran_waits_again_when_workers_are_stopped(tmp_path: Path) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run(
            "import pathlib, time\n@huey.task()\ndef deaf():\n"
            "    pathlib.Path('runs').touch()\n"
            "    while True:\n        try: time.sleep(60)\n        except BaseException: pass"
        )
        assert "memory: the queue is in sqlite:huey.db" in notebook.run("%huey start -k process")
        notebook.run("task = deaf()\nwhile not pathlib.Path('runs').exists(): time.sleep(0.02)")

        assert "0 running · 1 queued" in notebook.run("%huey stop")
        notebook.run("%huey cancel all")


def test_workers_of_somebody_else_are_counted(tmp_path: Path) -> None:
    huey = NotebookHuey("notebook", f"sqlite:{tmp_path}/a.db")
    with kernel(tmp_path) as notebook, huey.create_consumer(workers=3):
        notebook.run("%load_ext huey_jupyter")
        notebook.run("%huey use sqlite:a.db")
        assert "2 threads, 3 elsewhere" in notebook.run("%huey")
        assert "3 workers elsewhere" in notebook.run("%huey stop")
    huey.storage.close()


def test_processes_are_refused_for_a_huey_that_the_notebook_has_made(tmp_path: Path) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("from huey import SqliteHuey; mine = SqliteHuey(filename='mine.db')")
        notebook.run("%huey use mine")
        with pytest.raises(CellFailed, match="%huey start -k thread, or run huey_consumer"):
            notebook.run("%huey start -k process")
        assert "2 threads" in notebook.run("%huey")
        notebook.run("%huey use sqlite")
        notebook.run("%huey start -k process")
        with pytest.raises(CellFailed, match="%huey start -k thread, or run huey_consumer"):
            notebook.run("%huey use mine")
        assert "2 processes" in notebook.run("%huey")


def test_a_notebook_that_leaves_a_huey_of_its_own_making_has_its_own_name_again(
    tmp_path: Path,
) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("from huey import SqliteHuey; mine = SqliteHuey('mine', filename='mine.db')")
        notebook.run("own = huey.name")
        notebook.run("%huey use mine")
        assert "mine" in notebook.run("print(huey.name)")
        notebook.run("%huey use sqlite:other.db")
        assert "True" in notebook.run("print(huey.name == huey.storage.name == own)")


@pytest.mark.server
def test_a_map_sends_what_its_tasks_have_in_common_once(
    tmp_path: Path, server: RedisServer
) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run(f"%huey use {server.url}")
        notebook.run("table = list(range(200_000))")
        notebook.run("%%huey_map n in range(300) -o looked\ntable[n] + 1")
        got = notebook.run("print(looked.get(blocking=True, timeout=60) == list(range(1, 301)))")

    assert "True" in got
    with server.client() as client:
        assert client.info("stats")["total_net_input_bytes"] < 20_000_000


def test_a_cell_that_waits_for_another_has_the_names_that_it_made_elsewhere(
    tmp_path: Path,
) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run("%huey start -k process")
        notebook.run("%%huey_task -o first\nimport time\ntime.sleep(0.3)\nmade = 11")
        notebook.run("%%huey_task -o second --after first\nmade + 1")
        got = notebook.run("print(second.get(blocking=True, timeout=30))")
        assert "12" in got
        assert "11" in notebook.run("print(made)")


@pytest.mark.server
def test_a_notebook_goes_on_when_its_server_is_gone(tmp_path: Path, server: RedisServer) -> None:
    with kernel(tmp_path) as notebook:
        notebook.run("%load_ext huey_jupyter")
        notebook.run(f"%huey use {server.url}")
        notebook.run(COUNTED)
        notebook.run("note(1).get(blocking=True, timeout=30)")
        server.stop()

        assert notebook.run("1 + 1").strip() == "2"
        assert "cannot be reached" in notebook.run("%huey")
        with pytest.raises(CellFailed, match="cannot be reached: ConnectionError"):
            notebook.run("%%huey_task\n1")
        with pytest.raises(CellFailed, match="--leave"):
            notebook.run("%huey use sqlite:a.db")
        notebook.run("%huey use sqlite:a.db --leave")
        notebook.run("note(2).get(blocking=True, timeout=30)")

        server.start()
        notebook.run(f"%huey use {server.url}")
        notebook.run("note(3).get(blocking=True, timeout=30)")
        server.stop()
        notebook.run("%unload_ext huey_jupyter")
        assert "ends with the kernel" in notebook.run("%load_ext huey_jupyter")
        notebook.run("note(4).get(blocking=True, timeout=30)")
        assert runs_of(tmp_path) == [1, 2, 3, 4]
