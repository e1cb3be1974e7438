"""A Redis server of a notebook's own: started, reached, and ended with its kernel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from IPython.utils.capture import capture_output
from kernels import running as running_kernel
from processes import running as running_python
from waiting import eventually

from huey import PriorityRedisHuey
from huey_jupyter.teaching import redis_server
from huey_jupyter.teaching.server import PROGRAMS, RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    if not any(map(shutil.which, PROGRAMS)):
        pytest.skip("no Redis server: sudo apt-get install redis-server")
    server = redis_server()
    assert server is not None
    with server:
        yield server


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_queue_can_be_in_it(server: RedisServer) -> None:
    huey = PriorityRedisHuey("shop", url=server.url)
    huey.put("key", "value")

    assert huey.get("key") == "value"
    huey.storage.close()


def test_asking_again_gives_the_one_that_runs(server: RedisServer) -> None:
    assert redis_server() is server

    server.stop()
    with redis_server() as another:  # type: ignore[union-attr]
        assert another is not server
        assert another.running


def test_nobody_gets_in_without_the_password(server: RedisServer) -> None:
    with (
        redis.Redis(server.host, server.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()

    command = subprocess.run(
        ["ps", "-o", "args=", "-p", str(server.pid)], capture_output=True, text=True, check=True
    ).stdout
    assert server.password not in command


def test_it_keeps_nothing_on_a_disk(server: RedisServer) -> None:
    with redis.Redis.from_url(server.url) as client:
        assert client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}  # type: ignore[call-arg]


def test_it_is_shown_without_its_password(server: RedisServer) -> None:
    for shown in (repr(server), server._repr_html_()):
        assert "running" in shown
        assert str(server.port) in shown
        assert server.password not in shown

    server.stop()
    server.stop()

    assert "stopped" in repr(server)
    assert "is gone" in server._repr_html_()


def test_it_is_gone_once_it_was_stopped(server: RedisServer) -> None:
    server.stop()

    assert not server.running
    assert not is_alive(server.pid)


def test_one_that_died_is_known_to_be_dead(server: RedisServer) -> None:
    os.kill(server.pid, signal.SIGKILL)

    eventually(lambda: not server.running)


def test_it_dies_with_what_holds_it(server: RedisServer) -> None:
    os.kill(server._program.holder, signal.SIGKILL)

    eventually(lambda: not server.running and not is_alive(server.pid))


def test_without_the_program_a_sentence_says_what_to_do(
    ip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    with capture_output() as captured:
        assert redis_server() is None

    shown = str(captured.outputs[0].data["text/plain"])
    assert "apt-get install redis-server" in shown
    assert "not installed" in captured.outputs[0].data["text/html"]


def test_a_program_that_is_no_server_is_told_of() -> None:
    with pytest.raises(RuntimeError, match="does not start"):
        RedisServer("/bin/true")


START = """
    from huey_jupyter.teaching import redis_server
    server = redis_server()
    print(server.pid, server._program.holder)
"""


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("end", ["import os; os.kill(os.getpid(), 9)", "os.abort()", "exit()"])
def test_it_ends_with_a_process_however_that_ends(end: str) -> None:
    with running_python(f"{START}    import os, sys; sys.stdout.flush(); input(); {end}") as child:
        pids = [int(pid) for pid in child.hear().split()]
        assert all(map(is_alive, pids))

        child.tell()

        eventually(lambda: not any(map(is_alive, pids)))


@pytest.mark.usefixtures("server")
def test_it_survives_an_interrupt_of_its_kernel_and_ends_with_it(tmp_path: Path) -> None:
    with running_kernel("python3", tmp_path) as kernel:
        kernel.run("from huey_jupyter.teaching import redis_server; server = redis_server()")
        pids: Any = kernel.value("[server.pid, server._program.holder]")
        sleeping = kernel.send("import time; time.sleep(60)")
        eventually(lambda: kernel.hear()["header"]["msg_type"] == "execute_input")

        kernel.manager.interrupt_kernel()

        assert kernel.reply(sleeping)["content"]["ename"] == "KeyboardInterrupt"
        assert kernel.value("server.running")

    eventually(lambda: not any(map(is_alive, pids)))


@pytest.mark.usefixtures("server")
def test_it_ends_with_a_kernel_whose_workers_are_processes(tmp_path: Path) -> None:
    with running_kernel("python3", tmp_path) as kernel:
        kernel.run(
            "%load_ext huey_jupyter\n"
            "from huey_jupyter.teaching import redis_server; server = redis_server()\n"
            "%huey use {server.url}\n"
            "%huey start -w 2 -k process"
        )
        pids: Any = kernel.value("[server.pid, server._program.holder]")
        os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)

        eventually(lambda: not any(map(is_alive, pids)))
