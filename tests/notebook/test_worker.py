"""The command ``huey_jupyter worker``, and the others of its kind."""

import os
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from consumers import descendants, is_alive
from notebook_worker import Notebook
from processes import Child
from waiting import PATIENCE, eventually

from huey_jupyter.__main__ import main

ROOT = Path(__file__).parent.parent.parent

CELL = """
import os, time
from pathlib import Path

folder = Path({folder!r})

@huey.task()
def pid():
    return os.getpid()

@huey.task()
def wait(name):
    (folder / name).touch()
    while not (folder / "go on").exists():
        time.sleep(0.005)
    return name

@huey.task()
def environment():
    return dict(os.environ)

@huey.task()
def shell():
    from IPython import get_ipython
    return os.getpid(), get_ipython().getoutput("echo $((6 * 7))")[0]
"""


def value(result):
    return result.get(blocking=True, timeout=PATIENCE)


@pytest.fixture
def notebook(tmp_path):
    notebook = Notebook(f"sqlite:{tmp_path}/queue.db")
    notebook.cell(CELL.format(folder=str(tmp_path)))
    notebook.folder = tmp_path
    yield notebook
    notebook.close()


@pytest.fixture
def command(tmp_path):
    """Start the command in a folder of its own, its words in a file; none is left."""
    children = []

    def command(*arguments, **environment):
        with open(tmp_path / "said", "a") as said:
            children.append(
                Child(
                    ["-m", "huey_jupyter", "worker", *map(str, arguments)],
                    cwd=tmp_path,
                    stderr=said,
                    env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                )
            )
        return children[-1]

    yield command
    pids = [pid for child in children for pid in descendants(child.pid)]
    for child in children:
        child.end()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "huey_jupyter", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **environment},
    )


# --- a worker --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["process", "thread"])
def test_a_worker_started_by_hand_runs_tasks_of_a_notebook(notebook, command, kind):
    child = command(notebook.huey.url, "--name", "demo", "-w", 2, "-k", kind)
    assert value(notebook.pid()) in {child.pid, *descendants(child.pid)}

    said = (notebook.folder / "said").read_text()
    assert said.startswith(f"2 {kind} workers for the queue 'demo' in sqlite:queue.db")
    assert "executing <__main__.pid" in said


def test_every_process_has_a_shell_that_works(notebook, command):
    command(notebook.huey.url, "--name", "demo", "-w", 3)
    group = notebook.shell.map([()] * 20)
    found = group.get(blocking=True, timeout=PATIENCE)
    assert {answer for _, answer in found} == {"42"}


def test_sigint_lets_running_tasks_end_and_sigterm_puts_them_back(notebook, command):
    for number, name in ((signal.SIGINT, "ended"), (signal.SIGTERM, "put back")):
        child = command(notebook.huey.url, "--name", "demo", "-w", 1)
        result = notebook.wait(name)
        eventually((notebook.folder / name).exists)
        child.process.send_signal(number)
        if number == signal.SIGINT:
            (notebook.folder / "go on").touch()
            assert value(result) == name
            (notebook.folder / "go on").unlink()
        assert child.wait() == 0
    assert [task.id for task in notebook.huey.pending()] == [result.id]


def test_the_url_may_stand_in_a_variable_which_tasks_do_not_see(notebook, command):
    command("--name", "demo", "-w", 1, HUEY_URL=notebook.huey.url)
    assert "HUEY_URL" not in value(notebook.environment())


def test_a_quiet_worker_says_only_what_it_serves(notebook, command):
    command(notebook.huey.url, "--name", "demo", "-w", 1, "-q")
    value(notebook.pid())
    lines = (notebook.folder / "said").read_text().splitlines()
    assert lines == ["1 process worker for the queue 'demo' in sqlite:queue.db; Ctrl-C ends"]


@pytest.fixture
def url_with_password(redis_server):
    with redis_server.client() as client:
        client.acl_setuser(
            "demo", True, passwords=["+secret"], keys=["*"], channels=["*"], categories=["+@all"]
        )
        yield redis_server.url.replace("://", "://demo:secret@")
        client.acl_deluser("demo")


def test_a_password_is_masked(command, url_with_password, tmp_path):
    child = command(url_with_password, "-w", 1, "-k", "thread")
    eventually(lambda: "started" in (tmp_path / "said").read_text())
    child.process.terminate()
    assert child.wait() == 0

    said = (tmp_path / "said").read_text()
    assert "demo:***@" in said
    assert "secret" not in said


# --- what cannot be --------------------------------------------------------------------------

MISTAKES = {
    "no place": (["nowhere"], "'nowhere' is no place for a queue"),
    "memory": (["memory"], "a queue in memory belongs to the kernel's own threads"),
    "nothing": ([], "say where the queue is, as an argument or in HUEY_URL"),
    "a bad port": (["redis://:secret@host:port/0"], "a port is a number"),
    "no workers": (["file:queue", "-w", "0"], "at least 1 worker, not 0"),
    "no name": (["file:queue", "--name", ""], "a queue needs a name"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(case, tmp_path, monkeypatch):
    arguments, complaint = MISTAKES[case]
    monkeypatch.chdir(tmp_path)
    done = run("worker", *arguments, PYTHONPATH=str(ROOT), HUEY_URL="")

    assert done.returncode == 2, done.stderr
    assert complaint in done.stderr
    assert done.stderr.startswith("huey_jupyter: ")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_the_help_says_what_can_be_said():
    done = run("worker", "--help")
    assert "redis://HOST/0" in done.stdout
    assert "HUEY_URL" in done.stdout
    assert "--kernel" not in done.stdout
    assert {"worker", "doctor", "lab"} <= set(run("--help").stdout.split())


def test_the_healthcheck_finds_a_living_worker(notebook, command):
    arguments = ("worker", notebook.huey.url, "--name", "demo", "--healthcheck")
    done = run(*arguments)
    assert (done.returncode, "no worker is alive" in done.stdout) == (1, True)

    child = command(notebook.huey.url, "--name", "demo", "-w", 1)
    eventually(notebook.huey.workers)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (0, "healthy: 1 workers, 0 tasks are waiting\n")
    child.process.terminate()
    child.wait()
    assert not is_alive(child.pid)


def test_the_package_brings_the_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["huey_jupyter"].partition(":")
    assert (module, name) == (main.__module__, main.__name__)
