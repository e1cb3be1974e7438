"""A Huey on each storage in turn, a worker to step by hand, a consumer, and a clock to turn."""

import threading
import time
from functools import partial

import pytest
from kinds import kinds, maker

from huey import MemoryHuey
from huey.consumer import Worker


@pytest.fixture(params=kinds("redis-expire", "priority-redis-expire"))
def make_huey(request, tmp_path):
    """Make a Huey with options; all are stopped and closed afterwards."""
    threads = set(threading.enumerate())
    made = []
    url = lambda: request.getfixturevalue("redis_server").url  # noqa: E731
    open_huey = maker(request.param, tmp_path, url)

    def make(**options):
        made.append(open_huey(**options))
        return made[-1]

    yield make

    for huey in made:
        for consumer in list(huey.consumers):
            consumer.stop()
        huey.storage.close()
    assert set(threading.enumerate()) - threads == set()


@pytest.fixture
def huey(make_huey):
    return make_huey(events=True)


@pytest.fixture
def memory_huey():
    huey = MemoryHuey("test", events=True)
    yield huey
    for consumer in list(huey.consumers):
        consumer.stop()


@pytest.fixture
def work_off():
    """Run what is on a Huey's queue, here and now, and return how many messages there were."""

    def work_off(huey):
        worker = Worker(huey, "by hand", f"hand.{id(huey)}")
        count = sum(1 for _ in iter(partial(worker.step, 0), False))
        worker.close()
        return count

    return work_off


@pytest.fixture
def work(huey, work_off):
    return partial(work_off, huey)


@pytest.fixture
def consumer(huey):
    with huey.create_consumer(workers=2) as consumer:
        yield consumer


@pytest.fixture
def pass_time(monkeypatch, request):
    """Turn the clock on by so many seconds, that of a server in use too."""
    real, passed = time.time, []
    monkeypatch.setattr(time, "time", lambda: real() + sum(passed))

    def pass_time(seconds):
        passed.append(seconds)
        if request.node.get_closest_marker("server"):
            request.getfixturevalue("redis_server").pass_time(seconds)

    return pass_time


@pytest.fixture
def story(huey):
    """Return what happened to a task, the kinds of its events in order."""

    def story(result, *kinds):
        events = [event for _, event in huey.events.read() if event["task"] == result.id]
        return [event["kind"] for event in events if not kinds or event["kind"] in kinds]

    return story


@pytest.fixture
def signals(huey):
    """Return the signals sent so far: name, task id, and what came with them."""
    sent = []

    @huey.signal()
    def note(signal, task, *args):
        sent.append((signal, task.id, *args))

    return sent
