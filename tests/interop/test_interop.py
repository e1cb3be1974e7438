"""Messages and results cross between huey 3.5.4 and ours, both ways, on one queue."""

import pytest

pytestmark = pytest.mark.interop

WAYS = ["ours to theirs", "theirs to ours"]


@pytest.fixture(params=WAYS)
def way(request, sides):
    """Return who enqueues and who runs."""
    ours, theirs = sides
    return (ours, theirs) if request.param == WAYS[0] else (theirs, ours)


def test_a_task_of_one_side_runs_on_the_other(way, tmp_path):
    producer, runner = way
    path = str(tmp_path / "tries")
    priority = None if producer.huey in ("RedisHuey", "RedisExpireHuey") else 7
    ids = producer.run(
        f"""
third_time({path!r})
out = [add(1, 2).id, fail().id]
out.append(huey.enqueue(whole.s("x", b=[1], priority={priority})).id)
out.append(add.schedule((3, 4), delay=1).id)  # later than the three tries
"""
    )

    value, error, context, later = runner.consume(*ids)

    assert (value, later) == (3, 7)
    assert (tmp_path / "tries").read_text() == "xxx"
    assert "ValueError('no')" in error
    assert context == {"args": ["x", [1]], "priority": priority, "retries": 0}


def test_a_result_of_one_side_is_read_on_the_other(way):
    producer, runner = way
    ids = producer.run("out = [add(1, 2).id, fail().id]")

    runner.run(
        """
consumer = huey.create_consumer(workers=1)
consumer.start()
import time
deadline = time.time() + 15
while len(huey.all_results()) < 2 and time.time() < deadline:
    time.sleep(0.01)
consumer.stop(graceful=True)
"""
    )

    read = "try: out.append(huey.result(id))\n    except Exception as error: out.append(str(error))"
    value, error = producer.run(f"out = []\nfor id in {ids!r}:\n    {read}")
    assert value == 3
    assert "ValueError('no')" in error


def test_a_pipeline_and_a_delay_of_one_side_run_on_the_other(way):
    producer, runner = way
    ids = producer.run(
        """
group = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))
out = [r.id for r in group] + [add.schedule((5, 6), delay=1).id]
"""
    )

    assert runner.consume(*ids) == [3, 6, 10, 11]


def test_scheduled_and_waiting_tasks_change_hands_again_and_again(sides):
    ours, theirs = sides
    ids = ours.run("out = [add(1, 1).id, add.schedule((2, 2), delay=1).id]")
    ids += theirs.run("out = [add(3, 3).id, add.schedule((4, 4), delay=1).id]")

    assert ours.run("out = len(huey), len(huey.pending())") == [4, 4]
    assert theirs.run("out = len(huey), len(huey.pending())") == [4, 4]
    assert theirs.consume(ids[0]) == [2]
    assert ours.consume(*ids[1:]) == [4, 6, 8]
    assert theirs.run("out = len(huey), len(huey.scheduled())") == [0, 0]


def test_a_revocation_of_one_side_is_heeded_on_the_other(way):
    producer, runner = way
    revoked, other = producer.run(
        """
results = [add(1, 1), add(2, 2)]
results[0].revoke()
out = [r.id for r in results]
"""
    )

    assert runner.run(f"out = huey.is_revoked({revoked!r}), huey.is_revoked({other!r})") == [
        True,
        False,
    ]
    assert runner.consume(other) == [4]
    assert producer.run(f"out = len(huey), huey.is_revoked({revoked!r})") == [0, False]


def test_a_chord_of_theirs_runs_on_ours(sides):
    ours, theirs = sides
    callback = theirs.run(
        """
from huey import chord
callback = whole.s()
huey.enqueue(chord([add.s(1, 2), add.s(3, 4).then(add, 5), fail.s()], callback))
out = callback.id
"""
    )

    (value,) = ours.consume(callback)

    (three, twelve, failed), _ = value["args"]
    assert (three, twelve) == (3, 12)
    assert "ValueError('no')" in failed[0]["error"]
