"""Tasks that somebody stops, before they begin or in the middle."""

import io
import logging
import queue
import random
import sys
import threading
import time
import uuid
from collections import Counter

import pytest
from waiting import PATIENCE, eventually, started

from huey import RetryTask, current_task, progress
from huey.exceptions import ResultTimeout, TaskCanceled, TaskException, TaskInterrupt, TaskRevoked


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Interrupt a cancelled task soon, in the middle of whatever it does."""
    monkeypatch.setattr("huey.consumer.CANCEL_PATIENCE", 0.02)


@pytest.fixture
def begun():
    return threading.Event()


def reporting(begun):
    """Return a function that goes on until it is stopped by its own report of progress."""

    def reporting():
        while True:
            progress(1)
            begun.set()

    return reporting


def napping(begun):
    """Return a function that reports nothing and goes on until it is interrupted."""

    def napping():
        begun.set()
        while True:
            time.sleep(0.001)

    return napping


@pytest.fixture(params=[reporting, napping])
def endless(huey, request, begun):
    return huey.task(name="endless", retries=3)(request.param(begun))


def test_a_waiting_task_that_is_cancelled_does_not_run(huey, work, story):
    ran = []
    result = huey.task(name="note")(ran.append)(1)

    assert not result.cancel()
    work()

    assert ran == []
    with pytest.raises(TaskRevoked):
        result.get(blocking=True, timeout=PATIENCE)
    assert story(result) == ["enqueued", "canceled"]


@pytest.mark.parametrize("later", [False, True], ids=["queue", "schedule"])
def test_one_of_many_tasks_is_cancelled_and_no_other(huey, later, work):
    task = huey.task(name="many")(lambda n: n)
    call = (lambda n: task.schedule((n,), delay=1000)) if later else task
    results = [call(n) for n in range(300)]
    if later:
        work()

    for n in (0, 150, 151, 299):
        results[n].cancel()

    count = huey.scheduled_count() if later else huey.pending_count()
    assert count == 296
    assert [n for n in range(300) if results[n].status() == "canceled"] == [0, 150, 151, 299]


@pytest.mark.parametrize("odd", [17, uuid.UUID(int=1), "half \ud83d a character"], ids=repr)
def test_tasks_are_found_beside_one_with_an_odd_id(memory_huey, odd):
    task = memory_huey.task(name="many")(lambda *args: 1)
    results = [task() for _ in range(40)]
    one = task.s()
    one.id = odd
    memory_huey.enqueue(one)
    results += [task() for _ in range(40)]

    assert memory_huey.cancel_many([one.id for one in results[:2]]) == 2
    assert (results[0].status(), results[79].status()) == ("canceled", "pending")


def test_a_task_that_follows_another_among_many_is_found(huey, work):
    task = huey.task(name="many")(lambda *args: 1)
    others = [task(n) for n in range(200)]
    last = huey.enqueue(task.s().then(task))[1]
    others += [task(n) for n in range(200)]

    assert huey.task_info(last.id).status == "waiting"


def test_a_running_task_ends_when_it_is_cancelled(endless, consumer, begun, story):
    result = endless()
    begun.wait(PATIENCE)

    assert result.cancel()

    with pytest.raises(TaskCanceled):
        result.get(blocking=True, timeout=PATIENCE)
    assert [kind for kind in story(result) if kind != "progress"] == [
        *("enqueued", "executing", "canceling", "canceled"),
    ]


def test_a_cancelled_task_leaves_nothing_behind(huey, endless, consumer, begun):
    result = endless()
    begun.wait(PATIENCE)
    result.cancel()
    with pytest.raises(TaskCanceled):
        result.get(blocking=True, timeout=PATIENCE)

    eventually(lambda: not result.is_revoked())  # by the worker, when the task is over
    assert huey.storage.result_items() == {}
    assert (len(huey), huey.scheduled_count(), huey.storage.inflight()) == (0, 0, 0)


def test_the_worker_of_a_cancelled_task_goes_on(huey, begun):
    endless = huey.task(name="endless")(napping(begun))
    double = huey.task(name="double")(lambda n: 2 * n)

    with huey.create_consumer(workers=1):
        for n in range(3):
            begun.clear()
            result = endless()
            begun.wait(PATIENCE)
            result.cancel()
            assert double(n).get(blocking=True, timeout=PATIENCE) == 2 * n


def test_cancelling_twice_is_cancelling_once(endless, consumer, begun, story):
    result = endless()
    begun.wait(PATIENCE)

    result.cancel()
    result.cancel()

    with pytest.raises(TaskCanceled):
        result.get(blocking=True, timeout=PATIENCE)
    assert story(result)[-1] == "canceled"


def test_a_cancelled_task_can_clean_up(huey, consumer, begun):
    cleaned = []

    @huey.task()
    def careful():
        try:
            reporting(begun)()
        finally:
            cleaned.append(current_task().id)

    result = careful()
    begun.wait(PATIENCE)
    result.cancel()

    with pytest.raises(TaskCanceled):
        result.get(blocking=True, timeout=PATIENCE)
    assert cleaned == [result.id]


def test_catching_every_exception_does_not_swallow_a_cancellation(huey, consumer, begun):
    @huey.task()
    def stubborn():
        while True:
            try:
                reporting(begun)()
            except Exception:  # noqa: S112 - that is what it is about
                continue

    result = stubborn()
    begun.wait(PATIENCE)
    result.cancel()

    with pytest.raises(TaskCanceled):
        result.get(blocking=True, timeout=PATIENCE)


@pytest.mark.parametrize("answer", [ValueError("no"), RetryTask()], ids=repr)
def test_a_cancelled_task_that_raises_something_else_is_not_tried_again(
    huey, consumer, begun, story, answer
):
    @huey.task(retries=5)
    def stubborn():
        try:
            reporting(begun)()
        except TaskInterrupt:
            raise answer from None

    result = stubborn()
    begun.wait(PATIENCE)
    result.cancel()

    with pytest.raises(TaskException):
        result.get(blocking=True, timeout=PATIENCE)
    assert "retrying" not in story(result)


def test_a_task_that_returns_though_cancelled_has_a_value(huey, consumer, begun):
    @huey.task()
    def stubborn():
        try:
            reporting(begun)()
        except TaskInterrupt:
            return "nearly"

    result = stubborn()
    begun.wait(PATIENCE)
    result.cancel()

    assert result.get(blocking=True, timeout=PATIENCE) == "nearly"
    eventually(lambda: not result.is_revoked())


def test_a_task_that_waits_for_another_try_can_be_cancelled(huey, work, pass_time):
    def fail():
        raise ValueError

    result = huey.task(name="fail", retries=5, retry_delay=60)(fail)()
    work()

    result.cancel()
    pass_time(61)
    huey.move_due()
    work()

    with pytest.raises(TaskRevoked):
        result.get(blocking=True, timeout=PATIENCE)


def test_a_task_can_be_cancelled_in_the_very_moment_in_which_it_is_claimed(huey):
    """Nothing of the way from the queue into the function is out of reach."""
    ran = []

    @huey.pre_execute()
    def cancel(task):
        huey.cancel(task.id)

    with huey.create_consumer():
        result = huey.task(name="note")(ran.append)(1)
        with pytest.raises(TaskCanceled):
            result.get(blocking=True, timeout=PATIENCE)

    assert ran == []
    assert not result.is_revoked()


def test_a_group_cancels_those_that_have_not_ended(huey, work):
    double = huey.task(name="double")(lambda n: 2 * n)
    done = double.map([1, 2])
    work()
    waiting = double.map([3, 4, 5])

    assert (done.cancel(), waiting.cancel()) == (0, 3)
    work()

    assert done.get() == [2, 4]
    assert waiting.get() == [None, None, None]


def test_cancelling_a_task_that_was_put_back_by_a_stop_keeps_it_from_running(huey, begun):
    endless = huey.task(name="endless")(napping(begun))
    with huey.create_consumer() as consumer:
        result = endless()
        begun.wait(PATIENCE)
        consumer.stop()
    assert len(huey) == 1

    result.cancel()
    with huey.create_consumer(), pytest.raises(TaskRevoked):
        result.get(blocking=True, timeout=PATIENCE)


# --- stress ----------------------------------------------------------------------------------


@pytest.fixture
def quick_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


LOG = logging.getLogger("test.cancel")
EVENT, QUEUE = threading.Event(), queue.Queue()


def log():
    LOG.info("still here")


def ring():
    EVENT.set()
    EVENT.clear()


def hand_over():
    QUEUE.put(1)
    QUEUE.get()


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("use", [log, ring, hand_over])
def test_a_cancelled_task_leaves_no_lock_locked(memory_huey, begun, use, monkeypatch):
    monkeypatch.setattr("huey.consumer.CANCEL_PATIENCE", 0.0)
    monkeypatch.setattr(LOG, "handlers", [logging.StreamHandler(io.StringIO())])
    monkeypatch.setattr(LOG, "propagate", False)
    LOG.setLevel(logging.INFO)

    @memory_huey.task()
    def busy():
        while True:
            use()
            begun.set()

    with memory_huey.create_consumer():
        for _ in range(100):
            begun.clear()
            result = busy()
            begun.wait(PATIENCE)
            result.cancel()
            with pytest.raises(TaskCanceled):
                result.get(blocking=True, timeout=PATIENCE)
            with started(use) as (other,):
                other.value()


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.filterwarnings(
    # A callback of the garbage collector, such as hypothesis has, may be what is interrupted.
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_cancelling_at_random_moments_hurts_nobody_else(huey, monkeypatch):
    """No worker dies, every task ends, and no interruption reaches another task."""
    monkeypatch.setattr("huey.consumer.CANCEL_PATIENCE", 0.0)
    count, cancels = 2000, 300
    hit = []

    @huey.task()
    def short(n):
        try:
            for step in range(n % 30):
                progress(step)
                if n % 5 == 0:
                    time.sleep(0.0001)
        except BaseException as error:
            hit.append((current_task().id, type(error)))
            raise
        return n

    threads = threading.active_count()
    with huey.create_consumer(workers=4) as consumer:
        group = short.map(range(count))
        asked = set()
        while len(asked) < cancels:
            running = [worker.run.task.id for worker in consumer.workers if worker.run]
            chosen = running or [random.choice(group).id]  # noqa: S311 - not a secret
            asked.update(task_id for task_id in chosen if huey.cancel(task_id) or True)
            if all(result.is_ready() for result in group):
                break
        ended = Counter(how_it_ended(result, n) for n, result in enumerate(group))
        assert threading.active_count() >= threads + 4 + 2
        assert all(thread.is_alive() for thread in consumer._driver._crew.values())

    assert sum(ended.values()) == count
    assert set(ended) <= {"value", "TaskCanceled", "TaskRevoked"}
    assert {task_id for task_id, _ in hit} <= asked
    assert {kind for _, kind in hit} <= {TaskInterrupt}
    assert ended["value"] >= count - len(asked)
    assert (len(huey), huey.storage.inflight()) == (0, 0)


WAVES, TASKS = 20, 1000  # tasks in a wave
CANCELS = 300  # in a wave, of which at least half reach a task that has not ended


@pytest.mark.slow
@pytest.mark.usefixtures("quick_switches")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_thousands_of_cancels_hurt_nobody_else(memory_huey, monkeypatch):
    """As above at full size; some tasks wait, some compute, some sleep, and then comes a batch."""
    monkeypatch.setattr("huey.consumer.CANCEL_PATIENCE", 0.0)
    huey, hit = memory_huey, []

    @huey.task()
    def work(n):
        try:
            if n % 3 == 1:
                sum(step * step for step in range(5000))
            elif n % 3 == 2:
                time.sleep(0.003)
        except BaseException as error:
            hit.append((current_task().id, type(error)))
            raise
        return n

    with huey.create_consumer(workers=4) as consumer:
        crew = dict(consumer._driver._crew)
        asked, ended = set(), Counter()
        for _ in range(WAVES):
            wave = work.map(range(TASKS))
            asked |= cancel_at_random(huey, consumer, wave, CANCELS)
            ended.update(how_it_ended(result, n) for n, result in enumerate(wave))
        second = work.map(range(1000)).get(blocking=True, timeout=PATIENCE)

        assert consumer._driver._crew == crew
        assert all(thread.is_alive() for thread in crew.values())

    assert second == list(range(1000))
    assert sum(ended.values()) == WAVES * TASKS
    assert len(asked) > WAVES * CANCELS / 2
    assert set(ended) <= {"value", "TaskCanceled", "TaskRevoked"}
    assert min(ended["TaskCanceled"], ended["TaskRevoked"]) > WAVES, ended
    assert ended["value"] >= WAVES * TASKS - len(asked)
    assert {task_id for task_id, _ in hit} <= asked
    assert {kind for _, kind in hit} <= {TaskInterrupt}
    assert (len(huey), huey.storage.inflight()) == (0, 0)


def cancel_at_random(huey, consumer, group, count):
    """Cancel so many tasks of a group, running and waiting ones; return their ids."""
    asked, ids = set(), [result.id for result in group]
    while len(asked) < count and not group[-1].is_ready():
        runs = [worker.run for worker in consumer.workers]
        running = [run.task.id for run in runs if run is not None]
        waiting = random.choices(ids[-len(huey) - 1 :], k=4)  # noqa: S311
        chosen = {one for one in random.sample(running + waiting, 3) if one in ids}
        asked |= chosen
        huey.cancel_many(chosen)
        time.sleep(random.uniform(0, 0.002))  # noqa: S311
    return asked


def how_it_ended(result, expected):
    try:
        # Left where it is: of the tasks whose values are taken only so many are remembered.
        assert result.get(blocking=True, timeout=PATIENCE, preserve=True) == expected
    except ResultTimeout:
        raise
    except TaskException as error:
        return type(error).__name__
    return "value"
