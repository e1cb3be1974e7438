"""Periodic tasks with two consumers: each minute once."""

import time
from collections import Counter

import pytest
from waiting import eventually

pytestmark = pytest.mark.faults


def test_two_consumers_run_each_minute_once(faults, monkeypatch):
    monkeypatch.setenv("FAULTS_PERIODIC", "1")
    for _ in range(2):
        faults.start("-w", "2")

    eventually(lambda: faults.lines("start"))
    eventually(lambda: len(faults.huey.workers()) == 4)
    time.sleep(1)  # the second scheduler has looked by now, and would have run it again

    runs = Counter(faults.lines("start"))
    assert set(runs.values()) == {1}
