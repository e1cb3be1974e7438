"""What is the Sqlite storage's own: its file, its layout, and other processes."""

import os
import pickle
import signal
import sqlite3
import stat
import threading
from contextlib import ExitStack, closing

import pytest
from processes import run, running
from waiting import PATIENCE, eventually, started

from huey import SqliteHuey
from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.storage import Aside, Batch, SqliteStorage

OPEN = """
import os, sys
from huey.storage import Batch, SqliteStorage
storage = SqliteStorage("test", sys.argv[1])
"""
ENQUEUE = OPEN + "storage.enqueue(sys.argv[2].encode())\n"
CLAIM_AND_HANG = OPEN + "print(storage.claim('a', 30).data.decode(), flush=True); input()\n"

HUEYS_LAYOUT = """
CREATE TABLE kv (
    queue TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (queue, key)
);
CREATE TABLE schedule (
    id INTEGER NOT NULL PRIMARY KEY, queue TEXT NOT NULL, data BLOB NOT NULL,
    timestamp REAL NOT NULL
);
CREATE INDEX schedule_queue_timestamp ON schedule (queue, timestamp);
CREATE TABLE task (
    id INTEGER NOT NULL PRIMARY KEY, queue TEXT NOT NULL, data BLOB NOT NULL,
    priority REAL NOT NULL DEFAULT 0.0
);
CREATE INDEX task_priority_id ON task (priority DESC, id ASC);
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "huey.db"


@pytest.fixture
def storage(file):
    with closing(SqliteStorage("test", file)) as storage:
        yield storage


def sockets(storage):
    return {name for name in os.listdir(storage.live_folder) if not name.startswith("slot.")}


def slots(storage):
    return {name for name in os.listdir(storage.live_folder) if name.startswith("slot.")}


# --- the file --------------------------------------------------------------------------------


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_its_files_can_be_read_by_their_owner_alone(file):
    with closing(SqliteStorage("test", file)) as storage:
        storage.enqueue(b"secret")
        storage.claim("a")

        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}

    assert modes.pop("huey.db.live") == 0o700
    assert modes == {"huey.db": 0o600, "huey.db-wal": 0o600, "huey.db-shm": 0o600}


def test_making_a_storage_makes_no_file_yet(file):
    SqliteStorage("test", file)

    assert not file.exists()


def test_a_producer_leaves_nothing_beside_the_file(file):
    with closing(SqliteStorage("test", file)) as storage:
        storage.enqueue(b"m")

    assert [path.name for path in file.parent.iterdir()] == ["huey.db"]


def test_a_folder_that_does_not_exist_is_named_in_the_error(tmp_path):
    storage = SqliteStorage("test", tmp_path / "missing" / "huey.db")

    with pytest.raises(ConfigurationError, match=r"missing/huey\.db .*the folder exists"):
        storage.enqueue(b"m")


def test_a_folder_that_cannot_be_written_to_is_named_in_the_error(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere, but not here
        folder = "/proc"
    storage = SqliteStorage("test", f"{folder}/huey.db")

    with pytest.raises(ConfigurationError, match=r"/huey\.db .*can be written to"):
        storage.enqueue(b"m")


@pytest.mark.parametrize("head", [b"not a database ", b"SQLite format 3\0"])
def test_a_file_that_is_no_database_is_named_in_the_error_and_left_alone(file, head):
    content = head + b"\xff" * 900
    file.write_bytes(content)
    storage = SqliteStorage("test", file)

    with pytest.raises(ConfigurationError, match=r"huey\.db as a queue.*a Sqlite database"):
        storage.enqueue(b"m")

    assert file.read_bytes() == content


def test_a_file_on_the_drive_of_jupyterlite_is_in_memory_instead(monkeypatch):
    assert SqliteStorage(filename="/drive/work/app.db").filename == "/drive/work/app.db"
    monkeypatch.setattr("sys.platform", "emscripten")
    assert SqliteStorage(filename="/drive/work/app.db").filename.endswith("/work-app.db")
    assert SqliteStorage(filename="/home/app.db").filename == "/home/app.db"


def test_a_path_to_memory_is_refused():
    with pytest.raises(ConfigurationError, match="MemoryHuey"):
        SqliteStorage("test", ":memory:")


@pytest.mark.parametrize(("fsync", "synchronous"), [(False, 1), (True, 2)])
def test_durable_writes_can_be_asked_for(file, fsync, synchronous):
    with closing(SqliteStorage("test", file, fsync=fsync)) as storage:
        assert storage._execute("PRAGMA synchronous") == [(synchronous,)]


def test_strict_fifo_never_uses_a_row_number_twice(file):
    with closing(SqliteStorage("test", file, strict_fifo=True)) as storage:
        tokens = []
        for _ in range(3):
            storage.enqueue(b"m")
            claim = storage.claim("a")
            storage.finish("a", claim)
            tokens.append(claim.token)

    assert tokens == [1, 2, 3]


def test_two_names_in_one_file_do_not_see_each_other(storage, file, at):
    everything = Batch(
        results=[("k", b"v")],
        endings=[("k", "none")],
        enqueue=[(b"m", None)],
        schedule=[(b"s", at(1), None)],
        aside=[Aside(b"a", "why")],
        events=[b"e"],
    )
    storage.write(everything)

    with closing(SqliteStorage("other", file)) as other:
        assert (other.queue_size(), other.schedule_size(), other.result_store_size()) == (0, 0, 0)
        assert (other.dequeue(), other.claim("a"), other.peek_ending("k")) == (None, None, None)
        assert (other.aside_items(), other.read_events(), other.move_due(at(2))) == ([], [], [])
        for flush in (other.flush_queue, other.flush_schedule, other.flush_results):
            flush()
        other.flush_events()
        other.restore_aside()

    assert (storage.queue_size(), storage.schedule_size(), storage.inflight()) == (1, 1, 0)
    assert (storage.peek_data("k"), storage.peek_ending("k")) == (b"v", "none")
    assert (storage.aside_items(), len(storage.read_events())) == ([(b"a", "why", None)], 1)


# --- files that huey made --------------------------------------------------------------------


def work_of_statements(storage):
    """Return a list of how much each statement has to do from now on, in thousands of steps."""
    work, execute = [], storage._execute

    def count():
        work[-1] += 1

    def counted(*args):
        work.append(0)
        return execute(*args)

    storage._execute = counted
    storage._connection.set_progress_handler(count, 1000)
    return work


def test_a_search_for_a_text_that_is_nowhere_lets_others_on_in_between(storage):
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(20_000)]))
    work = work_of_statements(storage)

    assert list(storage.waiting(b"nowhere")) == []
    assert max(work) < 50


def test_an_old_message_is_found_soon_where_another_queue_has_very_many(storage, file):
    storage.write(Batch(enqueue=[(b"1", None), (b"2", None)]))
    with closing(SqliteStorage("other", file)) as other:
        other.write(Batch(enqueue=[(b"0", None)] * 20_000))
    work = work_of_statements(storage)

    assert b"2" in [one.data for one in storage.waiting_about(lambda data: data < b"2")]
    assert sum(work) < 200


def make_hueys_file(file, messages=()):
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(HUEYS_LAYOUT)
        for data in messages:
            db.execute("INSERT INTO task (queue, data) VALUES ('test', ?)", (data,))


def test_a_file_that_huey_made_is_taken_over(file, at):
    make_hueys_file(file, [b"first", b"second"])
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("INSERT INTO task (queue, data, priority) VALUES ('test', 'high', 5)")
        db.execute("INSERT INTO schedule (queue, data, timestamp) VALUES ('test', 's', 1.5)")
        db.execute("INSERT INTO kv (queue, key, value) VALUES ('test', 'k', 'v')")

    with closing(SqliteStorage("test", file)) as storage:
        assert storage.enqueued_items() == ["high", b"first", b"second"]
        assert storage.peek_data("k") == "v"
        assert storage.move_due(at(0)) == ["s"]
        assert storage.claim("a").data == "high"
        assert storage.claim("a")[1:4] == (b"first", 0, 0)


def test_a_task_that_huey_enqueued_runs(file):
    huey = SqliteHuey("test", filename=file)

    @huey.task(name="double")
    def double(n):
        return 2 * n

    message = Message(id="1", name=double.task_class.name, args=(21,), kwargs={})
    make_hueys_file(file, [pickle.dumps(message)])

    with closing(huey.storage), huey.create_consumer():
        assert huey.result("1", blocking=True, timeout=PATIENCE) == 42


def test_rows_that_huey_adds_to_our_file_are_found(storage, file):
    storage.enqueue(b"ours")
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("INSERT INTO task (queue, data) VALUES ('test', ?)", (b"huey's",))

    assert storage.enqueued_items() == [b"ours", b"huey's"]


# --- files that an earlier version made ---------------------------------------------------------

EARLIER_LAYOUT = """
CREATE TABLE ending (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, key TEXT NOT NULL,
    ending TEXT NOT NULL, UNIQUE (queue, key)
);
CREATE INDEX ending_queue_id ON ending (queue, id);
INSERT INTO ending (queue, key, ending) VALUES ('test', 'a', 'none'), ('test', 'b', 'revoked');
"""


def test_endings_that_an_earlier_version_wrote_are_known_and_replaced(storage, file):
    with closing(sqlite3.connect(file)) as db:
        db.executescript(EARLIER_LAYOUT)

    storage.write(Batch(endings=[("a", "taken"), ("c", "none")]))

    assert storage.ending_items() == {"a": "taken", "b": "revoked", "c": "none"}


def test_the_oldest_endings_are_forgotten(storage, monkeypatch):
    monkeypatch.setattr("huey.storage.sqlite.ENDINGS_KEPT", 100)

    for n in range(1000):
        storage.put_ending(f"{n}", "none")
        storage.put_ending("again and again", "revoked")

    endings = storage.ending_items()
    assert endings["again and again"] == "revoked"
    assert {f"{n}" for n in range(951, 1000)} <= set(endings)
    assert len(endings) < 700


# --- several processes -----------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["none", "huey's"])
def test_many_processes_can_open_a_new_file_at_once(file, layout):
    if layout != "none":
        make_hueys_file(file)
    code = f"{OPEN}\nprint('ready', flush=True); input()\nstorage.enqueue(b'm'); print('done')"
    with ExitStack() as stack:
        children = [stack.enter_context(running(code, file)) for _ in range(6)]
        assert [child.hear() for child in children] == ["ready"] * 6
        for child in children:
            child.tell()
        assert [child.hear() for child in children] == ["done"] * 6

    with closing(SqliteStorage("test", file)) as storage:
        assert storage.queue_size() == 6


@pytest.fixture
def by_bell_alone(monkeypatch):
    """Let waits be ended by nothing but the doorbell."""
    monkeypatch.setattr("huey.storage.sqlite._LOOK_AGAIN", 10 * PATIENCE)


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
@pytest.mark.parametrize("depth", [1, 10])
def test_another_process_wakes(tmp_path, who, depth):
    topic, wait, write = WAKING[who]
    folder = tmp_path.joinpath(*["a-rather-long-name"] * depth)
    folder.mkdir(parents=True)

    storage = SqliteStorage("test", folder / "huey.db")
    with closing(storage), started(lambda: wait(storage)) as (waiting,):
        eventually(lambda: getattr(storage, f"_{topic}_bell")._waiters)
        run(f"{OPEN}\n{write}", storage.filename)

        assert waiting.value() == b"found"


def test_a_worker_finds_what_was_enqueued_without_a_bell(storage, file):
    with started(lambda: storage.claim("a", PATIENCE)) as (worker,):
        eventually(lambda: storage._idle_bell._waiters)
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("INSERT INTO task (queue, data) VALUES ('test', 'm')")

        assert worker.value().data == "m"


def test_the_message_of_a_killed_worker_comes_back_to_its_place(storage, file):
    for data in (b"first", b"second"):
        storage.enqueue(data)

    with running(CLAIM_AND_HANG, file) as child:
        assert child.hear() == "first"
        assert (storage.recover(), storage.inflight()) == (0, 1)
        child.kill()

    assert (storage.recover(), storage.inflight()) == (1, 0)
    assert storage.recover() == 0
    assert storage.claim("b")[1:4] == (b"first", 1, 0)
    assert storage.claim("b")[1:4] == (b"second", 0, 0)


def test_deaths_are_counted_and_releases_are_not(storage, file):
    storage.enqueue(b"m")
    for _ in range(2):
        with running(CLAIM_AND_HANG, file) as child:
            assert child.hear() == "m"
        storage.recover()
    storage.release("a", storage.claim("a"))

    assert storage.claim("a").deliveries == 2


def test_a_dead_worker_of_another_name_is_left_to_that_name(storage, file):
    with closing(SqliteStorage("other", file)) as other:
        other.enqueue(b"m")
        with running(CLAIM_AND_HANG.replace('"test"', '"other"'), file) as child:
            assert child.hear() == "m"

        assert storage.recover() == 0
        assert other.recover() == 1


def test_what_a_killed_process_leaves_behind_is_tidied_up(storage, file):
    storage.enqueue(b"m")
    with running(CLAIM_AND_HANG.replace("input()", "storage.claim('a', 60)"), file) as child:
        assert child.hear() == "m"
        eventually(lambda: sockets(storage))
        child.kill()
    assert (len(sockets(storage)), len(slots(storage))) == (1, 1)

    storage.recover()
    storage.enqueue(b"n")

    assert (sockets(storage), slots(storage)) == (set(), set())


def test_a_killed_writer_loses_nothing_that_it_was_told_is_stored(storage, file):
    code = f"""{OPEN}
for n in range(100_000):
    storage.write(Batch(enqueue=[(b"%d" % n, None)], results=[(str(n), b"")]))
    print(n, flush=True)
"""
    with running(code, file) as child:
        for _ in range(50):
            child.hear()
        child.kill()
        acknowledged = 49 + len(child.process.stdout.read().splitlines())

    stored = [int(data) for data in storage.enqueued_items()]
    assert stored == list(range(len(stored)))
    assert len(stored) > acknowledged
    assert storage.result_store_size() == len(stored)
    assert storage._execute("PRAGMA integrity_check") == [("ok",)]


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


def test_parent_and_child_go_on_after_a_fork(file):
    said = run(OPEN + FORK, file)

    assert said == """b"child's" [b'by child', b'by parent'] 0"""


TRANSACTION = """
import threading, time
going_on = threading.Event()

def work(db):
    going_on.set()
    time.sleep(0.3)

storage.timeout = 0.5
other = threading.Thread(target=storage._in_one_step, args=[work])
other.start()
going_on.wait()
child = os.fork()
if child == 0:
    storage.enqueue(b"m")
    os._exit(0)
other.join()
print(os.waitpid(child, 0)[1], storage.enqueued_items())
storage.close()
"""


def test_a_fork_waits_for_the_end_of_a_transaction(file):
    assert run(OPEN + TRANSACTION, file) == "0 [b'm']"


def test_a_forked_child_does_not_keep_its_dead_parent_alive(storage, file):
    storage.enqueue(b"m")
    code = f"""{OPEN}
storage.claim("a")
child = os.fork()
if child:
    print(child, flush=True)
input()
"""
    with running(code, file) as parent:
        child = int(parent.hear())
        try:
            parent.process.kill()
            parent.process.wait(PATIENCE)
            os.kill(child, 0)

            assert eventually(storage.recover) == 1  # the child lets go at once
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_first_claims_of_many_threads_share_one_slot(file):
    for n in range(20):
        with closing(SqliteStorage(f"test {n}", file)) as storage:
            storage.write(Batch(enqueue=[(b"m", None)] * 4))
            barrier = threading.Barrier(4)

            def claim(slot, storage=storage, barrier=barrier):
                barrier.wait()
                return storage.claim(slot)

            with started(*(lambda slot=slot: claim(slot) for slot in "abcd")) as threads:
                claims = [thread.value() for thread in threads]

            assert len(slots(storage)) == 1
            assert storage.recover() == 0
            for slot, held in zip("abcd", claims, strict=True):
                assert storage.finish(slot, held)


LOCK_AND_HANG = """
    import sys
    from huey.storage import SqliteStorage
    storage = SqliteStorage("test", sys.argv[1])
    print(storage.acquire_lock("k", "child"), flush=True)
    storage.register("a", {"kind": "thread"})
    print("registered", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_no_lock_and_has_no_worker(storage, file):
    with running(LOCK_AND_HANG, file) as child:
        assert (child.hear(), child.hear()) == ("True", "registered")
        assert (storage.locks(), len(storage.workers())) == (["k"], 1)
        assert not storage.acquire_lock("k", "here")
        storage.recover()
        assert (storage.locks(), len(storage.workers())) == (["k"], 1)
        child.kill()

    assert (storage.locks(), storage.workers()) == ([], [])
    assert storage.acquire_lock("k", "here")
    assert storage.recover() == 0
    assert storage.locks() == ["k"]
