"""Workers that are processes: replaced when they die, gone when their consumer is."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter

import pytest
from consumers import app_in, descendants, is_alive, value
from processes import run
from waiting import PATIENCE, eventually

from huey import MemoryHuey
from huey.exceptions import ConfigurationError, ResultTimeout, TaskCanceled, TaskRevoked, WorkerLost

TASKS = """
@huey.task()
def pid():
    return os.getpid()

@huey.task()
def slow_pid():
    time.sleep(0.05)
    return os.getpid()

@huey.task()
def in_main_thread():
    return threading.current_thread() is threading.main_thread()

@huey.task()
def wait(name):
    touch(name)
    wait_for("go on")
    return os.getpid()

@huey.task()
def nap(name):
    touch(name)
    time.sleep(100)

@huey.task()
def cancel(task_id):
    huey.cancel(task_id)

@huey.task()
def interrupt_a_program():
    import subprocess
    with subprocess.Popen(["sleep", "100"]) as program:
        program.send_signal(signal.SIGINT)
        return program.wait()

@huey.task()
def leave():
    with open(here / "runs", "a") as file:
        file.write("x")
    os._exit(3)

@huey.task()
def fork():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return child

@huey.task()
async def fork_async():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return child

@huey.task()
def fork_and_raise():
    child = os.fork()
    if not child:
        raise SystemExit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

@huey.task()
def raise_(name):
    raise {"exit": SystemExit, "keyboard": KeyboardInterrupt, "base": BaseException}[name](name)

@huey.task()
def note(n):
    with open(here / "notes", "a") as file:
        file.write(f"{n}\\n")
    time.sleep(0.01)
    return n

@huey.task()
def report(n):
    for step in range(20):
        progress(step)
        time.sleep(0.0005)
    return n
"""


@pytest.fixture
def app(tmp_path):
    with app_in(tmp_path, TASKS) as app:
        yield app


@pytest.fixture
def consume(app):
    return lambda *options, **popen: app.consume("-k", "process", *options, **popen)


def test_each_worker_is_a_process_of_its_own_below_the_consumer(app, consume):
    consumer = consume("-w", 3)
    pids = set(app.slow_pid.map([()] * 30).get(blocking=True, timeout=PATIENCE))

    assert consumer.pid not in pids
    assert pids <= set(descendants(consumer.pid))
    assert len(descendants(consumer.pid)) == 3 + 1  # and the scheduler


def test_tasks_run_in_the_main_thread_of_their_process(app, consume):
    consume()
    assert value(app.in_main_thread()) is True


def test_a_program_that_a_task_starts_can_be_interrupted_as_ever(app, consume):
    consume()
    assert value(app.interrupt_a_program()) == -signal.SIGINT


def test_the_consumer_itself_has_one_thread(app, consume):
    consumer = consume("-w", 2)
    value(app.pid())

    assert len(os.listdir(f"/proc/{consumer.pid}/task")) == 1


def test_scheduled_tasks_become_due(app, consume):
    consume()
    assert value(app.pid.schedule(delay=0.05))


# --- workers that die ------------------------------------------------------------------------


def test_a_killed_worker_is_replaced_within_two_seconds_and_its_task_runs_again(app, consume):
    consumer = consume("-w", 2)
    eventually(lambda: len(descendants(consumer.pid)) == 3)
    result = app.wait("task")
    app.has_begun("task")
    before = set(descendants(consumer.pid))
    victim = worker_of(app, result, before)

    (app.folder / "task has begun").unlink()
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len({*descendants(consumer.pid)} - {victim}) == 3, within=2.0)
    app.has_begun("task")
    app.touch("go on")

    assert value(result) in set(descendants(consumer.pid))
    assert f"(process {victim}) was killed by signal 9" in app.log


def worker_of(app, result, pids):
    """Return which process runs a task: the one that holds the lock of its claim's slot."""
    rows = app.huey.storage._execute("SELECT claimed_by FROM task WHERE claimed_by IS NOT NULL")
    (owner,) = rows[0]
    pid = int(owner.split(".")[1])
    assert pid in pids
    return pid


def test_of_many_tasks_none_is_lost_however_often_workers_are_killed(app, consume):
    count, kills = 300, 12
    consumer = consume("-w", 3)
    group = app.note.map(range(count))

    for n in range(kills):
        eventually(lambda n=n: len(notes(app)) > 20 * n)
        victim = random.choice(descendants(consumer.pid))  # noqa: S311 - not a secret
        os.kill(victim, signal.SIGKILL)

    assert group.get(blocking=True, timeout=PATIENCE) == list(range(count))
    runs = Counter(notes(app))
    assert set(runs) == {str(n) for n in range(count)}
    assert runs.total() - count <= kills
    assert (len(app.huey), app.huey.storage.inflight(), app.huey.set_aside()) == (0, 0, [])
    eventually(lambda: len(descendants(consumer.pid)) == 4)


def notes(app):
    try:
        return (app.folder / "notes").read_text().split()
    except FileNotFoundError:
        return []


def test_a_killed_scheduler_is_replaced(app, consume):
    consumer = consume("-w", 1)
    worker = value(app.pid())
    (scheduler,) = set(descendants(consumer.pid)) - {worker}

    os.kill(scheduler, signal.SIGKILL)

    assert value(app.pid.schedule(delay=0.05)) == worker
    assert f"the scheduler (process {scheduler}) was killed by signal 9" in app.log


def test_without_health_checks_nobody_is_replaced(app, consume):
    consumer = consume("-w", 1, "-C")
    worker = value(app.pid())

    os.kill(worker, signal.SIGKILL)
    eventually(lambda: "was killed by signal 9" in app.log)

    with pytest.raises(ResultTimeout):
        app.pid().get(blocking=True, timeout=0.5)
    assert len(descendants(consumer.pid)) == 1


def test_a_task_that_ends_its_process_three_times_is_lost_to_its_caller(app, consume):
    consume("-w", 2)
    result = app.leave()

    with pytest.raises(WorkerLost):
        value(result)
    assert (app.folder / "runs").read_text() == "xxx"
    assert [reason for _, reason in app.huey.set_aside()] == ["its worker died 3 times"]
    assert value(app.pid())


@pytest.mark.parametrize("name", ["exit", "keyboard", "base"])
def test_whatever_a_task_raises_its_worker_lives(app, consume, name):
    consume()
    before = value(app.pid())

    with pytest.raises(Exception, match=name):
        value(app.raise_(name))
    assert value(app.pid()) == before


@pytest.mark.parametrize("kind", ["process", "thread", "asyncio"])
def test_a_fork_made_by_a_task_never_becomes_a_worker(app, kind):
    consumer = app.consume("-k", kind)
    worker = value(app.pid())
    before = descendants(consumer.pid)

    assert value(app.fork()) > 0
    assert value(app.fork_async()) > 0
    assert value(app.fork_and_raise()) == 0
    assert value(app.pid()) == worker
    assert descendants(consumer.pid) == before


def test_a_worker_makes_way_for_a_fresh_one_after_its_share_of_tasks(app, consume):
    consumer = consume("-w", 1, "--max-tasks", 3)
    pids = app.pid.map([()] * 9).get(blocking=True, timeout=PATIENCE)

    assert sorted(pids.count(pid) for pid in set(pids)) == [3, 3, 3]
    assert "died" not in app.log
    assert "killed" not in app.log
    eventually(lambda: len(descendants(consumer.pid)) == 2)


# --- the end ---------------------------------------------------------------------------------


def test_no_orphan_is_left_a_second_after_the_consumer_was_killed(app, consume):
    consumer = consume("-w", 2)
    result = app.nap("task")
    app.has_begun("task")
    below = descendants(consumer.pid)
    assert len(below) == 3

    consumer.kill()

    eventually(lambda: not any(map(is_alive, below)), within=1.0)
    assert not result.is_ready()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_consumer_ends_with_its_workers(app, consume, number):
    consumer = consume("-w", 2, start_new_session=True)
    value(app.pid())
    below = descendants(consumer.pid)

    os.killpg(consumer.pid, number)

    assert consumer.wait() == 0
    assert not any(map(is_alive, below))
    assert "Traceback" not in app.log
    app.huey.storage.close()
    assert os.listdir(app.huey.storage.live_folder) == []


@pytest.mark.parametrize("to_the_group", [True, False])
def test_sigterm_puts_back_all_that_runs(app, consume, to_the_group):
    consumer = consume("-w", 4, start_new_session=True)
    results = [app.nap(f"task {n}") for n in range(4)]
    for n in range(4):
        app.has_begun(f"task {n}")
    waiting = app.pid()

    (os.killpg if to_the_group else os.kill)(consumer.pid, signal.SIGTERM)

    assert consumer.wait() == 0
    pending = [task.id for task in app.huey.pending()]
    assert set(pending[:4]) == {result.id for result in results}
    assert pending[4:] == [waiting.id]
    assert app.huey.storage.inflight() == 0
    assert [app.kinds(result)[-1] for result in results] == ["interrupted"] * 4
    assert "Traceback" not in app.log


def test_sigint_to_the_group_lets_running_tasks_end(app, consume):
    consumer = consume("-w", 2, start_new_session=True)
    running = [app.wait("first"), app.wait("second")]
    app.has_begun("first")
    app.has_begun("second")
    waiting = app.pid()

    os.killpg(consumer.pid, signal.SIGINT)
    eventually(lambda: "a second signal interrupts them" in app.log)
    app.touch("go on")

    assert consumer.wait() == 0
    assert all(value(result) for result in running)
    assert [task.id for task in app.huey.pending()] == [waiting.id]


def test_sigterm_is_graceful_when_the_options_say_so_even_to_the_group(app, consume):
    consumer = consume("-g", "TERM", start_new_session=True)
    result = app.wait("task")
    app.has_begun("task")

    os.killpg(consumer.pid, signal.SIGTERM)
    eventually(lambda: "a second signal interrupts them" in app.log)
    app.touch("go on")

    assert consumer.wait() == 0
    assert value(result)


@pytest.mark.parametrize("how", ["second signal", "timeout"])
def test_a_graceful_stop_that_takes_too_long_interrupts(app, consume, how):
    options = ["-t", "0.1"] if how == "timeout" else []
    consumer = consume(*options)
    result = app.nap("task")
    app.has_begun("task")

    consumer.process.send_signal(signal.SIGINT)
    if how == "second signal":
        eventually(lambda: "a second signal interrupts them" in app.log)
        consumer.process.send_signal(signal.SIGINT)

    assert consumer.wait() == 0
    assert [task.id for task in app.huey.pending()] == [result.id]


def test_sigterm_to_one_worker_puts_its_task_back_and_another_takes_its_place(app, consume):
    consumer = consume("-w", 1)
    worker = value(app.pid())
    result = app.wait("task")
    app.has_begun("task")

    os.kill(worker, signal.SIGTERM)
    eventually(lambda: "interrupted" in app.kinds(result))
    app.touch("go on")

    assert value(result) != worker
    assert not is_alive(worker)
    assert len(descendants(consumer.pid)) == 2


def test_sighup_lets_running_tasks_end_and_starts_anew(app, consume):
    consumer = consume("-w", 1)
    result = app.wait("task")
    app.has_begun("task")
    below = descendants(consumer.pid)

    consumer.process.send_signal(signal.SIGHUP)
    app.touch("go on")

    assert value(result) in below
    eventually(lambda: app.log.count("started with 1 process workers") == 2)
    assert value(app.pid()) not in below
    assert not any(map(is_alive, below))


# --- from within another program -------------------------------------------------------------


def test_a_running_task_is_cancelled_from_the_program_that_started_the_consumer(app):
    with app.huey.create_consumer(worker_type="process", workers=2) as consumer:
        result = app.nap("task")
        app.has_begun("task")

        assert not consumer.cancel("another")
        assert result.cancel()
        with pytest.raises(TaskCanceled):
            value(result)


def test_a_task_can_cancel_one_that_another_process_runs(app, consume):
    consume("-w", 2)
    result = app.nap("task")
    app.has_begun("task")

    app.cancel(result.id)

    with pytest.raises(TaskCanceled):
        value(result)


def test_a_supervisor_that_dies_is_replaced_with_its_workers(app):
    with app.huey.create_consumer(worker_type="process", health_check_interval=0.05):
        worker = value(app.pid())
        supervisor = next(pid for pid in descendants(os.getpid()) if worker in descendants(pid))

        os.kill(supervisor, signal.SIGKILL)
        eventually(lambda: not is_alive(worker))

        assert value(app.pid()) != worker


def test_a_consumer_within_another_program_leaves_its_signal_handlers_alone(app):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    others = descendants(os.getpid())  # of other tests, a server or a browser

    with app.huey.create_consumer(worker_type="process"):
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
        assert value(app.pid()) != os.getpid()
        below = [pid for pid in descendants(os.getpid()) if pid not in others]
        assert len(below) == 3  # supervisor, scheduler, worker

    assert not any(map(is_alive, below))


def test_a_stop_within_another_program_puts_back_what_runs(app):
    with app.huey.create_consumer(worker_type="process") as consumer:
        result = app.nap("task")
        app.has_begun("task")
        assert consumer.stop()

    assert [task.id for task in app.huey.pending()] == [result.id]


def test_a_graceful_stop_within_another_program_can_be_cut_short(app):
    with app.huey.create_consumer(worker_type="process") as consumer:
        result = app.nap("task")
        app.has_begun("task")
        assert consumer.stop(graceful=True, timeout=0.1)

    assert [task.id for task in app.huey.pending()] == [result.id]


HOST = """
import sys, time
sys.path.insert(0, sys.argv[1])
import app
app.huey.create_consumer(worker_type="process").start()
print(app.pid().get(blocking=True, timeout=20), flush=True)
sys.stdin.readline()
"""


def test_cancelling_at_random_moments_hurts_nobody_else(app):
    count = 200
    ended = Counter()
    others = descendants(os.getpid())
    with app.huey.create_consumer(worker_type="process", workers=2):
        group = app.report.map(range(count))
        asked = set()
        while not group[-1].is_ready():
            result = random.choice(group)  # noqa: S311 - not a secret
            if result.cancel():
                asked.add(result.id)
        for n, result in enumerate(group):
            try:
                assert value(result) == n
                ended["value"] += 1
            except (TaskCanceled, TaskRevoked) as error:
                ended[type(error).__name__] += 1
        assert len(set(descendants(os.getpid())) - {*others}) == 4

    assert ended.total() == count
    assert ended["TaskCanceled"] <= len(asked)
    assert (len(app.huey), app.huey.storage.inflight()) == (0, 0)


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_nothing_is_left_of_a_program_that_never_stopped_its_consumer(app, number):
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, app.folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with host:
        assert int(host.stdout.readline()) != host.pid
        below = descendants(host.pid)
        if number is not None:
            host.send_signal(number)
        host.communicate("")

    eventually(lambda: not any(map(is_alive, below)), within=3.0)


# --- where they cannot be --------------------------------------------------------------------


def test_a_queue_in_memory_cannot_be_shared_with_processes():
    with pytest.raises(ConfigurationError, match="use SqliteHuey, or another kind"):
        MemoryHuey().create_consumer(worker_type="process")


SPAWN = """
import multiprocessing, os, signal, sys
sys.path.insert(0, sys.argv[1])
import app
from huey.exceptions import ConfigurationError
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    try:
        app.huey.create_consumer(worker_type="process")
    except ConfigurationError as error:
        print(error)
    with app.huey.create_consumer(worker_type="process", import_path="app.huey") as consumer:
        print(app.pid().get(blocking=True, timeout=20) > 0)
        result = app.nap("task")
        app.wait_for("task has begun")
        print(result.cancel())
        worker = app.pid().get(blocking=True, timeout=20)
        os.kill(worker, signal.SIGKILL)
        print(app.pid().get(blocking=True, timeout=20) != worker)
"""


def test_where_spawning_is_asked_for_the_hueys_import_path_is_needed(app, tmp_path):
    (tmp_path / "host.py").write_text(SPAWN)
    code = "import runpy, sys; runpy.run_path(sys.argv[1] + '/host.py', run_name='__main__')"

    told, *rest = run(code, tmp_path).splitlines()

    assert "create_consumer(import_path='module.huey')" in told
    assert rest == ["True"] * 3
