"""What is the memory queue's own: objects are handed on as they are."""

import threading

import pytest
from waiting import PATIENCE

from huey import MemoryHuey
from huey.exceptions import TaskException


@pytest.fixture
def echo(memory_huey):
    return memory_huey.task(name="echo")(lambda *args, **kwargs: (args, kwargs))


def test_arguments_and_values_are_the_very_same_objects(memory_huey, work_off, echo):
    thing, lock = object(), threading.Lock()

    result = echo(thing, key=lock)
    work_off(memory_huey)

    (args, kwargs) = result.get(preserve=True)
    assert args[0] is thing
    assert kwargs["key"] is lock
    assert memory_huey.result(result.id)[0][0] is thing


def test_a_task_may_change_its_callers_list(memory_huey, work_off):
    things = []
    memory_huey.task(name="add")(things.__class__.append)(things, 1)
    work_off(memory_huey)

    assert things == [1]


def test_values_of_ones_own_are_not_copied_either(memory_huey):
    thing = object()
    memory_huey.put("k", thing)

    assert memory_huey.get("k") is thing


def test_an_exception_is_kept_as_text_so_that_it_holds_no_frames(memory_huey, work_off):
    def fail():
        big = object()
        raise ValueError(big)

    result = memory_huey.task()(fail)()
    work_off(memory_huey)

    with pytest.raises(TaskException) as raised:
        result.get()
    assert {type(value) for value in raised.value.metadata.values()} == {str, int}


def test_events_are_kept_as_they_are(memory_huey, work_off):
    done = object()

    @memory_huey.task()
    def report():
        from huey import progress

        progress(done)

    report()
    work_off(memory_huey)

    assert [e["done"] for _, e in memory_huey.events.read() if e["kind"] == "progress"] == [done]


def test_with_compression_even_memory_keeps_bytes(work_off):
    huey = MemoryHuey(compression=True)
    result = huey.task(name="double")(lambda n: 2 * n)(1)
    work_off(huey)

    assert [type(data) for data in huey.all_results().values()] == [bytes]
    assert result.get(blocking=True, timeout=PATIENCE) == 2
