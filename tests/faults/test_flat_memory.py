"""A consumer's memory while very many tasks pass through it."""

import statistics

import pytest
from rig import SCALE, report

pytestmark = pytest.mark.faults

TASKS = round(100_000 * SCALE)
SAMPLES = 40
WARM = 15  # samples at the start, while caches fill


def test_the_memory_of_a_consumer_stays_flat(faults, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # or each thread has one that fills up slowly
    step = TASKS // SAMPLES
    samples = []
    for first in range(0, TASKS, step):
        faults.app.silent.map(range(first, first + step))
        samples.append(faults.app.memory())
    faults.start("-w", "4", "-q")
    sizes = [sample.get(blocking=True, timeout=300) for sample in samples]

    done = [step * (n + 1) for n in range(WARM, len(sizes))]
    blocks = statistics.linear_regression(done, [b for b, _ in sizes[WARM:]]).slope
    rss = statistics.linear_regression(done, [r for _, r in sizes[WARM:]]).slope
    figures = {"tasks": TASKS, "bytes a task": round(rss, 2), "blocks a task": round(blocks, 4)}
    report(f"memory, {faults.title}", figures)

    assert blocks < 0.1  # an object kept for each task would be 1 or more
    if SCALE >= 1:  # over fewer tasks the allocator's own steps of 256 KiB weigh more than that
        assert rss < 10
