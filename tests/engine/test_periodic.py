"""Tasks that the consumer runs by itself: each minute that matches, once."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest

from huey import Huey, SqliteHuey, crontab

NOON = int(datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC).timestamp() // 60)


def test_a_periodic_task_runs_in_the_minutes_that_match(huey: Huey) -> None:
    @huey.periodic_task(crontab(minute="*/15"))
    def report() -> None:
        pass

    counts = [huey.enqueue_periodic(NOON + n) for n in range(60)]

    assert [n for n, count in enumerate(counts) if count] == [0, 15, 30, 45]
    assert [task.name for task in huey.pending()] == [report.task_class.name] * 4


def test_a_minute_is_run_once(huey: Huey) -> None:
    @huey.periodic_task(crontab())
    def report() -> None:
        pass

    assert [huey.enqueue_periodic(NOON) for _ in range(3)] == [1, 0, 0]
    assert huey.enqueue_periodic(NOON + 1) == 1


def test_a_minute_that_is_over_is_not_run_late(huey: Huey) -> None:
    @huey.periodic_task(crontab())
    def report() -> None:
        pass

    assert [huey.enqueue_periodic(NOON + n) for n in (5, 4, 6)] == [1, 0, 1]


def test_the_minutes_taken_do_not_pile_up(huey: Huey) -> None:
    @huey.periodic_task(crontab())
    def report() -> None:
        pass

    for n in range(50):
        huey.enqueue_periodic(NOON + n)

    assert huey.storage.result_store_size() <= 1  # some count minutes apart from values
    assert huey.all_results() == {}


def test_two_consumers_share_the_minutes(tmp_path: Path) -> None:
    hueys = [SqliteHuey("app", filename=str(tmp_path / "app.db")) for _ in range(2)]
    for one in hueys:
        one.periodic_task(crontab(), name="report")(lambda: None)
    taken: list[int] = []
    threads = [
        threading.Thread(
            target=lambda one=one: taken.append(
                sum(one.enqueue_periodic(NOON + n) for n in range(30))
            )
        )
        for one in hueys
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(taken) == len(hueys[0]) == 30
    for one in hueys:
        one.storage.close()


def test_a_test_of_minutes_that_fails_is_logged_and_the_others_run(
    huey: Huey, caplog: pytest.LogCaptureFixture
) -> None:
    huey.periodic_task(lambda minute: 1 / 0, name="bad")(lambda: None)
    huey.periodic_task(lambda minute: True, name="good")(lambda: None)

    assert huey.enqueue_periodic(NOON) == 1
    assert "bad" in caplog.text


def test_the_scheduler_waits_until_the_next_minute_and_no_longer(huey: Huey) -> None:
    huey.periodic_task(crontab(), name="report")(lambda: None)
    scheduler = huey.create_consumer(scheduler_interval=120).scheduler

    assert 0 < scheduler.step() <= 60


def test_a_consumer_runs_what_is_due_at_its_start_and_stores_no_result(huey: Huey) -> None:
    ran = threading.Event()

    @huey.periodic_task(crontab())
    def report() -> int:
        ran.set()
        return 5

    with huey.create_consumer():
        assert ran.wait(10)

    assert huey.all_results() == {}


def test_a_revoked_periodic_task_does_not_run(huey: Huey) -> None:
    @huey.periodic_task(crontab())
    def report() -> None:
        raise AssertionError("was revoked")

    report.revoke()
    huey.enqueue_periodic(NOON)
    [task] = huey.pending()

    assert huey.execute(task) is None
    assert report.is_revoked()


def test_running_the_cell_again_does_not_double_a_periodic_task(huey: Huey) -> None:
    for _ in range(2):

        def report() -> None:
            pass

        report.__module__ = "__main__"
        huey.periodic_task(crontab())(report)

    assert huey.enqueue_periodic(NOON) == 1
