"""What is the Redis storages' own: layout, other processes and hosts, lost connections, errors."""

import os
import pickle
import shlex
import signal
import socket
import struct
import threading
import time
import traceback
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from lossy_line import LossyLine
from processes import run, running
from redis_server import RedisServer
from waiting import PATIENCE, at_once, eventually, started

from huey import PriorityRedisExpireHuey, PriorityRedisHuey, RedisExpireHuey, RedisHuey, chord
from huey.constants import EmptyData
from huey.exceptions import ConfigurationError, StorageError
from huey.registry import Message
from huey.storage import (
    Aside,
    Batch,
    Found,
    Join,
    PriorityRedisExpireStorage,
    PriorityRedisStorage,
    RedisExpireStorage,
    RedisStorage,
)

OPEN = """
import os, sys
from huey.storage import Batch, PriorityRedisStorage, RedisStorage
kind = {"RedisStorage": RedisStorage, "PriorityRedisStorage": PriorityRedisStorage}[sys.argv[2]]
storage = kind("test", url=sys.argv[1])
"""
CLAIM_AND_HANG = OPEN + "print(storage.claim('a', 30).data.decode(), flush=True); input()\n"

KINDS = [RedisStorage, PriorityRedisStorage]
SHARED_SERVER = Path(__file__).parents[2] / "docs" / "howto" / "shared-server.rst"


@pytest.fixture(params=KINDS)
def storage(request, redis_server):
    with closing(request.param("test", url=redis_server.url)) as storage:
        yield storage


@pytest.fixture
def client(redis_server):
    with redis_server.client() as client:
        yield client


@pytest.fixture
def make_server():
    """Start servers of the test's own."""
    servers = []

    def make_server(*options):
        servers.append(RedisServer(*options))
        return servers[-1]

    yield make_server
    for server in servers:
        server.end()


@pytest.fixture
def other_host(tmp_path):
    """Return an environment in which a process believes to be on another host."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


def child_of(storage, code, **options):
    """Run a piece of Python that has a storage of the same kind on the same server."""
    url = storage._server.address.partition("?")[0]
    return running(code, url, type(storage).__name__, **options)


# --- the layout is huey's --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [("huey", b"huey"), ("my-app", b"myapp"), ("My App_1.x", b"MyApp_1x"), ("{braces}", b"braces")],
)
def test_a_name_is_cleaned_as_huey_does_it(redis_server, client, name, cleaned):
    with closing(RedisStorage(name, url=redis_server.url)) as storage:
        storage.enqueue(b"m")

    assert client.keys() == [b"huey.redis." + cleaned]


def test_a_name_of_nothing_but_odd_characters_is_refused(redis_server):
    with pytest.raises(ConfigurationError, match="clean_name=False"):
        RedisStorage("äöü", url=redis_server.url)


def test_a_name_in_braces_keeps_all_keys_in_one_slot_of_a_cluster(redis_server, client, at):
    with closing(
        PriorityRedisExpireStorage("{app}", url=redis_server.url, clean_name=False)
    ) as storage:
        storage.write(everything(at))
        storage.claim("a")
        storage.acquire_lock("l", "h")
        storage.take_turn("t", 1, 60)
        storage.advance("c", 1)

    assert len(client.keys()) > 9
    assert all(b"{app}" in key for key in client.keys("*"))


def everything(at):
    return Batch(
        results=[("k", b"v")],
        endings=[("k", "none")],
        enqueue=[(b"m", 1)],
        schedule=[(b"s", at(1), 2)],
        aside=[Aside(b"a", "why")],
        events=[b"e"],
        joins=[Join("chord", 0, 2, b"part", b"all")],
    )


def test_the_queue_and_the_rest_lie_where_huey_has_them(redis_server, client, at):
    with closing(RedisStorage("test", url=redis_server.url)) as storage:
        storage.write(Batch(enqueue=[(b"first", None), (b"second", 5)]))
        storage.add_to_schedule(b"later", at(0.25))
        storage.put_data("k", b"v")

    assert client.lrange("huey.redis.test", 0, -1) == [b"second", b"first"]
    assert client.zrange("huey.schedule.test", 0, -1, withscores=True) == [
        (b"later", 1906545600.25)
    ]
    assert client.hgetall("huey.results.test") == {b"k": b"v"}


def test_a_queue_by_priority_lies_where_huey_has_it(redis_server, client):
    before = time.time()
    with closing(PriorityRedisStorage("test", url=redis_server.url)) as storage:
        storage.write(Batch(enqueue=[(b"low", None), (b"high", 2.5), (b"again", 0)]))

    (high, high_score), (low, low_score), (again, _) = client.zrange(
        "huey.redis.test", 0, -1, withscores=True
    )
    assert (high[8:], high_score, low[8:], low_score) == (b"high", -2.5, b"low", 0)
    assert before - 1 < int.from_bytes(low[:8], "big") / 1e6 < time.time() + 1
    assert low[:8] < again[:8]


def test_results_that_expire_lie_where_huey_has_them(redis_server, client):
    with closing(RedisExpireStorage("test", expire_time=50, url=redis_server.url)) as storage:
        storage.enqueue(b"m")
        storage.finish("a", storage.claim("a"), Batch(results=[("result", b"v")]))
        storage.put_data("own", b"w")
        storage.put_if_empty("for a while", b"x", ttl=20)

        assert client.get("huey.r.test.result") == b"v"
        assert 40 < client.ttl("huey.r.test.result") <= 50
        assert client.ttl("huey.r.test.own") == -1
        assert 10 < client.ttl("huey.r.test.for a while") <= 20
        assert storage.result_items() == {"result": b"v", "own": b"w", "for a while": b"x"}
        assert (storage.take_result("result"), storage.peek_data("result")) == (b"v", b"v")
        assert (storage.pop_data("own"), storage.peek_data("own")) == (b"w", EmptyData)


def test_a_value_that_expires_has_odd_neighbours_left_alone(redis_server):
    with (
        closing(RedisExpireStorage("a*", url=redis_server.url, clean_name=False)) as odd,
        closing(RedisExpireStorage("ab", url=redis_server.url)) as other,
    ):
        other.put_data("k", b"v")
        odd.put_data("k", b"w")

        odd.flush_results()

        assert (odd.result_items(), other.result_items()) == ({}, {"k": b"v"})


MAKE = [RedisHuey, PriorityRedisHuey, RedisExpireHuey, PriorityRedisExpireHuey]


@pytest.mark.parametrize("make", MAKE)
def test_a_task_that_huey_enqueued_runs(redis_server, client, make):
    huey = make("test", url=redis_server.url)

    @huey.task(name="double")
    def double(n):
        return 2 * n

    data = pickle.dumps(Message(id="1", name=double.task_class.name, args=(21,), kwargs={}))
    with closing(huey.storage), huey.create_consumer():
        eventually(lambda: client.client_list(_type="normal"))
        if make in (RedisHuey, RedisExpireHuey):
            client.lpush("huey.redis.test", data)
        else:
            client.zadd("huey.redis.test", {struct.pack(">Q", int(time.time() * 1e6)) + data: 0})

        assert huey.result("1", blocking=True, timeout=PATIENCE) == 42


@pytest.mark.parametrize("make", MAKE)
def test_its_storage_is_imported_when_it_is_asked_for(make):
    assert make.storage_class.__name__ == make.__name__.replace("Huey", "Storage")


def test_a_queue_of_the_other_kind_is_named_in_the_error(redis_server):
    with closing(RedisStorage("test", url=redis_server.url)) as storage:
        storage.enqueue(b"m")

    with (
        closing(PriorityRedisStorage("test", url=redis_server.url)) as other,
        pytest.raises(StorageError, match=r"huey\.redis\.test .*without priorities: work it off"),
    ):
        other.claim("a")


@pytest.mark.parametrize("kind", [*KINDS, RedisExpireStorage, PriorityRedisExpireStorage])
def test_two_names_in_one_database_do_not_see_each_other(redis_server, at, kind):
    with (
        closing(kind("test", url=redis_server.url)) as storage,
        closing(kind("other", url=redis_server.url)) as other,
    ):
        storage.write(everything(at))
        storage.acquire_lock("l", "h")

        assert (other.queue_size(), other.schedule_size(), other.result_store_size()) == (0, 0, 0)
        assert (other.dequeue(), other.claim("a"), other.peek_ending("k")) == (None, None, None)
        assert (other.aside_items(), other.read_events(), other.move_due(at(2))) == ([], [], [])
        assert (other.locks(), other.joined("chord"), other.recover()) == ([], {}, 0)
        for flush in (other.flush_queue, other.flush_schedule, other.flush_results):
            flush()
        other.flush_events()
        other.restore_aside()

        assert (storage.queue_size(), storage.schedule_size(), storage.inflight()) == (1, 1, 0)
        assert (storage.peek_data("k"), storage.peek_ending("k")) == (b"v", "none")
        assert (storage.aside_items(), len(storage.read_events())) == ([(b"a", "why", None)], 1)
        assert (storage.locks(), storage.joined("chord")) == (["l"], {0: b"part"})


def test_the_same_message_may_wait_many_times(storage):
    storage.write(Batch(enqueue=[(b"m", None)] * 3))
    storage.enqueue(b"m")

    assert storage.enqueued_items() == [b"m"] * 4
    claims = [storage.claim("a") for _ in range(4)]
    assert [storage.finish("a", claim) for claim in claims] == [True] * 4
    assert not storage.finish("a", claims[0])


def test_many_messages_are_written_at_once(storage):
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(120_000)]))

    assert storage.queue_size() == 120_000
    assert storage.enqueued_items(2) == [b"0", b"1"]


# --- other processes -------------------------------------------------------------------------


def wait_for_result(storage):
    with storage.waiting_for_result("k", 1.15, 1.0) as waiter:
        return waiter.wait(10 * PATIENCE) and storage.pop_data("k")


def wait_for_schedule(storage):
    storage.wait_schedule(10 * PATIENCE)
    return storage.scheduled_items()[0]


WAKING = {
    "a caller": (wait_for_result, "storage.put_data('k', b'found')"),
    "a scheduler": (
        wait_for_schedule,
        "import datetime; storage.add_to_schedule(b'found', datetime.datetime(2030, 1, 1))",
    ),
    "a reader": (
        lambda storage: storage.read_events(timeout=10 * PATIENCE)[0][1],
        "storage.append_events([b'found'])",
    ),
    "a worker": (
        lambda storage: next(filter(None, iter(lambda: storage.claim("a", PATIENCE), 0))).data,
        "storage.enqueue(b'found')",
    ),
}


@pytest.mark.parametrize("who", WAKING)
def test_another_process_wakes(storage, who):
    wait, write = WAKING[who]

    with started(lambda: wait(storage)) as (waiting,):
        with child_of(storage, f"{OPEN}\n{write}\nstorage.close()") as child:
            assert child.wait() == 0

        assert waiting.value() == b"found"


def test_a_reader_can_be_woken_with_nothing_to_read(storage):
    with started(lambda: storage.read_events(timeout=3 * PATIENCE)) as (reader,):
        while reader.thread.is_alive():
            storage.wake_readers()
            reader.thread.join(0.005)

        assert reader.value() == []


def test_an_idle_worker_waits_at_the_server_and_is_woken_at_once(storage, client):
    storage.read_timeout = 10.0
    with started(lambda: storage.claim("a", 4.0)) as (worker,):
        eventually(lambda: [c for c in client.client_list() if c["cmd"] in ("blmove", "blpop")])
        began = time.monotonic()
        storage.wake_claims()

        assert worker.value() is None
        assert time.monotonic() - began < 1.0


def test_a_worker_that_polls_finds_what_comes(redis_server, client):
    with (
        closing(RedisStorage("test", url=redis_server.url, blocking=False)) as storage,
        started(lambda: storage.claim("a", PATIENCE)) as (worker,),
    ):
        client.lpush("huey.redis.test", b"m")

        assert worker.value().data == b"m"
        assert not [c for c in client.client_list() if c["cmd"] in ("blmove", "blpop")]


def test_the_message_of_a_killed_worker_comes_back_to_its_place(storage):
    for data in (b"first", b"second"):
        storage.enqueue(data)

    with child_of(storage, CLAIM_AND_HANG) as child:
        assert child.hear() == "first"
        assert (storage.recover(), storage.inflight()) == (0, 1)
        ((worker, data),) = storage.claims()
        assert (worker.endswith("/a"), data) == (True, b"first")
        child.kill()

    assert (storage.recover(), storage.inflight()) == (1, 0)
    assert storage.recover() == 0
    assert storage.claim("b")[1:3] == (b"first", 1)
    assert storage.claim("b")[1:3] == (b"second", 0)


def test_deaths_are_counted_and_releases_are_not(storage):
    storage.enqueue(b"m")
    for _ in range(2):
        with child_of(storage, CLAIM_AND_HANG) as child:
            assert child.hear() == "m"
        assert storage.recover() == 1
    storage.release("a", storage.claim("a"))

    claim = storage.claim("a")
    assert claim.deliveries == 2
    storage.finish("a", claim)
    storage.enqueue(b"m")
    assert storage.claim("a").deliveries == 0


def test_a_process_of_another_host_is_dead_when_nothing_is_heard_of_it(
    storage, redis_server, other_host
):
    storage.enqueue(b"m")
    with child_of(storage, CLAIM_AND_HANG, env=other_host) as child:
        assert child.hear() == "m"
        child.kill()
    assert storage.recover() == 0

    redis_server.pass_time(31)

    assert storage.recover() == 1
    assert storage.claim("b")[1:3] == (b"m", 1)


def test_a_stopped_process_of_this_host_is_not_taken_for_dead(storage, redis_server):
    storage.enqueue(b"m")
    with child_of(storage, CLAIM_AND_HANG) as child:
        assert child.hear() == "m"
        os.kill(child.pid, signal.SIGSTOP)
        redis_server.pass_time(1000)

        assert storage.recover() == 0


def test_who_was_taken_for_dead_finishes_without_what_would_follow(
    storage, redis_server, other_host
):
    storage.enqueue(b"m")
    code = f"""{OPEN}
claim = storage.claim("a", 30)
print(claim.data.decode(), flush=True)
input()
print(storage.finish("a", claim, Batch(results=[("k", b"late")], enqueue=[(b"next", None)])))
print(storage.claim("a").data.decode(), flush=True)
input()
"""
    with child_of(storage, code, env=other_host) as child:
        assert child.hear() == "m"
        redis_server.pass_time(31)
        assert storage.recover() == 1
        claim = storage.claim("b")
        storage.finish("b", claim, Batch(results=[("k", b"in time")]))
        storage.enqueue(b"another")

        child.tell()
        assert child.hear() == "False"
        assert child.hear() == "another"
        assert (storage.peek_data("k"), storage.queue_size()) == (b"in time", 0)
        assert storage.inflight() == 1  # its worker is known again
    redis_server.pass_time(31)
    assert storage.recover() == 1


def test_a_process_that_the_server_forgot_is_known_again_when_it_claims(storage, client):
    storage.enqueue(b"m")
    storage.finish("a", storage.claim("a"))
    client.flushall()
    storage.enqueue(b"n")

    claim = storage.claim("a")
    storage.finish("a", claim)
    storage.enqueue(b"o")
    storage.claim("a")

    assert storage.inflight() == 1


def test_workers_are_known_by_name_with_what_they_say_of_themselves(storage):
    storage.register("a", {"name": "thread 1"})
    code = OPEN + "storage.register('b', {'pid': os.getpid()}); print('ready', flush=True); input()"
    with child_of(storage, code) as child:
        assert child.hear() == "ready"
        facts = {name.rpartition("/")[2]: facts for name, facts in storage.workers()}
        assert facts == {"a": {"name": "thread 1"}, "b": {"pid": child.pid}}
        child.kill()

    ((name, _),) = storage.workers()
    storage.enqueue(b"m")
    storage.claim("a")
    assert storage.claims() == [(name, b"m")]
    storage.unregister("a")
    assert storage.workers() == []


def test_nothing_is_left_of_those_who_left(storage, client):
    storage.register("a", {"name": "thread 1"})
    storage.enqueue(b"m")
    storage.finish("a", storage.claim("a"))

    storage.leave()

    assert client.keys() in ([], [b"huey.stamp.test"])


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


@pytest.mark.parametrize("kind", KINDS)
def test_parent_and_child_go_on_after_a_fork(redis_server, kind):
    said = run(OPEN + FORK, redis_server.url, kind.__name__)

    assert said == """b"child's" [b'by child', b'by parent'] 0"""


QUIET_FORKS = """
import ctypes
storage.put_data("x", b"0")
fork = ctypes.PyDLL(None).fork  # as servers written in C do it: Python's own hooks do not run
children = []
for number in range(3):
    child = fork()
    if child == 0:
        for n in range(200):
            key, value = f"{number} {n}", b"%d %d" % (number, n)
            storage.put_data(key, value)
            assert storage.pop_data(key) == value, key
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_children_forked_by_c_have_connections_of_their_own(redis_server):
    assert run(OPEN + QUIET_FORKS, redis_server.url, KINDS[0].__name__) == "[0, 0, 0]"


def test_a_forked_child_does_not_keep_its_dead_parent_alive(storage):
    storage.enqueue(b"m")
    code = f"""{OPEN}
storage.claim("a")
child = os.fork()
if child:
    print(child, flush=True)
input()
"""
    with child_of(storage, code) as parent:
        child = int(parent.hear())
        try:
            parent.process.kill()
            parent.process.wait(PATIENCE)
            os.kill(child, 0)

            assert eventually(storage.recover) == 1
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_folder_of_a_host_belongs_to_its_user_alone(storage, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    storage.register("a", {})

    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    storage.close()
    assert [path.name for path in folder.iterdir()] == ["host"]


def test_a_folder_that_others_may_write_to_is_not_trusted(storage, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"huey-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    storage.enqueue(b"m")

    assert storage.claim("a").data == b"m"
    assert list(folder.iterdir()) == []


def test_a_claim_that_comes_with_an_acknowledgement_knows_of_deaths(storage):
    for data in (b"0", b"1"):
        storage.enqueue(data)
    with child_of(storage, CLAIM_AND_HANG) as child:
        assert child.hear() == "0"
        child.kill()
    assert storage.recover() == 1
    redelivered = storage.claim("b")
    claim = storage.claim("a")
    storage.release("b", redelivered)

    _, claim = storage.finish_and_claim("a", claim)
    assert claim[1:3] == (b"0", 1)

    storage.enqueue(b"0")
    _, claim = storage.finish_and_claim("a", claim)
    assert claim[1:3] == (b"0", 0)


def test_a_worker_that_the_server_forgot_claims_nothing_along_the_way(storage, client):
    storage.enqueue(b"m")
    claim = storage.claim("a")
    client.flushall()
    storage.enqueue(b"n")

    assert storage.finish_and_claim("a", claim) == (False, None)

    assert storage.claim("a").data == b"n"
    assert storage.inflight() == 1


# --- locks and limits ------------------------------------------------------------------------


def test_a_lock_has_one_holder(storage):
    assert storage.acquire_lock("l", "one")
    assert not storage.acquire_lock("l", "one")
    assert not storage.acquire_lock("l", "two")
    assert (storage.locks(), storage.release_lock("l", "two")) == (["l"], False)

    assert storage.release_lock("l", "one")
    assert not storage.release_lock("l")
    assert (storage.locks(), storage.acquire_lock("l", "two")) == ([], True)
    assert storage.release_lock("l")


def test_of_many_who_want_a_lock_one_gets_it(storage):
    for n in range(10):
        won = at_once(*(partial(storage.acquire_lock, f"l{n}", f"{h}") for h in range(4)))

        assert won.count(True) == 1


LOCK_AND_HANG = OPEN + "print(storage.acquire_lock('l', 'h', 60), flush=True); input()\n"


def test_the_lock_of_a_killed_process_is_free(storage):
    with child_of(storage, LOCK_AND_HANG) as child:
        assert child.hear() == "True"
        assert (storage.acquire_lock("l", "me"), storage.locks()) == (False, ["l"])
        child.kill()

    assert storage.locks() == []
    assert storage.acquire_lock("l", "me")


def test_recovering_frees_the_locks_of_the_dead(storage, client):
    with child_of(storage, LOCK_AND_HANG) as child:
        assert child.hear() == "True"
        child.kill()

    assert storage.recover() == 0
    assert client.hlen("huey.locks.test") == 0


def test_the_lock_of_another_host_is_free_when_its_own_time_is_over(
    storage, redis_server, other_host
):
    with child_of(storage, LOCK_AND_HANG, env=other_host) as child:
        assert child.hear() == "True"
        child.kill()
    redis_server.pass_time(50)
    storage.recover()
    assert (storage.acquire_lock("l", "me"), storage.locks()) == (False, ["l"])

    redis_server.pass_time(20)

    assert storage.locks() == []
    assert storage.acquire_lock("l", "me")


def test_a_lock_with_a_short_time_is_kept_up(storage, client):
    storage.acquire_lock("l", "h", ttl=0.06)
    ((process, first),) = client.zrange("huey.alive.test", 0, -1, withscores=True)

    assert eventually(lambda: client.zscore("huey.alive.test", process) > first + 0.1)


def test_leaving_keeps_the_locks_that_are_held(storage):
    storage.acquire_lock("l", "h")
    storage.claim("a")

    storage.leave()

    assert storage.locks() == ["l"]
    assert storage.release_lock("l", "h")


def test_turns_are_counted_over_a_sliding_time(storage, redis_server):
    assert [storage.take_turn("t", 2, 60) for _ in range(2)] == [0, 0]
    assert 55 < storage.take_turn("t", 2, 60) <= 60
    redis_server.pass_time(40)
    assert 10 < storage.take_turn("t", 2, 60) <= 20  # turns refused are not counted

    redis_server.pass_time(20)

    assert [storage.take_turn("t", 2, 60) for _ in range(2)] == [0, 0]
    assert storage.take_turn("t", 2, 60) > 0


def test_of_many_who_want_a_turn_as_many_get_one_as_there_are(storage):
    waits = at_once(*[partial(storage.take_turn, "t", 3, 60)] * 8)

    assert waits.count(0) == 3


# --- chords ----------------------------------------------------------------------------------


def test_what_waits_for_all_parts_is_enqueued_with_the_last_of_them(storage):
    for part in (1, 0, 1):
        storage.write(Batch(joins=[Join("c", part, 3, b"%d" % part, b"all", 1)]))
    assert (storage.joined("c"), storage.queue_size()) == ({0: b"0", 1: b"1"}, 0)

    for _ in range(2):
        storage.write(Batch(joins=[Join("c", 2, 3, b"2", b"all", 1)]))

    assert storage.joined("c") == {0: b"0", 1: b"1", 2: b"2"}
    assert storage.enqueued_items() == [b"all"]


# --- results ---------------------------------------------------------------------------------


def test_large_results_are_taken_piece_by_piece(storage, client):
    values = [bytes([n]) * 600_000 for n in range(5)]
    storage.write(Batch(results=[(f"{n}", value) for n, value in enumerate(values)]))
    client.config_resetstat()

    found = storage.take_results([f"{n}" for n in range(5)])

    assert [each.value for each in found] == values
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 3


def test_results_that_another_takes_are_told_of(storage):
    for key in ("k", "two\nlines"):
        storage.write(Batch(results=[(each, b"v") for each in ("j", key, "l")]))
        with storage.waiting_for_result(key, 1.15, 1.0) as waiter:
            code = f"{OPEN}\nstorage.take_results(['j', {key!r}, 'l']); storage.close()"
            with child_of(storage, code) as child:
                assert child.wait() == 0

            assert waiter.wait(PATIENCE)


def test_a_caller_is_told_in_the_midst_of_what_others_wait_for(storage):
    code = OPEN + "for n in range(500): storage.put_data(f'{n}', b'')\nstorage.close()"
    with (
        storage.waiting_for_result("250", 1.15, 1.0) as waiter,
        child_of(storage, code) as child,
    ):
        assert waiter.wait(PATIENCE)
        assert child.wait() == 0


def test_values_whose_time_is_over_are_not_among_several(storage, redis_server):
    storage.put_if_empty("over", b"1", ttl=30)
    storage.put_if_empty("longer", b"2", ttl=300)
    storage.put_data("for ever", b"3")
    keys = ["over", "longer", "for ever"]
    assert storage.peek_many(keys) == [b"1", b"2", b"3"]

    redis_server.pass_time(60)

    assert storage.peek_many(keys) == [EmptyData, b"2", b"3"]
    assert storage.take_results(keys) == [Found(), Found(b"2"), Found(b"3")]


# --- lost connections ------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def lossy(request, redis_server):
    line = LossyLine(redis_server)
    with closing(line), closing(request.param("test", url=line.url)) as storage:
        yield line, storage


@pytest.mark.parametrize("timeout", [0, 5])
def test_a_claim_whose_answer_is_lost_finds_its_message(lossy, timeout):
    line, storage = lossy
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(3)]))
    storage.finish("a", storage.claim("a", timeout))

    line.lose_answer_to(b"inflight")
    claim = storage.claim("a", timeout)

    assert (line.lost, claim.data, storage.inflight(), storage.queue_size()) == (1, b"1", 1, 1)
    assert storage.finish("a", claim)
    assert storage.claim("a", timeout).data == b"2"


def test_a_finish_whose_answer_is_lost_is_carried_out_once(lossy):
    line, storage = lossy
    storage.enqueue(b"m")
    claim = storage.claim("a")
    storage.finish("b", claim)  # so that its script is known

    line.lose_answer_to(b"inflight")

    assert storage.finish("a", claim, Batch(enqueue=[(b"next", None)], events=[b"e"]))
    assert (line.lost, storage.enqueued_items(), len(storage.read_events())) == (1, [b"next"], 1)


def test_a_claim_that_comes_with_an_acknowledgement_is_found_when_the_answer_is_lost(lossy):
    line, storage = lossy
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(4)]))
    _, claim = storage.finish_and_claim("a", storage.claim("a"))

    line.lose_answer_to(b"inflight")
    ours, following = storage.finish_and_claim("a", claim, Batch(events=[b"e"]))
    following = following or storage.claim("a")

    assert (line.lost, ours, following.data, len(storage.read_events())) == (1, True, b"2", 1)
    assert (storage.inflight(), storage.queue_size()) == (1, 1)
    assert storage.finish("a", following)
    assert storage.claim("a").data == b"3"


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("messages", [[b"0", b"1", b"2", b"3"], [b"m"] * 4], ids=["", "alike"])
def test_whichever_answer_is_lost_each_message_is_finished_once(lossy, messages, times):
    line, storage = lossy
    rounds = 0
    while line.lost == times * rounds:  # until there are no more answers to lose
        storage.flush_events()
        storage.write(Batch(enqueue=[(data, None) for data in messages]))
        line.lose_answer_to(b"inflight", after=rounds, times=times)

        finished = work_off(storage)

        line.lose_answer_to(b"", times=0)
        rounds += 1
        assert finished == messages
        assert [data for _, data in storage.read_events()] == messages
        assert (storage.queue_size(), storage.inflight()) == (0, 0)
    assert rounds > len(messages)


def work_off(storage):
    """Claim and finish as a worker does; return what was finished."""
    finished = []
    while claim := insist(lambda: storage.claim("a")):
        while claim:
            finished.append(claim.data)
            batch = Batch(events=[claim.data])
            _, claim = insist(partial(storage.finish_and_claim, "a", claim, batch))
    return finished


def insist(func):
    while True:
        with suppress(redis.ConnectionError):
            return func()


def test_what_was_claimed_unheard_comes_before_anything_else(lossy):
    line, storage = lossy
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(5)]))
    _, claim = storage.finish_and_claim("a", storage.claim("a"))
    line.lose_answer_to(b"inflight", times=3)
    with pytest.raises(redis.ConnectionError):
        storage.claim("a")

    assert storage.finish_and_claim("a", claim) == (True, None)
    assert (line.lost, storage.claim("a").data, storage.inflight()) == (3, b"2", 1)


def test_what_a_worker_claimed_unheard_goes_back_when_it_ends(lossy):
    line, storage = lossy
    storage.register("a", {})
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(4)]))
    _, claim = storage.finish_and_claim("a", storage.claim("a"))
    line.lose_answer_to(b"inflight")
    assert storage.finish_and_claim("a", claim) == (True, None)

    storage.unregister("a")

    assert (line.lost, storage.enqueued_items(), storage.inflight()) == (1, [b"2", b"3"], 0)


def test_results_whose_answer_is_lost_are_taken_once_and_not_lost(lossy):
    line, storage = lossy
    keys = [f"{n}" for n in range(1200)]
    storage.write(Batch(results=[(key, key.encode()) for key in keys[:-1]]))
    storage.put_ending(keys[-1], "none")
    storage.take_results(["none"])

    line.lose_answer_to(b"popped", after=1)
    found = storage.take_results(keys)

    assert line.lost == 1
    assert found == [*(Found(key.encode()) for key in keys[:-1]), Found(ending="none")]
    assert storage.take_results(keys[:600]) == [Found(ending="taken")] * 600


def test_a_value_whose_answer_is_lost_is_asked_for_again(lossy):
    line, storage = lossy
    storage.write(Batch(results=[("k", b"v"), ("l", b"w")]))
    storage.pop_data("none")

    for key, value in (("k", b"v"), ("l", b"w")):
        line.lose_answer_to(b"popped")
        assert storage.pop_data(key) == value

    assert (line.lost, storage.pop_data("k")) == (2, EmptyData)


def test_a_lock_whose_answer_is_lost_is_held(lossy):
    line, storage = lossy
    storage.acquire_lock("other", "h")

    line.lose_answer_to(b"locks")

    assert storage.acquire_lock("l", "h")
    assert (line.lost, storage.release_lock("l", "h")) == (1, True)


def test_a_producer_is_told_that_an_answer_was_lost(lossy):
    line, storage = lossy
    storage.enqueue(b"first")

    line.lose_answer_to(b"m!")
    with pytest.raises(redis.ConnectionError) as caught:
        storage.enqueue(b"m!")

    assert storage.is_outage(caught.value)
    assert storage.enqueued_items() == [b"first", b"m!"]


def test_nothing_is_lost_while_connections_are_killed(storage, client):
    storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(300)]))
    done = threading.Event()

    def work(slot):
        while not done.is_set():
            with suppress(redis.ConnectionError):
                claim = storage.claim(slot, 0.05)
                if claim:
                    finish(slot, claim)

    def finish(slot, claim):
        """Insist, as a worker does."""
        batch = Batch(results=[(claim.data.decode(), b"")], events=[claim.data])
        while True:
            with suppress(redis.ConnectionError):
                return storage.finish(slot, claim, batch)

    with started(*(partial(work, slot) for slot in "abc")):
        try:
            for count in range(10, 301, 10):
                eventually(lambda count=count: client.hlen("huey.results.test") >= count)
                client.client_kill_filter(_type="normal", skipme=True)
        finally:
            done.set()

    assert (storage.queue_size(), storage.inflight()) == (0, 0)
    assert sorted(int(data) for _, data in storage.read_events()) == list(range(300))


def test_connections_that_the_server_closed_while_idle_are_made_anew(storage, client):
    at_once(*[partial(storage.claim, f"{n}", 0.2) for n in range(6)])  # a connection for each
    client.client_kill_filter(_type="normal", skipme=True)

    storage.put_data("k", b"v")  # what may well be done twice
    client.client_kill_filter(_type="normal", skipme=True)
    time.sleep(0.2)  # what is not used for so long is looked at first
    storage.enqueue(b"m")

    assert (storage.peek_data("k"), storage.queue_size()) == (b"v", 1)


def test_threads_that_end_leave_no_connection_each(storage, client):
    def connections():
        return len(client.client_list(_type="normal"))

    storage.enqueue(b"m")
    before = connections()
    for _ in range(20):
        at_once(storage.queue_size)

    assert connections() == before


def test_a_waiting_caller_is_told_after_its_connection_was_killed(storage, client):
    with storage.waiting_for_result("k", 1.15, 1.0):
        client.client_kill_filter(_type="pubsub")
    eventually(lambda: client.pubsub_numsub("huey.ready.test")[0][1])

    with started(lambda: wait_for_result(storage)) as (waiting,):
        storage.put_data("k", b"v")
        assert waiting.value() == b"v"


@pytest.mark.parametrize("kind", KINDS)
def test_a_restarted_server_is_taken_as_it_is(make_server, kind):
    server = make_server()
    with closing(kind("test", url=server.url)) as storage:
        storage.enqueue(b"m")
        storage.claim("a")
        server.stop()
        for use in (partial(storage.enqueue, b"n"), partial(storage.claim, "a"), storage.recover):
            with pytest.raises(redis.ConnectionError) as caught:
                use()
            assert storage.is_outage(caught.value)
        server.start()

        storage.enqueue(b"o")
        claim = storage.claim("a", 1)
        assert (claim.data, storage.inflight()) == (b"o", 1)
        assert storage.finish("a", claim)


def test_scripts_that_the_server_forgot_are_given_to_it_again(storage, client):
    storage.enqueue(b"m")
    claim = storage.claim("a")

    client.script_flush()

    assert storage.finish("a", claim, Batch(results=[("k", b"v")]))
    assert storage.peek_data("k") == b"v"


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_server_is_an_outage_and_takes_results_nevertheless(make_server, kind):
    server = make_server()
    with server.client() as client, closing(kind("test", url=server.url)) as storage:
        storage.enqueue(b"m")
        claim = storage.claim("a")
        client.config_set("maxmemory", "1")

        for use in (partial(storage.enqueue, b"n"), partial(storage.put_data, "k", b"v")):
            with pytest.raises(redis.ResponseError) as caught:
                use()
            assert storage.is_outage(caught.value)
        assert storage.finish("a", claim, Batch(results=[("r", b"v")], enqueue=[(b"o", None)]))

        assert (storage.peek_data("r"), storage.enqueued_items()) == (b"v", [b"o"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_refuses_an_acknowledgement_hands_out_nothing(make_server, kind):
    server = make_server()
    with server.client() as client, closing(kind("test", url=server.url)) as storage:
        storage.write(Batch(enqueue=[(b"%d" % n, None) for n in range(4)]))
        _, claim = storage.finish_and_claim("a", storage.claim("a"))
        client.config_set("maxmemory", "1")
        ours, claim = storage.finish_and_claim("a", claim, Batch(results=[("k", b"v")]))
        assert (ours, claim.data) == (True, b"2")
        client.config_set("maxmemory", "0")

        client.replicaof("127.0.0.1", "1")
        with pytest.raises(redis.RedisError) as caught:
            storage.finish_and_claim("a", claim)
        assert storage.is_outage(caught.value)
        client.replicaof("no", "one")

        assert storage.inflight() == 1
        ours, following = storage.finish_and_claim("a", claim)
        assert (ours, (following or storage.claim("a")).data) == (True, b"3")
        assert storage.inflight() == 1


def test_a_server_that_may_not_be_written_to_is_an_outage(make_server):
    server = make_server()
    with server.client() as client, closing(RedisStorage("test", url=server.url)) as storage:
        storage.enqueue(b"m")
        client.replicaof("127.0.0.1", "1")

        for use in (partial(storage.enqueue, b"n"), partial(storage.put_data, "k", b"v")):
            with pytest.raises(redis.RedisError) as caught:
                use()
            assert storage.is_outage(caught.value)


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (redis.ConnectionError(), True),
        (redis.TimeoutError(), True),
        (redis.BusyLoadingError(), True),
        (redis.ResponseError("MISCONF cannot write to disk"), True),
        (redis.ResponseError("LOADING Redis is loading the dataset in memory"), True),
        (redis.ResponseError("WRONGTYPE Operation against a key"), False),
        (redis.AuthenticationError(), False),
        (ValueError(), False),
    ],
)
def test_an_outage_is_told_from_other_errors(storage, error, outage):
    assert storage.is_outage(error) is outage


# --- how to connect --------------------------------------------------------------------------

SECRET = "p@ss/w:or d#%?é"  # noqa: S105 - of a server of the test's own


def connected(storage):
    with closing(storage):
        storage.put_data("k", b"v")
        return storage.peek_data("k") == b"v"


def test_there_are_many_ways_to_say_where_the_server_is(redis_server, client):
    path = str(redis_server.socket)
    pool = redis.ConnectionPool.from_url(redis_server.url, protocol=3, decode_responses=True)

    assert connected(RedisStorage("a", url=f"{redis_server.url}?db=3"))
    assert connected(RedisStorage("b", unix_socket_path=path))
    assert connected(PriorityRedisExpireStorage("c", 60, connection_pool=pool))
    assert connected(RedisHuey("d", unix_socket_path=path, client_name="me").storage)
    pool.disconnect()
    assert client.hget("huey.results.b", "k") == b"v"


def test_a_pool_with_a_newer_protocol_will_do(redis_server, at):
    pool = redis.ConnectionPool.from_url(redis_server.url, protocol=3, decode_responses=True)
    with closing(PriorityRedisStorage("test", connection_pool=pool)) as storage:
        storage.write(everything(at))
        storage.register("a", {"name": "w"})

        assert (storage.result_items(), storage.joined("chord")) == ({"k": b"v"}, {0: b"part"})
        assert (storage.next_due(), storage.last_event()) == (1906545601, 1)
        assert (len(storage.workers()), storage.dequeue()) == (1, b"m")


def test_its_connections_have_a_name(redis_server, client):
    with closing(RedisStorage("test", url=redis_server.url, client_name="huey-test")) as storage:
        storage.claim("a", 0.01)

        assert "huey-test" in {each["name"] for each in client.client_list()}


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"connection_pool": redis.ConnectionPool(), "host": "h"}, "connection_pool .*host"),
        ({"connection_pool": redis.ConnectionPool(), "url": "redis://h"}, "connection_pool .*url"),
        ({"url": "redis://h", "host": "h"}, "leave out host"),
        ({"url": "redis://:a@h", "password": SECRET}, "leave out password"),
        ({"url": f"redis://:{SECRET}@h/0"}, "odd characters"),
        ({"url": "http://h"}, "redis://user:password@host:6379/0"),
        ({"hots": "h"}, "hots"),
        ({"url": "redis://h", "hots": "h"}, "hots"),
    ],
)
def test_a_server_that_cannot_be_meant_is_refused(options, hint):
    with pytest.raises(ConfigurationError, match=hint) as caught:
        RedisStorage("test", **options)

    text = "".join(traceback.format_exception(caught.value))
    assert SECRET not in text
    assert "w:or" not in text.replace("test_redis", "")


def test_an_odd_expire_time_is_refused():
    with pytest.raises(ConfigurationError, match="whole seconds"):
        RedisExpireStorage("test", expire_time=0.5)


@pytest.mark.parametrize("by", ["url", "parameter"])
def test_a_password_lets_in_and_is_never_shown(make_server, caplog, by):
    server = make_server("--requirepass", SECRET)
    caplog.set_level("DEBUG")

    def storage(password):
        if by == "url":
            url = f"unix://:{quote(password, safe='')}@{server.socket}"
            return RedisStorage("test", url=url)
        return RedisStorage("test", unix_socket_path=str(server.socket), password=password)

    right, wrong = storage(SECRET), storage(f"{SECRET}!")
    assert connected(right)
    with closing(wrong), pytest.raises(StorageError, match=r"redis\.sock.*Check user") as caught:
        wrong.enqueue(b"m")

    said = "".join(traceback.format_exception(caught.value)) + caplog.text
    said += repr(right) + str(wrong) + repr(RedisHuey("h", url="redis://:s3cret@h/0").storage)
    for secret in (SECRET, quote(SECRET, safe=""), "s3cret"):
        assert secret not in said
    assert "redis://:***@h:6379/0" in said
    assert not wrong.is_outage(caught.value)


def test_a_missing_password_is_named_in_the_error(make_server):
    server = make_server("--requirepass", SECRET)

    with (
        closing(RedisStorage("test", url=server.url)) as storage,
        pytest.raises(StorageError, match="Check username and password"),
    ):
        storage.enqueue(b"m")


def test_a_user_who_may_do_little_more_than_needed_will_do(redis_server, client):
    client.acl_setuser(
        "few", enabled=True, passwords=["+pw"], keys=["huey.*"], channels=["huey.*"],
        categories=["+@all", "-@dangerous", "-@admin"],
    )  # fmt: skip
    url = f"unix://few:pw@{redis_server.socket}"
    with closing(RedisStorage("test", url=url, read_timeout=0.05)) as storage:
        storage.enqueue(b"m")
        assert storage.finish("a", storage.claim("a", 1), Batch(results=[("k", b"v")]))
        assert storage.claim("a", 0.05) is None
        storage.wake_claims()
    client.acl_deluser("few")


def test_the_user_of_the_manual_may_do_all_that_a_consumer_does(redis_server, client):
    line = SHARED_SERVER.read_text().partition("$ redis-cli ")[2].partition("\n\n")[0]
    client.execute_command(*shlex.split(line.replace("\\\n", " ")))
    client.acl_log_reset()
    url = f"unix://app:PASSWORD@{redis_server.socket}"
    huey = PriorityRedisExpireHuey("app", url=url, expire_time=60, events=True)

    @huey.task()
    @huey.rate_limit("often", limit=100, per=60)
    @huey.lock_task("alone")
    def add(numbers):
        return sum(numbers)

    with closing(huey.storage), huey.create_consumer():
        whole = chord([add.s([1, 2]), add.s([3, 4])], add)
        assert huey.enqueue(whole).get(blocking=True, timeout=PATIENCE) == 10
        assert add.schedule(([1, 2],), delay=0.01).get(blocking=True, timeout=PATIENCE) == 3
        assert list(huey.events.read())
    assert client.acl_log() == []
    client.acl_deluser("app")


def test_a_user_who_may_not_do_what_is_needed_is_named_the_remedy(redis_server, client):
    client.acl_setuser("none", enabled=True, passwords=["+pw"], categories=["-@all"])
    url = f"unix://none:pw@{redis_server.socket}"
    with (
        closing(RedisStorage("test", url=url)) as storage,
        pytest.raises(StorageError, match=r"unix://none:\*\*\*@.*ACL SETUSER"),
    ):
        storage.enqueue(b"m")
    client.acl_deluser("none")


def test_a_database_that_there_is_not_is_named_in_the_error(redis_server):
    with (
        closing(RedisStorage("test", url=f"{redis_server.url}?db=99")) as storage,
        pytest.raises(StorageError, match=r"db=99.*Check password and db"),
    ):
        storage.enqueue(b"m")


@contextmanager
def server_that_says(path, version):
    """Answer like a Redis of a version, for one connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    info = f"# Server\r\nredis_version:{version}\r\n".encode()

    def serve():
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                if b"INFO" in data and b"server" in data:
                    connection.sendall(b"$%d\r\n%b\r\n" % (len(info), info))
                else:
                    connection.sendall(b"+OK\r\n" * data.count(b"*"))

    with listener, started(serve):
        yield


def test_a_server_that_is_too_old_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "old.sock"
    with (
        server_that_says(path, "5.0.7"),
        closing(RedisStorage("test", url=f"unix://{path}")) as storage,
        pytest.raises(StorageError, match=r"old\.sock.* is Redis 5\.0\.7.*6\.2 or later.*upgrade"),
    ):
        storage.enqueue(b"m")
