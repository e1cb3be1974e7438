"""A storage of one's own that has the documented methods and nothing else."""

import heapq
import itertools
import threading
import time
from datetime import datetime

import pytest
from waiting import PATIENCE, eventually

from huey import Huey, chord, crontab
from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, TaskException, TaskLockedException
from huey.storage import BaseStorage


class PlainStorage(BaseStorage):
    """Dicts and lists. Each method is one step, as each holds the lock."""

    def __init__(self, name="huey", **storage_kwargs):
        super().__init__(name, **storage_kwargs)
        self.lock = threading.Lock()
        self.order = itertools.count()
        self.queue = []
        self.schedule = []
        self.values = {}

    def enqueue(self, data, priority=None):
        with self.lock:
            heapq.heappush(self.queue, (-(priority or 0), next(self.order), data))

    def dequeue(self):
        with self.lock:
            return heapq.heappop(self.queue)[2] if self.queue else None

    def queue_size(self):
        return len(self.queue)

    def enqueued_items(self, limit=None):
        return [data for _, _, data in sorted(self.queue)][:limit]

    def flush_queue(self):
        self.queue.clear()

    def add_to_schedule(self, data, timestamp):
        with self.lock:
            heapq.heappush(self.schedule, (timestamp, next(self.order), data))

    def read_schedule(self, timestamp):
        due = []
        with self.lock:
            while self.schedule and self.schedule[0][0] <= timestamp:
                due.append(heapq.heappop(self.schedule)[2])
        return due

    def schedule_size(self):
        return len(self.schedule)

    def scheduled_items(self, limit=None):
        return [data for _, _, data in sorted(self.schedule)][:limit]

    def flush_schedule(self):
        self.schedule.clear()

    def put_data(self, key, value):
        self.values[key] = value

    def peek_data(self, key):
        return self.values.get(key, EmptyData)

    def pop_data(self, key):
        return self.values.pop(key, EmptyData)

    def put_if_empty(self, key, value):
        with self.lock:
            empty = key not in self.values
            if empty:
                self.values[key] = value
            return empty

    def has_data_for_key(self, key):
        return key in self.values

    def result_store_size(self):
        return len(self.values)

    def result_items(self):
        return dict(self.values)

    def flush_results(self):
        self.values.clear()


@pytest.fixture
def huey():
    threads = set(threading.enumerate())
    huey = Huey("test", storage_class=PlainStorage)
    yield huey
    for consumer in list(huey.consumers):
        consumer.stop()
    huey.storage.close()
    assert set(threading.enumerate()) - threads == set()


@pytest.fixture
def consumer(huey):
    with huey.create_consumer(workers=3, scheduler_interval=0.1) as consumer:
        yield consumer


def get(result, **options):
    return result.get(blocking=True, timeout=PATIENCE, backoff=1.0, **options)


def test_the_documented_methods_are_all_that_is_needed():
    own = {name for name in vars(PlainStorage) if not name.startswith("_")}
    raising = {
        name
        for name, method in vars(BaseStorage).items()
        if "NotImplementedError" in getattr(getattr(method, "__code__", None), "co_names", ())
    }

    assert own == raising


@pytest.mark.usefixtures("consumer")
def test_tasks_run_and_their_values_come_back(huey):
    @huey.task()
    def double(n):
        return 2 * n

    results = double.map(range(50))

    assert results.get(blocking=True, timeout=PATIENCE) == [2 * n for n in range(50)]
    assert huey.all_results() == {}
    assert get(double(0)) == 0


@pytest.mark.usefixtures("consumer")
def test_errors_and_retries(huey):
    tries = []

    @huey.task(retries=2, retry_delay=0.05)
    def third_time():
        tries.append(time.time())
        if len(tries) < 3:
            raise OSError("not yet")
        return "done"

    @huey.task()
    def fail():
        raise ValueError("no")

    result = third_time()

    assert eventually(lambda: len(tries) == 3)
    assert get(without_errors(result)) == "done"
    with pytest.raises(TaskException, match="ValueError"):
        get(fail())


def without_errors(result):
    """Wait for the value behind the errors of its first tries."""

    def value():
        try:
            return result.get(preserve=True) == "done"
        except TaskException:
            result.reset()
            return False

    eventually(value)
    return result


@pytest.mark.usefixtures("consumer")
def test_scheduled_tasks_run_when_they_are_due(huey):
    @huey.task()
    def when():
        return time.time()

    before = time.time()
    result = when.schedule(delay=0.3)

    assert get(result) - before >= 0.3


def test_a_periodic_task_runs_once_a_minute_for_two_consumers(huey):
    ran = []

    @huey.periodic_task(crontab())
    def each_minute():
        ran.append(int(time.time() // 60))

    with huey.create_consumer(), huey.create_consumer():
        eventually(lambda: ran)

    assert len(ran) == len(set(ran))


@pytest.mark.usefixtures("consumer")
def test_a_pipeline_hands_values_on(huey):
    @huey.task()
    def add(a, b):
        return a + b

    results = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))

    assert results.get(blocking=True, timeout=PATIENCE) == [3, 6, 10]


@pytest.mark.usefixtures("consumer")
def test_a_chord_gets_the_values_of_its_parts_once(huey):
    sums = []

    @huey.task()
    def one(n):
        return n

    @huey.task()
    def total(numbers):
        sums.append(sum(numbers))
        return sum(numbers)

    found = [huey.enqueue(chord([one.s(n) for n in range(20)], total.s())) for _ in range(3)]

    assert [get(each.callback) for each in found] == [190] * 3
    assert sums == [190] * 3


def test_a_lock_lets_one_in_at_a_time(huey):
    with huey.lock_task("k"):
        assert huey.is_locked("k")
        with pytest.raises(TaskLockedException), huey.lock_task("k"):
            pass

    assert not huey.is_locked("k")
    assert huey.result_count() == 0


@pytest.mark.usefixtures("consumer")
def test_a_limit_lets_so_many_through(huey):
    ran = []

    @huey.task()
    @huey.rate_limit("k", limit=2, per=600, retry=False)
    def work(n):
        ran.append(n)
        return n

    results = [work(n) for n in range(5)]
    refused = 0
    for result in results:
        try:
            get(result)
        except TaskException:
            refused += 1

    assert (len(ran), refused) == (2, 3)


@pytest.mark.usefixtures("consumer")
def test_a_revoked_task_does_not_run_and_its_caller_is_told(huey):
    ran = []

    @huey.task()
    def work(n):
        ran.append(n)
        return n

    revoked = work.schedule((1,), delay=0.2)
    revoked.revoke()
    other = work.schedule((2,), delay=0.3)

    assert get(other) == 2
    assert ran == [2]


def test_a_message_that_nobody_can_read_is_set_aside(huey, consumer):
    huey.storage.enqueue(b"rubbish")

    ((data, _reason),) = eventually(huey.set_aside)

    assert data == b"rubbish"
    consumer.stop()
    assert huey.restore_set_aside() == 1
    assert huey.storage.enqueued_items() == [b"rubbish"]


def test_scheduled_and_released_tasks_keep_their_priority(huey):
    @huey.task()
    def work(n):
        return n

    huey.storage.add_to_schedule(huey.serialize_task(work.s(1, priority=5)), datetime(2020, 1, 1))
    huey.enqueue(work.s(2, priority=3))

    assert huey.move_due() == 1
    huey.storage.release("a", huey.storage.claim("a"))

    assert [task.priority for task in huey.pending()] == [5, 3]


class ForgetfulStorage(PlainStorage):
    """Does not call the constructor above it, as nobody said it must."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.order = itertools.count()
        self.queue, self.schedule, self.values = [], [], {}


def test_a_storage_need_not_call_the_constructor_of_its_base():
    huey = Huey("test", storage_class=ForgetfulStorage, events=True)

    @huey.task()
    def work(n):
        return n

    with huey.create_consumer():
        assert get(work.schedule((1,), delay=0.01)) == 1
        huey.storage.enqueue(b"rubbish")
        assert eventually(huey.set_aside)


def test_a_counter_does_not_fill_the_storage(huey):
    assert [huey.storage.advance("c", n) for n in (1, 1, 2)] == [True, False, True]

    for n in range(3, 500):
        huey.storage.advance("c", n)

    assert huey.storage.result_store_size() == 100


def test_values_of_ones_own(huey):
    assert huey.put_if_empty("k", 1)
    assert not huey.put_if_empty("k", 2)
    assert huey.get("k") == 1
    with pytest.raises(ConfigurationError, match="PlainStorage keeps values until"):
        huey.put_if_empty("k", 1, ttl=5)


def test_workers_come_and_go(huey, consumer):
    eventually(lambda: len(huey.workers()) == 3)
    consumer.stop()

    assert huey.workers() == []
