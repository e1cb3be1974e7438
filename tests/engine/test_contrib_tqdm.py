"""A bar with tqdm's face that reports to the running task."""

import asyncio
import threading

import pytest
from waiting import PATIENCE

from huey.contrib.tqdm import tqdm, trange
from huey.exceptions import TaskCanceled
from huey.tasks import current_run


@pytest.fixture
def reports(huey, work):
    """Run a function as a task; return its value and each report: done, total, message."""

    def reports(func):
        @huey.task(name="reporting")
        def reporting():
            seen = []
            run = current_run()
            report = run.report
            run.report = lambda *args: (seen.append(args), report(*args))
            return func(), seen

        result = reporting()
        work()
        return result.get(blocking=True, timeout=PATIENCE)

    return reports


def test_a_loop_reports_each_item(reports):
    value, seen = reports(lambda: list(tqdm("abc", desc="letters")))

    assert value == ["a", "b", "c"]
    assert [report[:2] for report in seen] == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]
    assert {message for _, _, message in seen} == {"letters"}


def test_a_bar_can_be_moved_on_by_hand(reports):
    def by_hand():
        with tqdm(total=10, initial=1) as bar:
            bar.update()
            bar.update(4)
            bar.set_description("halfway")
            bar.set_postfix({"loss": 0.123456}, epoch=2)
            return bar.n, bar.total, bar.desc

    value, seen = reports(by_hand)

    assert value == (6, 10, "halfway")
    assert seen[0] == (1, 10, None)
    assert seen[-1] == (6, 10, "halfway loss=0.123 epoch=2")


def test_a_loop_over_what_is_awaited_reports_each_item(reports):
    async def letters():
        for letter in "abc":
            yield letter

    async def collect():
        return [letter async for letter in tqdm(letters(), total=3)]

    value, seen = reports(lambda: asyncio.run(collect()))

    assert value == ["a", "b", "c"]
    assert [report[:2] for report in seen] == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]


def test_bars_inside_each_other_stand_in_the_message(reports):
    def nested():
        for _ in trange(2, desc="epoch"):
            for _ in tqdm([1, 2], desc="batch"):
                pass

    _, seen = reports(nested)

    assert seen[0] == (0, 2, "epoch")
    assert (0, 2, "epoch, batch 1/2 it") in seen
    assert (1, 2, "epoch, batch 2/2 it") in seen
    assert seen[-1] == (2, 2, "epoch")


def test_a_bar_that_was_left_early_is_gone(reports):
    def left():
        for _ in tqdm(range(5)):
            break
        list(tqdm([1], desc="next"))

    _, seen = reports(left)

    assert seen[-1] == (1, 1, "next")


def test_an_unknown_total_is_none(reports):
    _, seen = reports(lambda: list(tqdm(n for n in range(2))))

    assert seen[-1] == (2, None, None)


def test_a_bar_may_begin_again_and_say_nothing(reports):
    def again():
        bar = tqdm(total=2)
        bar.update(2)
        bar.reset(total=5)
        bar.close()
        bar.close()
        bar.update()
        list(tqdm([1], disable=True))

    _, seen = reports(again)

    assert seen[-1] == (0, 5, None)


def test_a_cancelled_task_stops_at_its_bar(huey):
    begun = threading.Event()

    @huey.task()
    def endless():
        begun.set()
        bar = tqdm()
        while True:
            bar.update()

    with huey.create_consumer():
        result = endless()
        assert begun.wait(PATIENCE)
        result.cancel()
        with pytest.raises(TaskCanceled):
            result.get(blocking=True, timeout=PATIENCE)


def test_outside_a_task_a_bar_is_only_a_loop(capsys):
    bar = tqdm([1, 2, 3], desc="quiet", leave=False, ncols=80, colour="green")

    assert list(bar) == [1, 2, 3]
    assert len(bar) == bar.n == 3
    assert 2 in bar
    assert bool(bar)
    assert not tqdm(total=0)
    tqdm.write("printed")
    assert capsys.readouterr().out == "printed\n"
    with pytest.raises(TypeError, match="update"):
        list(tqdm(total=3))
