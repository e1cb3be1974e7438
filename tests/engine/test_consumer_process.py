"""A consumer in a process of its own, as `huey_consumer` starts it; stopped and killed."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from processes import Child
from waiting import PATIENCE, eventually

from huey.exceptions import WorkerLost

APP = """
import os, signal, time
from pathlib import Path
from huey import SqliteHuey

here = Path(__file__).parent
huey = SqliteHuey("app", filename=here / "huey.db", events=True)

@huey.task()
def double(n):
    return 2 * n

@huey.task()
def note(n):
    with open(here / "notes", "a") as file:
        file.write(f"{n}\\n")
    time.sleep(0.01)
    return n

@huey.task()
def wait(name):
    (here / f"{name} has begun").touch()
    while not (here / "go on").exists():
        time.sleep(0.005)
    return os.getpid()

@huey.task()
def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def app(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(APP)
    spec = importlib.util.spec_from_file_location("app", path)
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    yield app
    app.huey.storage.close()


@pytest.fixture
def consume(app, tmp_path):
    """Start a consumer; all are gone afterwards."""
    children = []

    def consume(*options):
        arguments = ["-m", "huey.bin.huey_consumer", "app.huey", "-w", 2, *options]
        with open(tmp_path / "log", "a") as log:
            children.append(Child(arguments, cwd=tmp_path, stderr=log))
        return children[-1]

    yield consume

    for child in children:
        child.end()


@pytest.fixture
def has_begun(tmp_path):
    """Wait until a task has begun."""
    return lambda name: eventually((tmp_path / f"{name} has begun").exists)


@pytest.fixture
def go_on(tmp_path):
    return (tmp_path / "go on").touch


def value(result):
    return result.get(blocking=True, timeout=PATIENCE)


def leftovers(app):
    return os.listdir(app.huey.storage.live_folder)


def test_it_runs_the_tasks_of_the_module(app, consume):
    consume()

    assert value(app.double(21)) == 42
    assert app.double.map(range(50)).get(blocking=True, timeout=PATIENCE) == list(range(0, 100, 2))


def test_a_result_wakes_the_caller_in_another_process(app, consume, has_begun, go_on, monkeypatch):
    monkeypatch.setattr("huey.results.LOOK_AGAIN", 10 * PATIENCE)
    consumer = consume()
    result = app.wait("task")
    has_begun("task")

    go_on()

    assert value(result) == consumer.pid


def test_sigint_lets_what_runs_end_and_leaves_the_rest(app, consume, has_begun, go_on):
    consumer = consume("-w", 1)
    running, waiting = app.wait("first"), app.wait("second")
    has_begun("first")

    consumer.process.send_signal(signal.SIGINT)
    eventually(lambda: "a second signal interrupts them" in log(app))
    go_on()

    assert consumer.wait() == 0
    assert value(running) == consumer.pid
    assert [task.id for task in app.huey.pending()] == [waiting.id]
    app.huey.storage.close()
    assert leftovers(app) == []


@pytest.mark.parametrize("first_sigint", [False, True])
def test_sigterm_puts_back_what_runs_and_it_runs_again(
    app, consume, has_begun, go_on, first_sigint
):
    consumer = consume("-w", 1)
    first, second = app.wait("first"), app.wait("second")
    has_begun("first")

    if first_sigint:
        consumer.process.send_signal(signal.SIGINT)
        eventually(lambda: "a second signal interrupts them" in log(app))
    consumer.process.send_signal(signal.SIGINT if first_sigint else signal.SIGTERM)
    assert consumer.wait() == 0
    assert [task.id for task in app.huey.pending()] == [first.id, second.id]
    assert kinds(app, first)[-1] == "interrupted"

    go_on()
    consumer = consume()
    assert [value(first), value(second)] == [consumer.pid, consumer.pid]


def log(app):
    return (app.here / "log").read_text()


def kinds(app, result):
    return [event["kind"] for _, event in app.huey.events.read() if event["task"] == result.id]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_consumer_ends_and_leaves_nothing(app, consume, number):
    consumer = consume()
    value(app.double(1))

    consumer.process.send_signal(number)

    assert consumer.wait() == 0
    app.huey.storage.close()
    assert leftovers(app) == []
    assert "Traceback" not in log(app)


def test_what_a_killed_consumer_was_running_runs_again(app, consume, has_begun, go_on):
    first = consume()
    result = app.wait("task")
    has_begun("task")

    first.kill()
    go_on()
    second = consume()

    assert value(result) == second.pid
    assert kinds(app, result)[-1] == "complete"


def test_another_consumer_takes_over_what_a_killed_one_was_running(app, consume, has_begun, go_on):
    first = consume("-w", 1)
    result = app.wait("task")
    has_begun("task")
    second = consume()
    value(app.double(1))

    first.kill()
    go_on()

    assert value(result) == second.pid


def test_of_many_tasks_none_is_lost_however_often_the_consumer_is_killed(app, consume):
    count, kills, workers = 200, 4, 2
    group = app.note.map(range(count))

    for n in range(kills):
        consumer = consume()
        eventually(lambda n=n: len(notes(app)) > (n + 1) * 30)
        consumer.kill()
    consume()

    assert group.get(blocking=True, timeout=PATIENCE) == list(range(count))
    runs = Counter(notes(app))
    assert set(runs) == {str(n) for n in range(count)}
    assert runs.total() - count <= kills * workers
    assert (len(app.huey), app.huey.storage.inflight(), app.huey.set_aside()) == (0, 0, [])


def notes(app):
    try:
        return (app.here / "notes").read_text().split()
    except FileNotFoundError:
        return []


def test_a_message_that_killed_its_consumer_three_times_is_set_aside(app, consume):
    result = app.die()

    for _ in range(3):
        assert consume("-w", 1).wait() == -signal.SIGKILL
    consume()

    with pytest.raises(WorkerLost):
        value(result)
    assert [reason for _, reason in app.huey.set_aside()] == ["its worker died 3 times"]
    assert kinds(app, result)[-1] == "lost"
    assert value(app.double(1)) == 2


# --- the command line ------------------------------------------------------------------------


def command(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "huey.bin.huey_consumer", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


BROKEN = "from huey import SqliteHuey\nhuey = SqliteHuey('x', filename='missing/huey.db')\n"


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("nowhere.huey", "no module named 'nowhere' in "),
        ("app.missing", "app has no Huey named 'missing'"),
        ("app.double", "app has no Huey named 'double'"),
        ("app", "'app' names no Huey: write MODULE.HUEY"),
        ("app:huey", "'app:huey' names no Huey: write MODULE.HUEY"),
        ("./app.py", "'./app.py' names no Huey: write MODULE.HUEY"),
    ],
)
@pytest.mark.usefixtures("app")
def test_a_path_that_leads_nowhere_is_said_in_one_sentence(tmp_path, path, complaint):
    (tmp_path / "broken.py").write_text(BROKEN)

    done = command(path, folder=tmp_path)

    assert done.returncode == 2
    usage, said = done.stderr.split("huey_consumer: error: ")
    assert complaint in said
    assert said.count("\n") == 1
    assert "Traceback" not in usage


def test_a_storage_that_cannot_be_used_is_said_in_one_line_without_the_usage(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)

    done = command("broken.huey", folder=tmp_path)

    assert done.returncode == 1
    assert "missing/huey.db as a queue" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("app")
def test_a_log_that_cannot_be_written_is_said_in_one_sentence(tmp_path):
    done = command("app.huey", "-l", "missing/log", folder=tmp_path)

    assert done.returncode == 2
    assert "cannot write the log to missing/log: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_module_itself_is_shown_as_python_shows_it(tmp_path):
    (tmp_path / "app.py").write_text("import a")

    done = command("app.huey", folder=tmp_path)

    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'a'" in done.stderr


def test_help_says_what_the_options_mean(tmp_path):
    done = command("--help", folder=tmp_path)

    assert done.returncode == 0
    for option in ("--workers", "--worker-type", "--scheduler-interval", "--logfile", "--verbose"):
        assert option in done.stdout


def test_the_log_can_go_to_a_file(app, consume, tmp_path):
    consumer = consume("-l", tmp_path / "own.log")
    result = app.double(1)
    value(result)
    consumer.process.send_signal(signal.SIGTERM)
    consumer.wait()

    story = [line for line in (tmp_path / "own.log").read_text().splitlines() if result.id in line]

    assert len(story) == 2
    assert story[0].endswith(f"INFO huey.executor: executing <app.double: {result.id}>")
    assert "done in 0.0" in story[1]
    assert log(app) == ""
