"""The workers of a session: threads in its kernel, or a process outside it."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import kernels
import pytest
from consumers import descendants, is_alive
from notebook_worker import Notebook
from processes import running
from waiting import PATIENCE, eventually

from huey import MemoryHuey
from huey.exceptions import ConfigurationError, TaskCanceled, TaskException
from huey_jupyter.outside import Outside
from huey_jupyter.shipping import envelope
from huey_jupyter.workers import MOST_DEATHS, SWITCH_INTERVAL, Threads

CELL = """
import os, time, threading
from pathlib import Path
from huey import progress

folder = Path({folder!r})

def touch(name):
    (folder / name).touch()

@huey.task()
def pid():
    return os.getpid()

@huey.task()
def wait(name):
    touch(name)
    while not (folder / "go on").exists():
        time.sleep(0.005)
    return os.getpid()

@huey.task()
def nap(name):
    touch(name)
    time.sleep(100)

@huey.task()
def stubborn(name):
    while True:
        try:
            touch(name)
            time.sleep(0.01)
        except BaseException:
            continue

@huey.task()
def interrupt():
    os.kill(os.getppid(), 9)

@huey.task()
def show():
    print("printed")
    os.system("echo from a program")
    from IPython import get_ipython
    from IPython.display import display
    display({{"shown": 1}})
    get_ipython().run_line_magic("who", "")
    get_ipython().system("echo from the shell")
    return "value"

@huey.task()
def fail():
    raise ValueError("no")

@huey.task()
def environment():
    return dict(os.environ)
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
def outside(notebook):
    """Make workers outside; all of their processes are gone after the test."""
    made = []

    def outside(count=2, kind="process", **options):
        made.append(Outside(notebook.huey, count, kind, **options))
        return made[-1]

    yield outside
    for one in made:
        one.stop()


def has_begun(notebook, name):
    eventually((notebook.folder / name).exists)


def kinds(huey, result):
    return [event["kind"] for _, event in huey.events.read() if event["task"] == result.id]


# --- threads in this kernel ------------------------------------------------------------------


@pytest.fixture
def threads():
    huey = MemoryHuey("test")
    threads = Threads(huey, 2)
    yield threads
    threads.stop()


def test_the_switch_interval_is_lowered_while_threads_work(threads):
    before = sys.getswitchinterval()
    threads.start()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    threads.stop()
    assert sys.getswitchinterval() == before


def test_a_switch_interval_that_somebody_else_has_set_is_left_alone(threads):
    before = sys.getswitchinterval()
    try:
        threads.start()
        sys.setswitchinterval(0.002)
        threads.stop()
        assert sys.getswitchinterval() == pytest.approx(0.002)
    finally:
        sys.setswitchinterval(before)


def test_threads_can_become_more_and_fewer_and_pause(threads):
    double = threads.huey.task(name="double")(lambda n: 2 * n)
    threads.start()
    threads.set_count(3)
    assert (threads.count, threads.running, threads.kind) == (3, True, "thread")
    threads.set_count(1)
    eventually(lambda: len(threads.consumer.workers) == 1)

    threads.pause()
    result = double(2)
    assert threads.paused
    assert threads.huey.pending_count() == 1
    threads.resume()
    assert value(result) == 4


def test_a_task_in_a_thread_is_cancelled_and_cannot_be_killed(threads):
    begun = threading.Event()

    @threads.huey.task()
    def endless():
        begun.set()
        while True:
            time.sleep(0.001)

    threads.start()
    result = endless()
    begun.wait(PATIENCE)
    assert not threads.kill(result.id)
    assert threads.cancel(result.id)
    with pytest.raises(TaskCanceled):
        value(result)


def test_a_task_that_has_taken_the_kernel_with_it_twice_is_set_aside(threads):
    assert MOST_DEATHS == 2
    assert {worker.most_deliveries for worker in threads.consumer.workers} == {2}


# --- a process outside -----------------------------------------------------------------------

both = pytest.mark.parametrize("kind", ["process", "thread"])


@both
def test_tasks_of_the_notebook_run_outside_the_kernel(notebook, outside, kind):
    workers = outside(kind=kind)
    workers.start()

    assert (workers.running, workers.failure, workers.kind) == (True, "", kind)
    assert value(notebook.pid()) in {workers.pid, *descendants(workers.pid)}
    assert workers.stop()
    assert not workers.running
    assert workers.failure == ""


@both
def test_what_a_task_shows_reaches_its_events_as_in_the_notebook(notebook, outside, kind):
    outside(kind=kind).start()
    result = notebook.show()
    assert value(result) == "value"

    def records():
        events = [event for _, event in notebook.huey.events.read() if event["task"] == result.id]
        return [record for event in events for record in event.get("records", ())]

    text = "".join(content for name, content in records() if name == "stdout")
    assert "printed" in text
    assert "from the shell" in text
    assert "from a program" in text
    assert ["display", {"text/plain": "{'shown': 1}"}] in records()
    assert ["value", {"text/plain": "'value'"}] in records()


def test_a_traceback_from_outside_has_the_cells_own_lines_in_colour(notebook, outside):
    outside(1).start()
    result = notebook.fail()
    with pytest.raises(TaskException):
        value(result)

    events = [event for _, event in notebook.huey.events.read() if event["task"] == result.id]
    records = dict(record for event in events for record in event.get("records", ()))
    assert "\x1b[" in records["traceback"]
    assert "raise" in records["traceback"]


def test_neither_the_command_nor_the_environment_of_workers_tells_the_url(notebook, outside):
    workers = outside(1)
    workers.start()
    place = notebook.huey.url.partition(":")[2]

    for pid in (workers.pid, *descendants(workers.pid)):
        assert place not in Path(f"/proc/{pid}/cmdline").read_text()
        assert place not in Path(f"/proc/{pid}/environ").read_text()
    assert place not in str(value(notebook.environment()))


@both
def test_a_task_outside_is_cancelled(notebook, outside, kind, request):
    workers = outside(kind=kind)
    workers.start()
    result = notebook.wait("task")
    has_begun(notebook, "task")

    assert not workers.cancel("another")
    assert workers.cancel(result.id)
    with pytest.raises(TaskCanceled):
        value(result)
    assert value(notebook.pid())


def test_a_result_cancels_its_task_that_runs_outside(notebook, outside):
    outside(2).start()
    results = [notebook.nap("first"), notebook.nap("second")]
    has_begun(notebook, "first")
    has_begun(notebook, "second")

    assert [result.cancel() for result in results] == [True, True]
    for result in results:
        with pytest.raises(TaskCanceled):
            value(result)


def test_a_sleeping_task_in_a_process_is_cancelled_in_its_sleep(notebook, outside):
    workers = outside(1)
    workers.start()
    result = notebook.nap("task")
    has_begun(notebook, "task")
    workers.cancel(result.id)
    with pytest.raises(TaskCanceled):
        value(result)


@pytest.fixture(params=["sqlite", "file", pytest.param("redis", marks=pytest.mark.server)])
def anywhere(request, notebook):
    """A notebook whose queue is on each durable storage in turn."""
    folder = notebook.folder
    places = {"sqlite": f"sqlite:{folder}/another.db", "file": f"file:{folder}/queue"}
    url = places.get(request.param) or request.getfixturevalue("redis_server").url
    elsewhere = Notebook(url)
    elsewhere.cell(CELL.format(folder=str(folder)))
    elsewhere.folder = folder
    yield elsewhere
    elsewhere.close()


def test_a_killed_task_ends_as_cancelled_and_its_worker_is_replaced(anywhere, request):
    notebook, workers = anywhere, Outside(anywhere.huey, 2)
    request.addfinalizer(workers.stop)
    workers.start()
    result = notebook.stubborn("task")
    has_begun(notebook, "task")
    eventually(lambda: "executing" in kinds(notebook.huey, result))

    assert workers.kill(result.id)
    with pytest.raises(TaskCanceled):
        value(result)
    eventually(lambda: len(notebook.huey.workers()) == 2)
    told = kinds(notebook.huey, result)
    assert (told.count("executing"), told[-1]) == (1, "canceled")
    assert not workers.kill(result.id)


@both
def test_workers_outside_pause_and_change_their_number(notebook, outside, kind):
    workers = outside(1, kind=kind)
    workers.start()
    workers.set_count(3)
    eventually(lambda: len(notebook.huey.workers()) == 3)
    workers.set_count(1)
    eventually(lambda: len(notebook.huey.workers()) == 1)
    assert workers.count == 1

    workers.pause()
    assert workers.paused
    workers.stop()
    result = notebook.pid()
    workers.start()
    eventually(notebook.huey.workers)
    assert not result.is_ready()
    workers.resume()
    assert value(result)
    with pytest.raises(ConfigurationError, match="at least 1 worker"):
        workers.set_count(0)


def test_a_graceful_stop_lets_a_task_end_which_can_still_be_cancelled(notebook, outside):
    workers = outside(2)
    workers.start()
    first, second = notebook.wait("first"), notebook.nap("second")
    has_begun(notebook, "first")
    has_begun(notebook, "second")
    stop = threading.Thread(target=lambda: workers.stop(graceful=True))
    stop.start()
    eventually(lambda: not workers._timetable._thread)

    assert workers.cancel(second.id)
    notebook.folder.joinpath("go on").touch()
    stop.join(PATIENCE)

    assert value(first)
    with pytest.raises(TaskCanceled):
        value(second)
    assert not workers.running


def test_a_stop_puts_back_what_runs(notebook, outside):
    workers = outside(1)
    workers.start()
    result = notebook.nap("task")
    has_begun(notebook, "task")

    assert workers.stop()
    assert [task.id for task in notebook.huey.pending()] == [result.id]


def test_periodic_tasks_of_the_notebook_are_enqueued_for_workers_outside(notebook, outside):
    notebook.cell("""
    from huey import crontab

    @huey.periodic_task(crontab())
    def tick():
        touch("ticked")
    """)
    outside(1).start()
    has_begun(notebook, "ticked")


def test_workers_that_die_say_how_and_can_be_started_anew(notebook, outside):
    workers = outside(1)
    workers.start()
    below = descendants(workers.pid)
    os.kill(workers.pid, signal.SIGKILL)
    eventually(lambda: not workers.running)

    assert "were killed by signal 9" in workers.failure
    assert "started with 1 process workers" in workers.failure
    eventually(lambda: not any(map(is_alive, below)))

    workers.start()
    assert workers.failure == ""
    assert value(notebook.pid())


def test_stopped_workers_leave_no_file_and_no_process(notebook, outside):
    workers = outside(2)
    workers.start()
    log, pids = workers.log, [workers.pid, *descendants(workers.pid)]
    assert log.exists()

    workers.stop()
    assert not log.exists()
    assert not any(map(is_alive, pids))
    assert notebook.huey.reach == []


def test_detached_workers_that_are_let_go_go_on(notebook, outside):
    workers = outside(1, detach=True)
    workers.start()
    pid, log = workers.pid, workers.log
    workers.let_go()

    assert not workers.running
    assert notebook.huey.reach == []
    assert value(notebook.pid()) in descendants(pid)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_alive(pid))
    assert not log.exists()


# --- workers that cannot start ---------------------------------------------------------------


def refusal(workers):
    with pytest.raises(ConfigurationError) as caught:
        workers.start()
    assert not workers.running
    assert workers.log is None
    return str(caught.value)


def test_a_queue_in_memory_cannot_be_seen_from_outside():
    assert "%huey use sqlite first" in refusal(Outside(Notebook("memory").huey, 1))


def test_a_server_that_is_not_there_is_named_without_its_password():
    huey = Notebook("redis://:secret@127.0.0.1:1/0").huey
    why = refusal(Outside(huey, 1))
    assert "redis://:***@127.0.0.1:1/0 cannot be reached" in why
    assert "secret" not in why


def test_another_python_is_refused(notebook, monkeypatch):
    monkeypatch.setattr("huey_jupyter.outside.PYTHON", "2.7")
    why = refusal(Outside(notebook.huey, 1))
    assert "the notebook runs Python 2.7" in why
    assert envelope.PYTHON in why


def test_an_interpreter_that_is_not_there_is_named(notebook):
    why = refusal(Outside(notebook.huey, 1, python="/nowhere/python"))
    assert "/nowhere/python cannot be started: No such file" in why


def test_an_interpreter_without_this_package_says_so_in_its_log(notebook, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset PYTHONPATH\ncd /\nexec {sys.executable} -I -S "$@"\n')
    python.chmod(0o755)
    assert "No module named huey_jupyter" in refusal(Outside(notebook.huey, 1, python=str(python)))


def test_one_that_does_not_answer_is_given_up(notebook, tmp_path, monkeypatch):
    monkeypatch.setattr("huey_jupyter.outside.START_PATIENCE", 0.3)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho one moment\nexec sleep 100\n")
    python.chmod(0o755)
    why = refusal(Outside(notebook.huey, 1, python=str(python)))
    assert "it was not ready after 0.3 s; its log says:\none moment" in why


# --- a kernel that ends ----------------------------------------------------------------------

KERNEL = """
import sys, time
from notebook_worker import Notebook
from huey_jupyter.outside import Outside

notebook = Notebook(sys.argv[1])
notebook.cell(sys.argv[2])
workers = Outside(notebook.huey, 2, sys.argv[3], detach=bool(sys.argv[4:]))
workers.start()
result = notebook.nap("task")
print(workers.pid, workers.log, result.id, flush=True)
try:
    sys.stdin.readline()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def kernel(notebook):
    """Start a program that has workers outside; give it, their id, their log and a task's id."""
    started, pids, logs = [], [], []

    def kernel(kind="process", *detach):
        path = os.pathsep.join(p for p in sys.path if p)
        arguments = (notebook.huey.url, CELL.format(folder=str(notebook.folder)), kind, *detach)
        environment = {**os.environ, "PYTHONPATH": path}
        context = running(KERNEL, *arguments, env=environment, start_new_session=True)
        child = context.__enter__()
        started.append(context)
        pid, log, task_id = child.hear().split()
        pids.extend([int(pid), *descendants(int(pid))])
        logs.append(Path(log))
        has_begun(notebook, "task")
        return child, int(pid), Path(log), task_id

    yield kernel
    for context in started:
        context.__exit__(None, None, None)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for log in logs:
        log.unlink(missing_ok=True)


@both
@pytest.mark.parametrize("how", ["killed", "over"])
def test_workers_end_with_their_kernel_and_put_back_what_runs(notebook, kernel, kind, how):
    child, pid, log, task_id = kernel(kind)
    below = descendants(pid)
    if how == "killed":
        os.kill(child.pid, signal.SIGKILL)
    else:
        child.tell("end")

    eventually(lambda: not is_alive(pid) and not any(map(is_alive, below)))
    assert [task.id for task in notebook.huey.pending()] == [task_id]
    assert not log.exists()


def test_an_interrupt_of_the_kernel_does_not_reach_its_workers(notebook, kernel):
    child, pid, _, _ = kernel("process")
    assert os.getpgid(pid) != child.pid
    os.killpg(child.pid, signal.SIGINT)

    assert child.hear() == "interrupted"
    assert value(notebook.pid()) in descendants(pid)
    assert notebook.huey.storage.inflight() == 1


def test_detached_workers_outlive_their_kernel(notebook, kernel):
    child, pid, log, _ = kernel("process", "detach")
    child.kill()
    result = notebook.pid()

    assert value(result) in descendants(pid)
    assert is_alive(pid)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_alive(pid))
    assert not log.exists()


IN_A_KERNEL = """
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.outside import Outside
huey = NotebookHuey("demo", {url!r})
{cell}
workers = Outside(huey, 2)
workers.start()
result = nap("task")
"""


@pytest.mark.kernel
@pytest.mark.parametrize("end", ["shutdown", "kill", "restart"])
def test_workers_of_a_real_kernel_heed_its_end_and_not_its_interrupts(notebook, tmp_path, end):
    with kernels.running("python3", tmp_path) as kernel:
        cell = CELL.format(folder=str(tmp_path))
        kernel.run(IN_A_KERNEL.format(url=notebook.huey.url, cell=cell))
        has_begun(notebook, "task")
        pid = kernel.value("workers.pid")

        waiting = kernel.send("result.get(blocking=True)")
        eventually(lambda: kernel.hear()["msg_type"] == "execute_input")
        kernel.manager.interrupt_kernel()
        assert kernel.reply(waiting)["content"]["ename"] == "KeyboardInterrupt"
        assert notebook.huey.storage.inflight() == 1
        assert value(notebook.pid()) in descendants(pid)

        if end == "restart":
            kernel.manager.restart_kernel()
        else:
            kernel.manager.shutdown_kernel(now=end == "kill")
        eventually(lambda: not is_alive(pid))
        assert len(notebook.huey.pending()) == 1
