"""Workers that are greenlets, in processes of their own: a patched program is patched for good."""

import importlib.util
import signal

import pytest
from consumers import app_in, value
from processes import run
from waiting import PATIENCE, eventually

from huey import MemoryHuey
from huey.exceptions import ConfigurationError, TaskException

TASKS = """
@huey.task()
def meet(n):
    touch(str(n))
    while len(list(here.glob("* has begun"))) < 20:
        time.sleep(0.005)
    return n

@huey.task()
async def meet_async(n):
    touch(str(n))
    while len(list(here.glob("* has begun"))) < 20:
        await asyncio.sleep(0.005)
    progress(n)
    return n

@huey.task()
def patched():
    from gevent import monkey
    return monkey.is_module_patched("socket") and threading.current_thread().name

@huey.task()
def nap(name):
    touch(name)
    time.sleep(100)

@huey.task()
async def nap_async(name):
    touch(name)
    await asyncio.sleep(100)

@huey.task(timeout=0.1)
def too_long():
    time.sleep(100)

@huey.task(timeout=0.1)
async def too_long_async():
    await asyncio.sleep(100)
"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gevent") is None, reason="gevent is not installed"
)


@pytest.fixture
def app(tmp_path):
    with app_in(tmp_path, TASKS) as app:
        yield app


@pytest.fixture
def consumer(app):
    return app.consume("-k", "greenlet", "-w", 20)


@pytest.mark.usefixtures("consumer")
def test_the_command_line_patches_the_program(app):
    assert value(app.patched()).startswith("huey greenlet ")


@pytest.mark.usefixtures("consumer")
def test_greenlets_run_side_by_side(app):
    group = app.meet.map(range(20))
    assert group.get(blocking=True, timeout=PATIENCE) == list(range(20))


@pytest.mark.usefixtures("consumer")
def test_coroutines_run_side_by_side_too(app):
    group = app.meet_async.map(range(20))
    assert group.get(blocking=True, timeout=PATIENCE) == list(range(20))


@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize("name", ["too_long", "too_long_async"])
def test_a_greenlet_whose_time_is_over_is_told(app, name):
    result = getattr(app, name)()

    with pytest.raises(TaskException, match=r"timed out after 0\.1 s"):
        value(result)
    assert app.kinds(result) == ["enqueued", "executing", "timeout"]


@pytest.mark.parametrize("name", ["nap", "nap_async"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_consumer(app, consumer, name, number):
    result = getattr(app, name)("task")
    app.has_begun("task")
    if number == signal.SIGINT:
        consumer.process.send_signal(number)
        eventually(lambda: "a second signal interrupts them" in app.log)

    consumer.process.send_signal(number)

    assert consumer.wait() == 0
    assert [task.id for task in app.huey.pending()] == [result.id]
    assert "Traceback" not in app.log


CANCEL = """
from gevent import monkey; monkey.patch_all()
import asyncio, threading, time
from huey import MemoryHuey
from huey.exceptions import TaskCanceled

huey = MemoryHuey()
begun = threading.Event()

@huey.task()
def endless():
    begun.set()
    while True:
        time.sleep(0.001)

@huey.task()
async def endless_async():
    begun.set()
    await asyncio.sleep(100)

with huey.create_consumer(worker_type="greenlet", workers=2):
    for task in (endless, endless_async):
        begun.clear()
        result = task()
        begun.wait()
        print(result.cancel())
        try:
            result.get(blocking=True, timeout=10)
        except TaskCanceled:
            print("cancelled")
"""


def test_a_running_greenlet_can_be_cancelled():
    assert run(CANCEL).split() == ["True", "cancelled"] * 2


def test_a_program_that_is_not_patched_is_told_what_to_write():
    with pytest.raises(ConfigurationError, match=r"from gevent import monkey; monkey\.patch_all"):
        MemoryHuey().create_consumer(worker_type="greenlet")


WITHOUT_GEVENT = """
import sys
sys.modules["gevent"] = None
from huey import MemoryHuey
from huey.exceptions import ConfigurationError
try:
    MemoryHuey().create_consumer(worker_type="greenlet")
except ConfigurationError as error:
    print(error)
"""


def test_without_gevent_the_error_says_what_to_install():
    assert run(WITHOUT_GEVENT) == (
        "greenlet workers need gevent: pip install 'huey-jupyter[greenlet]'"
    )
