"""What is the file storage's own: its folder, its layout, and other processes."""

import os
import pickle
import re
import shutil
import stat
import time
from contextlib import ExitStack, closing
from datetime import datetime

import pytest
from processes import run, running
from waiting import PATIENCE, eventually, started

from huey import FileHuey
from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, StorageError
from huey.registry import Message
from huey.storage import Aside, Batch, FileStorage, names

OPEN = """
import os, sys
from huey.storage import Batch, FileStorage
storage = FileStorage("test", sys.argv[1])
"""
CLAIM_AND_HANG = OPEN + "print(storage.claim('a', 30).data.decode(), flush=True); input()\n"

# What huey 3.5.4 makes of some calls, in the order of the calls; times are milliseconds as hex.
HUEYS_QUEUE = {
    "ffff-01a204377ea6": b"none",
    "ffff-01a204377ea6.001": b"priority 0, in the same millisecond",
    "fffe-01a204377ea7": b"priority 1",
    "ff9b-01a204377ea7": b"priority 100",
    "0000-01a204377ea7": b"priority 65535",
}
HUEYS_SCHEDULE = {
    "01bbe6f9267b": b"due at 2030-06-01 12:00:00.123",
    "01bbe6f9267b.001": b"due then as well",
    "01726fc0b600": b"due at 2020-06-01 12:00",
}
HUEYS_RESULTS = {
    "3c6e0b8a9c15224a8228b9a98ca1531d": b"\0\0\0\x03keyvalue",
    "30360eb9769ab392da5007c86594fcaa": b"\0\0\0\x08other/..v2",
    "c3657b66c60a307292aae11f07b04ae7": b"\0\0\0\x08\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87x",
    "d41d8cd98f00b204e9800998ecf8427e": b"\0\0\0\0",
}
HUEYS_VALUES = {"key": b"value", "other/..": b"v2", "ключ": b"x", "": b""}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "queue"


@pytest.fixture
def storage(folder):
    with closing(FileStorage("test", folder)) as storage:
        yield storage


def fill(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def files_in(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def live(storage, slots):
    found = os.listdir(storage.live_folder)
    return {name for name in found if name.startswith("slot.") == slots}


# --- the folder ------------------------------------------------------------------------------


@pytest.fixture(params=[0, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_its_files_can_be_read_by_their_owner_alone(folder, at):
    with closing(FileStorage("test", folder)) as storage:
        storage.write(
            Batch(
                results=[("k", b"secret")],
                endings=[("k", "none")],
                enqueue=[(b"secret", None), (b"secret", None)],
                schedule=[(b"secret", at(1), None)],
                aside=[Aside(b"secret", "why")],
                events=[b"secret"],
            )
        )
        storage.claim("a")
        storage.acquire_lock("k", "h")

        found = [(path, stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")]

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {mode for path, mode in found if path.is_dir()} == {0o700}
    files = {mode for path, mode in found if path.is_file() and ".live" not in path.parts}
    assert files == {0o600}


def test_making_a_storage_makes_no_file_yet(folder):
    FileStorage("test", folder)

    assert not folder.exists()


def test_a_folder_that_is_not_there_is_made_with_those_above_it(tmp_path):
    with closing(FileStorage("test", tmp_path / "a" / "b" / "c")) as storage:
        storage.enqueue(b"m")

        assert storage.queue_size() == 1


def test_a_removed_folder_is_made_again(storage, folder):
    storage.write(Batch(enqueue=[(b"old", None)], events=[b"old"], endings=[("old", "none")]))
    assert storage.peek_ending("old") == "none"
    storage.read_events()

    shutil.rmtree(folder)
    storage.write(Batch(enqueue=[(b"new", None)], events=[b"newer"], endings=[("new", "none")]))

    assert storage.claim("a").data == b"new"
    assert storage.read_events() == [(1, b"newer")]
    assert (storage.peek_ending("old"), storage.peek_ending("new")) == (None, "none")


@pytest.mark.parametrize("levels", [-1, 33, 1.5, "2"])
def test_levels_that_make_no_sense_are_refused(folder, levels):
    with pytest.raises(ConfigurationError, match="levels is a number from 0 to 32, not"):
        FileStorage("test", folder, levels=levels)


def test_a_file_in_the_place_of_the_folder_is_named_in_the_error_and_left_alone(folder):
    folder.write_text("something else")

    with pytest.raises(StorageError, match=r"cannot use .*/queue as a queue.*another path"):
        FileStorage("test", folder).enqueue(b"m")

    assert folder.read_text() == "something else"


def test_a_file_in_the_place_of_a_folder_within_is_named_in_the_error(storage, folder):
    storage.enqueue(b"m")
    shutil.rmtree(folder / "queue")
    (folder / "queue").write_text("")

    with pytest.raises(StorageError, match=r"/queue/queue.*Move it away"):
        storage.queue_size()


def test_a_folder_that_cannot_be_used_costs_no_open_files(folder):
    (folder / ".journal").mkdir(parents=True)
    storage = FileStorage("test", folder)
    before = open_files()

    for _ in range(10):
        with pytest.raises(StorageError, match="cannot use"):
            storage.enqueue(b"1")
    assert open_files() == before


def open_files():
    return len(os.listdir("/dev/fd"))


def test_a_folder_that_cannot_be_written_to_is_named_in_the_error(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere, but not here
        folder = "/proc"

    with pytest.raises(StorageError, match=r"/queue as a queue.*can be written to"):
        FileStorage("test", f"{folder}/queue").enqueue(b"m")


FULL = """
import errno, resource, signal, sys
from huey.storage import Batch, FileStorage
storage = FileStorage("test", sys.argv[1])
storage.enqueue(b"before")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
real = sys.modules["os"].pwrite
def full(file, data, offset):
    if len(data) > 1000:
        real(file, data[:500], offset)
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(file, data, offset)
sys.modules["os"].pwrite = full
try:
    storage.write(Batch(enqueue=[(b"small", None), (b"x" * 9000, None)]))
except OSError as error:
    print(error, storage.is_outage(error))
sys.modules["os"].pwrite = real
storage.write(Batch(enqueue=[(b"after", None)]))
print(storage.enqueued_items())
"""


def test_a_full_disk_changes_nothing_and_says_what_to_do(folder):
    said = run(FULL, folder).splitlines()

    assert re.search(r"No space left on device: make room and try again.* True", said[0])
    assert said[1] == "[b'before', b'after']"


# --- file names ------------------------------------------------------------------------------

PRIORITIES = [
    *(float("inf"), 10**400, 1e300, 2**53, 65_536, 65_535.5, 65_535, 65_534.5, 100, 2.5, 2, 1.5),
    *(1, 0.5, 1e-300, 0, -1e-300, -0.5, -1, -2, -65_536, -1e300, -(10**400), float("-inf")),
]


def test_names_sort_as_priorities_do_and_tell_them():
    made = [names.waiting(priority, names.stamp(5, 0)) for priority in PRIORITIES]

    assert made == sorted(made)
    for name, priority in zip(made, PRIORITIES, strict=True):
        found = names.read_waiting(name).priority
        assert found == priority or (abs(priority) == 10**400 and abs(found) == float("inf"))


def test_whole_priorities_have_the_names_that_huey_gives_them():
    order = names.stamp(0x01A204377EA6, 1)

    assert [names.waiting(p, order) for p in (None, 0, 1.0, 100, 65_535)] == [
        "ffff-01a204377ea6.001",
        "ffff-01a204377ea6.001",
        "fffe-01a204377ea6.001",
        "ff9b-01a204377ea6.001",
        "0000-01a204377ea6.001",
    ]
    assert names.waiting(1, names.stamp(0x01A204377EA6, 0)) == "fffe-01a204377ea6"


@pytest.mark.parametrize("year", [1, 1960, 1970, 2030, 9999])
def test_any_time_has_a_name(storage, year):
    when = datetime(year, 1, 1, 0, 0, 0, 123_456)

    storage.add_to_schedule(b"m", when)

    assert storage.next_due() == (when - datetime(1970, 1, 1)).total_seconds()
    assert storage.read_schedule(when.replace(microsecond=123_455)) == []
    assert storage.read_schedule(when) == [b"m"]


def test_times_sort_as_numbers_do(storage):
    for year in (2030, 1960, 1, 1970, 1990):
        storage.add_to_schedule(b"%d" % year, datetime(year, 1, 1))

    assert storage.scheduled_items() == [b"1", b"1960", b"1970", b"1990", b"2030"]


def test_messages_keep_their_order_though_the_clock_goes_back(storage, pass_time):
    storage.enqueue(b"first")
    pass_time(-3600)
    storage.enqueue(b"second")
    with closing(FileStorage("test", storage.path)) as other:
        other.enqueue(b"third")

    assert storage.enqueued_items() == [b"first", b"second", b"third"]


@pytest.mark.parametrize("key", ["../../up", "/etc/passwd", "a\0b", "x" * 300, "\ud800", ".", ""])
def test_a_key_is_never_part_of_a_path(storage, folder, key):
    storage.put_data(key, b"v")
    storage.put_if_empty(f"{key}2", b"v", ttl=60)
    storage.acquire_lock(key, "h")
    storage.take_turn(key, 1, 1)
    storage.advance(key, 1)
    storage.register(key, {})

    assert storage.result_items() == {key: b"v", f"{key}2": b"v"}
    made = [name for path in files_in(folder) for name in path.split("/")[1:]]
    plain = re.compile(r"(@?slot\.[\w.]+)?(@[\w.%-]{0,110})?|[0-9a-f]{1,32}")
    assert [name for name in made if not plain.fullmatch(name)] == []
    assert [path.name for path in folder.parent.iterdir()] == ["queue"]


# --- a folder that huey uses as well ---------------------------------------------------------


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_what_huey_has_written_is_read(folder, levels):
    fill(folder / "queue", HUEYS_QUEUE)
    fill(folder / "schedule", HUEYS_SCHEDULE)
    for name, data in HUEYS_RESULTS.items():
        fill(folder.joinpath("results", *name[:levels]), {name: data})

    with closing(FileStorage("test", folder, levels=levels)) as storage:
        assert storage.result_items() == HUEYS_VALUES
        assert storage.pop_data("other/..") == b"v2"
        assert storage.result_store_size() == 3
        assert storage.enqueued_items() == [HUEYS_QUEUE[name] for name in sorted(HUEYS_QUEUE)]
        assert storage.claim("a").priority == 65_535
        assert storage.next_due() == 1_591_012_800
        assert storage.read_schedule(datetime(2030, 6, 1, 12, 0, 0, 122_999)) == [
            b"due at 2020-06-01 12:00"
        ]
        moved = storage.move_due(datetime(2030, 6, 1, 12, 0, 0, 123_000))
        assert moved == [b"due at 2030-06-01 12:00:00.123", b"due then as well"]


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_what_huey_reads_is_written_as_it_writes_it(folder, levels):
    with closing(FileStorage("test", folder, levels=levels)) as storage:
        storage.write(Batch(results=list(HUEYS_VALUES.items())))
        for priority in (None, 0, 1, 100, 65_535):
            storage.enqueue(b"p%r" % priority, priority)
        storage.add_to_schedule(b"s", datetime(2030, 6, 1, 12, 0, 0, 123_000))

    expected = {"/".join((*name[:levels], name)): data for name, data in HUEYS_RESULTS.items()}
    assert files_in(folder / "results") == expected
    queued = sorted(files_in(folder / "queue").items())
    assert [data for _, data in queued] == [b"p65535", b"p100", b"p1", b"pNone", b"p0"]
    pattern = r"[0-9a-f]{4}-[0-9a-f]{12}(\.\d\d\d)?"  # huey's own
    assert [name for name, _ in queued if not re.fullmatch(pattern, name)] == []
    ((name, data),) = files_in(folder / "schedule").items()
    assert (name[:12], data) == ("01bbe6f9267b", b"s")  # huey compares names with times as text


def test_a_task_that_huey_enqueued_runs(folder):
    huey = FileHuey("test", path=folder)

    @huey.task(name="double")
    def double(n):
        return 2 * n

    message = Message(id="1", name=double.task_class.name, args=(21,), kwargs={})
    fill(folder / "queue", {"ffff-01a204377ea6": pickle.dumps(message)})

    with closing(huey.storage), huey.create_consumer():
        assert huey.result("1", blocking=True, timeout=PATIENCE) == 42


def test_what_a_killed_huey_left_half_done_stops_nothing(storage, folder, at):
    fill(folder / "queue", {"ff00-01a204377ea6": b"", "ff01-01a204377ea6.tmp": b"in its hands"})
    fill(folder / "schedule", {"01a204377ea6": b""})
    empty = "".join(("ab", "f" * 30))
    cut = names.digest("k")
    fill(folder / "results" / "a" / "b", {empty: b""})
    fill(folder.joinpath("results", *cut[:2]), {cut: b"\0\0\0\x09cut"})
    storage.enqueue(b"whole")

    assert [storage.claim("a").data for _ in range(3)] == [b"", b"in its hands", b"whole"]
    assert storage.read_schedule(at(0)) == [b""]
    assert (storage.result_items(), storage.peek_data("k")) == ({}, EmptyData)
    assert storage.put_if_empty("k", b"v")
    assert storage.result_items() == {"k": b"v"}


def test_what_is_no_message_is_left_alone(storage, folder):
    for name in ("queue", "schedule", "results", "claimed", "workers"):
        fill(folder / name, {".DS_Store": b"", "README.txt": b"", "ffff": b""})
    (folder / "queue" / "sub").mkdir()

    storage.enqueue(b"m")

    assert storage.enqueued_items() == [b"m"]
    assert (storage.scheduled_items(), storage.result_items(), storage.workers()) == ([], {}, [])
    assert (storage.recover(), storage.inflight(), storage.claims()) == (0, 0, [])


def test_a_place_that_huey_gave_away_meanwhile_is_not_taken_back(storage, folder):
    name = "ffff-01a204377ea6"
    fill(folder / "queue", {name: b"first"})
    claim = storage.claim("a")
    fill(folder / "queue", {name: b"second"})

    storage.release("a", claim)

    assert sorted(storage.enqueued_items()) == [b"first", b"second"]


def test_messages_that_huey_adds_are_found_among_ours(storage, folder):
    storage.enqueue(b"ours", 1)
    storage.enqueue(b"ours too")
    assert storage.claim("a").data == b"ours"
    fill(folder / "queue", {"0000-01a204377ea6": b"huey's"})

    found = {storage.claim("a").data, storage.claim("a").data}

    assert found == {b"ours too", b"huey's"}


# --- several processes -----------------------------------------------------------------------


def test_many_processes_can_open_a_new_folder_at_once(folder):
    code = f"{OPEN}\nprint('ready', flush=True); input()\nstorage.enqueue(b'm'); print('done')"
    with ExitStack() as stack:
        children = [stack.enter_context(running(code, folder)) for _ in range(6)]
        assert [child.hear() for child in children] == ["ready"] * 6
        for child in children:
            child.tell()
        assert [child.hear() for child in children] == ["done"] * 6

    with closing(FileStorage("test", folder)) as storage:
        assert storage.queue_size() == 6


def test_the_higher_priority_of_another_process_comes_first(storage, folder):
    for n in range(3):
        storage.enqueue(b"%d" % n)
    assert storage.claim("a").data == b"0"

    run(f"{OPEN}\nstorage.enqueue(b'urgent', 5)", folder)

    assert storage.claim("a").data == b"urgent"
    assert storage.claim("a").data == b"1"


@pytest.fixture
def by_bell_alone(monkeypatch):
    """Let waits be ended by nothing but the doorbell."""
    monkeypatch.setattr("huey.storage.file._LOOK_AGAIN", 10 * PATIENCE)


def wait_for_result(storage):
    with storage.waiting_for_result("k", 1.15, 1.0) as waiter:
        return waiter.wait(10 * PATIENCE) and storage.pop_data("k")


WAKING = {
    "a worker": (
        "idle",
        lambda storage: storage.claim("a", 10 * PATIENCE).data,
        "storage.enqueue(b'found')",
    ),
    "a caller": ("result", wait_for_result, "storage.put_data('k', b'found')"),
    "a reader": (
        "event",
        lambda storage: storage.read_events(timeout=10 * PATIENCE)[0][1],
        "storage.append_events([b'found'])",
    ),
}


@pytest.mark.usefixtures("by_bell_alone")
@pytest.mark.parametrize("who", WAKING)
def test_another_process_wakes(storage, who):
    topic, wait, write = WAKING[who]

    with started(lambda: wait(storage)) as (waiting,):
        eventually(lambda: getattr(storage, f"_{topic}_bell")._waiters)
        run(f"{OPEN}\n{write}", storage.path)

        assert waiting.value() == b"found"


def test_a_worker_finds_what_was_enqueued_without_a_bell(storage, folder):
    storage.queue_size()
    with started(lambda: storage.claim("a", PATIENCE)) as (worker,):
        eventually(lambda: storage._idle_bell._waiters)
        fill(folder / "queue", {"ffff-01a204377ea6": b"m"})

        assert worker.value().data == b"m"


def test_the_message_of_a_killed_worker_comes_back_to_its_place(storage, folder):
    for data in (b"first", b"second"):
        storage.enqueue(data)

    with running(CLAIM_AND_HANG, folder) as child:
        assert child.hear() == "first"
        assert (storage.recover(), storage.inflight()) == (0, 1)
        child.kill()

    assert (storage.recover(), storage.inflight()) == (1, 0)
    assert storage.recover() == 0
    assert storage.claim("b")[1:4] == (b"first", 1, 0)
    assert storage.claim("b")[1:4] == (b"second", 0, 0)


def test_deaths_are_counted_and_releases_are_not(storage, folder):
    storage.enqueue(b"m", -2.5)
    for _ in range(2):
        with running(CLAIM_AND_HANG, folder) as child:
            assert child.hear() == "m"
        storage.recover()
    storage.release("a", storage.claim("a"))

    assert storage.claim("a")[1:4] == (b"m", 2, -2.5)


def test_what_a_killed_process_leaves_behind_is_tidied_up(storage, folder):
    storage.enqueue(b"m")
    with running(CLAIM_AND_HANG.replace("input()", "storage.claim('a', 60)"), folder) as child:
        assert child.hear() == "m"
        eventually(lambda: live(storage, slots=False))
        child.kill()
    assert (len(live(storage, slots=False)), len(live(storage, slots=True))) == (1, 1)

    storage.recover()
    storage.enqueue(b"n")

    assert (live(storage, slots=False), live(storage, slots=True)) == (set(), set())


LOCK_AND_HANG = (
    OPEN
    + """
print(storage.acquire_lock("k", "child"), flush=True)
storage.register("a", {"kind": "thread"})
print("registered", flush=True)
sys.stdin.read()
"""
)


def test_a_killed_process_holds_no_lock_and_has_no_worker(storage, folder):
    with running(LOCK_AND_HANG, folder) as child:
        assert (child.hear(), child.hear()) == ("True", "registered")
        assert (storage.locks(), len(storage.workers())) == (["k"], 1)
        assert not storage.acquire_lock("k", "here")
        storage.recover()
        assert (storage.locks(), len(storage.workers())) == (["k"], 1)
        child.kill()

    assert (storage.locks(), storage.workers()) == ([], [])
    assert not storage.release_lock("k")
    assert storage.acquire_lock("k", "here")
    assert storage.recover() == 0
    assert storage.locks() == ["k"]


def test_a_killed_writer_loses_nothing_that_it_was_told_is_stored(storage, folder):
    code = f"""{OPEN}
for n in range(100_000):
    storage.write(Batch(enqueue=[(b"%d" % n, None)], results=[(str(n), b"")]))
    print(n, flush=True)
"""
    with running(code, folder) as child:
        for _ in range(50):
            child.hear()
        child.kill()
        acknowledged = 49 + len(child.process.stdout.read().splitlines())

    stored = [int(data) for data in storage.enqueued_items()]
    assert stored == list(range(len(stored)))
    assert len(stored) > acknowledged
    assert storage.result_store_size() == len(stored)


@pytest.mark.parametrize(
    "journal",
    [b'\0\0\0\x20\1\2\3\4[["drop", "queue/', b"\0\0\0\x04", b'[["move", ".tmp/0", "queue/x"]]'],
    ids=["cut in the middle", "cut at the start", "of another layout"],
)
def test_a_change_of_which_the_journal_holds_a_part_has_not_happened(storage, folder, journal):
    storage.enqueue(b"m")
    (folder / ".journal").write_bytes(journal)

    assert storage.claim("a").data == b"m"
    storage.write(Batch(results=[("k", b"v")], enqueue=[(b"n", None)]))
    assert (storage.peek_data("k"), storage.claim("a").data) == (b"v", b"n")


# --- forks -----------------------------------------------------------------------------------

FORK = """
for data in (b"parent's", b"child's"):
    storage.enqueue(data)
claim = storage.claim("a")
with storage.waiting_for_result("k", 1.15, 1.0):  # a listener that the child does not inherit
    child = os.fork()
    if child == 0:
        own = storage.claim("a", 5)
        storage.finish("a", own, Batch(results=[("k", own.data)], enqueue=[(b"by child", None)]))
        assert storage.recover() == 0
        storage.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
assert storage.recover() == 0
assert storage.finish("a", claim, Batch(enqueue=[(b"by parent", None)]))
print(storage.pop_data("k"), storage.enqueued_items(), storage.inflight())
storage.close()
"""


def test_parent_and_child_go_on_after_a_fork(folder):
    said = run(OPEN + FORK, folder)

    assert said == """b"child's" [b'by child', b'by parent'] 0"""


FORK_IN_A_TURN = """
import threading
storage.enqueue(b"m")
inside, out = threading.Event(), threading.Event()
def hold():
    with storage._turn():
        inside.set()
        out.wait(60)
holder = threading.Thread(target=hold)
holder.start()
inside.wait(60)
child = os.fork()
if child == 0:
    print(storage.claim("a").data, flush=True)  # waits for the parent's thread, and no longer
    os._exit(0)
out.set()
holder.join()
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_fork_in_the_middle_of_another_threads_turn_waits_for_it(folder):
    assert run(OPEN + FORK_IN_A_TURN, folder) == "b'm'"


# --- many ------------------------------------------------------------------------------------


def test_a_claim_does_not_read_the_whole_folder_each_time(storage, monkeypatch):
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(2000)]))
    looks = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: looks.append(path) or real(path))

    began = time.monotonic()
    for n in range(200):
        claim = storage.claim("a")
        assert claim.data == b"%d" % n
        storage.finish("a", claim, Batch(enqueue=[(b"more", None)]))

    listed = [path for path in looks if str(path).endswith("queue")]
    assert len(listed) <= 2 + 2 * (time.monotonic() - began)  # at most each half a second


def test_messages_in_one_millisecond_are_not_too_many(storage, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_900_000_000.0)

    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(2500)]))

    assert storage.enqueued_items() == [b"%d" % n for n in range(2500)]
