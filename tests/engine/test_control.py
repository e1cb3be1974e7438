"""Tasks that wait are stopped at once, hurried, and run again when they have ended."""

import datetime
import random
import threading
from functools import partial

import pytest
from waiting import PATIENCE, at_once, eventually, started

from huey import chord
from huey.exceptions import HueyException, TaskCanceled, TaskException, TaskRevoked
from huey.results import SKIPPED


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(huey, ran):
    @huey.task(name="note", retries=2)
    def note(n):
        ran.append(n)
        return n

    return note


@pytest.fixture
def flaky(huey):
    """A task function whose task fails at first, and has a long while to wait then."""
    tries = []

    @huey.task(name="flaky", retries=2, retry_delay=1000, priority=3)
    def flaky(n):
        tries.append(n)
        if len(tries) == 1:
            raise ValueError("first")
        return n

    return flaky


def nothing_waits(huey):
    return (len(huey), huey.scheduled_count(), huey.storage.inflight()) == (0, 0, 0)


def of(signals, result):
    return [name for name, task_id, *_ in signals if task_id == result.id]


# --- cancel ----------------------------------------------------------------------------------


def test_a_waiting_task_ends_at_once_when_it_is_cancelled(huey, note, story, signals):
    result = note(1)
    before, result2 = len(huey), note(2)

    assert not result.cancel()

    assert len(huey) == before
    assert result.status() == "canceled"
    with pytest.raises(TaskRevoked, match="cancelled before it ran"):
        result.get(blocking=True, timeout=0)
    with pytest.raises(TaskCanceled):
        result.get(blocking=True, timeout=0)
    assert result.get() is None
    assert story(result) == ["enqueued", "canceled"] == of(signals, result)
    assert not result.is_revoked()
    assert result2.status() == "pending"


def test_a_caller_who_waits_is_told_when_a_waiting_task_is_cancelled(note):
    result = note(1)
    with started(lambda: result.get(blocking=True, timeout=PATIENCE)) as (caller,):
        result.huey.cancel(result.id)
        with pytest.raises(TaskRevoked):
            caller.value()


@pytest.mark.parametrize("seen", [True, False], ids=["scheduled", "not looked at yet"])
def test_a_task_for_later_ends_at_once_when_it_is_cancelled(huey, note, work, story, seen):
    result = note.schedule((1,), delay=1000)
    if seen:
        work()
        assert result.status() == "scheduled"

    result.cancel()

    assert nothing_waits(huey)
    assert result.status() == "canceled"
    assert story(result)[-1] == "canceled"


@pytest.mark.parametrize("by", ["result", "id"])
def test_a_result_knows_for_when_its_task_is_scheduled_and_finds_it_there(
    huey, note, work, monkeypatch, by
):
    results = [note.schedule((n,), delay=1000 + n) for n in range(20)]
    same = [note.schedule((n,), eta=datetime.datetime(2100, 1, 1)) for n in range(3)]
    work()
    looks, real = [], huey.storage.waiting

    def waiting(*text):
        looks.append(1)
        yield from real(*text)

    monkeypatch.setattr(huey.storage, "waiting", waiting)

    for one in (results[11], same[1]):
        assert huey.task_info(one.task if by == "result" else one.id).status == "scheduled"
        huey.cancel(one.task if by == "result" else one.id)
        assert one.status() == "canceled"

    assert len(huey.storage.scheduled_items()) == 21
    through_all = {"FileStorage"}
    if by == "id":  # which tells when it was made, and a schedule on Redis has another order
        through_all |= {"RedisStorage", "PriorityRedisStorage"}
    assert bool(looks) == (type(huey.storage).__name__ in through_all)


@pytest.mark.parametrize("errors_are_stored", [False, True])
def test_a_task_that_waits_for_another_try_ends_at_once_when_it_is_cancelled(
    huey, flaky, work, story, errors_are_stored
):
    huey.store_intermediate_errors = errors_are_stored
    result = flaky(1)
    work()
    assert result.status() == "scheduled"

    result.cancel()

    assert nothing_waits(huey)
    assert story(result)[-2:] == ["retrying", "canceled"]
    with pytest.raises(TaskRevoked):
        result.get(blocking=True, timeout=PATIENCE)


def test_what_follows_a_cancelled_task_is_skipped(huey, note, story):
    first, second = huey.enqueue(note.s(1).then(note))

    first.cancel()

    assert (first.status(), second.status()) == ("canceled", "canceled")
    assert story(second) == ["canceled"]
    with pytest.raises(TaskCanceled, match="before it in the pipeline"):
        second.get(blocking=True, timeout=PATIENCE)


def test_a_task_that_follows_another_is_kept_from_running(huey, note, work, ran):
    first, second = huey.enqueue(note.s(1).then(note))

    second.cancel()
    work()

    assert (first.get(), ran) == (1, [1])
    assert second.status() == "revoked"
    assert not second.is_revoked()


def test_a_chord_goes_on_without_a_cancelled_member(huey, note, work):
    total = huey.task(name="total")(lambda values: values)
    result = huey.enqueue(chord([note.s(1), note.s(2)], total))

    result.results[0].cancel()
    work()

    assert result.get() == [SKIPPED, 2]


def test_cancelling_a_chord_cancels_its_callback_too(huey, note, work, ran):
    total = huey.task(name="total")(ran.append)
    result = huey.enqueue(chord([note.s(1), note.s(2)], total))

    assert result.cancel() == 3

    assert nothing_waits(huey)
    assert [one.status() for one in (*result.results, result.callback)] == 3 * ["canceled"]
    assert not result.callback.is_revoked()
    work()
    assert ran == []


def test_many_tasks_are_cancelled_with_one_look(huey, note, work, ran, monkeypatch):
    looks = []
    real = huey.storage.waiting
    monkeypatch.setattr(huey.storage, "waiting", lambda *text: looks.append(1) or real(*text))
    done, group = note(-1), note.map(range(100))

    work_one(huey)
    assert huey.cancel_many([done.id, *(result.id for result in group), "unknown"]) == 101

    assert nothing_waits(huey)
    assert {result.status() for result in group} == {"canceled"}
    assert done.get() == -1
    assert ran == [-1]
    assert len(looks) - 101 <= 3  # a status is a look of its own


def work_one(huey):
    from huey.consumer import Worker

    worker = Worker(huey, "one", "one")
    worker.step(0)
    worker.close()


def test_a_revocation_goes_with_the_task_that_is_cancelled(huey, note):
    result = note(1)
    result.revoke(revoke_once=False)

    result.cancel()

    assert not result.is_revoked()
    assert huey.storage.result_items() == {}


def test_a_task_that_has_ended_is_not_cancelled(huey, note, work, story):
    result = note(1)
    work()

    assert not result.cancel()

    assert story(result)[-1] == "complete"
    assert not result.is_revoked()


def test_a_task_that_moves_from_the_schedule_to_the_queue_does_not_slip_through(
    huey, note, work, ran, pass_time, monkeypatch
):
    result = note.schedule((1,), delay=1000)
    work()
    real = huey.storage.withdraw

    def late(*args, **kwargs):
        pass_time(1001)
        huey.move_due()
        return real(*args, **kwargs)

    monkeypatch.setattr(huey.storage, "withdraw", late)
    result.cancel()

    assert nothing_waits(huey)
    assert result.status() == "canceled"


def test_a_task_in_a_workers_hands_on_its_way_to_the_schedule_does_not_slip_through(
    huey, note, monkeypatch
):
    """The worker is of another process: nobody here can ask it."""
    result = note.schedule((1,), delay=1000)
    claim = huey.storage.claim("other")
    real = huey.revoke_by_id

    def meanwhile(*args, **kwargs):
        real(*args, **kwargs)
        huey.storage.release("other", claim)

    monkeypatch.setattr(huey, "revoke_by_id", meanwhile)
    result.cancel()

    assert nothing_waits(huey)
    assert result.status() == "canceled"
    assert not result.is_revoked()


def test_cancelling_while_workers_claim_ends_each_task_once(huey):
    """Each has a value or was cancelled, and is told once."""
    double = huey.task(name="double")(lambda n: 2 * n)
    told = []
    huey.signal("canceled", "revoked", "complete")(lambda name, task, *_: told.append(task.id))
    group = double.map(range(300))
    chosen = random.sample(list(group), 150)

    with huey.create_consumer(workers=4):
        at_once(
            *(partial(huey.cancel_many, [one.id for one in chosen[n::2]]) for n in range(2)),
            *(one.cancel for one in chosen[::30]),
        )
        endings = [ending(result) for result in group]

    spared = {result.id for result in group} - {result.id for result in chosen}
    assert {end for result, end in zip(group, endings, strict=True) if result.id in spared} == {
        "value"
    }
    assert set(endings) <= {"value", "TaskRevoked", "TaskCanceled"}
    assert sorted(told) == sorted(result.id for result in group)
    assert nothing_waits(huey)


def ending(result):
    try:
        result.get(blocking=True, timeout=PATIENCE)
    except TaskException as error:
        return type(error).__name__
    return "value"


def test_a_scheduled_task_is_cancelled_in_immediate_mode_too(make_huey):
    huey = make_huey(immediate=True)
    result = huey.task(name="note")(lambda: 1).schedule(delay=1000)

    result.cancel()

    assert huey.scheduled_count() == 0
    assert result.status() == "canceled"


# --- run now ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [True, False], ids=["scheduled", "not looked at yet"])
def test_a_task_for_later_runs_now(huey, note, work, story, signals, ran, seen):
    result = note.schedule((1,), delay=1000, priority=7)
    if seen:
        work()

    assert huey.run_now(result.id)
    assert (len(huey), huey.scheduled_count()) == (1, 0)
    (task,) = huey.pending()
    assert (task.id, task.priority, task.retries, task.eta) == (result.id, 7, 2, None)
    work()

    assert result.get() == 1
    assert ran == [1]
    before = ["enqueued", "scheduled"] if seen else ["enqueued"]
    assert story(result) == [*before, "enqueued", "executing", "complete"] == of(signals, result)
    assert not huey.run_now(result.id)


def test_a_task_that_waits_for_another_try_is_tried_now(huey, flaky, work):
    first, second = huey.enqueue(flaky.s(5).then(flaky))
    work()

    assert huey.run_now(first.id)
    (task,) = huey.pending()
    assert (task.retries, task.priority) == (1, 3)
    work()

    assert (first.get(), second.get()) == (5, 5)


def test_only_a_scheduled_task_can_be_run_now(huey, note, work):
    result = note(1)
    assert not huey.run_now(result.id)
    work()
    assert not huey.run_now(result.id)
    assert not huey.run_now("unknown")
    assert result.get() == 1


def test_of_many_who_want_a_task_run_now_one_does_it(huey, note, work, ran):
    result = note.schedule((1,), delay=1000)
    work()

    done = at_once(*4 * [partial(huey.run_now, result.id)])

    assert done.count(True) == 1
    work()
    assert ran == [1]


def test_a_scheduled_task_runs_now_in_immediate_mode_too(make_huey):
    huey = make_huey(immediate=True)
    result = huey.task(name="note")(lambda: 1).schedule(delay=1000)

    assert huey.run_now(result.id)

    assert result.get() == 1
    assert huey.scheduled_count() == 0


# --- run again -------------------------------------------------------------------------------


def test_a_task_that_failed_runs_again_under_its_id(huey, work, story):
    tries = []

    @huey.task(retries=1)
    def flaky():
        tries.append(1)
        if len(tries) <= 2:
            raise ValueError("not yet")
        return "at last"

    result = flaky()
    work()
    with pytest.raises(TaskException, match="not yet"):
        result.get()

    again = huey.run_again(result.task)
    assert (again.id, again.status()) == (result.id, "pending")
    assert again.get() is None
    assert [task.retries for task in huey.pending()] == [1]
    work()

    assert again.get() == "at last"
    assert story(result)[-3:] == ["enqueued", "executing", "complete"]
    with pytest.raises(TaskException, match="not yet"):
        result.get()


def test_a_result_that_was_read_is_reset_to_get_the_new_value(huey, work):
    values = iter([1, 2])
    result = huey.task(name="next")(lambda: next(values))()
    work()
    assert result.get() == 1

    huey.run_again(result.task)
    assert result.get() == 1
    result.reset()
    assert (result.get(), result.status()) == (None, "pending")
    work()

    assert result.get() == 2


def test_a_value_that_nobody_has_read_does_not_pass_for_the_new_one(huey, work):
    values = iter([1, 2])
    result = huey.task(name="next")(lambda: next(values))()
    work()

    huey.run_again(result.task)
    assert not result.is_ready()
    work()

    assert result.get() == 2


def test_a_cancelled_task_runs_again(huey, note, work, ran):
    result = note(1)
    result.cancel()
    result.revoke()

    huey.run_again(result.task)
    work()

    assert (result.get(), ran) == (1, [1])


def test_what_follows_runs_again_too(huey, work):
    tries = []

    @huey.task()
    def flaky(n):
        tries.append(n)
        if len(tries) == 1:
            raise ValueError
        return n

    double = huey.task(name="double")(lambda n: 2 * n)
    first, second = huey.enqueue(flaky.s(1).then(double))
    work()
    assert second.status() == "canceled"

    again = huey.run_again(first.task)
    assert [one.id for one in again] == [first.id, second.id]
    assert second.status() == "waiting"
    work()

    assert (first.get(), second.get()) == (1, 2)


def test_a_task_runs_again_later_if_told_so(huey, note, work, ran, pass_time):
    result = note.schedule((1,), delay=10)
    pass_time(11)
    work()
    result.get()

    again = huey.run_again(result.task, delay=1000)
    work()
    assert (ran, again.status()) == ([1], "scheduled")
    again.cancel()
    huey.run_again(result.task)
    work()
    assert ran == [1, 1]


def test_a_task_that_has_not_ended_is_not_run_again(huey, note, work):
    result = note.schedule((1,), delay=1000)
    with pytest.raises(HueyException, match=r"is pending and can be .* once it has ended"):
        huey.run_again(result.task)
    work()
    with pytest.raises(HueyException, match="is scheduled"):
        huey.run_again(result.task)
    assert (len(huey), huey.scheduled_count()) == (0, 1)

    begun, go_on = threading.Event(), threading.Event()
    hold = huey.task(name="hold")(lambda: begun.set() or go_on.wait(PATIENCE))
    with huey.create_consumer():
        held = hold()
        begun.wait(PATIENCE)
        with pytest.raises(HueyException, match="is running"):
            huey.run_again(held.task)
        go_on.set()
        assert held.get(blocking=True, timeout=PATIENCE)


def test_of_many_who_run_a_task_again_one_does(huey, note, work, ran):
    result = note(1)
    work()

    def again():
        try:
            huey.run_again(result.task)
        except HueyException:
            return False
        return True

    assert at_once(*4 * [again]).count(True) == 1
    work()
    assert ran == [1, 1]


def test_a_chord_counts_a_member_once_that_runs_again(huey, note, work):
    total = huey.task(name="total")(lambda values: list(values))
    result = huey.enqueue(chord([note.s(1), note.s(2)], total))
    work()
    assert result.get() == [1, 2]

    huey.run_again(result.results[0].task)
    work()

    assert nothing_waits(huey)
    assert result.results[0].get() == 1
    with pytest.raises(HueyException, match="enqueue the chord anew"):
        huey.run_again(result.callback.task)


def test_a_task_runs_again_in_immediate_mode_too(make_huey):
    huey = make_huey(immediate=True)
    values = iter([1, 2])
    result = huey.task(name="next")(lambda: next(values))()

    huey.run_again(result.task)

    assert result.get() == 2


def test_running_again_leaves_no_lock_and_no_revocation(huey, note, work):
    result = note(1)
    work()
    huey.run_again(result.task)

    assert huey.storage.locks() == []
    work()
    assert result.get() == 1
    assert huey.storage.result_items() == {}


def test_who_watches_enqueue_sees_what_is_hurried_and_run_again(huey, note, work, ran):
    seen = []
    real = huey.enqueue

    def watched(task):
        seen.append(task.id)
        return real(task)

    huey.enqueue = watched
    result = note.schedule((1,), delay=1000)
    work()
    huey.run_now(result.id)
    work()
    result.get()
    huey.run_again(result.task)
    work()

    eventually(lambda: len(ran) == 2)
    assert seen == 3 * [result.id]
