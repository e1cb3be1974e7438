"""What the options of a consumer do, given as keyword arguments and on the command line."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from consumers import app_in, value
from waiting import PATIENCE, eventually

from huey import Huey, MemoryHuey, crontab
from huey.bin.huey_consumer import check_health
from huey.consumer import Worker
from huey.consumer_options import Options, consumer_options, make_parser
from huey.drivers.loop import Outage
from huey.exceptions import ConfigurationError, StorageError
from huey.storage import BaseStorage
from huey.storage.base import never


def parse(*arguments):
    return Options(**consumer_options(make_parser().parse_args(["app.huey", *arguments])))


def test_without_options_there_is_one_thread_and_the_defaults_of_the_keyword_arguments():
    assert parse() == Options(import_path="app.huey")


def test_every_option_has_a_letter_and_a_name():
    short = parse(
        *("-w", "4", "-k", "process", "-s", "2", "-n", "-d", "0.2", "-m", "3", "-b", "1.3"),
        *("-c", "5", "-C", "-M", "100", "-D", "5", "-t", "7", "-g", "TERM", "-f", "-L", "a, b"),
    )
    long = parse(
        *("--workers=4", "--worker-type=process", "--scheduler-interval=2", "--no-periodic"),
        *("--delay=0.2", "--max-delay=3", "--backoff=1.3", "--health-check-interval=5"),
        *(
            "--disable-health-check",
            "--max-tasks=100",
            "--most-deliveries=5",
            "--shutdown-timeout=7",
        ),
        *("--graceful-signal=TERM", "--flush-locks", "--extra-locks=a,b"),
    )

    assert short == long
    assert short == Options(
        workers=4,
        worker_type="process",
        scheduler_interval=2,
        periodic=False,
        initial_delay=0.2,
        max_delay=3,
        backoff=1.3,
        check_worker_health=False,
        health_check_interval=5,
        max_tasks=100,
        most_deliveries=5,
        shutdown_timeout=7,
        graceful_signal="TERM",
        flush_locks=True,
        extra_locks=("a", "b"),
        import_path="app.huey",
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-s", "0"], "0 is not between 1 and 60"),
        (["-s", "61"], "61 is not between 1 and 60"),
        (["-k", "rocket"], "invalid choice: 'rocket'"),
        (["-g", "HUP"], "invalid choice: 'HUP'"),
        (["-v", "-q"], "not allowed with argument"),
    ],
    ids=str,
)
def test_a_command_that_cannot_work_is_refused(capsys, arguments, complaint):
    with pytest.raises(SystemExit):
        parse(*arguments)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_a_shutdown_timeout_that_is_no_time_is_refused(seconds):
    with pytest.raises(ConfigurationError, match="shutdown_timeout is a number of 0 or more"):
        Options(shutdown_timeout=seconds)


def test_an_unknown_keyword_argument_is_refused(memory_huey):
    with pytest.raises(TypeError, match="wrokers"):
        memory_huey.create_consumer(wrokers=2)


# --- what they do ----------------------------------------------------------------------------


def test_periodic_tasks_can_be_switched_off(huey):
    ran = []
    huey.periodic_task(crontab(), name="tick")(lambda: ran.append(1))
    with huey.create_consumer(periodic=False):
        assert huey.task(name="one")(lambda: 1)().get(blocking=True, timeout=PATIENCE) == 1
        later = huey.task(name="two")(lambda: 2).schedule(delay=0.05)
        assert later.get(blocking=True, timeout=PATIENCE) == 2

    assert ran == []
    assert len(huey) == 0


@pytest.mark.parametrize("kind", ["thread", "asyncio"])
def test_a_worker_makes_way_for_a_fresh_one_after_its_share(huey, kind):
    started, ended = [], []
    huey.on_startup()(lambda: started.append(threading.get_ident()))
    huey.on_shutdown()(lambda: ended.append(threading.get_ident()))
    double = huey.task(name="double")(lambda n: 2 * n)

    with huey.create_consumer(worker_type=kind, max_tasks=3):
        group = double.map(range(9))
        assert group.get(blocking=True, timeout=PATIENCE) == [2 * n for n in range(9)]
        eventually(lambda: len(started) == 4)

    assert len(ended) == 4


class Frozen(threading.Thread):
    """A thread that has died."""

    def is_alive(self):
        return False

    def join(self, timeout=None):
        pass


def test_a_dead_thread_is_replaced(huey, caplog):
    double = huey.task(name="double")(lambda n: 2 * n)
    with huey.create_consumer(health_check_interval=0.02) as consumer:
        assert double(1).get(blocking=True, timeout=PATIENCE) == 2
        loop, scheduler = consumer._driver._helpers["scheduler"]
        living = [consumer._driver._crew[0], scheduler]
        consumer._driver._crew[0] = Frozen()
        consumer._driver._helpers["scheduler"] = loop, Frozen()

        eventually(lambda: caplog.text.count("died and is replaced") == 2)
        assert double(2).get(blocking=True, timeout=PATIENCE) == 4

    for thread in living:
        thread.join(PATIENCE)


def test_no_look_at_threads_when_health_checks_are_off(huey, caplog):
    with huey.create_consumer(health_check_interval=0.01, check_worker_health=False) as consumer:
        consumer._driver._crew[1] = Frozen()
        assert "huey timekeeper" not in [thread.name for thread in threading.enumerate()]

    assert "died" not in caplog.text


def test_a_graceful_stop_waits_no_longer_than_the_shutdown_timeout(huey):
    begun = threading.Event()

    @huey.task()
    def nap():
        begun.set()
        while True:
            time.sleep(0.001)

    with huey.create_consumer(shutdown_timeout=0.05) as consumer:
        result = nap()
        begun.wait(PATIENCE)
        assert consumer.stop(graceful=True)

    assert [task.id for task in huey.pending()] == [result.id]


def test_a_consumer_can_be_restarted_with_fresh_workers(huey):
    double = huey.task(name="double")(lambda n: 2 * n)
    with huey.create_consumer() as consumer:
        before = consumer.workers
        assert double(1).get(blocking=True, timeout=PATIENCE) == 2
        consumer.restart()
        assert double(2).get(blocking=True, timeout=PATIENCE) == 4
        assert consumer.workers[0] is not before[0]


class Polled(BaseStorage):
    """A storage that cannot wake anybody; it notes when it was asked."""

    def __init__(self, name="huey", **options):
        super().__init__(name, **options)
        self.asked = []

    def dequeue(self):
        self.asked.append(time.monotonic())

    def queue_size(self):
        return 0

    def read_schedule(self, timestamp):
        return []


def test_the_pauses_between_two_looks_can_be_told():
    huey = Huey(storage_class=Polled)

    huey.storage.poll(0.001, 1.0, 0.001)
    huey.storage.claim("a", 0.1)
    often = len(huey.storage.asked)
    huey.storage.asked.clear()
    huey.storage.poll(0.05, 1.0, 0.05)
    huey.storage.claim("a", 0.1)

    assert often > 5
    assert len(huey.storage.asked) <= 4


def test_a_consumer_passes_them_on():
    huey = Huey(storage_class=Polled)
    with huey.create_consumer(initial_delay=0.5, max_delay=0.7, backoff=1.2):
        assert huey.storage._polling == (0.5, 1.2, 0.7)


# --- a storage that fails --------------------------------------------------------------------


class Broken(BaseStorage):
    """A storage whose claims fail."""

    error: BaseException | None = None
    claims = 0

    def queue_size(self):
        return 0

    def claim(self, slot, timeout=0, ended=never):
        self.claims += 1
        if self.error is not None:
            raise self.error
        time.sleep(0.001)

    def read_schedule(self, timestamp):
        return []


def test_an_outage_is_logged_once_with_its_traceback_and_its_end_once(caplog):
    huey = Huey(storage_class=Broken)
    huey.storage.error = ConnectionError("gone")
    with huey.create_consumer(workers=3):
        eventually(lambda: huey.storage.claims > 6)
        huey.storage.error = None
        eventually(lambda: "going on" in caplog.text)
        eventually(lambda: huey.storage.claims > 100)

    assert caplog.text.count("a step failed") == 1
    assert caplog.text.count("Traceback") == 1
    assert caplog.text.count("going on") == 1


def test_another_kind_of_error_in_the_same_outage_is_logged_too(caplog):
    outage = Outage()
    for error in (OSError("a"), OSError("b"), ValueError("c")):
        outage.failed(error)
    outage.worked()
    outage.worked()
    outage.failed(OSError("d"))

    assert [record.getMessage() for record in caplog.records] == [
        "a step failed; trying again until it works",
        "a step failed; trying again until it works",
        "going on: it works again",
        "a step failed; trying again until it works",
    ]


def test_a_storage_that_cannot_be_used_stops_the_consumer(caplog):
    huey = Huey(storage_class=Broken)
    huey.storage.error = StorageError("queue.db is damaged: restore it from a copy")
    consumer, before = huey.create_consumer(workers=2), {*threading.enumerate()}
    consumer.start()
    eventually(lambda: not consumer.running)

    assert str(consumer.failure) == "queue.db is damaged: restore it from a copy"
    assert caplog.text.count("damaged") == 1
    assert "Traceback" not in caplog.text
    eventually(
        lambda: not [t for t in {*threading.enumerate()} - before if t.name.startswith("huey")]
    )


DAMAGE = """
from huey.drivers.loop import Outage
from huey.exceptions import StorageError
from huey.storage.base import never

class Damaged(type(huey.storage)):
    def claim(self, slot, timeout=0, ended=never):
        if (here / "damaged").exists():
            raise StorageError("queue.db is damaged: restore it from a copy")
        return super().claim(slot, min(timeout, 0.1), ended)  # to look at the damage soon

huey.storage.__class__ = Damaged

@huey.task()
def double(n):
    return 2 * n
"""


ABSENT = """
class Absent(type(huey.storage)):
    def queue_size(self):
        if not (here / "there").exists():
            raise ConnectionError("nobody answers")
        return super().queue_size()

    def is_outage(self, error):
        return isinstance(error, ConnectionError) or super().is_outage(error)

huey.storage.__class__ = Absent

@huey.task()
def double(n):
    return 2 * n
"""


@pytest.mark.parametrize("kind", ["thread", "process", "asyncio"])
def test_a_storage_that_is_not_there_yet_is_waited_for(tmp_path, kind):
    with app_in(tmp_path, ABSENT) as app:
        consumer = app.consume("-k", kind)
        result = app.double(1)
        eventually(lambda: "waiting for the storage to answer: ConnectionError" in app.log)
        assert result.get() is None

        app.touch("there")

        assert value(result) == 2
        consumer.process.send_signal(signal.SIGTERM)
        assert consumer.wait() == 0
        assert app.log.count("waiting for the storage") == 1
        assert "Traceback" not in app.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_consumer_that_waits_for_its_storage_can_be_stopped(tmp_path, number):
    with app_in(tmp_path, ABSENT) as app:
        consumer = app.consume()
        eventually(lambda: "waiting for the storage" in app.log)

        consumer.process.send_signal(number)

        assert consumer.wait() == 0
        assert "Traceback" not in app.log


@pytest.mark.parametrize("kind", ["thread", "process", "asyncio"])
def test_a_storage_that_cannot_be_used_ends_the_command_with_one_sentence(tmp_path, kind):
    with app_in(tmp_path, DAMAGE) as app:
        consumer = app.consume("-k", kind, "-w", 2)
        assert value(app.double(1)) == 2
        app.touch("damaged")

        assert consumer.wait() == 1
        assert app.log.count("damaged") == 1
        assert "Traceback" not in app.log


def test_so_it_does_with_processes_within_another_program(tmp_path, caplog):
    with app_in(tmp_path, DAMAGE) as app:
        consumer = app.huey.create_consumer(worker_type="process", workers=2)
        consumer.start()
        assert value(app.double(1)) == 2
        app.touch("damaged")
        eventually(lambda: not consumer.running)

        assert str(consumer.failure) == "queue.db is damaged: restore it from a copy"
        assert caplog.text.count("damaged") == 1


# --- the command -----------------------------------------------------------------------------

TASKS = """
@huey.task()
def pid():
    return os.getpid()

@huey.task()
def wait(name):
    touch(name)
    wait_for("go on")
    return os.getpid()

@huey.task()
def nap(name):
    touch(name)
    while True:
        time.sleep(0.001)

@huey.task()
def version():
    return VERSION

VERSION = (here / "version").read_text() if (here / "version").exists() else "old"
"""


@pytest.fixture
def app(tmp_path):
    with app_in(tmp_path, TASKS) as app:
        yield app


@pytest.mark.parametrize("kind", ["thread", "process", "asyncio"])
def test_sighup_lets_what_runs_end_and_starts_the_command_anew(app, kind):
    consumer = app.consume("-k", kind)
    assert value(app.version()) == "old"
    result = app.wait("task")
    app.has_begun("task")
    (app.folder / "version").write_text("new")

    consumer.process.send_signal(signal.SIGHUP)
    app.touch("go on")

    assert value(result)
    assert eventually(lambda: value(app.version()) == "new")
    consumer.process.send_signal(signal.SIGTERM)
    assert consumer.wait() == 0


def test_sighup_starts_anew_though_a_task_had_to_be_interrupted(app):
    consumer = app.consume("-t", "0.1")
    result = app.nap("task")
    app.has_begun("task")
    (app.folder / "task has begun").unlink()

    consumer.process.send_signal(signal.SIGHUP)
    app.has_begun("task")

    eventually(lambda: app.kinds(result).count("executing") == 2)
    eventually(lambda: app.log.count("started with") == 2)


def test_sighup_while_it_starts_anew_is_heard_when_it_has(tmp_path):
    code = """
    if (here / "again").exists():
        touch("import")
        time.sleep(0.2)

    @huey.task()
    def pid():
        return os.getpid()
    """
    with app_in(tmp_path, code) as app:
        consumer = app.consume()
        value(app.pid())
        app.touch("again")

        consumer.process.send_signal(signal.SIGHUP)
        app.has_begun("import")
        consumer.process.send_signal(signal.SIGHUP)

        eventually(lambda: app.log.count("started with") == 2)
        value(app.pid())
        consumer.process.send_signal(signal.SIGTERM)
        assert consumer.wait() == 0


def test_a_hang_up_that_is_ignored_stays_ignored(app):
    ignore = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    consumer = app.consume(preexec_fn=ignore)
    value(app.pid())

    consumer.process.send_signal(signal.SIGHUP)
    value(app.pid())
    consumer.process.send_signal(signal.SIGTERM)

    assert consumer.wait() == 0
    assert app.log.count("started with") == 1


def test_a_signal_to_end_counts_more_than_an_earlier_sighup(app):
    consumer = app.consume()
    result = app.nap("task")
    app.has_begun("task")

    consumer.process.send_signal(signal.SIGHUP)
    eventually(lambda: "a second signal interrupts them" in app.log)
    consumer.process.send_signal(signal.SIGTERM)

    assert consumer.wait() == 0
    assert [task.id for task in app.huey.pending()] == [result.id]


@pytest.mark.parametrize("kind", ["thread", "asyncio"])
def test_the_signals_can_be_swapped(app, kind):
    consumer = app.consume("-k", kind, "-g", "TERM")
    result = app.wait("task")
    app.has_begun("task")

    consumer.process.send_signal(signal.SIGTERM)
    eventually(lambda: "a second signal interrupts them" in app.log)
    app.touch("go on")

    assert consumer.wait() == 0
    assert value(result) == consumer.pid


def test_the_log_can_be_simple(app):
    consumer = app.consume("-S")
    value(app.pid())
    consumer.process.send_signal(signal.SIGTERM)
    consumer.wait()

    (line,) = [line for line in app.log.splitlines() if "started with 1 thread workers" in line]
    assert "INFO" not in line


def test_control_characters_in_ids_are_written_out_in_the_log(huey, work, caplog):
    caplog.set_level(logging.INFO)
    task_class = huey.task(name="nap")(time.sleep).task_class
    huey.enqueue(task_class((0,), id="a\n\x1b[31mINFO forged: line"))
    work()

    assert "\\n\\x1b[31mINFO forged: line>" in caplog.text
    assert "\x1b" not in caplog.text


def test_starting_a_consumer_within_a_program_leaves_its_signal_handlers_alone(huey):
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with huey.create_consumer():
        assert [signal.getsignal(number) for number in numbers] == before
    assert [signal.getsignal(number) for number in numbers] == before


def test_running_one_puts_the_handlers_back(huey):
    before = signal.getsignal(signal.SIGTERM)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    assert huey.create_consumer().run() == 0
    assert signal.getsignal(signal.SIGTERM) == before


# --- health ----------------------------------------------------------------------------------


def test_a_queue_with_a_living_worker_is_healthy():
    huey, said = MemoryHuey(), []
    huey.storage.register("1", {"name": "thread 1"})

    assert check_health(huey, said.append) == 0
    assert said == ["healthy: 1 workers, 0 tasks are waiting"]


def test_a_queue_without_workers_is_not():
    huey, said = MemoryHuey(), []

    assert check_health(huey, said.append) == 1
    assert said == ["unhealthy: no worker is alive, 0 tasks are waiting"]


def test_a_storage_that_does_not_answer_is_not_healthy():
    huey, said = Huey(storage_class=BaseStorage), []

    assert check_health(huey, said.append) == 1
    assert said[0].startswith("unhealthy: the storage does not answer: NotImplementedError")


def test_the_command_tells_by_its_exit_code(app):
    done = subprocess.run(
        [sys.executable, "-m", "huey.bin.huey_consumer", "app.huey", "--healthcheck"],
        cwd=app.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == "unhealthy: no worker is alive, 0 tasks are waiting\n"


def test_a_worker_counts_the_messages_it_has_seen(huey, work_off):
    worker = Worker(huey, "by hand", "hand.1")
    huey.task(name="double")(lambda n: 2 * n).map(range(3))

    while worker.step(0):
        pass
    worker.close()

    assert worker.done == 3
