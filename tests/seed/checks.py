"""Small proofs that the names of the API work, each for the names that it lists."""

import datetime
import itertools
import threading
import time
import warnings
from contextlib import suppress

import pytest
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from waiting import PATIENCE, eventually

from huey import CancelExecution, Huey, RetryTask, crontab
from huey import storage as storages
from huey.api import Result, ResultGroup, Task, TaskWrapper
from huey.constants import EmptyData
from huey.exceptions import (
    ConfigurationError,
    HueyException,
    ResultTimeout,
    TaskException,
    TaskLockedException,
)
from huey.locks import TaskLock
from huey.serializer import Serializer
from huey.signals import SIGNAL_COMPLETE, SIGNAL_ERROR

_numbers = itertools.count(1)


def proves(*names):
    """Say which names a check proves; ``A.b(c d)`` stands for ``A.b``, ``A.b(c)``, ``A.b(d)``."""

    def decorate(check):
        check.proves = [each for name in names for each in _spelled_out(name)]
        return check

    return decorate


def _spelled_out(name):
    owner, _, parameters = name.rstrip(")").partition("(")
    return [owner, *(f"{owner}({parameter})" for parameter in parameters.split())]


def soon(seconds=60):
    return datetime.datetime.now() + datetime.timedelta(seconds=seconds)


def values_stay(huey):
    """Say whether a task's value stays when it is read, until its time is over."""
    return "Expire" in type(huey).__name__


def add(a, b):
    return a + b


def fail(why="failed"):
    raise ValueError(why)


def flaky(failures):
    """Return a function that fails so many times and then says how often it was called."""
    calls = []

    def call(*args):
        calls.append(1)
        if len(calls) <= failures:
            raise ValueError(f"failure {len(calls)}")
        return len(calls)

    return call


# --- Huey ------------------------------------------------------------------------------------


@proves("Huey(name)")
def check_a_huey_has_a_name_and_shows_it(bench):
    needed = {"path": bench.folder / "named"} if "File" in type(bench.huey).__name__ else {}
    huey = type(bench.huey)("my-app", **needed)
    assert (huey.name, huey.storage.name) == ("my-app", "my-app")
    assert repr(huey) == f"<{type(huey).__name__}: my-app>"
    assert isinstance(huey, Huey)


@proves("Huey(results)")
def check_without_results_there_is_nothing_to_hold(bench):
    with bench.running(results=False) as huey:
        ran = threading.Event()
        assert bench.task(ran.set, huey)() is None
        assert ran.wait(PATIENCE)
        eventually(lambda: huey.storage.queue_size() == 0)
        assert huey.all_results() == {}


@proves("Huey(store_none)")
def check_none_is_stored_when_asked_for(bench):
    with bench.running(store_none=True) as huey:
        result = bench.task(lambda: None, huey)()
        eventually(lambda: list(huey.all_results()) == [result.id])
        assert bench.value(result) is None
    result = bench.task(lambda: None)()
    assert bench.value(result) is None
    assert result.id not in bench.huey.all_results()


@proves("Huey(utc)")
def check_times_are_kept_in_utc_or_in_local_time(bench):
    for utc in (True, False):
        huey = bench.make(utc=utc)
        task = bench.task(add, huey).schedule((1, 2), delay=60).task
        assert huey.timestamp(task.eta) == pytest.approx(time.time() + 60, abs=10)


@proves("Huey(immediate)", "Huey.immediate", "Huey(immediate_use_memory)")
def check_immediate_mode_runs_tasks_in_the_callers_thread(bench):
    huey = bench.make(immediate=True)
    where = bench.task(threading.get_ident, huey)
    assert where().get() == threading.get_ident()
    huey.immediate = False
    waiting = where()
    assert (huey.immediate, len(huey), waiting.get()) == (False, 1, None)
    elsewhere = bench.make(immediate=True, immediate_use_memory=True)
    real = elsewhere._storage_put_by
    assert type(real) is type(huey.storage)
    assert bench.task(add, elsewhere)(1, 2).get(preserve=True) == 3
    assert real.result_store_size() == 0


@proves("Huey(serializer)", "Serializer._serialize(data)", "Serializer._deserialize(data)")
def check_a_serializer_of_ones_own_sees_all_data(bench):
    seen = set()

    class Mine(Serializer):
        def _serialize(self, data):
            seen.add("out")
            return b"mine" + super()._serialize(data)

        def _deserialize(self, data):
            seen.add("in")
            assert data[:4] == b"mine"
            return super()._deserialize(data[4:])

    with bench.running(serializer=Mine()) as huey:
        assert bench.value(bench.task(add, huey)(1, 2)) == 3
    assert seen == {"in", "out"}


@proves("Huey(compression use_zlib)", "Serializer(compression compression_level use_zlib)")
def check_data_is_compressed(bench):
    options = [{"compression": True}, {"compression": True, "use_zlib": True}]
    options += [{"serializer": Serializer(compression=True, compression_level=9, use_zlib=True)}]
    for option, magic in zip(options, (b"\x1f\x8b", b"\x78", b"\x78\xda"), strict=True):
        with bench.running(**option) as huey:
            result = bench.task(lambda: "x" * 10_000, huey)()
            stored = eventually(lambda h=huey: list(h.all_results().values()))[0]
            assert stored.startswith(magic)
            assert len(stored) < 500
            assert bench.value(result) == "x" * 10_000


@proves("Huey(storage_kwargs)", "BaseStorage(name storage_kwargs)", "Huey")
def check_a_storage_of_ones_own_is_given_its_settings(bench):
    class Mine(type(bench.huey.storage)):
        def __init__(self, name="huey", **storage_kwargs):
            self.colour = storage_kwargs.pop("colour")
            storages.BaseStorage.__init__(self, name, colour=self.colour)

    for given in ({"colour": "red"}, {"storage_kwargs": {"colour": "red"}}):
        storage = Huey("mine", storage_class=Mine, **given).storage
        assert (storage.name, storage.colour) == ("mine", "red")
        assert storage.storage_kwargs == {"colour": "red"}


# --- declaring -------------------------------------------------------------------------------


@proves("Huey.task(priority context name expires)")
def check_a_task_has_the_settings_given(bench):
    wrapper = bench.huey.task(priority=5, context=True, name="named", expires=60)(
        lambda n, task=None: (n, task.id, task.priority)
    )
    result = wrapper(1)
    assert bench.value(result) == (1, result.id, 5)
    assert wrapper.task_class.name == f"{__name__}.named"
    assert result.task.expires == 60
    bench.huey.registry.unregister(wrapper.task_class.name)


@proves("Huey.task(retries retry_delay)")
def check_a_failed_task_is_tried_again(bench):
    assert bench.value(bench.task(flaky(2), retries=2)()) == 3
    late = bench.task(flaky(1), retries=1, retry_delay=0.01)()
    if bench.immediate:  # what is not due yet waits in the schedule
        assert [task.id for task in bench.huey.scheduled()] == [late.id]
        bench.huey.storage.flush_schedule()
    else:
        assert bench.value(late) == 2


@proves("Huey.task(kwargs)", "TaskWrapper(task_base settings)")
def check_a_task_has_a_base_class_of_ones_own(bench):
    class Base(Task):
        def greet(self):
            return f"hello {self.default_colour}"

    greet = bench.task(lambda task: task.greet(), context=True, task_base=Base, colour="red")
    assert bench.value(greet()) == "hello red"


PERIODIC = "validate_datetime retries retry_delay priority context name expires kwargs"


@proves(f"Huey.periodic_task({PERIODIC})")
def check_a_periodic_task_runs_by_itself(bench):
    ran, asked, tries = threading.Event(), [], []
    huey = bench.make(immediate=bench.immediate)

    def always(when):
        asked.append(when)
        return True

    @huey.periodic_task(
        always,
        retries=1,
        retry_delay=0,
        priority=3,
        context=True,
        name="report",
        expires=600,
        task_base=Task,
    )
    def report(task):
        tries.append((task.retries, task.priority, task.expires))
        if len(tries) == 1:
            raise ValueError("once more")
        ran.set()
        return 1

    if bench.immediate:
        assert huey.enqueue_periodic(int(time.time() // 60)) == 1
    with bench.works(huey):
        assert ran.wait(PATIENCE)
    assert tries == [(1, 3, 600), (0, 3, 600)]
    assert isinstance(asked[0], datetime.datetime)
    assert report.task_class.name == f"{__name__}.report"
    assert huey.all_results() == {}


@proves("Huey.context_task(obj as_argument retries retry_delay context name kwargs)")
def check_a_context_task_runs_inside_a_with_block(bench):
    entered = []

    class Room:
        def __enter__(self):
            entered.append("in")
            return "key"

        def __exit__(self, *error):
            entered.append("out")

    name = f"t_context{next(_numbers)}"

    @bench.huey.context_task(Room(), True, 1, 0, True, name, priority=2)
    def use(key, n, task=None):
        if task.retries:
            raise ValueError
        return key, n, task.priority, list(entered)

    result = use(5)
    assert bench.value(result) == ("key", 5, 2, ["in", "out", "in"])
    assert use.task_class.name.endswith(name)
    plain = bench.huey.context_task(Room(), name=f"{name}_plain")(lambda: len(entered))
    assert bench.value(plain()) == 5


@proves("Huey.pre_execute(name)", "Huey.unregister_pre_execute(name_or_fn)", "CancelExecution")
def check_a_hook_before_a_task_may_cancel_it(bench):
    seen = []

    def hook(task):
        seen.append(task.id)
        raise CancelExecution("not today")

    bench.huey.pre_execute("guard")(hook)
    result = bench.task(add)(1, 2)
    with pytest.raises(TaskException):
        bench.value(result)
    assert seen == [result.id]
    assert bench.huey.unregister_pre_execute("guard")
    bench.huey.pre_execute()(hook)
    assert bench.huey.unregister_pre_execute(hook)
    assert not bench.huey.unregister_pre_execute("guard")
    assert bench.value(bench.task(add)(1, 2)) == 3


@proves("Huey.post_execute(name)", "Huey.unregister_post_execute(name_or_fn)")
def check_a_hook_after_a_task_is_told_its_value_or_its_error(bench):
    seen = {}

    def hook(task, value, error):
        seen[task.id] = (value, type(error))

    bench.huey.post_execute("note")(hook)
    good, bad = bench.task(add)(1, 2), bench.task(fail)()
    eventually(lambda: len(seen) >= 2)
    assert (seen[good.id], seen[bad.id]) == ((3, type(None)), (None, ValueError))
    assert bench.huey.unregister_post_execute("note")
    bench.huey.post_execute()(hook)
    assert bench.huey.unregister_post_execute(hook)


@proves(
    *("Huey.on_startup(name)", "Huey.unregister_on_startup(name_or_fn)"),
    *("Huey.on_shutdown(name)", "Huey.unregister_on_shutdown(name_or_fn)"),
)
def check_hooks_run_when_a_worker_starts_and_stops(bench):
    seen = []
    huey = bench.make(immediate=bench.immediate)
    for register, word in ((huey.on_startup, "start"), (huey.on_shutdown, "stop")):
        register()(lambda word=word: seen.append(word))
        register("named")(lambda: seen.append("named"))
    assert huey.unregister_on_startup("named")
    assert huey.unregister_on_shutdown("named")
    with bench.works(huey):
        assert bench.value(bench.task(add, huey)(1, 2)) == 3
    if not bench.immediate:  # in immediate mode there is no worker that starts
        assert sorted(seen) == ["start", "start", "stop", "stop"]
    assert not huey.unregister_on_startup("named")


@proves("Huey.signal(signals)", "Huey.disconnect_signal(receiver signals)")
def check_receivers_are_called_for_their_signals(bench):
    some, every = [], []

    @bench.huey.signal(SIGNAL_ERROR, SIGNAL_COMPLETE)
    def tell_some(signal, task, error=None):
        some.append((signal, task.id, type(error)))

    @bench.huey.signal()
    def tell_all(signal, task, *args):
        every.append(signal)

    good, bad = bench.task(add)(1, 2), bench.task(fail)()
    eventually(lambda: len(some) == 2)
    assert set(some) == {
        (SIGNAL_COMPLETE, good.id, type(None)),
        (SIGNAL_ERROR, bad.id, ValueError),
    }
    assert {"enqueued", "executing", "complete", "error"} <= set(every)
    bench.huey.disconnect_signal(tell_some, SIGNAL_COMPLETE)
    bench.value(bench.task(add)(1, 2))
    bench.huey.disconnect_signal(tell_some)
    bench.huey.disconnect_signal(tell_all)
    heard = len(every)
    bench.value(bench.task(add)(1, 2))
    assert (len(some), len(every)) == (2, heard)


# --- queue -----------------------------------------------------------------------------------


@proves(
    *("Huey.enqueue(task)", "Task", "Task(args kwargs id)", "Result", "Result.id"),
    *("Result(huey task)", "Huey.task"),
)
def check_a_task_is_enqueued_and_its_result_is_held(bench):
    task = bench.task(add).task_class(args=(1,), kwargs={"b": 2}, id=f"id-{next(_numbers)}")
    result = bench.huey.enqueue(task)
    assert isinstance(result, Result)
    assert (result.id, result.huey, result.task) == (task.id, bench.huey, task)
    assert repr(result) == f"<Result: task {task.id}>"
    assert bench.value(result) == 3
    assert bench.value(Result(bench.huey, bench.huey.enqueue(bench.task(add).s(2, 2)).task)) == 4


@proves("Task(eta retries retry_delay priority expires on_complete on_error)")
def check_a_task_carries_its_settings_through_the_queue(bench):
    huey = bench.make()
    one, two = bench.task(add, huey), bench.task(fail, huey)
    eta = datetime.datetime(2099, 1, 1)
    after, handler = one.s(1), two.s()
    settings = {"eta": eta, "retries": 3, "retry_delay": 4, "priority": 5, "expires": eta}
    huey.enqueue(one.task_class((1, 2), on_complete=after, on_error=handler, **settings))
    (task,) = bench.settle(huey).pending()
    assert {name: getattr(task, name) for name in settings} == settings
    assert (task.on_complete, task.on_error) == (after, handler)


@proves("Huey.pending(limit)", "Huey.__len__")
def check_waiting_tasks_are_listed_the_next_one_first(bench):
    huey = bench.make()
    results = bench.task(add, huey).map([(n, n) for n in range(4)])
    bench.settle(huey)
    assert [task.id for task in huey.pending()] == [result.id for result in results]
    assert [task.args for task in huey.pending(limit=2)] == [(0, 0), (1, 1)]
    assert len(huey) == 4


@proves("Huey.scheduled(limit)", "TaskWrapper.schedule(args kwargs eta delay)")
def check_tasks_for_later_are_listed_the_next_one_first(bench):
    sum_up = bench.task(add)
    late = sum_up.schedule(args=(1,), kwargs={"b": 2}, eta=soon(5000))
    early = sum_up.schedule((1, 2), delay=4000)
    eventually(lambda: len(bench.huey.scheduled()) == 2)
    assert [task.id for task in bench.huey.scheduled()] == [early.id, late.id]
    assert [task.id for task in bench.huey.scheduled(limit=1)] == [early.id]
    assert late.task.kwargs == {"b": 2}
    bench.huey.storage.flush_schedule()
    assert bench.value(sum_up.schedule((1, 2), eta=soon(-5))) == 3


# --- revoking --------------------------------------------------------------------------------


@proves("Huey.revoke(task revoke_until revoke_once)", "Huey.restore(task)")
def check_a_task_is_revoked_and_restored(bench):
    task = bench.task(add).s(1, 2)
    bench.huey.revoke(task, revoke_until=soon(), revoke_once=True)
    assert bench.huey.is_revoked(task)
    assert bench.huey.restore(task)
    assert not bench.huey.restore(task)
    bench.huey.revoke(task)
    with pytest.raises(TaskException):
        bench.value(bench.huey.enqueue(task))


@proves("Huey.revoke_by_id(task_id revoke_until revoke_once)", "Huey.restore_by_id(task_id)")
def check_a_task_is_revoked_by_its_id(bench):
    task = bench.task(add).s(1, 2)
    bench.huey.revoke_by_id(task.id, revoke_until=soon(-1))
    assert not bench.huey.is_revoked(task.id)
    bench.huey.revoke_by_id(task_id=task.id, revoke_once=True)
    assert bench.huey.is_revoked(task.id)
    assert bench.huey.restore_by_id(task.id)
    assert not bench.huey.restore_by_id(task.id)
    assert bench.value(bench.huey.enqueue(task)) == 3


@proves(
    *("Huey.revoke_all(task_class revoke_until revoke_once)", "Huey.restore_all(task_class)"),
    "Huey.is_revoked(task timestamp)",
)
def check_all_tasks_of_a_function_are_revoked(bench):
    wrapper, huey = bench.task(add), bench.huey
    huey.revoke_all(wrapper.task_class, revoke_until=soon(60))
    for subject in (wrapper, wrapper.task_class, wrapper.s(1, 2), Result(huey, wrapper.s(1, 2))):
        assert huey.is_revoked(subject)
    assert not huey.is_revoked(wrapper, timestamp=soon(120))
    assert huey.restore_all(wrapper.task_class)
    huey.revoke_all(wrapper.task_class, revoke_once=True)
    with pytest.raises(TaskException):
        bench.value(wrapper(1, 2))
    assert bench.value(wrapper(1, 2)) == 3


@proves(
    *("TaskWrapper.revoke(revoke_until revoke_once)", "TaskWrapper.is_revoked(timestamp)"),
    "TaskWrapper.restore",
)
def check_a_task_function_is_revoked(bench):
    wrapper = bench.task(add)
    assert not wrapper.restore()
    wrapper.revoke(revoke_until=soon(60))
    assert wrapper.is_revoked()
    assert not wrapper.is_revoked(timestamp=soon(120))
    assert wrapper.restore()
    wrapper.revoke(revoke_once=True)
    with pytest.raises(TaskException):
        bench.value(wrapper(1, 2))
    assert bench.value(wrapper(1, 2)) == 3


@proves("Result.revoke(revoke_once)", "Result.restore", "Result.is_revoked")
def check_a_result_revokes_its_task(bench):
    huey = bench.make()
    wrapper = bench.task(add, huey)
    kept, gone = wrapper(1, 2), wrapper(1, 2)
    for result in (kept, gone):
        result.revoke(revoke_once=False)
        assert result.is_revoked()
    assert kept.restore()
    assert not kept.is_revoked()
    with huey.create_consumer():
        assert bench.value(kept) == 3
        with pytest.raises(TaskException):
            bench.value(gone)
    assert gone.is_revoked()


# --- results ---------------------------------------------------------------------------------

GET = "blocking timeout backoff max_delay revoke_on_timeout preserve"


@proves(f"Huey.result(task_id {GET})", f"Result.get({GET})", "Result.__call__", "ResultTimeout")
def check_a_value_is_waited_for_and_kept_if_asked(bench):
    huey = bench.make()
    result = bench.task(add, huey)(1, 2)
    waiting = {"blocking": True, "timeout": 0.01, "backoff": 1.5, "max_delay": 0.01}
    for get in (result.get, result, lambda **options: huey.result(result.id, **options)):
        assert get() is None
        with pytest.raises(ResultTimeout):
            get(**waiting)
    with pytest.raises(ResultTimeout):
        result.get(**waiting, revoke_on_timeout=True)
    assert result.is_revoked()
    result.restore()
    with huey.create_consumer():
        assert huey.result(result.id, blocking=True, timeout=PATIENCE, preserve=True) == 3
        assert Result(huey, result.task).get(preserve=True) == 3
        assert huey.result(task_id=result.id) == 3
        assert huey.result(result.id) == (3 if values_stay(huey) else None)
    with pytest.raises(ResultTimeout):
        huey.result(bench.task(add, huey)(1, 2).id, **waiting, revoke_on_timeout=True)


@proves("Result.reset", "TaskException")
def check_a_failure_is_raised_where_the_value_is_read(bench):
    task = bench.task(flaky(1)).s()
    result = bench.huey.enqueue(task)
    with pytest.raises(TaskException, match="failure 1") as raised:
        bench.value(result)
    assert "ValueError: failure 1" in raised.value.metadata["traceback"]
    bench.huey.enqueue(task)

    def second():
        result.reset()
        with suppress(TaskException):  # where values stay, the error does until it is replaced
            return result()

    assert eventually(second) == 2


@proves("Result.reschedule(eta delay expires)")
def check_a_task_is_put_off(bench):
    huey = bench.make()
    wrapper = bench.task(add, huey)
    results = [wrapper(1, 2) for _ in range(3)]
    later = [
        results[0].reschedule(eta=soon(500)),
        results[1].reschedule(delay=600, expires=soon(900)),
        results[2].reschedule(),
    ]
    assert all(result.is_revoked() for result in results)
    assert later[1].task.expires_resolved is not None
    with huey.create_consumer():
        assert bench.value(later[2]) == 3
        eventually(lambda: [task.id for task in huey.scheduled()] == [one.id for one in later[:2]])


@proves("ResultGroup", "ResultGroup.get(kwargs)", "TaskWrapper.map(it)")
def check_many_calls_give_a_group_of_results(bench):
    group = bench.task(add).map((n, n * n) for n in range(10))
    assert isinstance(group, ResultGroup)
    expected = [n + n * n for n in range(10)]
    assert group.get(blocking=True, timeout=PATIENCE, preserve=True) == expected


@proves("Huey.all_results")
def check_results_are_listed_serialized_by_id(bench):
    result = bench.task(add)(1, 2)
    stored = eventually(lambda: bench.huey.all_results().get(result.id))
    assert bench.huey.serializer.deserialize(stored) == 3
    bench.value(result)
    assert (result.id in bench.huey.all_results()) == values_stay(bench.huey)


@proves("Huey.put(key value)", "Huey.get(key peek)")
def check_values_of_ones_own(bench):
    bench.huey.put("key", {"a": 1})
    bench.huey.put(key="key", value={"a": 2})
    assert bench.huey.get("key", peek=True) == {"a": 2}
    assert bench.huey.get("key") == {"a": 2}
    assert bench.huey.get("key") is None


# --- locks -----------------------------------------------------------------------------------


@proves(
    *("Huey.lock_task(lock_name)", "Huey.is_locked(lock_name)", "TaskLock(huey name)"),
    *("TaskLock.clear", "TaskLockedException"),
)
def check_a_lock_keeps_a_second_task_out(bench):
    lock = bench.huey.lock_task("one at a time")
    assert isinstance(lock, TaskLock)
    guarded = bench.task(lock(add))
    with lock:
        assert bench.huey.is_locked("one at a time")
        with pytest.raises(TaskLockedException), bench.huey.lock_task("one at a time"):
            raise AssertionError("two have the lock")
        with pytest.raises(TaskException):
            bench.value(guarded(1, 2))
    assert not bench.huey.is_locked("one at a time")
    assert bench.value(guarded(1, 2)) == 3
    lock.acquire()
    TaskLock(bench.huey, "one at a time").clear()
    assert not bench.huey.is_locked("one at a time")


@proves("Huey.flush_locks(names)")
def check_locks_are_flushed(bench):
    known = bench.huey.lock_task("known")  # as a decorator of the module keeps it
    known.acquire()
    TaskLock(bench.huey, "unknown").acquire()
    assert bench.huey.flush_locks("unknown", "free") == {"known", "unknown"}
    assert not bench.huey.is_locked("known")
    assert not bench.huey.is_locked("unknown")


# --- task functions and pipelines ------------------------------------------------------------


@proves("TaskWrapper(huey func retries retry_delay context name)")
def check_a_task_function_is_made_by_hand(bench):
    name = f"by_hand{next(_numbers)}"
    wrapper = TaskWrapper(
        bench.huey,
        lambda task: task.retries,
        retries=4,
        retry_delay=7,
        context=True,
        name=name,
    )
    result = wrapper()
    assert bench.value(result) == 4
    assert (wrapper.task_class.name, result.task.retry_delay) == (f"{__name__}.{name}", 7)


@proves("TaskWrapper.call_local")
def check_a_function_is_called_without_a_queue(bench):
    assert bench.task(add).call_local(1, b=2) == 3


@proves("TaskWrapper.s(args kwargs priority expires)")
def check_a_call_is_a_task_that_is_not_enqueued(bench):
    task = bench.task(add).s(1, b=2, priority=4, expires=60)
    assert (task.args, task.kwargs, task.priority, task.expires) == ((1,), {"b": 2}, 4, 60)
    assert bench.value(bench.huey.enqueue(task)) == 3


@proves("Task.then(task args kwargs)")
def check_values_go_down_a_pipeline(bench):
    sum_up = bench.task(add)
    pipeline = sum_up.s(1, 2).then(sum_up, 3).then(sum_up, 4).then(sum_up, b=5)
    assert bench.value(bench.huey.enqueue(pipeline)) == [3, 6, 10, 15]
    pair = bench.task(lambda a, b=1: (a + b, a))
    assert bench.value(bench.huey.enqueue(pair.s(1).then(pair).then(pair))) == [
        *((2, 1), (3, 2), (5, 3))
    ]
    named = bench.task(lambda: {"a": 1, "b": 2})
    assert bench.value(bench.huey.enqueue(named.s().then(sum_up, b=5))) == [{"a": 1, "b": 2}, 6]


@proves("Task.error(task args kwargs)")
def check_an_error_goes_to_its_handler(bench):
    seen = []
    handle = bench.task(lambda *args, **kwargs: seen.append((args, kwargs)))
    bench.huey.enqueue(bench.task(fail).s().error(handle, "context", key=1))
    ((args, kwargs),) = eventually(lambda: list(seen))
    assert (args[0], repr(args[1]), kwargs) == ("context", "ValueError('failed')", {"key": 1})


@proves("crontab(month day day_of_week hour minute strict)")
def check_minutes_are_matched(bench):
    noon = datetime.datetime(2030, 6, 2, 12, 0)  # a Sunday
    right = {"month": "6", "day": "1-3", "day_of_week": "0,6", "hour": "*/4", "minute": "0"}
    assert crontab(**right)(noon)
    for field, wrong in zip(right, ("5", "3-9", "1-5", "*/5", "1"), strict=True):
        assert not crontab(**{**right, field: wrong})(noon)
    with pytest.raises(ValueError, match="minute"):
        crontab(minute="sixty", strict=True)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert not crontab(minute="sixty")(noon)
    huey = bench.make(immediate=bench.immediate)
    huey.periodic_task(crontab(hour="12"))(lambda: None)
    noon_in_minutes = int(noon.replace(tzinfo=datetime.UTC).timestamp() // 60)
    assert [huey.enqueue_periodic(noon_in_minutes + n) for n in (-1, 0, 60)] == [0, 1, 0]


# --- exceptions ------------------------------------------------------------------------------


@proves("HueyException", "ConfigurationError")
def check_errors_have_one_base(bench):
    kinds = (ConfigurationError, TaskLockedException, ResultTimeout, CancelExecution)
    for kind in (*kinds, RetryTask, TaskException):
        assert issubclass(kind, HueyException)
    with pytest.raises(ConfigurationError):
        bench.huey.create_consumer(workers=0)


@proves("CancelExecution(retry)")
def check_a_task_cancels_itself_for_good_or_for_now(bench):
    tries = []

    def cancel(retry):
        tries.append(1)
        if len(tries) < 3:
            raise CancelExecution(retry=retry)
        return len(tries)

    wrapper = bench.task(cancel, retries=5)
    with pytest.raises(TaskException):
        bench.value(wrapper(False))
    assert bench.value(wrapper(True)) == 3


@proves("RetryTask(msg delay eta)")
def check_a_task_asks_to_be_run_again(bench):
    tries = []

    def again():
        tries.append(1)
        if len(tries) == 1:
            raise RetryTask("not yet")
        if len(tries) == 2:
            raise RetryTask(delay=0)
        if len(tries) == 3:
            raise RetryTask(msg="at once", eta=soon(-1))
        return len(tries)

    result = bench.task(again)()
    if bench.immediate:  # a time, even one that is over, goes by way of the schedule
        bench.huey.move_due()
        with bench.huey.create_consumer():
            assert bench.value(result) == 4
    else:
        assert bench.value(result) == 4


# --- storages --------------------------------------------------------------------------------


@proves(
    *("BaseStorage", "BaseStorage.enqueue(data priority)", "BaseStorage.dequeue"),
    *("BaseStorage.queue_size", "BaseStorage.enqueued_items(limit)", "BaseStorage.flush_queue"),
)
def check_a_storage_keeps_a_queue(bench):
    storage = bench.settle(bench.make()).storage
    assert isinstance(storage, storages.BaseStorage)
    for data, priority in ((b"1", None), (b"2", None), (b"3", 5), (b"4", 0)):
        storage.enqueue(data, priority=priority)
    in_order = [b"3", b"1", b"2", b"4"]
    if not getattr(storage, "orders_by_priority", True):
        in_order.sort()
    assert storage.queue_size() == 4
    assert storage.enqueued_items() == in_order
    assert storage.enqueued_items(limit=2) == in_order[:2]
    assert [storage.dequeue(), storage.dequeue()] == in_order[:2]
    storage.flush_queue()
    assert (storage.queue_size(), storage.dequeue()) == (0, None)


@proves(
    *("BaseStorage.add_to_schedule(data timestamp)", "BaseStorage.read_schedule(timestamp)"),
    *("BaseStorage.schedule_size", "BaseStorage.scheduled_items(limit)"),
    "BaseStorage.flush_schedule",
)
def check_a_storage_keeps_a_schedule(bench):
    storage = bench.settle(bench.make()).storage
    noon = datetime.datetime(2030, 6, 1, 12)
    for minutes in (3, 1, 2):
        at = noon + datetime.timedelta(minutes=minutes)
        storage.add_to_schedule(b"%d" % minutes, timestamp=at)
    assert storage.schedule_size() == 3
    assert storage.scheduled_items() == [b"1", b"2", b"3"]
    assert storage.scheduled_items(limit=1) == [b"1"]
    assert storage.read_schedule(noon + datetime.timedelta(minutes=2)) == [b"1", b"2"]
    storage.flush_schedule()
    assert storage.schedule_size() == 0


@proves(
    *("BaseStorage.put_data(key value)", "BaseStorage.peek_data(key)"),
    *("BaseStorage.pop_data(key)", "BaseStorage.put_if_empty(key value)"),
    *("BaseStorage.has_data_for_key(key)", "BaseStorage.result_store_size"),
    *("BaseStorage.result_items", "BaseStorage.flush_results"),
)
def check_a_storage_keeps_values(bench):
    storage = bench.settle(bench.make()).storage
    storage.put_data(key="k", value=b"1")
    assert storage.put_if_empty(key="other", value=b"2")
    assert not storage.put_if_empty("k", b"3")
    assert (storage.peek_data("k"), storage.has_data_for_key("k")) == (b"1", True)
    assert storage.result_store_size() == 2
    assert storage.result_items() == {"k": b"1", "other": b"2"}
    assert storage.pop_data("k") == b"1"
    storage.flush_results()
    assert storage.peek_data("k") is storage.pop_data("k") is EmptyData
    assert not storage.has_data_for_key("other")


@proves("BlackHoleStorage")
def check_a_black_hole_keeps_nothing(bench):
    huey = Huey("hole", storage_class=storages.BlackHoleStorage)
    result = bench.task(add, huey)(1, 2)
    assert (len(huey), huey.scheduled_count(), result.get()) == (0, 0, None)


@proves("MemoryHuey", "MemoryStorage")
def check_memory_is_by_reference(bench):
    given = []
    assert bench.value(bench.task(lambda thing: thing)(given)) is given


@proves(
    "SqliteHuey(filename cache_mb fsync)",
    "SqliteStorage(filename name cache_mb fsync journal_mode timeout strict_fifo kwargs)",
)
def check_sqlite_has_its_settings(bench):
    huey_class = type(bench.huey)
    options = {"cache_mb": 2, "fsync": True, "journal_mode": "delete", "timeout": 9}
    more = {"strict_fifo": True, "cached_statements": 5, "immediate_use_memory": False}
    file = bench.folder / f"{next(_numbers)}.db"
    huey = huey_class("app", filename=file, **more, **options)
    bench._stack.callback(huey.storage.close)
    bench.task(add, huey)(1, 2)
    assert file.exists()
    assert {name: getattr(huey.storage, name) for name in options} == options
    assert (huey.storage.strict_fifo, huey.storage.name) == (True, "app")
    assert len(bench.settle(huey)) == 1


@proves("FileHuey(path levels use_thread_lock)", "FileStorage(name path levels use_thread_lock)")
def check_files_have_their_settings(bench):
    path = bench.folder / f"files{next(_numbers)}"
    huey = type(bench.huey)("app", path=path, levels=1, use_thread_lock=True)
    bench._stack.callback(huey.storage.close)
    with huey.create_consumer():
        assert bench.value(bench.task(add, huey)(1, 2)) == 3
    assert path.is_dir()
    assert huey.storage.name == "app"


_REDIS = "blocking connection_pool url host port password db"
_REDIS_STORAGE = "name blocking read_timeout connection_pool url client_name connection_params"


@proves(
    *(f"{kind}Huey({_REDIS})" for kind in ("Redis", "PriorityRedis")),
    *(f"{kind}Storage({_REDIS_STORAGE})" for kind in ("Redis", "PriorityRedis")),
    *(f"{kind}Huey(expire_time {_REDIS})" for kind in ("RedisExpire", "PriorityRedisExpire")),
    *(
        f"{kind}Storage(expire_time {_REDIS_STORAGE})"
        for kind in ("RedisExpire", "PriorityRedisExpire")
    ),
)
def check_redis_has_its_settings(bench):
    options = {"blocking": False, "read_timeout": 0.5, "client_name": "bench"}
    if "Expire" in type(bench.huey).__name__:
        options["expire_time"] = 77
    with bench.running(**options) as huey:
        assert bench.value(bench.task(add, huey)(1, 2)) == 3
    once = Retry(NoBackoff(), 0)
    pool = ConnectionPool(host="localhost", port=1, retry=once)
    for there in (
        {"connection_pool": pool},
        {"host": "localhost", "port": 1, "password": "hidden", "db": 3, "retry": once},
        {"url": "redis://:hidden@localhost:1/3", "retry": once},
    ):
        storage = type(bench.huey)("app", **there).storage
        assert storage.name == "app"
        assert "hidden" not in f"{storage!r}{vars(storage)!r}"
        with pytest.raises(Exception, match=r"(?i)connect|refused|localhost"):
            storage.queue_size()
