"""Chords: a task that runs when several others are over, with their values."""

import pickle
import random

import pytest
from processes import running
from waiting import PATIENCE, eventually

from huey import SKIPPED, CancelExecution, Error, SqliteHuey, chord, group
from huey.consumer import Worker
from huey.exceptions import ConfigurationError, TaskCanceled, TaskException
from huey.tasks import Task


@pytest.fixture
def add(huey):
    return huey.task(name="add")(lambda a, b: a + b)


@pytest.fixture
def total(huey):
    return huey.task(name="total")(sum)


@pytest.fixture
def note(huey):
    """A task that returns its arguments; as a callback it returns what it got."""
    return huey.task(name="note")(lambda *args: list(args))


@pytest.fixture
def fail(huey):
    @huey.task(name="fail")
    def fail(*args):
        raise ValueError("bad")

    return fail


@pytest.fixture
def run(huey):
    """Run a chord to its end and return its value; nothing of it is left in the storage."""

    def run(whole):
        with huey.create_consumer(workers=3):
            value = huey.enqueue(whole).get(blocking=True, timeout=PATIENCE)
        assert all(huey.storage.joined(key) == {} for key in keys(whole))
        return value

    return run


def keys(whole):
    """Yield the keys under which the storage keeps the values of chords."""
    for member in whole.tasks:
        if not isinstance(member, Task):
            yield from keys(member)
    if isinstance(whole, chord) and whole.callback.chord_config:
        yield whole.callback.chord_config["gather"][0]


def left_over(huey, result):
    """Return the values that the storage still keeps for a chord's callback."""
    return huey.storage.joined(result.callback.task.chord_config["gather"][0])


# --- the callback ----------------------------------------------------------------------------


def test_the_callback_gets_the_values_in_the_order_of_the_members(huey, add, total, note, run):
    assert run(chord([add.s(1, 2), add.s(3, 4)], total)) == 10
    assert run(chord([add.s(n, n) for n in range(10)], note)) == [[2 * n for n in range(10)]]


def test_the_values_come_after_the_arguments_given(add, note, run):
    assert run(chord([add.s(1, 2)], note.s("given"))) == ["given", [3]]
    assert run(group(add.s(1, 2)).then(note, "given")) == ["given", [3]]


def test_values_that_are_none_dicts_and_tuples_are_values(huey, note, run):
    echo = huey.task(name="echo")(lambda value: value)

    assert run(chord([echo.s(None), echo.s({"a": 1}), echo.s((1, 2))], note)) == [
        [None, {"a": 1}, (1, 2)]
    ]


def test_without_members_the_callback_runs_at_once(huey, note, run):
    assert run(chord([], note)) == [[]]
    assert run(chord([group([]), group([])], note)) == [[[], []]]


def test_members_and_callback_may_have_pipelines(huey, add, note, run):
    whole = chord([add.s(1, 2).then(add, 3).then(add, 4), add.s(1, 1)], note).then(note, "after")

    assert run(whole) == [[10, 2]]


def test_a_chord_has_the_results_of_all_its_tasks(huey, add, total, note, work):
    result = huey.enqueue(
        chord([add.s(1, 2).then(add, 3), group(add.s(1, 1))], note).then(note, "after")
    )
    assert not result.is_ready()
    assert result.get() is None
    work()

    assert result.is_ready()
    assert result.results.get() == [6, [2]]
    assert result.callback.get() == result() == [[6, [2]]]
    assert result.pipeline_results.get() == [[[6, [2]]], ["after", [[6, [2]]]]]
    result.reset()
    assert result.get() is None


def test_chords_and_groups_stand_in_chords(huey, add, total, note, run):
    inner = chord([add.s(1, 1), chord([add.s(2, 2)], total)], total).then(add, 100)
    outer = chord([inner, add.s(3, 3), group(add.s(4, 4), group(add.s(5, 5)))], note)

    assert run(outer) == [[106, 6, [8, [10]]]]


def test_a_callback_may_be_scheduled_and_have_priority(huey, add, note, work):
    callback = note.s(priority=5)
    huey.enqueue(chord([add.s(1, 2)], callback))
    work_one = Worker(huey, "by hand", "one")
    work_one.step(0)
    add(1, 2)

    assert [(task.id, task.priority) for task in huey.pending(1)] == [(callback.id, 5)]


def test_a_callback_expires_by_the_time_at_which_it_was_enqueued(
    huey, add, note, work_off, pass_time
):
    result = huey.enqueue(chord([add.s(1, 2)], note.s(expires=60)))
    worker = Worker(huey, "by hand", "one")
    pass_time(100)
    worker.step(0)
    assert huey.pending()[0].expires_resolved is not None
    work_off(huey)

    assert result.get() == [[3]]


def test_the_story_of_a_callback_is_that_of_any_task(huey, add, note, work, story, signals):
    result = huey.enqueue(chord([add.s(1, 2)], note))
    work()

    assert story(result) == ["enqueued", "executing", "complete"]
    kinds = [name for name, key, *_ in signals if key == result.id]
    assert kinds == ["enqueued", "executing", "complete"]


# --- members without a value -----------------------------------------------------------------


def test_a_member_that_failed_gives_an_error(huey, add, fail, note, run):
    whole = [fail.s(), fail.s().then(add, 1), add.s(1, "x"), add.s(1, 2)]

    first, second, third, value = run(chord(whole, note))[0]

    assert all(isinstance(one, Error) for one in (first, second, third))
    assert "ValueError('bad')" in first.metadata["error"]
    assert "TypeError" in third.metadata["error"]
    assert value == 3


def test_a_failure_further_down_a_pipeline_counts_as_the_members(huey, add, fail, note, run):
    ((error, value),) = run(chord([add.s(1, 2).then(fail).then(add, 1), add.s(1, 2)], note))

    assert "bad" in error.metadata["error"]
    assert value == 3


def test_a_revoked_or_expired_member_is_skipped(huey, add, note, work):
    revoked, expired = add.s(1, 2), add.s(1, 2, expires=-1)
    behind = add.s(1, 2).then(add.s(5))
    result = huey.enqueue(chord([revoked, expired, behind, add.s(3, 4)], note))
    huey.revoke(revoked)
    huey.revoke(behind.on_complete)
    work()

    (values,) = result.get()
    assert values == [SKIPPED, SKIPPED, SKIPPED, 7]
    assert values[0] is SKIPPED
    assert not SKIPPED
    assert repr(SKIPPED) == "SKIPPED"


def test_a_cancelled_or_locked_out_member_gives_an_error_that_says_so(huey, note, work):
    @huey.task()
    def cancel():
        raise CancelExecution("enough")

    @huey.task()
    @huey.lock_task("lock")
    def locked():
        return 1

    result = huey.enqueue(chord([cancel.s(), locked.s()], note))
    with huey.lock_task("lock"):
        work()

    ((canceled, locked_out),) = result.get()
    assert "enough" in canceled.metadata["error"]
    assert "unable to acquire lock" in locked_out.metadata["error"]


def test_a_member_that_nobody_knows_gives_an_error_too(huey, add, note, work):
    result = huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], note))
    task = result.results[0].task
    huey.storage.flush_queue()
    known = [huey.registry.create_message(one.task) for one in result.results]
    huey.storage.enqueue(huey.serializer.serialize(known[0]._replace(name="unknown")))
    huey.storage.enqueue(huey.serializer.serialize(known[1]))
    work()

    ((error, value),) = result.get()
    assert "no task named 'unknown'" in error.metadata["error"]
    assert error.metadata["task_id"] == task.id
    assert value == 7


def test_a_value_that_cannot_be_stored_gives_an_error(make_huey, work_off):
    huey = make_huey()
    if huey.storage.keeps_objects:
        return
    generate = huey.task(name="generate")(lambda: (n for n in range(3)))
    note = huey.task(name="note")(lambda values: [str(value) for value in values])

    result = huey.enqueue(chord([generate.s()], note))
    work_off(huey)

    assert "cannot be stored" in result.get()[0]


def test_only_the_last_outcome_of_a_member_counts(huey, note, run):
    tries = []

    @huey.task(retries=2)
    def flaky():
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    assert run(chord([flaky.s()], note)) == [[3]]


def test_a_chord_of_fifty_with_failures_and_retries(huey, note, run):
    dice = random.Random(50)  # noqa: S311 - a die
    fates = [(dice.randrange(4), dice.random() < 0.2) for _ in range(50)]
    tries = {}

    @huey.task(retries=3)
    def unsteady(n):
        failures, hopeless = fates[n]
        tries[n] = tries.get(n, 0) + 1
        if hopeless or tries[n] <= failures:
            raise ValueError(f"{n} is hopeless" if hopeless else "again")
        return n

    (values,) = run(chord([unsteady.s(n) for n in range(50)], note))

    for n, (failures, hopeless) in enumerate(fates):
        assert tries[n] == (4 if hopeless else failures + 1)
        if hopeless:
            assert f"{n} is hopeless" in values[n].metadata["error"]
        else:
            assert values[n] == n


# --- callbacks that fail, wait or are not wanted ---------------------------------------------


def test_a_callback_that_failed_is_tried_again_with_the_values(huey, add, run):
    seen = []

    @huey.task(retries=2)
    def flaky(given, values):
        seen.append((given, values))
        if len(seen) < 3:
            raise ValueError("not yet")
        return values

    assert run(chord([add.s(1, 2)], flaky.s("given"))) == [3]
    assert seen == [("given", [3])] * 3


def test_an_error_handler_runs_when_the_callback_has_failed(huey, add, fail, note, work):
    noted = []
    handler = huey.task(name="handler")(lambda *args: noted.append(args))
    result = huey.enqueue(chord([add.s(1, 2)], fail).error(handler, "seen"))
    work()

    with pytest.raises(TaskException, match="bad"):
        result.get()
    assert [(name, str(error)) for name, error in noted] == [("seen", "bad")]


def test_a_failed_inner_callback_gives_the_outer_one_an_error(huey, add, fail, note, run):
    ((error, value),) = run(chord([chord([add.s(1, 2)], fail), add.s(1, 2)], note))

    assert "bad" in error.metadata["error"]
    assert value == 3


def test_a_revoked_callback_does_not_run_and_its_values_go(huey, add, note, work):
    result = huey.enqueue(chord([add.s(1, 2)], note))
    result.callback.revoke()
    work()

    assert result.is_ready()
    assert result.get() is None
    assert left_over(huey, result) == {}


def test_a_chord_can_be_cancelled(huey, add, note, work):
    result = huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], note))

    assert result.cancel() == 3
    work()

    assert result.is_ready()
    assert result.get() is None


def test_a_callback_whose_values_are_gone_says_so(huey, add, note, work_off):
    result = huey.enqueue(chord([add.s(1, 2)], note))
    Worker(huey, "by hand", "one").step(0)
    (callback,) = huey.storage.enqueued_items()
    work_off(huey)
    assert result.get() == [[3]]

    huey.storage.enqueue(callback)  # as if it had been delivered twice
    work_off(huey)

    result.reset()
    with pytest.raises(TaskException, match="values of its chord are gone"):
        result.get()


def test_in_immediate_mode_the_callback_has_run_when_the_call_returns(huey, add, total, fail, note):
    huey.immediate = True

    assert huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], total)).get() == 10
    assert huey.enqueue(chord([chord([add.s(1, 2)], total), add.s(3, 4)], note)).get() == [[3, 7]]
    ((error,),) = huey.enqueue(chord([fail.s()], note)).get()
    assert isinstance(error, Error)
    assert len(huey) == 0


def test_immediate_mode_on_the_real_storage_leaves_alone_what_waits_there(tmp_path):
    huey = SqliteHuey("app", filename=tmp_path / "app.db", immediate_use_memory=False)
    add = huey.task(name="add")(lambda a, b: a + b)
    total = huey.task(name="total")(sum)
    waiting = add(1, 1)
    huey.immediate = True

    assert huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], total)).get() == 10
    assert [task.id for task in huey.pending()] == [waiting.id]
    huey.storage.close()


def test_what_is_no_chord_says_what_to_write(huey, add, total):
    with pytest.raises(ConfigurationError, match="made of tasks"):
        chord(5, total)
    with pytest.raises(ConfigurationError, match="task function or a task"):
        chord([add.s(1, 2)], 5)


def test_a_message_of_a_member_is_made_of_basic_things(huey, add, total):
    result = huey.enqueue(chord([chord([add.s(1, 2)], total), add.s(3, 4)], total))

    message = huey.registry.create_message(result.results[0].results[0].task)
    _, part, parts, callback = message.chord_config["part"]

    assert (part, parts, callback.id) == (0, 1, result.results[0].id)
    assert type(message.chord_config["part"]) is tuple
    assert pickle.loads(pickle.dumps(message)) == message  # noqa: S301 - our own bytes


# --- workers that die ------------------------------------------------------------------------

APP = """
    import os, sys, time
    from huey import SqliteHuey

    huey = SqliteHuey("app", filename=sys.argv[1], delivery=sys.argv[2])

    @huey.task()
    def member(n):
        os.write(1, f"{n}\\n".encode())  # in one piece, as others print too
        time.sleep(1000)

    @huey.task()
    def callback(values):
        os.write(1, b"callback\\n")
        time.sleep(1000)

    huey.create_consumer(workers=int(sys.argv[3])).run()
"""


@pytest.fixture
def app(tmp_path):
    made = []

    def make(delivery):
        huey = SqliteHuey("app", filename=tmp_path / "app.db", delivery=delivery)
        made.append(huey)
        for name in ("member", "callback"):
            task = huey.task(name=name)(lambda value: value)
            task.task_class.name = f"__main__.{name}"
            huey.registry.register(task.task_class)
            setattr(huey, name, task)
        return huey, (tmp_path / "app.db", delivery)

    yield make
    for huey in made:
        huey.storage.close()


def test_a_chord_goes_on_after_the_worker_of_a_member_was_killed(app):
    huey, arguments = app("at-least-once")
    result = huey.enqueue(chord([huey.member.s(n) for n in range(3)], huey.callback))
    with running(APP, *arguments, 2) as child:
        assert {child.hear(), child.hear()} == {"0", "1"}
        child.kill()
    with huey.create_consumer(workers=2):
        assert result.get(blocking=True, timeout=PATIENCE) == [0, 1, 2]
    assert left_over(huey, result) == {}


def test_a_callback_runs_again_with_its_values_after_its_worker_was_killed(app, work_off):
    huey, arguments = app("at-least-once")
    result = huey.enqueue(chord([huey.member.s(n) for n in range(3)], huey.callback))
    worker = Worker(huey, "by hand", "one")
    for _ in range(3):
        assert worker.step(0)
    with running(APP, *arguments, 1) as child:
        assert child.hear() == "callback"
        child.kill()
    with huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) == [0, 1, 2]
    assert left_over(huey, result) == {}


def test_a_member_that_is_lost_lets_the_callback_run(app):
    huey, arguments = app("at-most-once")
    lost, kept = huey.member.s(0), huey.member.s(1)
    result = huey.enqueue(chord([lost, kept], huey.callback))
    with running(APP, *arguments, 1) as child:
        assert child.hear() == "0"
        child.kill()
    with huey.create_consumer():
        error, value = result.get(blocking=True, timeout=PATIENCE)
    assert "WorkerLost" in error.metadata["error"]
    assert value == 1


def test_a_member_stopped_with_its_worker_runs_again(huey, add, note):
    begun = []

    @huey.task()
    def slow():
        begun.append(1)
        while len(begun) < 2:
            pass
        return "ran"

    result = huey.enqueue(chord([slow.s(), add.s(1, 2)], note))
    consumer = huey.create_consumer()
    consumer.start()
    eventually(lambda: begun)
    consumer.stop()
    assert not result.is_ready()
    with huey.create_consumer():
        assert result.get(blocking=True, timeout=PATIENCE) == [["ran", 3]]


def test_what_follows_a_failed_callback_is_skipped(huey, add, fail, note, work):
    result = huey.enqueue(chord([add.s(1, 2)], fail).then(note))
    work()

    with pytest.raises(TaskCanceled):
        result.pipeline_results[1].get(blocking=True, timeout=PATIENCE)
