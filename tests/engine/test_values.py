"""Values of one's own, and looks at queue and store."""

import pytest


@pytest.fixture
def double(huey):
    return huey.task(name="double")(lambda n: 2 * n)


def test_a_value_of_ones_own_is_taken_out_when_read(huey):
    huey.put("k", {"a": 1})

    assert huey.get("k") == {"a": 1}
    assert huey.get("k") is None


def test_a_peek_leaves_a_value_of_ones_own(huey):
    huey.put("k", [1])

    assert huey.get("k", peek=True) == [1]
    assert huey.get("k", peek=True) == [1]
    assert huey.get("k") == [1]


def test_a_later_value_replaces_an_earlier_one(huey):
    huey.put("k", 1)
    huey.put("k", 2)

    assert huey.get("k") == 2


def test_a_tasks_value_can_be_read_by_its_id_too(huey, double, work):
    result = double(1)
    work()

    assert huey.get(result.id, peek=True) == 2
    assert huey.get(result.id) == 2
    assert result.get() is None


def test_all_results_are_those_of_tasks(huey, double, work):
    huey.put("k", 1)
    double.revoke(revoke_once=True)
    group = double.map([1, 2, 3])
    work()

    results = huey.all_results()

    assert set(results) == {result.id for result in group[1:]}
    assert sorted(map(huey.serializer.deserialize, results.values())) == [4, 6]


def test_pending_tasks_are_listed_the_next_one_first(huey, double):
    low = double(1)
    high = huey.enqueue(double.s(2, priority=3))
    other = double(3)
    in_turn = [high, low, other] if huey.storage.orders_by_priority else [low, high, other]

    assert [task.id for task in huey.pending()] == [result.id for result in in_turn]
    assert [task.id for task in huey.pending(limit=2)] == [result.id for result in in_turn[:2]]
    assert huey.pending(limit=0) == []
    assert [task.args for task in huey.pending()] == [result.task.args for result in in_turn]


def test_the_length_of_a_huey_is_that_of_its_queue(huey, double, work):
    assert (len(huey), huey.pending_count(), bool(huey)) == (0, 0, True)

    double(1)
    double.schedule((1,), delay=60)
    assert (len(huey), huey.pending_count()) == (2, 2)

    work()
    assert (len(huey), huey.scheduled_count()) == (0, 1)


def test_a_task_is_the_same_task_after_its_travels(huey, double):
    task = double.s(1)
    huey.enqueue(task)

    (pending,) = huey.pending()

    assert pending == task
    assert hash(pending) == hash(task)
    assert pending != double.s(1)
    assert repr(pending) == f"<{task.name}: {task.id}>"
