"""A Redis server that restarts, stops, hangs up or is full while tasks come and go."""

import asyncio
import signal
import threading
import time

import pytest
import redis
from rig import SCALE, report
from waiting import PATIENCE, eventually, started

pytestmark = pytest.mark.faults

TASKS = round(1000 * SCALE) + 100


def restart(server):
    for _ in range(3):
        server.restart()
        time.sleep(0.5)


def pause(server):
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(5)
    server.process.send_signal(signal.SIGCONT)


def hang_up(server):
    with server.client() as client:
        for _ in range(round(50 * SCALE) + 10):
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)
            time.sleep(0.05)


def fill_up(server):
    with server.client() as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used // 2)
        time.sleep(3)
        client.config_set("maxmemory", 0)


def enqueue_all(work, results):
    """Enqueue tasks one by one; one that the server did not confirm is enqueued again."""
    for n in range(TASKS):
        while True:
            try:
                results.append(work(n))
                break
            except redis.RedisError:
                time.sleep(0.02)
        time.sleep(0.01)


@pytest.mark.parametrize("trouble", [restart, pause, hang_up, fill_up])
@pytest.mark.parametrize("kind", ["thread", "process"])
def test_an_outage_while_tasks_come_and_go_loses_nothing(on_redis, lasting_server, kind, trouble):
    consumer = on_redis.start("-w", "4", "-k", kind)
    eventually(lambda: len(on_redis.huey.workers()) == 4)
    results = []
    with started(lambda: enqueue_all(on_redis.app.work, results)) as (producer,):
        eventually(lambda: len(on_redis.lines("end")) > TASKS // 10)
        trouble(lasting_server)
        producer.value(within=60)

    counted = on_redis.count(results)
    report(f"{trouble.__name__}, {on_redis.title}, {kind}", counted)

    assert (counted["lost"], counted["results lost"], counted["left behind"]) == (0, 0, 0)
    assert consumer.poll() is None
    on_redis.kill_group(consumer, signal.SIGINT)
    assert on_redis.processes() == []


def test_a_result_waited_for_arrives_through_a_restart(on_redis, lasting_server):
    on_redis.start("-w", "1")
    result = on_redis.app.hold(3)
    eventually(lambda: on_redis.lines("start") == ["3"])
    asked = threading.Event()

    def wait():
        asked.set()

        return result.get(blocking=True, timeout=PATIENCE)

    with started(wait) as (waiting,):
        assert asked.wait(PATIENCE)
        time.sleep(0.2)  # for the waiting to have begun
        lasting_server.restart()
        assert waiting.value() == 9


def test_an_awaited_result_arrives_through_a_restart(on_redis, lasting_server):
    on_redis.start("-w", "1")
    result = on_redis.app.hold(3)
    eventually(lambda: on_redis.lines("start") == ["3"])

    async def wait():
        waiting = asyncio.create_task(result.aget(timeout=PATIENCE))
        await asyncio.sleep(0.2)  # for the waiting to have begun
        await asyncio.to_thread(lasting_server.restart)
        return await waiting

    assert asyncio.run(wait()) == 9
