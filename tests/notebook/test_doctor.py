"""What `huey_jupyter doctor` says of a machine, and what it sees of this one."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipykernel
import pytest
from redis_server import RedisServer

from huey_jupyter.doctor import Finding, Level, Report, diagnose, findings
from huey_jupyter.machine import Answer, Machine, ask_redis, file_system, look_around
from huey_jupyter.views.ansi import ansi_text

VERSIONS = {
    "anywidget": "0.11.0",
    "cloudpickle": "3.1.2",
    "huey-jupyter": "0.1.0",
    "ipykernel": "7.4.0",
    "ipython": "9.18.1",
    "ipywidgets": "8.1.9",
    "jupyterlab": "4.6.6",
    "jupyterlab-widgets": "3.0.17",
}
WELL = Machine(versions=VERSIONS, environ={"JPY_SESSION_NAME": "a.ipynb"})


def bad(machine: Machine) -> list[Finding]:
    return [finding for finding in findings(machine) if finding.level is not Level.ok]


def with_versions(**versions: str | None) -> Machine:
    changed = {**VERSIONS, **{name.replace("_", "-"): v for name, v in versions.items()}}
    return replace(WELL, versions={name: v for name, v in changed.items() if v is not None})


def test_a_machine_that_is_well_has_nothing_to_cure() -> None:
    assert bad(WELL) == []
    assert Report(findings(WELL)).summary == "all is well"


SICK = {
    "Python is old": (replace(WELL, python=(3, 10, 2)), "problem python 3.10.2 is too old"),
    "huey lies over ours": (with_versions(huey="2.5.3"), "problem huey"),
    "no threads' output": (with_versions(ipykernel="7.0.1"), "problem ipykernel 7.0.1 cannot show"),
    "a very old kernel": (with_versions(ipykernel="6.20"), "problem ipykernel 6.20 is too old"),
    "buttons wait": (with_versions(ipykernel="6.31.0"), "warning ipykernel 6.31.0: a button acts"),
    "nobody works": (replace(WELL, workers=0, waiting=2), "warning workers 2 tasks in the queue"),
    "workers died": (
        replace(WELL, workers=0, failure="the workers were killed by signal 9; their log ends:\nx"),
        "problem workers The workers were killed by signal 9.",
    ),
    "no subshells": (replace(WELL, subshells=False), "warning ipykernel 7.4.0: a button acts only"),
    "no widgets": (with_versions(ipywidgets=None), "problem ipywidgets It is not installed"),
    "old widgets": (with_versions(anywidget="0.9.2"), "problem anywidget 0.9.2 is too old"),
    "no manager": (with_versions(jupyterlab_widgets=None), "problem widget manager"),
    "half a manager": (replace(WELL, lab_manager=False), "problem widget manager"),
    "an old lab": (with_versions(jupyterlab="3.6.8"), "warning widget manager JupyterLab 3.6.8"),
    "Colab": (replace(WELL, environ={"COLAB_RELEASE_TAG": "r"}), "warning front end Colab"),
    "windows": (replace(WELL, backend="TkAgg"), "warning matplotlib The backend TkAgg"),
    "a network": (replace(WELL, file_system="nfs4"), "warning folder . is on a network (nfs4)"),
    "read only": (replace(WELL, writable=False), "problem folder . cannot be written"),
    "little room": (replace(WELL, free=500_000_000), "warning disk 0.5 GB are free"),
    "no room": (replace(WELL, free=5_000_000), "problem disk 0.0 GB are free"),
    "no forks": (replace(WELL, can_fork=False), "warning processes"),
    "no locks": (replace(WELL, shared_memory=False), "warning processes /dev/shm"),
    "a slow kernel": (
        replace(WELL, lag=0.62),
        "warning kernel lag A thread of this kernel waits 620",
    ),
    "a broken queue": (
        replace(WELL, url="sqlite:/q.db", queue=Answer("/q.db", error="file is not a database")),
        "problem queue /q.db cannot be used: file is not a database",
    ),
    "a server that is away": (
        replace(WELL, url="redis://h/0", redis=Answer("redis://h/0", error="it is away")),
        "problem redis redis://h/0: it is away",
    ),
    "an old server": (
        replace(WELL, redis=Answer("redis://h/0", version="5.0.7")),
        "problem redis The server at redis://h/0 is Redis 5.0.7",
    ),
}


@pytest.mark.parametrize("case", SICK)
def test_each_thing_that_is_wrong_has_one_cure(case: str) -> None:
    machine, expected = SICK[case]
    [finding] = bad(machine)

    assert f"{finding.level} {finding.what} {finding.says}".startswith(expected)
    assert finding.cure


FINE = {
    "a terminal": (replace(WELL, place="terminal", subshells=False), "cards are shown as text"),
    "VS Code": (replace(WELL, environ={"VSCODE_PID": "7"}), "VS Code"),
    "nbclient": (replace(WELL, environ={}), "nbclient, nbconvert or papermill"),
    "nbclient, from VS Code's terminal": (
        replace(WELL, environ={"VSCODE_PID": "7", "TERM_PROGRAM": "vscode"}),
        "nbclient, nbconvert or papermill",
    ),
    "a server elsewhere": (with_versions(jupyterlab=None), "where it is, jupyterlab_widgets"),
    "inline figures": (
        replace(
            with_versions(matplotlib="3.11.2"),
            backend="module://matplotlib_inline.backend_inline",
        ),
        "backend module://matplotlib_inline",
    ),
    "no Redis": (
        replace(WELL, redis=Answer("redis://127.0.0.1:6379/0", error="it is away")),
        "only %huey use redis needs one",
    ),
    "a queue in memory": (replace(WELL, url="memory"), "In memory: it ends with the kernel."),
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_fine_is_said_too(case: str) -> None:
    machine, expected = FINE[case]

    assert bad(machine) == []
    assert any(expected in finding.says for finding in findings(machine))


# --- how it looks ---


def test_the_bad_stands_first_in_text_and_html() -> None:
    report = Report(findings(replace(with_versions(huey="2.5"), free=1, lag=1.0)))
    text, html = repr(report), report._repr_html_()

    assert text.splitlines()[0] == "2 problems, 1 warning"
    assert [line[0] for line in text.splitlines()[1:7:2]] == ["✗", "✗", "!"]
    assert "→ pip uninstall huey" in text
    assert html.index("✗ problem") < html.index("! warning") < html.index("✓ ok")
    assert "<details" in html


def test_what_it_finds_is_never_html() -> None:
    html = Report(findings(replace(WELL, folder="<b>x</b>")))._repr_html_()

    assert "<b>x</b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


# --- this machine ---


def test_a_file_system_is_told_from_the_longest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("d / ext4 rw 0 0\nh:/x /home nfs4 rw 0 0\nd /home/a\\040b xfs rw 0 0\n")

    assert file_system(Path("/srv/x"), str(mounts)) == "ext4"
    assert file_system(Path("/home/me"), str(mounts)) == "nfs4"
    assert file_system(Path("/home/a b/c"), str(mounts)) == "xfs"
    assert file_system(Path("/home/me"), str(tmp_path / "none")) == ""


def test_a_session_is_looked_at(open_session: Callable[[], Any]) -> None:
    with open_session() as session:
        machine = look_around(session)
        found = diagnose(session)

    assert machine.place == "terminal"
    assert machine.url == "memory"
    assert machine.lag is not None
    assert "In memory: it ends with the kernel." in [finding.says for finding in found]


class Held:
    """What a session is to the doctor."""

    def __init__(self, huey: Any) -> None:
        self.huey, self.ip = huey, None


class At:
    """A Huey that knows where its queue is."""

    def __init__(self, url: str) -> None:
        self.url, self.storage = url, None


def test_a_file_that_is_no_queue_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "huey.db"
    assert look_around(Held(At(f"sqlite:{file}"))).queue == Answer(str(file))

    file.write_text("not a database, and long enough to tell" * 40)
    answer = look_around(Held(At(f"sqlite:{file}"))).queue

    assert answer == Answer(str(file), error="file is not a database")


def test_a_server_that_answers_says_its_version(redis_server: Any) -> None:
    machine = look_around(Held(At(redis_server.url)))

    assert machine.redis is not None
    assert machine.redis.version[0].isdigit()
    assert machine.redis.error == ""


@pytest.mark.server
def test_a_password_shows_in_no_finding() -> None:
    server = RedisServer("--requirepass", "hunter2")
    try:
        right = f"unix://:hunter2@{server.socket}"
        wrong = f"unix://:s3cret@{server.socket}"
        said = [Report(diagnose(Held(At(url)))) for url in (right, wrong)]
    finally:
        server.end()

    assert f"answers at unix://{server.socket}" in repr(said[0])
    assert "it wants another password" in repr(said[1])
    for report in said:
        assert "hunter2" not in repr(report) + report._repr_html_()
        assert "s3cret" not in repr(report) + report._repr_html_()


def test_a_server_that_is_not_there_is_said_within_a_second() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert "cannot be reached" in ask_redis(f"redis://127.0.0.1:{port}/0").error
        silent.listen()
        assert "does not answer" in ask_redis(f"redis://127.0.0.1:{port}/0").error


def test_the_command_prints_it_and_says_by_its_exit_code_whether_all_is_well() -> None:
    code = "import sys; from huey_jupyter.doctor import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stderr == ""
    assert done.returncode == (1 if "✗" in done.stdout else 0)
    assert ansi_text(done.stdout) == done.stdout
    assert "✓ python" in done.stdout


@pytest.mark.kernel
def test_a_kernel_is_known(run_notebook: Callable[..., Any]) -> None:
    code = "m.place, m.subshells, any('page' in f.says for f in findings(m))"
    notebook = run_notebook(
        "from huey_jupyter.doctor import findings\nfrom huey_jupyter.machine import look_around\n"
        "m = look_around(ip=get_ipython())",
        code,
    )

    place, subshells, page = ast.literal_eval(notebook.cells[1].outputs[0].data["text/plain"])
    assert place == "kernel"
    assert subshells == (int(ipykernel.__version__.partition(".")[0]) >= 7)
    assert page or "JPY_SESSION_NAME" in os.environ
