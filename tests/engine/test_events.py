"""The story of every task, as any process can read it."""

import json
import os
import time

import pytest
from processes import run
from waiting import PATIENCE, eventually

from huey import MemoryHuey, SqliteHuey, progress, track
from huey.tasks import current_run


@pytest.fixture
def events(huey):
    """Return the events so far, of some kinds or all."""

    def events(*kinds):
        found = [event for _, event in huey.events.read()]
        return [event for event in found if not kinds or event["kind"] in kinds]

    return events


@pytest.fixture
def double(huey):
    return huey.task(name="double")(lambda n: 2 * n)


def test_the_story_of_a_task_is_told_in_order(double, consumer, story):
    result = double(1)
    result.get(blocking=True, timeout=PATIENCE)

    assert story(result) == ["enqueued", "executing", "complete"]


def test_an_event_says_what_happened_to_which_task_and_when(double, work, events):
    began = time.time()
    result = double(1)
    work()

    enqueued, executing, complete = events()

    for event in (enqueued, executing, complete):
        assert (event["task"], event["name"]) == (result.id, f"{__name__}.double")
        assert began <= event["at"] <= time.time()
    assert (enqueued["args"], enqueued["retries"]) == ("1", 0)
    assert executing["worker"] == "by hand"
    assert executing["pid"] == os.getpid()
    assert "deaths" not in executing
    assert complete["duration"] >= 0


def test_the_tasks_of_a_map_say_that_they_belong_together(huey, double, events):
    group = double.map([1, 2])
    double(3)

    assert [event.get("group") for event in events()] == [group.id, group.id, None]


def test_events_are_off_unless_asked_for(make_huey, work_off):
    huey = make_huey()

    @huey.task()
    def busy():
        progress(1, 2)
        current_run().write("stdout", "hello")

    busy()
    work_off(huey)

    assert huey.events.read() == []


def test_a_reader_needs_none_of_the_tasks_code(tmp_path, work_off):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    huey.task(name="double")(lambda n: 2 * n)(1)
    work_off(huey)
    huey.storage.close()

    code = """
    import sqlite3, sys, json
    for (lines,) in sqlite3.connect(sys.argv[1]).execute("SELECT data FROM event ORDER BY id"):
        for line in lines.splitlines():
            print(json.loads(line)[0])
    """
    assert run(code, tmp_path / "huey.db").split() == ["enqueued", "executing", "complete"]


def test_events_of_an_earlier_version_are_read(tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    old = {"kind": "executing", "task": "an id", "name": "f", "at": 1.5, "worker": "one"}
    huey.storage.append_events([json.dumps(old).encode()])

    assert [event for _, event in huey.events.read()] == [old]
    huey.storage.close()


def test_what_comes_late_does_not_begin_a_story_again(huey, work, story):
    report = []

    @huey.task()
    def leave():
        report.append(current_run().report)

    result = leave()
    work()
    report[0](1, 2, "late")  # as a thread does that the task has left behind
    huey.events.flush()

    assert story(result) == ["enqueued", "executing", "complete", "progress"]


def test_the_beginning_is_told_as_it_was(huey, work, events):
    @huey.task(retries=5, context=True)
    def give_up(task=None):
        task.retries = 0

    give_up()
    work()

    (executing,) = events("executing")
    assert (executing["attempt"], executing["retries"]) == (1, 5)


class Odd(int):
    __hash__ = None


def test_numbers_of_any_kind_are_told(work_off, tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    result = huey.task(name="double", retries=Odd(2))(lambda n: 2 * n)(1)
    work_off(huey)

    assert result.get() == 2
    assert [event["retries"] for _, event in huey.events.read() if "retries" in event] == [2, 2]
    huey.storage.close()


# --- progress --------------------------------------------------------------------------------


def test_progress_comes_between_beginning_and_end(huey, work, story, events):
    @huey.task()
    def busy():
        progress(1, 2, "half")
        progress(2, 2, "done")

    result = busy()
    work()

    assert story(result) == ["enqueued", "executing", "progress", "complete"]
    (event,) = events("progress")
    assert (event["done"], event["total"], event["message"]) == (2, 2, "done")


def test_of_very_many_reports_few_are_written_and_the_last_one_is(huey, consumer, events):
    count = 100_000

    @huey.task()
    def busy():
        for n in range(count):
            progress(n + 1, count)

    assert busy().get(blocking=True, timeout=PATIENCE) is None

    reports = [event["done"] for event in events("progress")]
    assert reports[-1] == count
    assert reports == sorted(reports)
    assert len(reports) < 1000


def test_progress_is_seen_while_the_task_goes_on(huey, consumer, events):
    ended = []

    @huey.task()
    def busy():
        progress(1, 2)
        eventually(lambda: ended)

    result = busy()
    eventually(lambda: [event["done"] for event in events("progress")] == [1])
    ended.append(True)

    assert result.get(blocking=True, timeout=PATIENCE) is None


def test_each_change_of_a_slow_task_is_seen(huey, consumer, events):
    seen = []

    @huey.task()
    def slow():
        for n in range(5):
            progress(n)
            eventually(lambda n=n: n in seen)

    result = slow()
    for n in range(5):
        eventually(lambda n=n: n in [event["done"] for event in events("progress")])
        seen.append(n)

    result.get(blocking=True, timeout=PATIENCE)
    assert [event["done"] for event in events("progress")] == [0, 1, 2, 3, 4]


def test_progress_outside_a_task_does_nothing():
    progress(1, 2, "nobody listens")


@pytest.mark.parametrize("items", [[1, 2, 3], range(4), "ab", []], ids=repr)
def test_tracking_reports_each_item(huey, work, events, items):
    @huey.task()
    def busy(items):
        return list(track(items, message="busy"))

    result = busy(items)
    work()

    (event,) = events("progress")
    assert result() == list(items)
    assert (event["done"], event["total"], event["message"]) == (len(items), len(items), "busy")


def test_tracking_takes_a_total_for_what_has_no_length(huey, work, events):
    @huey.task()
    def busy():
        return sum(track((n for n in range(3)), total=3))

    busy()
    work()

    (event,) = events("progress")
    assert (event["done"], event["total"]) == (3, 3)


def test_tracking_outside_a_task_just_yields():
    assert list(track("abc")) == ["a", "b", "c"]


class Number:
    """Like the numbers of numeric libraries: none of Python's own."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value

    def __str__(self):
        return "a number"


class Nothing:
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("reported", "written"),
    [(Number(0.5), 0.5), (True, True), (1 + 2j, "(1+2j)"), (Nothing(), "<Nothing>")],
    ids=["number", "bool", "complex", "hostile"],
)
def test_progress_may_be_any_object(tmp_path, work_off, reported, written):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)

    @huey.task()
    def busy():
        progress(reported, 2)

    result = busy()
    work_off(huey)

    events = [json.loads(data) for _, data in huey.storage.read_events()]
    assert [kind for kind, *_ in events] == ["enqueued", "executing", "progress", "complete"]
    assert events[2][-1]["done"] == written
    assert result.get(blocking=True, timeout=PATIENCE) is None
    huey.storage.close()


# --- output ----------------------------------------------------------------------------------


def test_output_is_kept_in_order_and_joined_by_stream(huey, work, story, events):
    @huey.task()
    def talk():
        run = current_run()
        for name, text in [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]:
            run.write(name, text)
        run.write("display", {"text/plain": "picture"})
        run.write("display", {"text/plain": "another"})
        run.write("stdout", "e")

    result = talk()
    work()

    assert story(result) == ["enqueued", "executing", "output", "complete"]
    (event,) = events("output")
    assert [list(record) for record in event["records"]] == [
        ["stdout", "ab"],
        ["stderr", "c"],
        ["stdout", "d"],
        ["display", {"text/plain": "picture"}],
        ["display", {"text/plain": "another"}],
        ["stdout", "e"],
    ]


def test_of_very_long_output_head_and_tail_are_kept(huey, work, events):
    @huey.task()
    def talk():
        run = current_run()
        for n in range(100_000):
            run.write("stdout", f"line {n}\n")

    talk()
    work()

    (event,) = events("output")
    ((_, text),) = event["records"]
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 99999\n")
    assert "characters left out]" in text
    assert len(text) < 300_000


def test_nothing_of_the_output_is_lost_while_it_is_being_written(huey, consumer, events):
    @huey.task()
    def talk():
        run = current_run()
        for n in range(3000):
            run.write("stdout", f"{n} ")
            if n % 100 == 0:
                huey.events.flush()

    talk().get(blocking=True, timeout=PATIENCE)

    said = "".join(text for event in events("output") for _, text in event["records"])
    assert said.split() == [str(n) for n in range(3000)]


def test_output_of_a_task_that_fails_is_kept(huey, work, story):
    @huey.task()
    def fail():
        current_run().write("stdout", "going")
        raise ValueError

    result = fail()
    work()

    assert story(result) == ["enqueued", "executing", "output", "error"]


def test_output_that_is_no_json_does_not_hurt_the_task(tmp_path, work_off):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    circle = []
    circle.append(circle)

    @huey.task()
    def talk():
        current_run().write("display", {("a", "tuple"): 1})
        current_run().write("display", {"circle": circle})
        return "fine"

    result = talk()
    work_off(huey)

    assert result() == "fine"
    assert [event["kind"] for _, event in huey.events.read()][-2:] == ["output", "complete"]
    huey.storage.close()


def test_a_storage_that_fails_for_a_moment_does_not_end_the_stream(caplog, monkeypatch):
    huey = MemoryHuey(events=True)
    append, failures, ended = huey.storage.append_events, [OSError("full")], []

    def fail_once(events):
        if failures:
            raise failures.pop()
        append(events)

    monkeypatch.setattr(huey.storage, "append_events", fail_once)

    @huey.task()
    def busy():
        n = 0
        while not ended:
            progress(n := n + 1)

    with huey.create_consumer():
        result = busy()
        eventually(lambda: "progress" in [event["kind"] for _, event in huey.events.read()])
        ended.append(True)
        result.get(blocking=True, timeout=PATIENCE)

    assert failures == []
    assert "some progress or output was lost" in caplog.text


# --- reading ---------------------------------------------------------------------------------


def test_a_reader_goes_on_from_its_cursor(huey, double, work):
    double(1)
    cursor = huey.events.read()[-1][0]
    work()

    assert [event["kind"] for _, event in huey.events.read(cursor)] == ["executing", "complete"]
    assert len(huey.events.read(cursor, limit=1)) == 1
    assert huey.events.read(huey.storage.last_event(), timeout=0.01) == []
