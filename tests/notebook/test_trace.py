"""The calls of a storage noted and drawn, and the promises that a storage keeps."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from waiting import PATIENCE

from huey import Huey, MemoryHuey
from huey.constants import EmptyData
from huey.serializer import Serializer
from huey.storage import BaseStorage, BlackHoleStorage, FileStorage, MemoryStorage, SqliteStorage
from huey_jupyter.teaching import Promises, Trace
from huey_jupyter.teaching.promises import PROMISES, State

NOON = datetime.datetime(2026, 11, 30, 12)


@pytest.fixture
def trace() -> Trace:
    return Trace(MemoryStorage())


@pytest.fixture
def huey() -> Huey:
    huey = MemoryHuey("traced", serializer=Serializer())
    huey.storage = Trace(huey.storage)
    return huey


def names(trace: Any) -> list[str]:
    return [call.name for call in trace.calls]


def serve(huey: Huey) -> None:
    huey.execute(huey.deserialize_task(huey.storage.dequeue()))


# --- what is noted ---


def test_a_task_from_its_call_to_its_value_is_six_calls(huey: Huey) -> None:
    result = huey.task()(lambda: 4)()
    serve(huey)

    assert result.get() == 4
    steps = ["enqueue", "dequeue", "peek_data", "peek_data", "put_data", "pop_data"]
    assert names(huey.storage) == steps


def test_what_a_storage_could_do_in_one_step_is_broken_down(huey: Huey) -> None:
    with huey.lock_task("door"):
        pass

    assert names(huey.storage) == ["put_if_empty", "peek_data", "pop_data"]


def test_every_documented_method_is_noted_and_does_what_it_did() -> None:
    documented = {
        name
        for name, method in vars(BaseStorage).items()
        if "NotImplementedError" in getattr(getattr(method, "__code__", None), "co_names", ())
    }
    traces: list[Trace] = []

    def make() -> Trace:
        traces.append(Trace(MemoryStorage()))
        return traces[-1]

    assert Promises(make).broken == []
    assert {name for trace in traces for name in names(trace)} == documented


def test_bytes_are_counted_and_objects_are_not(trace: Trace) -> None:
    trace.enqueue(b"12345", priority=2)
    trace.put_data("key", object())

    assert [(call.told, call.about) for call in trace.calls] == [
        ("5 B", "priority 2"),
        ("object", "key key"),
    ]


def test_several_at_once_are_counted_together(trace: Trace) -> None:
    for _ in range(3):
        trace.add_to_schedule(b"12", NOON)
    trace.read_schedule(NOON)

    assert trace.calls[-1].told == "3 with 6 B"


def test_what_was_not_there_is_told_from_what_was(trace: Trace) -> None:
    trace.put_if_empty("key", b"1")
    trace.put_if_empty("key", b"1")
    trace.has_data_for_key("key")
    trace.peek_data("other")

    assert [call.told for call in trace.calls] == ["1 B", "refused", "yes", "nothing"]
    assert [call.says for call in trace.calls] == [
        "put in, key key",
        "not put in, key key",
        "looked at, key key",
        "nothing there, key other",
    ]


def test_looks_in_vain_are_counted_and_not_repeated(trace: Trace) -> None:
    for _ in range(50):
        trace.dequeue()
    trace.enqueue(b"a")
    trace.enqueue(b"a")

    assert [(call.name, call.times) for call in trace.calls] == [
        ("dequeue", 50),
        ("enqueue", 1),
        ("enqueue", 1),
    ]
    assert "52 calls: 52 to the queue" in repr(trace)
    assert "nothing there, 50 times" in repr(trace)


def test_a_long_trace_keeps_the_last_calls_and_says_so(trace: Trace) -> None:
    for n in range(300):
        trace.put_data(str(n), b"")

    assert len(trace.calls) == 200
    assert "100 calls before them are not shown" in repr(trace)
    assert repr(trace).splitlines()[-1].startswith("300  put_data")


def test_a_trace_can_be_begun_anew_and_the_storage_keeps_what_it_has(trace: Trace) -> None:
    trace.enqueue(b"a")
    trace.clear()

    assert repr(trace) == "No call yet."
    assert trace.queue_size() == 1


def test_events_get_a_lane_only_if_there_are_some(huey: Huey) -> None:
    huey.put("a", 1)
    assert "events" not in huey.storage._repr_html_()  # type: ignore[attr-defined]

    huey.storage.append_events([b"123"])
    assert ">events</th>" in huey.storage._repr_html_()  # type: ignore[attr-defined]


def test_workers_run_on_a_storage_that_is_traced(huey: Huey) -> None:
    double = huey.task(name="double")(lambda n: 2 * n)
    with huey.create_consumer(workers=2, scheduler_interval=0.1):
        values = double.map(range(20)).get(blocking=True, timeout=PATIENCE)

    assert values == [2 * n for n in range(20)]
    assert names(huey.storage).count("put_data") == 20


# --- how it is drawn ---


def test_a_trace_is_a_table_with_headers_and_words(huey: Huey) -> None:
    huey.storage.heading("You & I")  # type: ignore[attr-defined]
    huey.task(name="four")(lambda: 4)()
    serve(huey)
    html = huey.storage._repr_html_()  # type: ignore[attr-defined]

    assert html.count('scope="col"') == 6
    assert html.count('scope="row"') == 4 + 1
    assert "You &amp; I" in html
    assert "5 calls: 2 to the queue, 3 to the values." in html


def test_what_a_reader_names_is_escaped(trace: Trace) -> None:
    trace.put_data("<script>", b"")
    trace.heading("<b>")
    html = trace._repr_html_()

    assert "<script>" not in html
    assert "<b>" not in html


def test_every_call_in_plain_text_has_an_arrow_and_its_place(trace: Trace) -> None:
    trace.enqueue(b"abc")
    trace.dequeue()
    trace.flush_results()
    rows = [re.split(r"\s{2,}", row.strip()) for row in repr(trace).splitlines()[1:]]

    assert rows == [
        ["1", "enqueue", "───▶ queue", "3 B", "put in"],
        ["2", "dequeue", "◀─── queue", "3 B", "taken out"],
        ["3", "flush_results", "───✕ values", "all", "emptied"],
    ]


# --- promises ---


def test_the_storages_keep_every_promise(tmp_path: Any) -> None:
    made: list[BaseStorage] = []

    def fresh(kind: Callable[..., BaseStorage], suffix: str) -> Callable[[], BaseStorage]:
        def make() -> BaseStorage:
            made.append(kind("huey", str(tmp_path / f"{len(made)}{suffix}")))
            return made[-1]

        return make

    for make in (MemoryStorage, fresh(SqliteStorage, ".db"), fresh(FileStorage, "")):
        assert Promises(make).broken == []
    for storage in made:
        storage.close()


def test_a_black_hole_keeps_what_holds_for_nothing() -> None:
    promises = Promises(BlackHoleStorage)

    assert promises.summary == "BlackHoleStorage keeps 5 of 15 promises."
    assert "put_if_empty lets" in " ".join(one.promise for one in promises.broken)


def test_a_storage_that_is_not_written_is_told_from_one_that_is_wrong() -> None:
    class Wrong(MemoryStorage):
        def pop_data(self, key: str) -> Any:
            return self._values.pop(key, None)

        def flush_queue(self) -> None:
            raise ValueError("<not today>")

    assert {one.state for one in Promises(BaseStorage).findings} == {State.open}
    [flush, missing] = Promises(Wrong).broken
    assert flush.why == "ValueError: <not today>"
    assert "EmptyData" in missing.promise
    assert "&lt;not today&gt;" in Promises(Wrong)._repr_html_()


@pytest.mark.parametrize(
    ("method", "instead"),
    [
        ("enqueue", lambda self, data, priority=None: self._queue.push(-len(self._queue), 0, data)),
        ("dequeue", lambda self: b""),
        ("enqueued_items", lambda self, limit=None: []),
        ("flush_queue", lambda self: None),
        ("queue_size", lambda self: 7),
        ("read_schedule", lambda self, timestamp: []),
        ("read_schedule", lambda self, timestamp: self.scheduled_items()),
        ("schedule_size", lambda self: 7),
        ("scheduled_items", lambda self, limit=None: []),
        ("flush_schedule", lambda self: None),
        ("put_data", lambda self, key, value: self._values.setdefault(key, value)),
        ("peek_data", lambda self, key: self._values.pop(key, EmptyData)),
        ("pop_data", lambda self, key: self._values.get(key, EmptyData)),
        ("put_if_empty", lambda self, key, value: self._values.setdefault(key, value) == value),
        ("put_if_empty", lambda self, key, value: self._values.setdefault(key, value) and None),
        ("has_data_for_key", lambda self, key: True),
        ("result_store_size", lambda self: 2),
        ("result_items", lambda self: {}),
        ("flush_results", lambda self: None),
    ],
)
def test_whatever_method_is_wrong_breaks_a_promise(method: str, instead: Any) -> None:
    wrong = type("Wrong", (MemoryStorage,), {method: instead})

    assert Promises(wrong).broken != []


def test_promises_are_fifteen_sentences() -> None:
    assert len(PROMISES) == 15
    assert all(promise.endswith(".") for promise in PROMISES)
