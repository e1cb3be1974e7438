"""Functions become tasks, and calls of them messages."""

import functools

import pytest
from waiting import PATIENCE

from huey import Huey, MemoryHuey, current_task
from huey.exceptions import ConfigurationError
from huey.results import Result, ResultGroup
from huey.tasks import Task, TaskWrapper


def test_a_call_is_run_by_a_worker_and_its_value_comes_back(huey, work):
    @huey.task()
    def add(a, b):
        return a + b

    result = add(1, b=2)

    assert result.get() is None
    assert work() == 1
    assert result.get() == 3


def test_a_task_needs_no_parentheses(huey, work):
    @huey.task
    def add(a, b):
        return a + b

    result = add(1, 2)
    work()

    assert result() == 3


def test_nothing_runs_before_a_worker_takes_it(huey, work):
    ran = []
    note = huey.task()(ran.append)

    note(1)
    assert ran == []

    work()
    assert ran == [1]


def test_call_local_bypasses_the_queue(huey):
    @huey.task()
    def add(a, b):
        return a + b

    assert add.call_local(1, 2) == 3
    assert len(huey) == 0


def test_a_task_made_by_s_waits_to_be_enqueued(huey, work):
    @huey.task()
    def add(a, b):
        return a + b

    task = add.s(1, 2)
    assert len(huey) == 0

    result = huey.enqueue(task)
    work()
    assert (result.id, result.get()) == (task.id, 3)


def test_s_can_set_priority_and_expiration(huey):
    @huey.task(priority=1, expires=60)
    def nothing(**kwargs):
        pass

    task = nothing.s(priority=5, expires=10, other=1)

    assert (task.priority, task.expires, task.kwargs) == (5, 10, {"other": 1})
    assert (nothing.s().priority, nothing.s().expires) == (1, 60)


def test_settings_of_the_decorator_reach_the_task(huey):
    @huey.task(retries=3, retry_delay=4, priority=5, expires=6)
    def nothing():
        pass

    nothing()
    (task,) = huey.pending()

    assert (task.retries, task.retry_delay, task.priority, task.expires) == (3, 4, 5, 6)


def test_a_wrapper_made_by_hand_is_a_task_function_too(huey, work):
    add = TaskWrapper(huey, lambda a, b: a + b, retries=2, retry_delay=3, name="add")

    result = add(1, 2)
    (task,) = huey.pending()
    work()

    assert (task.retries, task.retry_delay) == (2, 3)
    assert result() == 3


def test_a_task_function_keeps_name_and_docstring(huey):
    @huey.task()
    def add(a, b):
        """Add two numbers."""

    assert (add.__name__, add.__doc__) == ("add", "Add two numbers.")
    assert add.task_class.name == f"{__name__}.add"
    assert add.task_class.__name__ == "add"
    assert repr(add) == f"<TaskWrapper: {__name__}.add>"


def test_a_name_replaces_the_function_name_and_leaves_the_module(huey):
    @huey.task(name="plus")
    def add(a, b):
        pass

    assert add.task_class.name == f"{__name__}.plus"


def test_context_passes_the_task_to_the_function(huey, work):
    @huey.task(context=True)
    def who(word, task=None):
        return word, task.id

    result = who("me")
    work()

    assert result() == ("me", result.id)


def test_a_running_task_knows_itself(huey, work):
    @huey.task()
    def who():
        return current_task().id

    result = who()
    work()

    assert result() == result.id
    assert current_task() is None


def test_a_base_class_of_tasks_can_be_given(huey, work):
    class Loud(Task):
        def shout(self):
            return f"{self.args}!"

    @huey.task(task_base=Loud)
    def nothing(n):
        pass

    nothing(1)

    assert [task.shout() for task in huey.pending()] == ["(1,)!"]
    assert work() == 1


def test_tasks_run_in_the_order_of_their_calls_and_priorities(huey, work):
    ran = []
    note = huey.task()(ran.append)
    urgent = huey.task(name="urgent", priority=1)(ran.append)

    note(1)
    note(2)
    urgent(3)
    work()

    assert ran == ([3, 1, 2] if huey.storage.orders_by_priority else [1, 2, 3])


def test_other_decorators_are_called_where_they_stand(huey, work):
    def doubled(func):
        @functools.wraps(func)
        def wrapper(*args):
            return 2 * func(*args)

        return wrapper

    @huey.task()
    @doubled
    def add(a, b):
        return a + b

    result = add(1, 2)
    work()

    assert result() == 6


# --- map -------------------------------------------------------------------------------------


def test_map_makes_one_task_of_each_item(huey, work):
    @huey.task()
    def add(a, b=0):
        return a + b

    group = add.map([(1, 2), (3,), 4, 5])
    assert (len(huey), len(group)) == (4, 4)

    work()
    assert group.get() == [3, 3, 4, 5]


def test_map_takes_any_iterable(huey, work):
    double = huey.task(name="double")(lambda n: 2 * n)

    groups = [double.map(range(3)), double.map(n for n in (1, 2)), double.map([])]
    work()

    assert [group.get() for group in groups] == [[0, 2, 4], [2, 4], []]


def test_the_results_of_a_map_are_single_results(huey, work):
    double = huey.task(name="double")(lambda n: 2 * n)

    group = double.map([1, 2])
    assert not group.is_ready()
    work()

    assert isinstance(group, ResultGroup)
    assert all(isinstance(result, Result) for result in group)
    assert group.is_ready()
    assert group[1].get() == 4
    assert group() == [2, 4]
    assert repr(group) == "<ResultGroup: 2 tasks>"


def test_a_group_waits_for_all_with_one_timeout(huey, consumer):
    double = huey.task(name="double")(lambda n: 2 * n)

    group = double.map(range(50))

    assert group.get(blocking=True, timeout=PATIENCE) == [2 * n for n in range(50)]


def test_a_subclass_that_overrides_enqueue_sees_every_call():
    seen = []

    class Watching(MemoryHuey):
        def enqueue(self, task):
            seen.append(task.args)
            return super().enqueue(task)

    huey = Watching(events=True)
    double = huey.task(name="double")(lambda n: 2 * n)

    double(1)
    double.map([2, 3])
    double.schedule((4,), delay=60)
    huey.reschedule(double.s(5))

    assert seen == [(1,), (2,), (3,), (4,), (5,)]
    assert len(huey) == 5


def test_a_tool_that_patches_enqueue_sees_every_call(huey, monkeypatch):
    seen = []
    enqueue = Huey.enqueue
    monkeypatch.setattr(Huey, "enqueue", lambda self, t: seen.append(t.args) or enqueue(self, t))
    double = huey.task(name="double")(lambda n: 2 * n)

    double.map([1, 2])

    assert seen == [(1,), (2,)]


def test_a_tool_that_patches_execute_sees_every_run(huey, work, monkeypatch):
    seen = []
    execute = Huey._execute

    def watching(self, task, *args, **kwargs):
        seen.append(task.args)
        return execute(self, task, *args, **kwargs)

    monkeypatch.setattr(Huey, "_execute", watching)
    double = huey.task(name="double")(lambda n: 2 * n)
    group = double.map([1, 2])
    work()

    assert seen == [(1,), (2,)]
    assert group() == [2, 4]


# --- names -----------------------------------------------------------------------------------


def test_two_functions_of_one_name_are_an_error(huey):
    huey.task(name="same")(lambda: 1)

    with pytest.raises(ConfigurationError, match=r"named '.*\.same' is registered.*another name="):
        huey.task(name="same")(lambda: 2)


def test_in_main_a_function_defined_again_replaces_the_first(huey, work):
    def define(value):
        def cell():
            return value

        cell.__module__ = "__main__"
        return huey.task()(cell)

    early = define("first")()
    late = define("second")()
    work()

    assert (early(), late()) == ("second", "second")


def test_the_same_name_in_two_hueys_is_no_matter(make_huey):
    one, two = make_huey(), MemoryHuey("other")

    for huey in (one, two):
        huey.task(name="same")(lambda: None)

    assert repr(two) == "<MemoryHuey: other>"


# --- without results -------------------------------------------------------------------------


def test_without_result_store_a_call_gives_nothing(make_huey, work_off):
    huey = make_huey(results=False)
    ran = []
    note = huey.task()(ran.append)

    assert note(1) is None
    work_off(huey)

    assert ran == [1]
    assert huey.all_results() == {}


def test_without_result_store_waiting_by_id_ends_all_the_same(make_huey, work_off):
    huey = make_huey(results=False)
    double, fail = huey.task(name="double")(lambda n: 2 * n), huey.task(name="fail")(lambda: 1 / 0)
    good, bad = double.s(1), fail.s()
    huey.enqueue(good)
    huey.enqueue(bad)
    work_off(huey)

    assert huey.result(good.id, blocking=True, timeout=PATIENCE) is None
    with pytest.raises(Exception, match="results=False"):
        huey.result(bad.id, blocking=True, timeout=PATIENCE)
    assert huey.all_results() == {}


@pytest.mark.parametrize("store_none", [False, True])
def test_none_is_stored_only_if_asked_for(make_huey, work_off, store_none):
    huey = make_huey(store_none=store_none)
    result = huey.task(name="nothing")(lambda: None)()
    work_off(huey)

    assert (result.id in huey.all_results()) == store_none
    assert result.get(blocking=True, timeout=PATIENCE) is None


class Connection:
    """Counts how often it is entered and left."""

    def __init__(self):
        self.entered = self.left = 0

    def __enter__(self):
        self.entered += 1
        return f"connection {self.entered}"

    def __exit__(self, *exc_info):
        self.left += 1


def test_a_context_task_runs_inside_its_context(huey):
    db = Connection()

    @huey.context_task(db)
    def write(n):
        """Write a row."""
        assert db.entered == db.left + 1
        return n

    with huey.create_consumer():
        assert write(5).get(blocking=True, timeout=PATIENCE) == 5

    assert (db.entered, db.left) == (1, 1)
    assert write.__doc__ == "Write a row."


def test_a_context_task_may_take_what_was_entered_as_its_first_argument(huey):
    @huey.context_task(Connection(), as_argument=True, retries=1, name="put")
    def write(connection, n):
        return f"{connection}, row {n}"

    with huey.create_consumer():
        assert write(5).get(blocking=True, timeout=PATIENCE) == "connection 1, row 5"

    assert write.task_class.name.endswith(".put")
    assert write.task_class.default_retries == 1
