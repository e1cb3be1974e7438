"""The notebook's task functions written to a module that a consumer runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from processes import Child
from redis_server import RedisServer
from waiting import PATIENCE, eventually

import huey as engine
from huey import MemoryHuey, RedisHuey
from huey_jupyter.export import CannotExport, Exported, Module, export, export_module, url_of
from huey_jupyter.export.module_huey import PASSWORD, huey_statement, without_password
from huey_jupyter.export.sources import history

ROOT = Path(engine.__file__).parents[1]
TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01_first_task.ipynb"

Write = Callable[..., Module]


@pytest.fixture
def notebook(ip: Any) -> Iterator[Any]:
    """A shell with a queue in memory, whose cells are numbered from 1."""
    ip.history_manager.input_hist_parsed[:] = [""]
    ip.user_ns["huey"] = MemoryHuey("notebook")
    yield ip
    ip.history_manager.input_hist_parsed[:] = [""]


def run(ip: Any, *cells: str) -> None:
    for cell in cells:
        ip.run_cell(cell, store_history=True, silent=False)


@pytest.fixture
def write(notebook: Any) -> Write:
    """Run cells and return the module that they come to."""

    def write(*cells: str) -> Module:
        run(notebook, *cells)
        return export_module(
            notebook.user_ns, notebook.user_ns["huey"], history(notebook), "memory"
        )

    return write


def problems(write: Write, *cells: str) -> str:
    with pytest.raises(CannotExport) as caught:
        write(*cells)
    return str(caught.value)


def in_a_clean_interpreter(folder: Path, code: str, environ: dict[str, str] | None = None) -> str:
    """Run Python with nothing of this process but the two packages."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{folder}", **(environ or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- what goes along ---


def test_a_task_brings_what_it_uses_and_nothing_else(write: Write) -> None:
    module = write(
        "import math, random\nimport os as system",
        "# How many there are.\nLIMIT = 50  # albums\nUNUSED = 1",
        "def helper(n):\n    # roots, mostly\n    return math.sqrt(n) + LIMIT",
        "def unused(): return random",
        "@huey.task(retries=2)\ndef work(n):\n    return helper(n)",
        "print('a side effect')\nwork.call_local(4)",
    )

    assert module.tasks == ("work",)
    assert module.others == ("helper", "LIMIT")
    assert "# How many there are.\nLIMIT = 50  # albums\n" in module.text
    assert "    # roots, mostly\n" in module.text
    assert "@huey.task(retries=2)\ndef work(n):" in module.text
    assert "import math\n" in module.text
    for absent in ("random", "UNUSED", "side effect", "call_local"):
        assert absent not in module.text


def test_the_last_definition_counts(write: Write) -> None:
    module = write(
        "LIMIT = 1\ndef helper(): return 'old'",
        "@huey.task()\ndef work(): return 'old'",
        "@huey.task()\ndef work(): return helper(), LIMIT",
        "def helper(): return 'new'\nLIMIT = 2",
    )

    assert "old" not in module.text
    assert module.text.count("def work") == 1
    assert "LIMIT = 2\n" in module.text


def test_a_definition_of_a_cell_that_failed_does_not_count(write: Write) -> None:
    module = write(
        "def helper(): return 'right'\n@huey.task()\ndef work(): return helper()",
        "1 / 0\ndef helper(): return 'never'",
    )

    assert "right" in module.text
    assert "never" not in module.text


def test_definitions_come_before_what_needs_them_at_once(write: Write, tmp_path: Path) -> None:
    module = write(
        "LIMIT = 1\nclass Base: pass\ndef word(): return STEP\nSTEP = 's'",
        "import functools\n"
        "def named(f):\n"
        "    @functools.wraps(f)\n"
        "    def inside(*a):\n"
        "        return word(), f(*a)\n"
        "    inside.word = word()\n"
        "    return inside",
        "class Kind(Base): size = LIMIT",
        "@huey.task()\n@named\ndef work(n=LIMIT): return Kind",
        # run again, after those that use them
        "STEP = 's'\nclass Base: pass\ndef word(): return STEP\nLIMIT = 3",
    )
    (tmp_path / "tasks.py").write_text(module.text)

    said = in_a_clean_interpreter(tmp_path, "import tasks; print(tasks.work.call_local())")
    assert said.startswith("('s', <class 'tasks.Kind'>")


def test_statements_on_one_line_are_taken_apart(write: Write) -> None:
    module = write("é = 'ä'; A = 1; B = 2", "@huey.task()\ndef work(): return B, é")

    assert "B = 2\n" in module.text
    assert "é = 'ä'\n" in module.text
    assert "A = 1" not in module.text


def test_constants_may_be_made_by_what_only_makes_values(write: Write) -> None:
    constants = {
        "RE": "re.compile('a+')",
        "WAIT": "timedelta(seconds=3)",
        "HERE": "Path.home() / 'x'",
        "WORDS": "'a b'.split()",
        "ORIGIN": "Point(0, y=0)",
        "SET": "frozenset(x for x in range(3))",
        "TWICE": "lambda n: 2 * n",
        "LOCK": "threading.Lock()",
        "KEY": "os.environ.get('KEY', '')",
        "GRID": "np.linspace(0, 1, 5)",
        "ALIAS": "WORDS",
    }
    body = ", ".join(constants)
    module = write(
        "import os, re, threading\nimport numpy as np\nfrom datetime import timedelta\n"
        "from pathlib import Path\nfrom typing import NamedTuple\n"
        "class Point(NamedTuple):\n    x: int\n    y: int",
        "\n".join(f"{name} = {made}" for name, made in constants.items()),
        f"@huey.task()\ndef work(): return {body}",
    )

    for name, made in constants.items():
        assert f"{name} = {made}\n" in module.text


def test_what_a_function_binds_itself_may_have_changed(write: Write) -> None:
    module = write(
        "count = 0\nseen = {}",
        "def note(n):\n    global count\n    count += 1\n    seen[n] = count",
        "@huey.task()\ndef work(n): note(n)",
        "note(1)",
    )

    assert "count = 0\nseen = {}\n" in module.text


def test_hooks_and_signals_of_the_huey_go_along(write: Write) -> None:
    module = write(
        "connection = None\n@huey.on_startup()\ndef connect():\n    global connection\n"
        "    connection = 1",
        "@huey.task()\ndef work(): return 1",
    )

    assert "@huey.on_startup()\ndef connect():" in module.text
    assert "connection = None" in module.text


def test_a_task_made_without_a_decorator_goes_along(write: Write) -> None:
    module = write("def add(a, b): return a + b", "plus = huey.task(name='plus')(add)")

    assert module.tasks == ("plus",)
    assert "plus = huey.task(name='plus')(add)\n" in module.text


def test_imports_are_those_used_whatever_way_they_came(write: Write, tmp_path: Path) -> None:
    module = write(
        "from __future__ import annotations\nfrom math import *\nimport xml.sax\nimport xml.dom",
        "try:\n    import no_such_module as fast\nexcept ImportError:\n    fast = None",
        "@huey.task()\ndef work(x: Unknown | None = None):\n"
        "    display(x)\n    return sqrt(4), fast, xml.sax.__name__, xml.dom.__name__",
        "class Unknown: pass",
    )
    (tmp_path / "tasks.py").write_text(module.text)

    assert "from math import sqrt\n" in module.text
    assert "from IPython.display import display\n" in module.text
    said = in_a_clean_interpreter(tmp_path, "import tasks; print(tasks.work.call_local())")
    assert said.endswith("(2.0, None, 'xml.sax', 'xml.dom')")


def test_cells_of_tasks_are_left_out_and_what_they_brought_goes_along(session: Any) -> None:
    ip = session.ip
    ip.history_manager.input_hist_parsed[:] = [""]
    ip.user_ns["huey"] = session.huey
    body = "from math import pi\nSCALE = 3\ndef area(r): return SCALE * pi * r\narea(2)"
    cell = f"get_ipython().run_cell_magic('huey_task', '', {body!r})"
    ip.history_manager.input_hist_parsed.append(cell)
    session.run_cell(body, line="%%huey_task")
    session.wait()
    run(ip, "@huey.task()\ndef work(): return area(1)")

    module = export_module(ip.user_ns, session.huey, history(ip), "memory")

    assert module.left_out == 1
    assert "# Left out: 1 cell under %%huey_task: a cell is no function." in module.text
    assert "from math import pi\n" in module.text
    assert "SCALE = 3\n" in module.text
    assert "area(2)" not in module.text


def test_a_huey_of_the_users_own_is_made_as_the_cell_says(notebook: Any) -> None:
    cell = "from huey import RedisHuey\napp = RedisHuey('app', host='h', utc=False)"
    run(notebook, cell, "@app.task()\ndef work(): return 1")

    own = notebook.user_ns["app"]
    module = export_module(notebook.user_ns, own, history(notebook), url_of(own))

    assert module.huey == "app"
    assert "app = RedisHuey('app', host='h', utc=False)\n" in module.text


# --- what cannot go along ---

MADE = {
    "a computation": ("import json\nx = json.loads('[1]')", "made by a call of `json.loads`"),
    "chance": ("import random\nx = random.gauss(0, 1)", "made by a call of `random.gauss`"),
    "a function of the notebook": ("def f(): return [1]\nx = f()", "made by a call of `f`"),
    "a loop": ("for x in range(3): pass", "bound by a loop (In[1], line 1); write `x = 2`"),
    "a with": ("import io\nwith io.StringIO() as x: pass", "bound by a `with`"),
    "what it was before": ("x = 1\nx += 1", "adds to what was there (In[1], line 2)"),
    "a shell command": ("x = !echo 1", "comes from a magic or a command of the shell"),
    "a change": ("x = {}\nx['a'] = 1", "changed in In[1], line 2; write it in one statement"),
    "something else": (
        "x = 1\nglobals()['x'] = 5",
        "it is 5 now, and In[1], line 1 says otherwise",
    ),
    "a method that writes": ("from pathlib import Path\nx = Path('x').touch()", "a call of `Path"),
    "nobody": ("globals()['x'] = []", "no cell that has run binds it"),
    "a cell that did not run": ("pass", "it is not defined just now; run the cell that defines it"),
    "IPython": ("x = get_ipython()", "comes from a magic"),
    "the notebook side": ("import huey_jupyter as x", "it belongs to the notebook"),
    "a password": ("x = 'redis://:hunter2@h/0'", "a password stands in In[1], line 1"),
    "its own self": ("x = 1\nx = x + 1", "it is made of what it was before"),
}


@pytest.mark.parametrize("case", MADE)
def test_a_name_that_cannot_go_along_is_named_with_its_cure(
    write: Write, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # one of the cells writes a file
    cell, expected = MADE[case]
    said = problems(write, cell, "@huey.task()\ndef work():\n    return x")

    assert "tasks.py is not written" in said
    assert "`x`" in said
    assert "used by `work` in In[2], line 3" in said
    assert expected in said
    assert "hunter2" not in said


def test_all_that_is_in_the_way_is_said_at_once(write: Write) -> None:
    said = problems(
        write,
        "@huey.task()\ndef one():\n    !ls\n    return Out",
        "two = huey.task()(lambda: 1)",
    )

    assert "`get_ipython`" in said
    assert "`Out`" in said
    assert "`two`" in said


def test_a_notebook_without_task_functions_has_nothing_to_write(write: Write) -> None:
    assert "write @huey.task() above a function" in problems(write, "x = 1")


# --- the Huey ---


def statement(url: str, folder: str = "/app", **names: Any) -> str:
    return huey_statement(["huey"], url, "tasks", folder, names).text


def test_memory_becomes_a_file_beside_the_module() -> None:
    text = statement("memory")

    assert 'SqliteHuey("tasks", filename=os.path.join(os.path.dirname(__file__), "huey.db")' in text
    assert "in memory" in text


def test_a_file_is_found_from_where_the_module_is() -> None:
    assert 'os.path.dirname(__file__), "data/q.db")' in statement("sqlite:/app/data/q.db")
    assert 'filename="/elsewhere/q.db"' in statement("sqlite:/elsewhere/q.db")
    assert 'FileHuey("tasks", path=' in statement("file:/app/queue")
    assert '"queue-tasks")' in statement("file:/app/queue")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("redis://:s3cret@h:6379/0", "redis://h:6379/0"),
        (
            "rediss://me:s3cret@h:6379/2?ssl_cert_reqs=none",
            "rediss://me@h:6379/2?ssl_cert_reqs=none",
        ),
        ("unix://:s3cret@/run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("redis://h:6379/0?password=s3cret&db=1", "redis://h:6379/0?db=1"),
    ],
)
def test_a_password_is_taken_from_the_environment(url: str, public: str) -> None:
    text = statement(url)

    assert f'url="{public}", password=os.environ["HUEY_REDIS_PASSWORD"]' in text
    assert "s3cret" not in text
    assert "$HUEY_REDIS_PASSWORD" in text
    assert without_password(public) == (public, False)


@pytest.mark.server
def test_with_the_password_in_the_environment_it_reaches_the_server(
    notebook: Any, tmp_path: Path
) -> None:
    run(notebook, "@huey.task()\ndef work(): return 1")
    server = RedisServer("--requirepass", "hunter2")
    try:
        url = f"unix://:hunter2@{server.socket}"
        to_file(notebook, tmp_path / "tasks.py", url=url)
        call = "import tasks; tasks.work(); print(tasks.huey.pending_count(), tasks.huey.name)"
        said = in_a_clean_interpreter(tmp_path, call, environ={PASSWORD: "hunter2"})
    finally:
        server.end()

    assert said == "1 tasks"
    assert "hunter2" not in (tmp_path / "tasks.py").read_text()


def test_its_queue_is_never_the_notebooks(notebook: Any) -> None:
    notebook.user_ns["huey"] = MemoryHuey("tasks")
    run(notebook, "@huey.task()\ndef work(): return 1")
    own = notebook.user_ns["huey"]
    module = export_module(notebook.user_ns, own, history(notebook), "sqlite:/app/huey.db")

    assert 'huey = SqliteHuey("tasks-module", ' in module.text


def test_a_name_that_the_notebook_has_taken_is_not_hidden() -> None:
    made = huey_statement(["q", "huey"], "memory", "tasks", "/app", {"os": 1, "SqliteHuey": 2})

    assert made.imports == ("from huey import SqliteHuey as _SqliteHuey", "import os as _os")
    assert "huey = _SqliteHuey(" in made.text
    assert "_os.path.join(_os.path" in made.text
    assert made.text.endswith("\nq = huey\n")


def test_a_huey_with_a_password_in_its_cell_is_refused(notebook: Any) -> None:
    cell = "from huey import RedisHuey\nhuey = RedisHuey(url='redis://:hunter2@h/0')"
    run(notebook, cell, "@huey.task()\ndef work(): return 1")
    own = notebook.user_ns["huey"]
    assert isinstance(own, RedisHuey)

    with pytest.raises(CannotExport) as caught:
        export_module(notebook.user_ns, own, history(notebook), url_of(own))
    assert "a password stands in In[1], line 2; take it from os.environ" in str(caught.value)
    assert "hunter2" not in str(caught.value)


# --- the file ---


def to_file(ip: Any, path: Path, **options: Any) -> Exported:
    return export(ip, ip.user_ns["huey"], path, **options)


def test_a_file_is_replaced_only_as_an_export_left_it(notebook: Any, tmp_path: Path) -> None:
    run(notebook, "@huey.task()\ndef work(): return 1")
    path = tmp_path / "tasks.py"
    written = to_file(notebook, path)
    assert str(written) == f"{path}: 1 task function. Run them with: huey_consumer tasks.huey"
    to_file(notebook, path)

    path.write_text(path.read_text() + "mine = 1\n")
    with pytest.raises(CannotExport, match="was edited since"):
        to_file(notebook, path)
    path.write_text("mine = 1\n")
    with pytest.raises(CannotExport, match="was not made by an export"):
        to_file(notebook, path)
    assert path.read_text() == "mine = 1\n"

    to_file(notebook, path, force=True)
    assert "def work" in path.read_text()
    assert [each.name for each in tmp_path.iterdir()] == ["tasks.py"]


@pytest.mark.parametrize("name", ["my-tasks.py", "tasks", "huey.py", "json.py", "no/tasks.py"])
def test_a_file_that_could_not_be_imported_is_refused(
    notebook: Any, tmp_path: Path, name: str
) -> None:
    run(notebook, "@huey.task()\ndef work(): return 1")

    with pytest.raises(CannotExport):
        to_file(notebook, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# --- whole notebooks ---


@pytest.mark.kernel
def test_the_tutorials_tasks_run_in_a_consumer(tmp_path: Path) -> None:
    book = nbformat.read(TUTORIAL, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell("%huey export tasks.py"))
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=120, kernel_name="python3", resources=resources).execute()
    said = "".join(output.text for output in book.cells[-1].outputs)
    assert "4 task functions" in said
    assert "Left out: 2 cells under %%huey_task." in said

    command = ["-m", "huey.bin.huey_consumer", "tasks.huey", "-w", "2"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    with open(tmp_path / "log", "w") as log:
        consumer = Child(command, cwd=tmp_path, stderr=log, env=environment)
    try:
        call = "import tasks; print(tasks.average_packets(5, 50).get(blocking=True, timeout=15))"
        packets = in_a_clean_interpreter(tmp_path, call)
    finally:
        consumer.process.terminate()
        consumer.wait()
        consumer.end()
    assert 5 <= float(packets) <= 60
    eventually(lambda: "tasks.average_packets" in (tmp_path / "log").read_text())
