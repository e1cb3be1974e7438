"""What a call may say of its task, growing delays, and the spellings that are accepted."""

import datetime

import pytest
from waiting import PATIENCE, eventually

from huey import Huey, MemoryHuey, SqliteHuey
from huey.exceptions import ConfigurationError, TaskException, WorkerLost
from huey.registry import Message
from huey.storage import BaseStorage, MemoryStorage, SqliteStorage


@pytest.fixture
def echo(huey):
    return huey.task(name="echo")(lambda *args, **kwargs: (args, kwargs))


def test_a_call_may_override_the_settings_of_its_task(echo):
    task = echo.s(1, b=2, priority=3, retries=4, retry_delay=5, retry_backoff=6, id="seven")

    assert (task.args, task.kwargs, task.id) == ((1,), {"b": 2}, "seven")
    assert (task.priority, task.retries, task.retry_delay, task.retry_backoff) == (3, 4, 5, 6)


def test_a_plain_call_takes_the_same_options(echo, huey):
    result = echo(1, id="mine", priority=9, delay=60)

    assert (result.id, result.task.priority, result.task.kwargs) == ("mine", 9, {})
    assert result.task.eta is not None
    assert echo.schedule((1,), delay=60, priority=7).task.priority == 7


def test_a_parameter_of_the_function_keeps_its_name(huey, work):
    look_up = huey.task(name="look_up")(lambda id, delay=0, retries=1: (id, delay, retries))

    result = look_up(5, delay=2, retries=3)
    work()

    assert result() == (5, 2, 3)
    assert look_up.s(id=1, expires=60).kwargs == {"id": 1}


# --- delays that grow ------------------------------------------------------------------------


@pytest.fixture
def failing(huey):
    def fail():
        raise ValueError

    return lambda **settings: huey.task(name="fail", **settings)(fail)


def delays(huey, work, pass_time):
    """Return how long each next try is put off, until there is none."""
    found = []
    while work() and huey.scheduled_count():
        (task,) = huey.scheduled()
        before = huey.timestamp(task.eta)
        found.append(round(before - huey.timestamp(huey._moment(None))))
        pass_time(found[-1] + 1)
        huey.move_due()
    return found


def test_the_delay_before_a_retry_grows_by_the_factor_asked_for(failing, huey, work, pass_time):
    failing(retries=4, retry_delay=10, retry_backoff=3)()

    assert delays(huey, work, pass_time) == [10, 30, 90, 270]


def test_without_a_factor_the_delay_stays(failing, huey, work, pass_time):
    failing(retries=3, retry_delay=10)()

    assert delays(huey, work, pass_time) == [10, 10, 10]


def test_a_call_may_say_the_factor_itself(failing, huey, work, pass_time):
    failing(retries=3, retry_delay=10)(retry_backoff=2)

    assert delays(huey, work, pass_time) == [10, 20, 40]


def test_the_factor_travels_in_the_last_field_of_the_message(huey):
    task = huey.task(name="t", retry_backoff=1.5)(lambda: None).s()

    message = huey.registry.create_message(task)

    assert message[14] == message.retry_backoff == 1.5
    assert huey.registry.create_task(message).retry_backoff == 1.5


def test_messages_of_older_producers_have_fewer_fields(huey):
    huey.task(name="t")(lambda: None)
    old = type("Old", (), {**Message("1", f"{__name__}.t")._asdict(), "retry_backoff": None})

    assert huey.registry.create_task(old).retry_backoff == 0


# --- errors meanwhile ------------------------------------------------------------------------


@pytest.fixture
def telling(make_huey):
    return make_huey(store_intermediate_errors=True)


@pytest.mark.parametrize("value", [5, None])
def test_the_error_of_a_try_can_be_read_until_the_next_one_ends(
    telling, work_off, pass_time, value
):
    tries = []

    @telling.task(retries=1, retry_delay=60)
    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return value

    result = flaky()
    work_off(telling)
    with pytest.raises(TaskException, match="not yet") as raised:
        result.get(preserve=True)
    assert raised.value.metadata["retries"] == 0

    pass_time(61)
    telling.move_due()
    work_off(telling)
    result.reset()
    assert result.get(blocking=True, timeout=PATIENCE) == value


def test_by_default_it_cannot(failing, huey, work):
    result = failing(retries=1, retry_delay=60)()
    work()

    assert result.get() is None
    assert huey.result_count() == 0


# --- values ----------------------------------------------------------------------------------


def test_a_value_can_be_put_where_there_is_none(huey):
    assert huey.put_if_empty("k", 1)
    assert not huey.put_if_empty("k", 2)
    assert huey.get("k") == 1
    assert huey.put_if_empty("k", 3)


def test_a_value_may_be_put_for_a_while(huey):
    assert huey.put_if_empty("k", 1, ttl=0.3)
    assert not huey.put_if_empty("k", 2, ttl=0.3)

    eventually(lambda: huey.get("k", peek=True) is None)  # on Redis by the server's own clock
    assert huey.put_if_empty("k", 2)


class Old(MemoryStorage):
    """A storage written before values could be kept for a while."""

    def put_if_empty(self, key, value):
        return super().put_if_empty(key, value)


def test_a_storage_that_keeps_values_for_ever_says_so():
    huey = MemoryHuey(storage_class=Old)

    assert huey.put_if_empty("k", 1)
    with pytest.raises(ConfigurationError, match=r"Old keeps values.*leave out ttl"):
        huey.put_if_empty("other", 1, ttl=5)


def test_values_of_ones_own_and_of_tasks_can_be_removed(huey, echo, work):
    huey.put("k", 1)
    result = echo()
    work()

    assert [huey.delete(key) for key in ("k", "k", result.id, result.id)] == [
        *(True, False, True, False)
    ]
    assert result.get() is None


def test_results_are_counted_without_what_else_is_stored(huey, echo, work):
    huey.put("k", 1)
    echo.revoke(revoke_once=True)
    echo.map([1, 2, 3])
    work()

    assert huey.result_count() == len(huey.all_results()) == 2


def test_everything_can_be_removed_at_once(huey, echo, work):
    echo()
    work()
    huey.put("k", 1)
    waiting, later = huey.enqueue(echo.s().then(echo)), echo.schedule(delay=60)
    echo.revoke()

    huey.flush()

    assert (len(huey), huey.scheduled_count(), huey.result_count()) == (0, 0, 0)
    assert (huey.get("k"), echo.is_revoked(), huey.events.read()) == (None, False, [])
    for result in (*waiting, later):
        with pytest.raises(WorkerLost, match="given up"):
            result.get(blocking=True, timeout=PATIENCE)


def test_a_value_that_cannot_be_read_here_is_an_error_and_stays(tmp_path, work_off):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db")
    result = huey.task(name="one")(lambda: 1)()
    work_off(huey)
    good = huey.storage.peek_data(result.id)
    huey.storage.put_data(result.id, b"cnowhere_to_be_found\nThing\n.")

    for _ in range(2):
        with pytest.raises(TaskException, match="stored but cannot be read here: ModuleNotFound"):
            result.get(blocking=True, timeout=PATIENCE)
    huey.storage.put_data(result.id, good)

    assert result.get() == 1
    huey.storage.close()


# --- reschedule ------------------------------------------------------------------------------


def test_what_follows_a_task_follows_it_when_it_is_rescheduled(huey, work):
    add = huey.task(name="add")(lambda a, b: a + b)
    first = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))

    second = first[0].reschedule(priority=5)
    work()

    assert second.get() == [3, 6, 10]
    assert second[0].task.priority == 5
    assert not {one.id for one in first} & {one.id for one in second}


def test_a_task_may_be_rescheduled_without_what_follows_it(huey, work):
    add = huey.task(name="add")(lambda a, b: a + b)
    first = huey.enqueue(add.s(1, 2).then(add, 3))

    second = first[0].reschedule(preserve_pipeline=False)
    work()

    assert second() == 3
    assert huey.all_results() == {}


def test_a_rescheduled_task_keeps_its_error_handler(huey, failing, work):
    seen = []
    note = huey.task(name="note")(lambda error: seen.append(type(error)))
    result = huey.enqueue(failing().s().error(note))

    result.reschedule()
    work()

    assert seen == [ValueError]


# --- spellings -------------------------------------------------------------------------------


def test_other_spellings_of_parameters_are_accepted(huey, echo, work):
    result = echo()
    huey.revoke_by_id(id=result.id)
    assert result.is_revoked()
    assert huey.restore_by_id(id=result.id)
    work()
    assert huey.result(id=result.id) == ((), {})
    huey.put("k", data=1)
    assert not huey.put_if_empty("k", data=2)
    assert huey.get("k") == 1
    for moment in ("pre_execute", "post_execute", "on_startup", "on_shutdown"):
        getattr(huey, moment)("hook")(lambda *args: None)
        assert getattr(huey, f"unregister_{moment}")(name="hook")


def test_both_spellings_at_once_are_an_error(huey):
    with pytest.raises(TypeError, match="id and task_id are the same"):
        huey.revoke_by_id("1", id="1", task_id="1")


@pytest.mark.parametrize("make", [SqliteHuey, SqliteStorage])
def test_a_file_may_be_given_first(make, tmp_path):
    made = make(f"{tmp_path}/app.db")
    storage = made.storage if isinstance(made, Huey) else made

    assert (storage.filename, storage.name) == (f"{tmp_path}/app.db", "huey")
    storage.close()


def test_settings_of_the_storage_may_be_given_as_a_dict(tmp_path):
    huey = SqliteHuey("app", storage_kwargs={"filename": tmp_path / "a.db"}, cache_mb=2)

    assert huey.storage.filename == str(tmp_path / "a.db")
    assert huey.storage.cache_mb == 2


def test_a_storage_of_ones_own_serves_a_huey():
    class Mine(MemoryStorage):
        pass

    huey = Huey("mine", storage_class=Mine, colour="red")

    assert isinstance(huey.storage, Mine)
    assert isinstance(huey.storage, BaseStorage)
    assert huey.storage.storage_kwargs == {"colour": "red"}


# --- whoever wants to see every task pass -----------------------------------------------------


@pytest.fixture
def passing(huey, monkeypatch):
    """Note every task that passes a patched `Huey.enqueue`, as monitoring tools do it."""
    seen, enqueue = [], Huey.enqueue

    def noting(self, task):
        seen.append(task.name.rpartition(".")[2])
        return enqueue(self, task)

    monkeypatch.setattr(Huey, "enqueue", noting)
    return seen


def test_a_tool_that_patches_enqueue_sees_what_follows_too(huey, passing, work):
    tries = []

    @huey.task(name="flaky", retries=2)
    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return 1

    @huey.task(name="fail")
    def fail(value):
        raise ValueError

    @huey.task(name="handle")
    def handle(error):
        return repr(error)

    results = huey.enqueue(flaky.s().then(fail.s().error(handle)))
    work()

    assert passing == ["flaky", "flaky", "flaky", "fail", "handle"]
    assert results[0].get() == 1
    assert huey.get(results[1].task.on_error.id) == "ValueError()"


def test_a_tool_that_patches_enqueue_sees_map_and_periodic_tasks(huey, passing):
    huey.task(name="double")(lambda n: 2 * n).map([1, 2])
    huey.periodic_task(lambda minute: True, name="report")(lambda: None)
    huey.enqueue_periodic(1)

    assert passing == ["double", "double", "report"]


def test_a_tool_that_patches_execute_sees_every_run(huey, monkeypatch, work):
    seen, execute = [], Huey._execute

    def noting(self, task, timestamp=None):
        seen.append(task.id)
        return execute(self, task, timestamp)

    monkeypatch.setattr(Huey, "_execute", noting)
    results = huey.task(name="double")(lambda n: 2 * n).map([1, 2])
    work()

    assert seen == [result.id for result in results]
    assert results.get() == [2, 4]


def test_a_task_and_all_that_follows_it_can_be_made_anew(echo):
    task = echo.s(1, expires=datetime.timedelta(minutes=1)).then(echo, 2).error(echo, 3)

    new = task.anew()

    ids = {one.id for whole in (task, new) for one in (*whole.pipeline(), whole.on_error)}
    assert len(ids) == 6
    assert [one.args for one in new.pipeline()] == [(1,), (2,)]
    assert new.expires == task.expires
