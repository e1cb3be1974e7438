"""A consumer that pauses, grows and shrinks while it works; whose workers can be killed."""

import os
import threading
from functools import partial

import pytest
from consumers import app_in, descendants, value
from waiting import PATIENCE, eventually

from huey import Huey, MemoryHuey, SqliteHuey
from huey.consumer import Worker
from huey.exceptions import ConfigurationError, ResultTimeout, TaskCanceled, TaskRevoked, WorkerLost
from huey.storage import MemoryStorage
from huey.storage.base import never

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
def stubborn(name):
    while True:
        try:
            touch(name)
            time.sleep(0.01)
        except BaseException:
            continue

@huey.task()
def hold_the_interpreter(name):
    import re
    touch(name)
    time.sleep(0.3)  # while this process writes what it has to tell
    re.match("(a+)+b", "a" * 60)

@huey.task(at_most_once=True)
def once(name):
    touch(name)
    time.sleep(100)
"""


@pytest.fixture
def app(tmp_path):
    with app_in(tmp_path, TASKS) as app:
        yield app


@pytest.fixture
def gate():
    """Open it, and every task that waits there goes on."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def hold(huey, gate):
    @huey.task()
    def hold(n):
        gate.wait(PATIENCE)
        return n

    return hold


def running(consumer):
    return [worker for worker in consumer.workers if worker.run is not None]


# --- pausing ---------------------------------------------------------------------------------


def test_a_paused_consumer_ends_what_runs_and_begins_nothing(huey, hold, gate):
    with huey.create_consumer(workers=2) as consumer:
        before = hold(1)
        eventually(lambda: running(consumer))
        consumer.pause()
        after = hold(2)
        gate.set()

        assert value(before) == 1
        assert [task.id for task in eventually(huey.pending)] == [after.id]
        eventually(lambda: not running(consumer))

        consumer.resume()
        assert value(after) == 2


def test_a_message_that_comes_in_the_moment_of_the_pause_stays_the_next_one(huey):
    double = huey.task(name="double")(lambda n: 2 * n)
    with huey.create_consumer(workers=2) as consumer:
        for n in range(20):
            consumer.pause()
            first, second = double(n), double(n)
            assert not first.is_ready()
            eventually(lambda wanted=[first.id, second.id]: ids(huey.pending()) == wanted)
            consumer.resume()
            assert value(first) == value(second) == 2 * n


def test_what_was_claimed_as_the_pause_came_is_given_back(huey):
    ran = []
    result = huey.task(name="note")(ran.append)(1)
    worker = Worker(huey, "by hand", "hand.1")
    worker.is_paused = lambda: True

    worker.step(0)
    worker.close()

    assert (ran, huey.storage.inflight()) == ([], 0)
    assert ids(huey.pending()) == [result.id]


def ids(tasks):
    return [task.id for task in tasks]


def test_tasks_become_due_during_a_pause(huey):
    double = huey.task(name="double")(lambda n: 2 * n)
    with huey.create_consumer() as consumer:
        consumer.pause()
        result = double.schedule((2,), delay=0.05)
        eventually(lambda: ids(huey.pending()) == [result.id])
        consumer.resume()
        assert value(result) == 4


def test_a_paused_consumer_can_be_stopped_and_started(huey):
    double = huey.task(name="double")(lambda n: 2 * n)
    consumer = huey.create_consumer()
    consumer.pause()
    result = double(2)
    with consumer:
        assert consumer.stop()
        assert ids(huey.pending()) == [result.id]
        consumer.start()
        assert consumer.paused
        consumer.resume()
        assert value(result) == 4


def test_worker_processes_pause_and_go_on(app):
    with app.huey.create_consumer(worker_type="process", workers=2) as consumer:
        running = app.wait("task")
        app.has_begun("task")
        consumer.pause()
        first = eventually(lambda: stays(app.pid()))  # a process hears of it a moment later
        waiting = app.pid.map([()] * 3)
        app.touch("go on")

        assert value(running)
        assert app.huey.pending_count() == 4

        consumer.resume()
        assert all(waiting.get(blocking=True, timeout=PATIENCE))
        assert value(first)


def stays(result):
    """Return the result of a task that nobody runs for a while."""
    try:
        result.get(blocking=True, timeout=0.2)
    except ResultTimeout:
        return result
    return None


def test_a_worker_process_that_is_born_during_a_pause_is_paused(app):
    with app.huey.create_consumer(worker_type="process", workers=1) as consumer:
        result = app.wait("task")
        app.has_begun("task")
        consumer.pause()
        result.cancel()
        consumer.kill(result.id)

        eventually(lambda: app.huey.pending_count() == 1)
        consumer.resume()
        with pytest.raises(TaskCanceled):
            value(result)


# --- more and fewer --------------------------------------------------------------------------


def test_workers_that_are_added_run_tasks_at_once(huey, hold, gate):
    with huey.create_consumer(workers=1) as consumer:
        group = hold.map(range(3))
        eventually(lambda: len(running(consumer)) == 1)
        consumer.resize(3)
        eventually(lambda: len(running(consumer)) == 3)
        gate.set()

        assert group.get(blocking=True, timeout=PATIENCE) == [0, 1, 2]
        assert [worker.name for worker in consumer.workers] == ["thread 1", "thread 2", "thread 3"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_workers_that_leave_are_idle_ones(huey, place):
    gates = [threading.Event() for _ in range(3)]

    @huey.task()
    def hold(n):
        gates[n].wait(PATIENCE)
        return n

    with huey.create_consumer(workers=3) as consumer:
        results = hold.map(range(3))
        workers = eventually(lambda: len(running(consumer)) == 3 and consumer.workers)
        held = [worker.run.task.args[0] for worker in workers]
        for n in set(held) - {held[place]}:
            gates[n].set()
        eventually(lambda: running(consumer) == [workers[place]])
        consumer.resize(1)

        eventually(lambda: len(consumer.workers) == 1)
        assert consumer.workers == [workers[place]]
        gates[held[place]].set()
        assert results.get(blocking=True, timeout=PATIENCE) == [0, 1, 2]


def test_a_worker_that_is_too_many_ends_what_it_runs(huey, hold, gate):
    with huey.create_consumer(workers=2) as consumer:
        group = hold.map(range(3))
        eventually(lambda: len(running(consumer)) == 2)
        consumer.resize(1)
        gate.set()

        assert group.get(blocking=True, timeout=PATIENCE) == [0, 1, 2]
        eventually(lambda: len(consumer.workers) == 1)
        assert consumer.options.workers == 1


class Hesitating(MemoryStorage):
    """Whose workers rest in the moment before they begin to wait, until they have been woken."""

    def __init__(self, name, before_the_look):
        super().__init__(name)
        self.before_the_look = before_the_look
        self.resting = []
        self.woken = threading.Event()

    def claim(self, slot, timeout=0, ended=never):
        if self.before_the_look:
            self.rest(slot)
        return super().claim(slot, 3 * PATIENCE, partial(self.look, slot, ended))

    def look(self, slot, ended):
        seen = ended()
        if not self.before_the_look:
            self.rest(slot)
        return seen

    def rest(self, slot):
        self.resting.append(slot)
        self.woken.wait(PATIENCE)

    def wake_claims(self):
        super().wake_claims()
        self.woken.set()


@pytest.mark.parametrize("before_the_look", [True, False])
@pytest.mark.parametrize("word", ["stop", "resize"])
def test_a_worker_hears_a_word_that_comes_just_as_it_begins_to_wait(word, before_the_look):
    huey = Huey("test", storage_class=Hesitating, before_the_look=before_the_look)
    with huey.create_consumer(workers=2) as consumer:
        eventually(lambda: len(huey.storage.resting) == 2)

        if word == "stop":
            assert consumer.stop(graceful=True, timeout=PATIENCE)
        else:
            consumer.resize(1)
            eventually(lambda: len(consumer.workers) == 1)


def test_no_task_is_lost_or_run_twice_while_the_number_of_workers_changes(huey):
    ran, count = [], 300
    note = huey.task(name="note")(ran.append)
    with huey.create_consumer(workers=4) as consumer:
        results = []
        for n in range(count):
            results.append(note(n))
            if n % 10 == 0:
                consumer.resize(1 + (n // 10) % 5)
        eventually(lambda: len(ran) == count)
        consumer.resize(2)
        eventually(lambda: len(consumer.workers) == 2)

    assert sorted(ran) == list(range(count))
    assert huey.storage.inflight() == 0


def test_a_consumer_keeps_its_new_size_when_it_is_started_anew():
    consumer = MemoryHuey("test").create_consumer(workers=2)
    consumer.resize(3)
    with consumer:
        assert len(consumer.workers) == 3
        consumer.restart()
        assert len(consumer.workers) == 3


def test_a_consumer_cannot_do_without_a_worker():
    with pytest.raises(ConfigurationError, match="at least 1 worker, not 0"):
        MemoryHuey("test").create_consumer().resize(0)


def test_worker_processes_can_be_added_and_taken_away(app):
    others = set(descendants(os.getpid()))

    def processes():
        return len(set(descendants(os.getpid())) - others)

    with app.huey.create_consumer(worker_type="process", workers=1) as consumer:
        eventually(lambda: processes() == 3)  # a supervisor and a scheduler too
        first = app.wait("first")
        app.has_begun("first")
        consumer.resize(3)
        eventually(lambda: processes() == 5)
        second = app.wait("second")
        app.has_begun("second")
        consumer.resize(1)
        eventually(lambda: processes() == 4)  # both are busy: one of them will leave
        app.touch("go on")

        assert value(first) != value(second)
        eventually(lambda: processes() == 3)
        assert value(app.pid())


# --- killing ---------------------------------------------------------------------------------


@pytest.fixture
def processes(app):
    with app.huey.create_consumer(worker_type="process", workers=2) as consumer:
        yield consumer


def test_a_killed_task_has_been_cancelled_and_another_process_takes_the_place(app, processes):
    result = app.wait("task")
    app.has_begun("task")
    pid = next(worker.pid for worker in app.huey.workers() if worker.task)

    result.cancel()
    assert processes.kill(result.id)

    with pytest.raises(TaskCanceled):
        value(result)
    assert app.kinds(result)[-1] == "canceled"
    eventually(lambda: len(app.huey.workers()) == 2)
    assert pid not in {worker.pid for worker in app.huey.workers()}
    assert value(app.pid())


def test_a_task_that_may_run_only_once_is_cancelled_too_when_it_is_killed(app, processes):
    result = app.once("task")
    app.has_begun("task")

    app.huey.revoke_by_id(result.id, revoke_once=True)
    assert processes.kill(result.id)

    with pytest.raises(TaskCanceled):
        value(result)


def test_a_task_that_nobody_runs_cannot_be_killed(app, processes):
    assert not processes.kill("unknown")


def test_threads_cannot_be_killed(huey, hold, gate):
    with huey.create_consumer() as consumer:
        result = hold(1)
        eventually(lambda: running(consumer))
        assert not consumer.kill(result.id)
        gate.set()
        assert value(result) == 1


@pytest.mark.parametrize("name", ["stubborn", "hold_the_interpreter"])
def test_a_cancelled_task_that_does_not_end_is_killed(app, name, monkeypatch):
    monkeypatch.setattr("huey.drivers.supervisor.STUBBORN", 1.0)
    with app.huey.create_consumer(worker_type="process", workers=2):
        result = getattr(app, name)("task")
        app.has_begun("task")

        assert result.cancel()
        with pytest.raises(TaskCanceled):
            value(result)
        assert value(app.pid())


# --- messages of which workers die -----------------------------------------------------------


class Dies(BaseException):
    """What takes a worker down, for a test."""


@pytest.mark.parametrize("most", [1, 2, 4])
def test_how_many_workers_may_die_of_a_message_is_an_option(tmp_path, most):
    with app_in(tmp_path, TASKS + DEADLY) as app:
        options = {"worker_type": "process", "workers": 1, "most_deliveries": most}
        with app.huey.create_consumer(**options), pytest.raises(WorkerLost):
            value(app.die())
        assert [reason for _, reason in app.huey.set_aside()] == [
            "its worker died once" if most == 1 else f"its worker died {most} times"
        ]


DEADLY = """
@huey.task()
def die():
    os._exit(3)
"""


def test_a_task_that_was_revoked_before_it_began_is_revoked(tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db")
    double = huey.task(name="double")(lambda n: 2 * n)
    result = double(1)
    huey.cancel(result.id)
    with huey.create_consumer(), pytest.raises(TaskRevoked):
        value(result)
    huey.storage.close()
