"""Workers and scheduler: how they start, what they do when they stop, what they survive."""

import threading
import time

import pytest
from waiting import PATIENCE, at_once, eventually

from huey import Huey, SqliteHuey, progress
from huey.constants import EmptyData
from huey.consumer import Worker
from huey.exceptions import ConfigurationError, WorkerLost
from huey.storage import BaseStorage


@pytest.fixture
def begun():
    return threading.Event()


@pytest.fixture
def go_on():
    return threading.Event()


@pytest.fixture
def slow(huey, begun, go_on):
    """A task function that has begun and waits to be told to go on."""

    @huey.task()
    def slow(n):
        begun.set()
        while not go_on.is_set():
            progress(0)
            time.sleep(0.001)
        return 2 * n

    return slow


def huey_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("huey")]


# --- start and stop --------------------------------------------------------------------------


def test_a_consumer_runs_between_start_and_stop(huey):
    consumer = huey.create_consumer(workers=2)
    assert not consumer.running

    consumer.start()
    assert consumer.running
    assert {"huey thread 1", "huey thread 2", "huey scheduler"} <= set(huey_threads())

    assert consumer.stop()
    assert not consumer.running
    assert [name for name in huey_threads() if name != "huey-doorbell"] == []


def test_starting_twice_is_an_error(huey):
    with huey.create_consumer() as consumer, pytest.raises(ConfigurationError, match="already"):
        consumer.start()


def test_stopping_what_does_not_run_does_nothing(huey):
    consumer = huey.create_consumer()

    assert consumer.stop()
    consumer.start()
    assert consumer.stop()
    assert consumer.stop(graceful=True)


def test_stopping_from_two_threads_at_once_is_stopping(huey):
    consumer = huey.create_consumer()
    consumer.start()

    assert at_once(consumer.stop, consumer.stop) == [True, True]
    assert not consumer.running


def test_a_consumer_can_be_started_again(huey):
    double = huey.task(name="double")(lambda n: 2 * n)
    consumer = huey.create_consumer()

    for n in range(3):
        with consumer:
            assert double(n).get(blocking=True, timeout=PATIENCE) == 2 * n


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"workers": 0}, "at least 1 worker"),
        ({"worker_type": "rocket"}, "thread, process, greenlet, asyncio, not 'rocket'"),
        ({"graceful_signal": "HUP"}, "graceful_signal is one of INT, TERM"),
        ({"scheduler_interval": 0}, "scheduler_interval is a number above 0"),
        ({"backoff": 0.5}, "1 or more"),
        ({"max_tasks": 0}, "max_tasks is a number above 0"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(huey, options, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        huey.create_consumer(**options)


def test_a_storage_that_cannot_be_used_is_said_at_the_start(tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "missing" / "huey.db")
    consumer, before = huey.create_consumer(), huey_threads()

    with pytest.raises(ConfigurationError, match="the folder exists"):
        consumer.start()

    assert not consumer.running
    assert huey_threads() == before


def test_workers_run_tasks_side_by_side(huey):
    together = threading.Barrier(4)

    @huey.task()
    def meet():
        together.wait(PATIENCE)
        return "met"

    group = meet.map([()] * 4)
    with huey.create_consumer(workers=4):
        assert group.get(blocking=True, timeout=PATIENCE) == ["met"] * 4


def test_several_consumers_may_share_a_queue(huey):
    double = huey.task(name="double")(lambda n: 2 * n)

    with huey.create_consumer(), huey.create_consumer(workers=2):
        group = double.map(range(200))
        assert group.get(blocking=True, timeout=PATIENCE) == [2 * n for n in range(200)]


# --- what runs when a consumer stops ---------------------------------------------------------


def test_a_graceful_stop_lets_running_tasks_end_and_leaves_the_others(huey, slow, begun, go_on):
    with huey.create_consumer() as consumer:
        running, waiting = slow(1), slow(2)
        begun.wait(PATIENCE)
        threading.Timer(0.02, go_on.set).start()
        assert consumer.stop(graceful=True)

    assert running.get() == 2
    assert [task.id for task in huey.pending()] == [waiting.id]


def test_a_stop_puts_back_what_runs_as_the_next_one(huey, slow, begun, story, signals):
    with huey.create_consumer() as consumer:
        first = slow(1)
        begun.wait(PATIENCE)
        second = slow(2)
        assert consumer.stop()

    assert [task.id for task in huey.pending()] == [first.id, second.id]
    assert huey.storage.inflight() == 0
    assert [kind for kind in story(first) if kind != "progress"] == [
        *("enqueued", "executing", "interrupted"),
    ]
    assert signals[-1] == ("interrupted", first.id)
    assert not first.is_ready()


def test_what_was_put_back_runs_again_as_if_nothing_had_happened(huey, slow, begun, go_on):
    with huey.create_consumer() as consumer:
        result = slow(1)
        begun.wait(PATIENCE)
        consumer.stop()
    go_on.set()

    claim = huey.storage.claim("a")
    assert claim.deliveries == 0
    huey.storage.release("a", claim)
    with huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) == 2


def test_a_stop_that_waits_too_long_interrupts(huey, slow, begun):
    with huey.create_consumer() as consumer:
        result = slow(1)
        begun.wait(PATIENCE)

        assert consumer.stop(graceful=True, timeout=0.05)

    assert [task.id for task in huey.pending()] == [result.id]


def test_leaving_the_block_by_an_error_interrupts(huey, slow, begun):
    with pytest.raises(ValueError, match="oops"), huey.create_consumer():  # noqa: PT012
        slow(1)
        begun.wait(PATIENCE)
        raise ValueError("oops")

    assert len(huey) == 1


def test_a_task_can_still_be_cancelled_while_a_graceful_stop_waits_for_it(huey, begun):
    @huey.task()
    def endless():
        begun.set()
        while True:
            time.sleep(0.001)

    with huey.create_consumer() as consumer:
        result = endless()
        begun.wait(PATIENCE)
        threading.Timer(0.05, result.cancel).start()
        assert consumer.stop(graceful=True, timeout=PATIENCE)

    assert len(huey) == 0


@pytest.fixture
def stuck(huey, monkeypatch):
    """A task function that is deep inside a C call and cannot be reached; and the way out."""
    monkeypatch.setattr("huey.consumer.STOP_PATIENCE", 0.05)
    entered, way_out = threading.Event(), threading.Lock()
    way_out.acquire()
    calls = []

    @huey.task()
    def stuck():
        calls.append(1)
        if len(calls) == 1:
            entered.set()
            way_out.acquire()
            return "late"
        return "again"

    stuck.entered, stuck.way_out = entered, way_out
    yield stuck
    if way_out.locked():
        way_out.release()
    eventually(lambda: not [name for name in huey_threads() if "thread" in name])


def test_a_worker_that_cannot_be_reached_is_left_behind_without_its_message(huey, stuck):
    with huey.create_consumer() as consumer:
        result = stuck()
        stuck.entered.wait(PATIENCE)
        assert not consumer.stop()

    assert [task.id for task in huey.pending()] == [result.id]
    assert not consumer.running

    stuck.way_out.release()
    eventually(lambda: not [name for name in huey_threads() if "thread" in name])
    assert not result.is_ready()
    assert len(huey) == 1


def test_a_worker_left_behind_does_not_come_back_with_the_next_start(huey, stuck):
    consumer = huey.create_consumer()
    with consumer:
        result = stuck()
        stuck.entered.wait(PATIENCE)
        consumer.stop()

    with consumer:
        assert result.get(blocking=True, timeout=PATIENCE, preserve=True) == "again"
        stuck.way_out.release()
        eventually(lambda: len([name for name in huey_threads() if "thread" in name]) == 1)

    result.reset()
    assert result.get() == "again"


def test_a_worker_told_to_stop_runs_nothing_that_it_had_just_claimed(huey, story):
    ran = []
    result = huey.task(name="note")(ran.append)(1)
    worker = Worker(huey, "late", "late.1")
    worker.stopping = True

    assert worker.step(0)

    assert ran == []
    assert story(result) == ["enqueued"]
    assert [task.id for task in huey.pending()] == [result.id]


def test_a_message_claimed_along_the_way_goes_back_when_the_consumer_stops(huey):
    consumer = huey.create_consumer()

    @huey.task()
    def stop():
        threading.Thread(target=consumer.stop, kwargs={"graceful": True}).start()
        assert eventually(consumer._driver._stop.is_set)

    note = huey.task(name="note")(print)
    first, *others = [stop(), *(note(n) for n in range(3))]
    consumer.start()

    assert first.get(blocking=True, timeout=PATIENCE) is None
    assert eventually(lambda: not consumer.running)
    assert [task.id for task in huey.pending()] == [other.id for other in others]
    assert huey.storage.inflight() == 0


def test_a_message_claimed_along_the_way_goes_back_when_the_consumer_pauses(huey):
    begun, go_on, ran = threading.Event(), threading.Event(), []

    @huey.task()
    def wait():
        begun.set()
        go_on.wait(PATIENCE)

    note = huey.task(name="note")(ran.append)
    with huey.create_consumer() as consumer:
        first, other = wait(), note(1)
        assert begun.wait(PATIENCE)
        consumer.pause()
        go_on.set()
        first.get(blocking=True, timeout=PATIENCE)

        assert eventually(lambda: huey.storage.inflight() == 0)
        assert [task.id for task in huey.pending()] == [other.id]
        assert ran == []
        consumer.resume()
        other.get(blocking=True, timeout=PATIENCE)


def test_whoever_is_told_of_signals_does_not_hold_up_the_next_message(huey):
    held_up, go_on = threading.Event(), threading.Event()
    note = huey.task(name="note")(print)
    first = note(1)

    @huey.signal("complete")
    def hold_up(signal, task):
        if task.id == first.id:
            held_up.set()
            go_on.wait(PATIENCE)

    second = note(2)
    with huey.create_consumer(workers=1) as consumer:
        assert held_up.wait(PATIENCE)
        assert huey.storage.inflight() == 0
        consumer.resize(2)
        assert second.get(blocking=True, timeout=PATIENCE) is None
        go_on.set()


# --- what a consumer survives ----------------------------------------------------------------


def failing(func, *errors):
    """Return a function that fails with each of the errors once and then does what it should."""
    left = list(errors)

    def call(*args, **kwargs):
        if left:
            raise left.pop(0)
        return func(*args, **kwargs)

    return call


@pytest.mark.parametrize("verb", ["claim", "recover", "move_due"])
def test_a_storage_that_fails_for_a_moment_costs_one_turn(huey, monkeypatch, caplog, verb):
    monkeypatch.setattr(huey.storage, verb, failing(getattr(huey.storage, verb), OSError("full")))
    double = huey.task(name="double")(lambda n: 2 * n)

    with huey.create_consumer():
        results = [double(1), double.schedule((2,), delay=0.01)]
        assert [r.get(blocking=True, timeout=PATIENCE) for r in results] == [2, 4]

    assert "a step failed" in caplog.text
    assert huey.storage.inflight() == 0


def test_a_result_that_cannot_be_stored_now_is_kept_until_it_can(huey, monkeypatch, caplog):
    errors = [OSError("full")] * 3
    finish = huey.storage.finish_and_claim
    monkeypatch.setattr(huey.storage, "finish_and_claim", failing(finish, *errors))
    runs = []

    @huey.task()
    def count():
        runs.append(1)
        return len(runs)

    with huey.create_consumer():
        assert count().get(blocking=True, timeout=PATIENCE) == 1

    assert caplog.text.count("keeps a result: OSError: full") == 1
    assert (len(huey), huey.storage.inflight()) == (0, 0)


def test_a_result_that_cannot_be_stored_for_long_is_computed_again(huey, monkeypatch):
    monkeypatch.setattr("huey.consumer.FINISH_PATIENCE", -1)
    finish, release = huey.storage.finish_and_claim, huey.storage.release
    monkeypatch.setattr(huey.storage, "finish_and_claim", failing(finish, OSError("full")))
    monkeypatch.setattr(huey.storage, "release", failing(release, OSError("full"), OSError("full")))
    runs = []

    @huey.task()
    def count():
        runs.append(1)
        return len(runs)

    with huey.create_consumer():
        assert count().get(blocking=True, timeout=PATIENCE) == 2

    assert (len(huey), huey.storage.inflight()) == (0, 0)


def test_a_message_whose_workers_died_too_often_is_given_up(huey, work, story, monkeypatch):
    ran = []
    result = huey.task(name="note")(ran.append)(1)
    claim = huey.storage.claim
    monkeypatch.setattr(
        huey.storage, "claim", lambda *args: (c := claim(*args)) and c._replace(deliveries=3)
    )
    work()

    assert ran == []
    assert story(result) == ["enqueued", "lost"]
    with pytest.raises(WorkerLost, match="worker died"):
        result.get(blocking=True, timeout=PATIENCE)
    ((_, reason),) = huey.set_aside()
    assert reason == "its worker died 3 times"

    monkeypatch.undo()
    huey.restore_set_aside()
    work()
    assert ran == [1]


# --- a storage of one's own ------------------------------------------------------------------


class Shelf(BaseStorage):
    """The documented methods and nothing else, as somebody may have written them long ago."""

    def __init__(self, name="huey", **options):
        super().__init__(name, **options)
        self.lock = threading.Lock()
        self.queue, self.schedule, self.values = [], [], {}

    def enqueue(self, data, priority=None):
        self.queue.append(data)

    def dequeue(self):
        with self.lock:
            return self.queue.pop(0) if self.queue else None

    def queue_size(self):
        return len(self.queue)

    def enqueued_items(self, limit=None):
        return self.queue[:limit]

    def add_to_schedule(self, data, timestamp):
        self.schedule.append((timestamp, data))

    def read_schedule(self, timestamp):
        with self.lock:
            due = [item for item in self.schedule if item[0] <= timestamp]
            self.schedule = [item for item in self.schedule if item[0] > timestamp]
        return [data for _, data in sorted(due)]

    def schedule_size(self):
        return len(self.schedule)

    def put_data(self, key, value):
        self.values[key] = value

    def peek_data(self, key):
        return self.values.get(key, EmptyData)

    def pop_data(self, key):
        return self.values.pop(key, EmptyData)

    def has_data_for_key(self, key):
        return key in self.values

    def result_items(self):
        return dict(self.values)


def test_a_storage_with_the_documented_methods_alone_will_do():
    huey = Huey(storage_class=Shelf, events=True)
    tries = []

    @huey.task(retries=2)
    def flaky(n):
        tries.append(n)
        if len(tries) < 3:
            raise ValueError
        return n

    double = huey.task(name="double")(lambda n: 2 * n)
    with huey.create_consumer(workers=2):
        assert flaky(1).get(blocking=True, timeout=PATIENCE) == 1
        assert double.map(range(5)).get(blocking=True, timeout=PATIENCE) == [0, 2, 4, 6, 8]
        later = double.schedule((21,), delay=0.01)
        assert later.get(blocking=True, timeout=PATIENCE) == 42
        skipped = double.schedule((1,), delay=0.05)
        skipped.revoke()

    assert huey.events.read() == []
    assert (len(huey), huey.storage.inflight(), huey.set_aside()) == (0, 0, [])


def test_a_storage_with_the_documented_methods_alone_gives_back_what_a_stop_interrupts():
    huey, begun = Huey(storage_class=Shelf), threading.Event()

    @huey.task()
    def endless():
        begun.set()
        while True:
            time.sleep(0.001)

    with huey.create_consumer() as consumer:
        result = endless()
        begun.wait(PATIENCE)
        consumer.stop()

    assert [task.id for task in huey.pending()] == [result.id]
