"""Bad input of every kind beside a living consumer: it goes on, and somebody says what happened."""

import logging
import pickle
import random
import time
from fractions import Fraction

import pytest
from waiting import PATIENCE, eventually

from huey import SqliteHuey
from huey.exceptions import TaskException
from huey.registry import Message
from huey.serializer import Serializer


@pytest.fixture
def huey(tmp_path):
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", events=True)
    huey.signal()(lambda *args: None)
    yield huey
    huey.storage.close()


@pytest.fixture
def goes_on(huey):
    """Run a consumer of two workers; afterwards both still work."""
    check = huey.task(name="check")(lambda n: n)
    with huey.create_consumer(workers=2, scheduler_interval=0.05) as consumer:
        yield consumer
        group = check.map(range(20))
        assert group.get(blocking=True, timeout=PATIENCE) == list(range(20))
        assert huey.storage.inflight() == 0
    assert not huey.storage.enqueued_items()


class Raises:
    """Pickles; whoever unpickles it gets the error."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        return (throw, (self.error,))


def throw(error):
    raise error


def known(**fields):
    return Message(**{"id": "1", "name": f"{__name__}.check", "args": (1,), **fields})


NOISE = random.Random(1).randbytes(1000)  # noqa: S311 - the same in each run

MESSAGES = {
    "random bytes": NOISE,
    "50 MB of random bytes": NOISE * 50_000,
    "a cut message": pickle.dumps(known())[:-9],
    "text": b"hello",
    "a message without a name": pickle.dumps(known(name=None)),
    "a name that is a list": pickle.dumps(known(name=["a"])),
    "a name that is unknown": pickle.dumps(known(name="elsewhere.task")),
    "a follower that is no message": pickle.dumps(known(on_complete="next")),
    "SystemExit": pickle.dumps(known(args=(Raises(SystemExit(3)),))),
    "KeyboardInterrupt": pickle.dumps(known(args=(Raises(KeyboardInterrupt()),))),
    "GeneratorExit": pickle.dumps(known(args=(Raises(GeneratorExit()),))),
    "MemoryError": pickle.dumps(known(args=(Raises(MemoryError()),))),
    "RecursionError": pickle.dumps(known(args=(Raises(RecursionError()),))),
}


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("data", MESSAGES.values(), ids=MESSAGES)
def test_a_message_that_cannot_be_read_is_set_aside_with_one_line_in_the_log(huey, caplog, data):
    caplog.set_level(logging.WARNING, "huey")

    huey.storage.enqueue(data)

    ((message, reason),) = eventually(huey.set_aside)
    assert message == data
    assert reason
    assert reason.isprintable()
    (record,) = eventually(lambda: caplog.records)
    assert record.getMessage() == f"a message cannot be read and is set aside: {reason}"
    assert len(record.getMessage()) < 2000


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize(
    "data", [data for data in MESSAGES.values() if len(data) < 2000], ids=lambda data: data[:9]
)
def test_a_scheduled_message_that_cannot_be_read_does_not_stop_the_schedule(huey, data):
    huey.storage.add_to_schedule(data, huey._moment(None))

    ((message, _),) = eventually(huey.set_aside)
    assert message == data


@pytest.mark.parametrize(
    "settings",
    [
        {"eta": "tomorrow"},
        {"eta": 5},
        {"expires_resolved": "tomorrow"},
        {"retries": "many"},
        {"retry_delay": "long"},
        {"kwargs": [1]},
        {"priority": "high"},
        {"expires": "soon"},
        {"args": 5},
        {"id": 5},
    ],
    ids=repr,
)
@pytest.mark.usefixtures("goes_on")
def test_a_message_whose_fields_cannot_be_is_set_aside(huey, settings):
    huey.storage.enqueue(pickle.dumps(known(**settings)))

    ((_, reason),) = eventually(huey.set_aside)
    assert f"whose {next(iter(settings))} cannot be a " in reason


@pytest.mark.usefixtures("goes_on")
def test_numbers_of_other_libraries_are_numbers(huey):
    one = Fraction(1)  # as numpy's integers, no subclass of int
    huey.storage.enqueue(pickle.dumps(known(retries=one, priority=one, retry_delay=one)))

    assert huey.result("1", blocking=True, timeout=PATIENCE) == 1


@pytest.mark.usefixtures("goes_on")
def test_a_message_with_arguments_that_do_not_fit_is_an_error_at_its_caller(huey):
    huey.storage.enqueue(pickle.dumps(known(kwargs={"nonsense": 1})))

    with pytest.raises(TaskException, match="unexpected keyword argument 'nonsense'"):
        huey.result("1", blocking=True, timeout=PATIENCE)


@pytest.mark.usefixtures("goes_on")
def test_a_message_of_50_megabytes_is_run(huey):
    @huey.task()
    def length(data):
        return len(data)

    assert length(bytes(50_000_000)).get(blocking=True, timeout=PATIENCE) == 50_000_000


@pytest.mark.usefixtures("goes_on")
def test_a_result_of_50_megabytes_is_stored(huey):
    @huey.task()
    def zeros(size):
        return bytes(size)

    assert zeros(50_000_000).get(blocking=True, timeout=PATIENCE) == bytes(50_000_000)


def test_a_bomb_is_set_aside(tmp_path, work_off):
    serializer = Serializer(compression=True, max_size=100_000)
    huey = SqliteHuey("test", filename=tmp_path / "huey.db", serializer=serializer)
    huey.storage.enqueue(serializer.serialize(bytes(1_000_000)))

    work_off(huey)

    ((_, reason),) = huey.set_aside()
    assert "more than 100,000 bytes" in reason
    huey.storage.close()


def test_names_and_ids_cannot_forge_lines_of_the_log(huey, caplog, work_off):
    caplog.set_level(logging.DEBUG, "huey")
    forged = "x\n2030-01-01 INFO huey: all is well \x1b[2J"
    huey.task(name="one")(lambda: 1)
    huey.storage.enqueue(pickle.dumps(Message(forged, f"{__name__}.one")))
    huey.storage.enqueue(pickle.dumps(Message("2", forged)))
    work_off(huey)
    huey.pending()

    assert len(caplog.records) >= 3
    for record in caplog.records:
        text = record.getMessage()
        assert text.isprintable(), text
    assert huey.result(forged) == 1


# --- results ---------------------------------------------------------------------------------


class Unpicklable:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


def deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


RESULTS = {
    "a lambda": lambda: lambda: None,
    "a generator": lambda: (n for n in ()),
    "a frame": lambda: __import__("sys")._getframe(),
    "too deep": deep,
    "SystemExit": lambda: Unpicklable(SystemExit(3)),
    "KeyboardInterrupt": lambda: Unpicklable(KeyboardInterrupt()),
    "GeneratorExit": lambda: Unpicklable(GeneratorExit()),
    "MemoryError": lambda: Unpicklable(MemoryError()),
}


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_a_result_that_cannot_be_stored_is_an_error_that_says_so(huey, make):
    result = huey.task(name="make")(make)()

    with pytest.raises(TaskException, match="cannot be stored: "):
        result.get(blocking=True, timeout=PATIENCE)


class SlowRepr:
    """A value that must not be printed: it takes its time, and then fails."""

    def __repr__(self):
        time.sleep(PATIENCE)
        raise RuntimeError


@pytest.mark.usefixtures("goes_on")
def test_a_value_whose_representation_is_slow_is_not_printed(huey, caplog):
    caplog.set_level(logging.DEBUG, "huey")
    echo = huey.task(name="echo")(lambda value, other=None: value)

    began = time.monotonic()
    echo([SlowRepr()], other={1: SlowRepr()}).get(blocking=True, timeout=PATIENCE)

    assert time.monotonic() - began < PATIENCE


# --- exceptions ------------------------------------------------------------------------------


class Odd(Exception):
    """Fails in every way in which an exception can be asked about itself."""

    def __init__(self, error):
        self.error = error

    def __repr__(self):
        raise self.error

    __str__ = __repr__

    def __reduce__(self):
        raise self.error


KINDS = [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError, RuntimeError]


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("kind", KINDS)
def test_an_exception_that_cannot_be_printed_is_told_by_its_name(huey, kind):
    result = huey.task(name="fail")(throw)(Picklable(kind))

    with pytest.raises(TaskException, match="Odd"):
        result.get(blocking=True, timeout=PATIENCE)


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_raised_the_worker_lives_and_the_caller_learns_it(huey, kind):
    result = huey.task(name="fail", retries=1)(throw)(kind("why"))

    with pytest.raises(TaskException, match=kind.__name__):
        result.get(blocking=True, timeout=PATIENCE)


@pytest.mark.usefixtures("goes_on")
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_handler_is_told_of_an_exception_that_cannot_travel(huey, kind):
    fail = huey.task(name="fail")(throw)
    handle = huey.task(name="handle")(lambda error: type(error).__name__)
    task = fail.s(Picklable(kind)).error(handle)
    huey.enqueue(task)

    told = eventually(lambda: huey.result(task.on_error.id))
    assert told == "TaskException"


class Picklable(Exception):
    """Travels, and becomes an `Odd` when it is raised."""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind

    def __reduce__(self):
        return (make_odd, (self.kind,))


def make_odd(kind):
    return Odd(kind())
