"""Consumers killed while they work: nothing is lost, and little is done twice."""

import os
import signal
import time
from datetime import datetime

import pytest
from rig import SCALE, report
from waiting import PATIENCE, eventually

from huey.exceptions import WorkerLost
from huey.storage import Batch

pytestmark = pytest.mark.faults

WORKERS = 4
TASKS = round(2000 * SCALE)
EVERY = 150 if SCALE >= 1 else 50  # tasks between two kills: a second or so

WAYS = ["thread: the group", "process: the group", "process: the parent", "process: a worker"]


@pytest.mark.parametrize("way", WAYS)
def test_kill_9_again_and_again_loses_nothing(faults, way):
    kind, whom = way.split(": ")
    options = ("-w", str(WORKERS), "-k", kind)
    results = list(faults.app.work.map(range(TASKS)))
    consumer = faults.start(*options)
    kills = range(EVERY, TASKS, EVERY)
    in_flight = 0
    for done in kills:
        eventually(lambda done=done: len(set(faults.lines("end"))) >= done, within=60)
        if whom == "a worker":
            faults.kill_worker()
            in_flight += 1
        else:
            (faults.kill_group if whom == "the group" else faults.kill_parent)(consumer)
            in_flight += faults.huey.storage.inflight()
            consumer = faults.start(*options)
    counted = faults.count(results)
    faults.kill_group(consumer, signal.SIGINT)
    counted["orphans"] = len(faults.processes())
    figures = {"kills": len(kills), "in flight": in_flight, **counted}
    report(f"kill -9, {faults.title}, {way}", figures)

    assert (counted["lost"], counted["results lost"], counted["left behind"]) == (0, 0, 0)
    assert counted["duplicates"] <= in_flight
    assert counted["orphans"] == 0


def test_a_killed_worker_process_is_replaced(faults):
    faults.start("-w", "2", "-k", "process")
    eventually(lambda: len(faults.huey.workers()) == 2)

    killed = faults.kill_worker()
    began = time.monotonic()

    def replaced():
        pids = {worker.pid for worker in faults.huey.workers()}
        return len(pids) == 2 and killed not in pids

    eventually(replaced, within=PATIENCE)
    report(f"replaced, {faults.title}", {"seconds": round(time.monotonic() - began, 2)})


def test_a_task_that_kills_its_worker_again_and_again_ends_at_its_caller(faults):
    faults.start("-w", "2", "-k", "process")

    with pytest.raises(WorkerLost):
        faults.app.die(7).get(blocking=True, timeout=PATIENCE)

    assert faults.lines("start") == ["7"] * 3
    assert [reason for _, reason in faults.huey.set_aside()] == ["its worker died 3 times"]
    assert faults.app.work(3).get(blocking=True, timeout=PATIENCE) == 9


def test_a_kill_while_due_tasks_move_to_the_queue_loses_none(faults):
    count = round(20_000 * SCALE)
    due = [faults.app.quick.s(n) for n in range(count)]
    storage = faults.huey.storage
    fill_schedule(storage, [faults.huey.serialize_task(task) for task in due])
    assert storage.schedule_size() == count

    kills = 0
    consumer = faults.start("-w", "4")
    while left := storage.schedule_size():
        if left < count and kills < 3:
            faults.kill_group(consumer)
            kills += 1
            consumer = faults.start("-w", "4")
        time.sleep(0.005)

    def is_drained():
        time.sleep(0.5)  # to count the files of a large folder is in the way of who works on it
        return not len(faults.huey) and not storage.inflight()

    eventually(is_drained, within=180)
    lost = set(map(str, range(count))) - set(faults.lines("end"))
    report(
        f"kill -9 in the move, {faults.title}", {"due": count, "kills": kills, "lost": len(lost)}
    )
    assert not lost


def fill_schedule(storage, messages):
    """Schedule messages for a time long ago, all in one step."""
    past = datetime(2020, 1, 1)
    storage.write(Batch(schedule=[(data, past, None) for data in messages]))


@pytest.mark.parametrize("kind", ["thread", "process"])
@pytest.mark.parametrize("whom", ["the parent", "the group"])
def test_a_sigterm_puts_running_tasks_back(faults, kind, whom):
    results = [faults.app.hold(n) for n in range(4)]
    consumer = faults.start("-w", "4", "-k", kind)
    eventually(lambda: len(faults.lines("start")) == 4)

    if whom == "the group":
        faults.kill_group(consumer, signal.SIGTERM)
    else:
        os.kill(consumer.pid, signal.SIGTERM)
        consumer.wait(PATIENCE)

    assert consumer.returncode == 0
    assert (len(faults.huey), faults.huey.storage.inflight()) == (4, 0)
    assert faults.processes() == []
    faults.start("-w", "4", "-k", kind)
    assert [r.get(blocking=True, timeout=PATIENCE) for r in results] == [0, 1, 4, 9]


def test_the_lock_of_a_killed_holder_is_free_again(faults):
    faults.app.locked(1)
    consumer = faults.start("-w", "1")
    eventually(lambda: faults.lines("start") == ["1"])
    assert faults.huey.is_locked("one at a time")

    faults.kill_group(consumer)
    began = time.monotonic()
    eventually(lambda: not faults.huey.is_locked("one at a time"))
    report(f"lock free, {faults.title}", {"seconds": round(time.monotonic() - began, 2)})

    assert faults.app.locked.call_local(0) == 0
