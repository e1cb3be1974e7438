"""Workers where no thread can be started, as in a browser: in a process that refuses each one."""

import subprocess
import sys
import textwrap

import pytest
from waiting import PATIENCE

HEAD = """
import asyncio, logging, os, signal, sys, threading, time

def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse

import huey as door
from huey import MemoryHuey, SqliteHuey, crontab, current_task, progress
from huey.exceptions import *

huey = MemoryHuey("alone", events=True)

def story(result):
    return [event["kind"] for _, event in huey.events.read() if event["task"] == result.id]

@huey.task()
def add(a, b):
    return a + b

@huey.task()
async def nap(seconds, value=None):
    await asyncio.sleep(seconds)
    return value
"""


@pytest.fixture
def alone(tmp_path):
    """Run code in a process without threads; what it asserts holds, and it writes no errors."""

    def alone(code):
        script = HEAD + textwrap.dedent(code)
        if "async def main" in script:
            script += "\nasyncio.run(main())\n"
        command = [sys.executable, "-W", "error", "-c", script]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return alone


def test_a_task_runs_as_soon_as_it_is_called(alone):
    alone("""
        async def main():
            with huey.create_consumer(workers=2):
                await asyncio.sleep(0.2)  # both workers wait
                called = time.monotonic()
                assert await add(1, 2) == 3
                assert time.monotonic() - called < 0.05
    """)


def test_coroutines_run_side_by_side(alone):
    alone("""
        async def main():
            together = asyncio.Barrier(3)

            @huey.task()
            async def meet():
                await together.wait()
                return current_task().id

            group = meet.map([()] * 3)
            with huey.create_consumer(workers=3):
                assert await group.aget(timeout=10) == [result.id for result in group]
    """)


@pytest.mark.parametrize("kind", ["SqliteHuey", "FileHuey"])
def test_the_other_storages_serve_too(alone, kind):
    where = {"SqliteHuey": "filename='huey.db'", "FileHuey": "path='queue'"}[kind]
    alone(f"""
        async def main():
            huey = door.{kind}("alone", {where})
            double = huey.task(name="double")(lambda n: 2 * n)
            with huey.create_consumer(workers=2):
                await asyncio.sleep(0.1)
                assert await double.map([1, 2, 3]).aget(timeout=10) == [2, 4, 6]
            huey.storage.close()
    """)


def test_a_task_that_fails_is_tried_again_and_a_scheduled_one_runs_in_time(alone):
    alone("""
        tries = []

        @huey.task(retries=1)
        def flaky():
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("no")
            return "yes"

        async def main():
            logging.disable(logging.ERROR)
            with huey.create_consumer():
                assert await flaky() == "yes"
                called = time.monotonic()
                assert await add.schedule((1, 2), delay=0.3) == 3
                assert 0.28 < time.monotonic() - called < 1
    """)


def test_periodic_tasks_are_enqueued(alone):
    alone("""
        async def main():
            ran = asyncio.Event()
            huey.periodic_task(crontab(), name="tick")(lambda: ran.set())
            with huey.create_consumer():
                await asyncio.wait_for(ran.wait(), 10)
    """)


def test_a_running_coroutine_is_cancelled_where_it_awaits(alone):
    alone("""
        async def main():
            with huey.create_consumer():
                result = nap(1000)
                while "executing" not in story(result):
                    await asyncio.sleep(0.01)
                assert result.cancel()
                try:
                    await result
                except TaskCanceled:
                    pass
                assert story(result) == ["enqueued", "executing", "canceling", "canceled"]
    """)


def test_a_coroutine_that_takes_too_long_times_out(alone):
    alone("""
        async def main():
            logging.disable(logging.ERROR)
            slow = huey.task(timeout=0.1, name="slow")(nap.func)
            with huey.create_consumer():
                try:
                    await slow(1000)
                except TaskException as error:
                    assert "0.1" in str(error)
                else:
                    raise AssertionError
    """)


def test_what_a_stop_interrupts_goes_back_to_the_queue(alone):
    alone("""
        async def main():
            with huey.create_consumer() as consumer:
                result = nap(1000)
                while "executing" not in story(result):
                    await asyncio.sleep(0.01)
                assert not consumer.stop()  # the coroutine can only end when this one gives way
            assert [task.id for task in huey.pending()] == [result.id]
            await asyncio.sleep(0.1)
            assert story(result) == ["enqueued", "executing", "interrupted"]
            assert [task.id for task in huey.pending()] == [result.id]
    """)


def test_an_idle_consumer_stops_and_starts_again(alone):
    alone("""
        async def main():
            consumer = huey.create_consumer(workers=2)
            for n in range(3):
                consumer.start()
                assert await add(n, n) == 2 * n
                assert consumer.stop(graceful=True)
            await asyncio.sleep(0.1)
            assert len(asyncio.all_tasks()) == 1
            assert not huey.workers()
    """)


def test_a_paused_consumer_begins_nothing_and_goes_on_by_steps(alone):
    alone("""
        async def main():
            with huey.create_consumer() as consumer:
                consumer.pause()
                group = add.map([(1, 1), (2, 2)])
                await asyncio.sleep(0.2)
                assert not any(result.is_ready() for result in group)
                consumer.step()
                assert await group[0] == 2
                await asyncio.sleep(0.1)
                assert not group[1].is_ready()
                consumer.resume()
                assert await group[1] == 4
    """)


def test_there_may_be_more_and_fewer_workers(alone):
    alone("""
        async def main():
            with huey.create_consumer() as consumer:
                consumer.resize(3)
                began = time.monotonic()
                await nap.map([0.3] * 3)
                assert time.monotonic() - began < 0.6
                consumer.resize(1)
                while len(consumer.workers) > 1:
                    await asyncio.sleep(0.01)
                assert await add(1, 1) == 2
    """)


def test_a_fresh_worker_follows_one_that_has_done_its_share(alone):
    alone("""
        async def main():
            with huey.create_consumer(max_tasks=2):
                assert await add.map([(n, n) for n in range(9)]) == [2 * n for n in range(9)]
    """)


def test_waiting_in_a_plain_function_says_what_to_write_instead(alone):
    alone("""
        async def main():
            with huey.create_consumer():
                for wait in (
                    lambda: add(1, 2).get(blocking=True),
                    lambda: next(iter(add.map([(1, 2)]).as_completed())),
                ):
                    try:
                        wait()
                    except ConfigurationError as error:
                        assert "await" in str(error) or "async for" in str(error)
                    else:
                        raise AssertionError
                result = add(1, 2)
                await result
                assert result.get(blocking=True) == 3
    """)


def test_results_come_in_the_order_in_which_they_are_ready(alone):
    alone("""
        async def main():
            with huey.create_consumer(workers=2):
                group = nap.map([(0.2, "slow"), (0.01, "quick")])
                assert [result.get() async for result in group] == ["quick", "slow"]
    """)


def test_progress_is_told_while_a_coroutine_runs(alone):
    alone("""
        async def main():
            told = asyncio.Event()

            @huey.task()
            async def report():
                progress(1, 2)
                await told.wait()

            with huey.create_consumer():
                result = report()
                while "progress" not in story(result):
                    await asyncio.sleep(0.01)
                told.set()
                await result
    """)


def test_a_consumer_needs_a_loop_that_runs(alone):
    alone("""
        try:
            huey.create_consumer().start()
        except ConfigurationError as error:
            assert "coroutine" in str(error)
        else:
            raise AssertionError
    """)


def test_a_consumer_with_a_process_of_its_own_brings_its_loop(alone):
    output = alone("""
        huey.task(name="stop")(lambda: os.kill(os.getpid(), signal.SIGINT))()
        result = add(1, 2)
        assert huey.create_consumer(workers=1).run() == 0
        print(result.get())
    """)
    assert output in ("3\n", "None\n")  # the second may be begun before the signal is seen


def test_worker_processes_are_refused(alone):
    alone("""
        try:
            huey.create_consumer(worker_type="process")
        except ConfigurationError as error:
            assert "process" in str(error)
        else:
            raise AssertionError
    """)


def test_a_worker_goes_on_after_an_error_of_its_storage(alone):
    alone("""
        async def main():
            logging.disable(logging.ERROR)
            claim, failures = huey.storage.claim, [OSError(), OSError()]

            def fail(*args):
                if failures:
                    raise failures.pop()
                return claim(*args)

            huey.storage.claim = fail
            with huey.create_consumer():
                assert await add(1, 2).aget(timeout=10) == 3
                assert not failures
    """)
