"""What the API's manual shows, done as it shows it."""

import datetime
import time

import pytest
from waiting import eventually

from huey import CancelExecution, crontab
from huey.api import Task
from huey.exceptions import ResultTimeout, TaskException
from huey.results import ResultGroup
from huey.signals import SIGNAL_ERROR, SIGNAL_LOCKED


@pytest.fixture
def huey(bench):
    """A Huey of the test's own, so that names may be those of the manual."""
    with bench.running() as huey:
        yield huey


@pytest.fixture
def value(bench):
    return bench.value


@pytest.fixture
def add(huey):
    @huey.task()
    def add(a, b):
        return a + b

    return add


def an_hour_from_now():
    return datetime.datetime.now() + datetime.timedelta(hours=1)


# --- calling ---------------------------------------------------------------------------------


def test_two_numbers_are_added_by_the_queue(huey, add, value):
    result = add(1, 2)

    assert repr(result) == f"<Result: task {result.id}>"
    assert result(blocking=True, timeout=20) == 3
    assert value(result) == 3


def test_immediate_mode_can_be_switched_on(bench):
    huey = bench.make(immediate_use_memory=True)
    add_numbers = huey.task()(lambda a, b: a + b)

    huey.immediate = True
    assert add_numbers(2, 3)() == 5
    huey.immediate = False
    assert add_numbers(2, 3)() is None
    assert len(huey) == 1


def test_a_slow_task_returns_at_once_and_is_waited_for(huey, value):
    @huey.task()
    def slow(n):
        time.sleep(n)
        return n

    assert value(slow(0.01)) == 0.01


def test_without_result_store_a_call_gives_none(bench):
    huey = bench.make(results=False)

    assert huey.task()(lambda: 1)() is None


def test_a_task_may_receive_itself(huey, value):
    @huey.task(context=True)
    def say_id(message, task=None):
        return f"{message}: {task.id}"

    result = say_id("hello")

    assert value(result) == f"hello: {result.id}"


def test_of_other_decorators_one_is_called_by_the_caller_and_one_by_the_worker(huey, value):
    calls = []

    def noting(where):
        def decorate(func):
            def noted(*args):
                calls.append(where)
                return func(*args)

            return noted

        return decorate

    @noting("caller")
    @huey.task()
    @noting("worker")
    def task():
        return 1

    assert value(task()) == 1
    assert calls == ["caller", "worker"]


def test_a_call_is_the_same_as_a_task_enqueued(huey, add, value):
    task = add.s(1, 2)

    assert isinstance(task, Task)
    assert value(huey.enqueue(task)) == value(add(1, 2)) == 3


def test_a_function_can_be_called_locally(add):
    assert add.call_local(1, 2) == 3


# --- later and again and again ----------------------------------------------------------------


def test_a_task_is_scheduled_by_a_time_or_by_a_delay(huey):
    @huey.task()
    def check_feeds(*urls):
        return urls

    by_time = check_feeds.schedule(args=("1", "2", "3"), eta=an_hour_from_now())
    by_delay = check_feeds.schedule(args=("1", "2", "3"), delay=3600)

    found = eventually(lambda: len(huey.scheduled()) == 2 and huey.scheduled())
    assert {task.id for task in found} == {by_time.id, by_delay.id}
    assert {task.args for task in found} == {("1", "2", "3")}


def test_a_task_runs_every_three_hours(bench):
    huey = bench.make()

    @huey.periodic_task(crontab(minute="0", hour="*/3"))
    def update_feeds():
        pass

    midnight = int(datetime.datetime(2030, 6, 1, tzinfo=datetime.UTC).timestamp() // 60)
    ran = [n // 60 for n in range(24 * 60) if huey.enqueue_periodic(midnight + n)]

    assert ran == [0, 3, 6, 9, 12, 15, 18, 21]


def test_a_periodic_task_stores_what_it_made_by_itself(bench):
    huey = bench.make(immediate=bench.immediate)

    @huey.periodic_task(crontab(minute="*"))
    def my_task():
        huey.put("my-task", "some data")

    if bench.immediate:
        huey.enqueue_periodic(int(time.time() // 60))
    with bench.works(huey):
        eventually(lambda: huey.get("my-task", peek=True) == "some data")
    assert huey.all_results() == {}


def test_a_context_task_is_a_task_in_a_with_block(huey, value):
    class Database:
        open = False

        def __enter__(self):
            self.open = True

        def __exit__(self, *error):
            self.open = False

    db = Database()

    @huey.task()
    def without_context_task(n):
        with db:
            return n, db.open

    @huey.context_task(db)
    def with_context_task(n):
        return n, db.open

    assert value(without_context_task(1)) == value(with_context_task(1)) == (1, True)
    assert not db.open


# --- hooks and signals -------------------------------------------------------------------------


def test_a_hook_keeps_tasks_from_running_on_a_sunday(huey, add, value):
    today = {"is": "Sunday"}

    @huey.pre_execute()
    def no_work_on_sunday(task):
        if today["is"] == "Sunday":
            raise CancelExecution("Sunday -- no work will be done.")

    with pytest.raises(TaskException):
        value(add(1, 2))
    today["is"] = "Monday"
    assert value(add(1, 2)) == 3


def test_a_hook_is_told_value_and_error(huey, add, value):
    seen = []

    @huey.post_execute()
    def note(task, task_value, exc):
        seen.append((task.name.rpartition(".")[2], task_value, exc))

    value(add(1, 2))

    assert seen == [("add", 3, None)]


def test_a_worker_opens_its_database_when_it_starts(bench):
    huey = bench.make(immediate=bench.immediate)
    connection = {}

    @huey.on_startup()
    def setup_db_connection():
        connection["db"] = "open"

    @huey.on_shutdown()
    def close_db_connection():
        connection["db"] = "closed"

    @huey.task()
    def write_data():
        return connection.get("db")

    with bench.works(huey):
        assert bench.value(write_data()) == (None if bench.immediate else "open")
    assert connection == ({} if bench.immediate else {"db": "closed"})


def test_a_handler_hears_of_tasks_that_failed_or_were_locked_out(huey):
    seen = []

    @huey.signal(SIGNAL_ERROR, SIGNAL_LOCKED)
    def task_not_run_handler(signal, task, exc=None):
        seen.append((signal, type(exc).__name__))

    @huey.task()
    def fail():
        raise ValueError

    @huey.task()
    @huey.lock_task("busy")
    def locked():
        pass

    fail()
    with huey.lock_task("busy"):
        locked()
        eventually(lambda: len(seen) == 2)

    assert sorted(seen) == [("error", "ValueError"), ("locked", "NoneType")]


# --- revoking and locks ------------------------------------------------------------------------


def test_one_call_or_all_of_a_function_can_be_revoked(huey):
    @huey.task()
    def greet(name):
        return f"Hello {name}"

    result = greet.schedule(delay=60, args=("Huey",))
    result.revoke()
    assert result.is_revoked()

    greet.revoke()
    assert greet.is_revoked()
    assert greet.restore()


def test_a_function_is_skipped_once_or_for_a_day(huey, value):
    @huey.task()
    def send_emails():
        return "sent"

    send_emails.revoke(revoke_once=True)
    with pytest.raises(TaskException):
        value(send_emails())
    assert value(send_emails()) == "sent"

    tomorrow = datetime.datetime.now() + datetime.timedelta(days=1)
    send_emails.revoke(revoke_until=tomorrow)
    assert send_emails.is_revoked()
    assert not send_emails.is_revoked(tomorrow + datetime.timedelta(hours=1))
    send_emails.restore()


def test_a_change_of_mind_keeps_a_scheduled_task_from_running(huey, add):
    result = add.schedule((1, 2), eta=an_hour_from_now())

    result.revoke()

    assert result.is_revoked()
    assert result() is None


def test_two_reports_are_never_generated_at_once(huey, value):
    running, most = [], []

    @huey.task(retries=10_000, retry_delay=0)
    @huey.lock_task("reports-lock")
    def generate_report():
        running.append(1)
        most.append(len(running))
        time.sleep(0.002)
        running.pop()

    @huey.task(retries=10_000, retry_delay=0)
    def backup():
        with huey.lock_task("reports-lock"):
            running.append(1)
            most.append(len(running))
            running.pop()

    for result in [generate_report(), backup(), generate_report()]:
        value(result)
    assert set(most) == {1}
    assert not huey.is_locked("reports-lock")


# --- pipelines and many calls ------------------------------------------------------------------


def test_a_pipeline_gives_the_value_of_each_of_its_stages(huey, add, value):
    pipeline = add.s(1, 2).then(add, 3).then(add, 4).then(add, 5)

    results = huey.enqueue(pipeline)

    assert isinstance(results, ResultGroup)
    assert value(results) == [3, 6, 10, 15]


def test_fibonacci_goes_down_a_pipeline_by_tuples(huey, value):
    @huey.task()
    def fib(a, b=1):
        a, b = a + b, a
        return (a, b)

    assert value(huey.enqueue(fib.s(1).then(fib).then(fib))) == [(2, 1), (3, 2), (5, 3)]


def test_a_function_is_mapped_over_tuples_of_arguments(add, value):
    group = add.map([(i, i * i) for i in range(10)])

    assert value(group) == [0, 2, 6, 12, 20, 30, 42, 56, 72, 90]


# --- results ------------------------------------------------------------------------------------


def test_a_value_that_is_not_there_yet_is_none_or_a_timeout(bench):
    huey = bench.make()
    add = huey.task()(lambda a, b: a + b)
    result = add(100, 200)

    assert result.get() is None
    assert result() is None
    with pytest.raises(ResultTimeout):
        result(blocking=True, timeout=0.01)
    with huey.create_consumer():
        assert bench.value(result) == 300


def test_an_error_is_raised_where_the_value_is_read(huey, value):
    @huey.task()
    def fails():
        raise Exception("I failed")

    with pytest.raises(TaskException) as raised:
        value(fails())

    assert str(raised.value) == "Exception('I failed')"
