"""Groups: tasks that run side by side."""

import asyncio
import threading

import pytest
from waiting import PATIENCE

from huey import chord, group
from huey.exceptions import ConfigurationError, ResultTimeout, TaskException
from huey.results import ChordResult, ResultGroup


@pytest.fixture
def add(huey):
    return huey.task(name="add")(lambda a, b: a + b)


@pytest.fixture
def fail(huey):
    @huey.task(name="fail")
    def fail(*args):
        raise ValueError("bad")

    return fail


def test_a_group_gives_the_values_in_the_order_of_its_tasks(huey, add, consumer):
    result = huey.enqueue(group([add.s(1, 2), add.s(3, 4)]))

    assert isinstance(result, ResultGroup)
    assert result.get(blocking=True, timeout=PATIENCE) == [3, 7]


def test_members_may_be_given_one_by_one(huey, add, work):
    results = [
        huey.enqueue(group(add.s(1, 2), add.s(3, 4))),
        huey.enqueue(group(add.s(1, 2))),
        huey.enqueue(group(add.s(n, n) for n in (1, 2))),
        huey.enqueue(group([])),
    ]
    work()

    assert [result.get() for result in results] == [[3, 7], [3], [2, 4], []]


def test_members_may_be_pipelines_groups_and_chords(huey, add, work):
    total = huey.task(name="total")(sum)
    result = huey.enqueue(
        group(
            add.s(1, 2).then(add, 3),
            group(add.s(1, 1)),
            chord([add.s(1, 1), add.s(2, 2)], total),
        )
    )
    work()

    assert [type(one) for one in result] == [ResultGroup, ResultGroup, ChordResult]
    assert result.is_ready()
    assert result.get() == [[3, 6], [2], 6]


def test_the_tasks_of_a_group_name_it_in_their_events(huey, add):
    result = huey.enqueue(group(add.s(1, 2), add.s(3, 4)))

    events = [event for _, event in huey.events.read()]
    assert [(event["kind"], event["group"]) for event in events] == [("enqueued", result.id)] * 2


def test_one_that_failed_leaves_the_others_alone(huey, add, fail, work):
    result = huey.enqueue(group(fail.s(), add.s(1, 2)))
    work()

    assert result[1].get() == 3
    with pytest.raises(TaskException, match="bad"):
        result.get()


def test_an_error_handler_runs_for_each_member_that_failed(huey, add, fail, work):
    noted = []
    note = huey.task(name="note")(lambda *args: noted.append(args))

    huey.enqueue(group(fail.s(), add.s(1, 2), fail.s(), group(fail.s())).error(note, "seen"))
    work()

    assert [name for name, _ in noted] == ["seen"] * 3
    assert {str(error) for _, error in noted} == {"bad"}


def test_a_group_can_be_cancelled(huey, add, work):
    result = huey.enqueue(group(add.s(1, 2), group(add.s(1, 2), add.s(3, 4))))

    assert result.cancel() == 3
    work()

    assert result.is_ready()
    assert result.get() == [None, [None, None]]


def test_an_overridden_enqueue_sees_every_member_pass(make_huey):
    huey = make_huey()
    add = huey.task(name="add")(lambda a, b: a + b)
    seen, enqueue = [], huey.enqueue

    def watch(task):
        seen.append(task)
        return enqueue(task)

    huey.enqueue = watch
    whole = group(add.s(1, 2), add.s(3, 4))

    with huey.create_consumer():
        assert huey.enqueue(whole).get(blocking=True, timeout=PATIENCE) == [3, 7]
    assert seen == [whole, *whole.tasks]


def test_in_immediate_mode_a_group_has_run_when_the_call_returns(huey, add):
    huey.immediate = True

    assert huey.enqueue(group(add.s(1, 2), add.s(3, 4))).get() == [3, 7]


@pytest.mark.parametrize(
    ("members", "cure"),
    [
        (lambda add: [5], "made of tasks, not of 5"),
        (lambda add: [add], "give a task, made by its s"),
        (lambda add: [[add]], "give a task, made by its s"),
        (lambda add: [add.s(1, 2), 5], "groups and chords, not of 5"),
        (lambda add: [add.s(1, 2)] * 2, "stands there twice"),
    ],
)
def test_what_is_no_group_says_what_to_write(add, members, cure):
    with pytest.raises(ConfigurationError, match=cure):
        group(*members(add))


# --- in the order in which they get ready ----------------------------------------------------


def test_results_come_as_they_get_ready(huey):
    may_end = {key: threading.Event() for key in ("first", "second", "third")}

    @huey.task()
    def slow(key):
        assert may_end[key].wait(PATIENCE)
        return key

    results = huey.enqueue(group(slow.s(key) for key in may_end))
    order = []
    with huey.create_consumer(workers=3):
        completed = iter(results.as_completed(timeout=PATIENCE))
        for key in ("third", "first", "second"):
            may_end[key].set()
            order.append(next(completed).get())

    assert order == ["third", "first", "second"]


def test_what_is_ready_comes_at_once_and_failures_come_too(huey, add, fail, work):
    results = huey.enqueue(group(fail.s(), group(add.s(1, 2)), add.s(3, 4)))
    work()

    assert set(results.as_completed()) == set(results)


def test_async_for_goes_through_a_group(huey, add, work):
    results = huey.enqueue(group(add.s(1, 2), add.s(3, 4)))
    work()

    async def values():
        return [result.get() async for result in results]

    assert sorted(asyncio.run(values())) == [3, 7]


def test_a_wait_for_the_next_may_be_over(huey, add, work):
    done = add(1, 2)
    work()
    completed = iter(ResultGroup([add(3, 4), done]).as_completed(timeout=0.05))

    assert next(completed) is done
    with pytest.raises(ResultTimeout, match="1 results are not ready"):
        next(completed)


def test_an_interrupt_in_the_middle_of_a_bulk_read_loses_no_value(huey, work_off, monkeypatch):
    group = huey.task(name="double")(lambda n: 2 * n).map(range(8))
    work_off(huey)
    read, calls = huey.serializer.deserialize, []

    def interrupted(data):
        calls.append(data)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(data)

    monkeypatch.setattr(huey.serializer, "deserialize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        group.get(blocking=True, timeout=20)

    assert group.get(blocking=True, timeout=20) == [0, 2, 4, 6, 8, 10, 12, 14]
