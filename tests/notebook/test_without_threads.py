"""The extension where no thread can be started: in a process that refuses each one."""

import subprocess
import sys
import textwrap

import pytest
from waiting import PATIENCE

HEAD = """
import asyncio, threading, time

def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

ip = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

def run(source):
    done = ip.run_cell(source)
    done.raise_error()
    return done.result

def states():
    return [card.state.word for card in huey_jupyter.current().tasks()]

import huey_jupyter
"""


@pytest.fixture
def alone(tmp_path):
    """Run code in a shell without threads; what it asserts holds. Return what it wrote."""

    def alone(code):
        script = HEAD + textwrap.dedent(code) + "\nasyncio.run(main())\n"
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return alone


def test_a_cell_runs_beside_the_notebook_and_its_names_come_back(alone):
    output = alone("""
        async def main():
            run("%load_ext huey_jupyter")
            ip.run_cell_magic("huey_task", "sums -o answer", (
                "print('from the task')\\ntotal = 6 * 7\\ntotal"
            ))
            assert states() == ["queued"]
            assert await ip.user_ns["answer"] == 42
            run("print(f'{total = }')")
            assert states() == ["done"]
            (card,) = huey_jupyter.current().tasks()
            assert "from the task" in huey_jupyter.current().describe(ip.user_ns["answer"])
            run("%unload_ext huey_jupyter")
            await asyncio.sleep(0.1)
            assert len(asyncio.all_tasks()) == 1
    """)
    assert "total = 42" in output
    assert "\nfrom the task" not in output  # but on the card


def test_a_waiting_task_is_cancelled_and_a_running_one_too(alone):
    alone("""
        async def main():
            run("%load_ext huey_jupyter")
            session = huey_jupyter.current()

            @session.huey.task()
            async def endless():
                await asyncio.sleep(1000)

            results = [endless() for _ in range(3)]
            while states() != ["running", "running", "queued"]:
                await asyncio.sleep(0.01)
            assert session.cancel("all") == 3
            while states() != ["cancelled"] * 3:
                await asyncio.sleep(0.01)
    """)


def test_the_lag_of_the_loop_is_measured(alone):
    alone("""
        async def main():
            run("%load_ext huey_jupyter")
            heartbeat = huey_jupyter.current().heartbeat
            await asyncio.sleep(0.3)
            assert heartbeat.lag < 0.2
            time.sleep(1.2)
            assert heartbeat.lag > 0.2
    """)


def test_waiting_in_a_cell_and_processes_are_refused_with_a_sentence(alone):
    output = alone("""
        async def main():
            run("%load_ext huey_jupyter")
            ip.run_cell_magic("huey_task", "awaits", "import asyncio; await asyncio.sleep(0)")
            while states() != ["failed"]:
                await asyncio.sleep(0.01)
            run("%huey tasks failed")
            ip.run_cell_magic("huey_task", "--quiet", "1")
            for line in ("wait", "start -k process"):
                ip.run_cell(f"%huey {line}")
            run("%huey doctor")
    """)
    assert "move what awaits into a task" in output
    assert "await the results" in output
    assert "no process can be started in this kernel" in output
    assert "get(blocking=True) is refused" in output
