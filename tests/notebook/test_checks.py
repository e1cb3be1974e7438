"""Answers that a reader may come to, beside those that the notebooks list as wrong."""

from __future__ import annotations

import datetime
import shutil
import threading
import time
from typing import Any

import pytest
from IPython.utils.capture import capture_output

from huey import CancelExecution, MemoryHuey, RetryTask
from huey_jupyter.teaching import Line, check, exercises, redis_server, work
from huey_jupyter.teaching import facts as noted
from huey_jupyter.teaching.checks import production
from huey_jupyter.teaching.server import PROGRAMS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUEY_TUTORIAL_SPEED", "20")


def said(number: str, *answers: Any) -> str:
    with capture_output() as shown:
        check(number, *answers)
    [output] = shown.outputs
    return str(output.data["text/plain"])


# --- 01 ---


def average_of(huey: Any, value: Any) -> Any:
    return huey.task(name="average_fives")(lambda stickers: value)(50)


@pytest.mark.parametrize(
    ("value", "says"),
    [(45.3, "PASS"), (23.8, "An album of 50"), (224.5, "An album of 50"), (45, "one album")],
)
def test_the_mean_is_that_of_albums_of_fifty(loaded: Any, value: Any, says: str) -> None:
    assert says in said("01.2", average_of(loaded.huey, value), value)


def test_each_friend_gets_a_letter(loaded: Any) -> None:
    @loaded.huey.task()
    def write_to(friend: str) -> None:
        work(".", friend)

    friends = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ida", "Jan"]

    assert "PASS" in said("01.3", tuple(map(write_to, friends)))
    assert "some other none" in said("01.3", [write_to("Ada") for _ in friends])


def test_who_ran_it_is_asked_of_the_handles(loaded: Any) -> None:
    def who_am_i() -> str:
        return threading.current_thread().name

    by_worker = loaded.huey.task()(who_am_i)()
    here, elsewhere = MemoryHuey(immediate=True), MemoryHuey()
    by_me = here.task()(who_am_i)()

    assert "PASS" in said("01.4", by_worker, by_me)
    assert "`by_me` should be a handle" in said("01.4", by_worker, who_am_i())
    assert "immediate=True" in said("01.4", by_worker, elsewhere.task()(who_am_i)())
    assert "another queue" in said("01.4", by_me, by_me)


# --- 02 ---


def test_a_line_that_goes_on_is_waited_for_and_one_that_never_began_is_not(loaded: Any) -> None:
    serve = loaded.huey.task(name="serve")(work)

    def line() -> Line:
        return Line(serve, rate=36, service=0.05, seconds=2, workers=3, seed=1)

    with capture_output():
        going = line().start()

    assert "is not over" not in said("02.3", 3, going)
    assert going.is_over
    assert "has not begun" in said("02.3", 3, line())
    with pytest.raises(RuntimeError, match=r"start\(\)"):
        line().wait()


@pytest.mark.parametrize(
    ("depth", "says"), [(lambda huey: len(huey), "PASS"), (None, "asks nobody how many wait")]
)
def test_a_depth_that_is_known_beforehand_is_no_alarm(loaded: Any, depth: Any, says: str) -> None:
    huey = loaded.huey
    serve = huey.task(name="serve")(work)
    huey.put("deepest", 0)

    def constant(signal: str, task: Any) -> None:
        if huey.get("deepest", peek=True) < 11:
            huey.put("deepest", 11)

    def counting(signal: str, task: Any) -> None:
        huey.put("deepest", max(depth(huey), huey.get("deepest", peek=True)))

    hook = counting if depth else constant
    loaded.pause()
    huey.signal("enqueued")(hook)
    coach = [serve(0.0) for _ in range(12)]
    huey.disconnect_signal(hook)
    loaded.resume()
    coach[-1].get(blocking=True)

    assert says in said("02.4", hook, coach)


# --- 03 ---


@pytest.mark.parametrize(
    ("what", "delay", "says"),
    [
        ("tea", 0.5, "PASS"),
        ("coffee", 0.5, "something else"),
        ("tea", 5, "5.0 s ahead"),
        ("tea", -1, "-1.0 s ahead"),
    ],
)
def test_the_reminder_is_the_same_and_comes_soon(
    loaded: Any, what: str, delay: float, says: str
) -> None:
    remind = loaded.huey.task(name="remind")(lambda what: what)
    tea = remind.schedule(("tea",), delay=3600)
    tea.revoke()

    assert says in said("03.1", tea, remind.schedule((what,), delay=delay))


def test_letters_that_were_mapped_are_three_handles(loaded: Any) -> None:
    post = loaded.huey.task(name="post")(lambda number: number)
    loaded.workers.set_count(1)
    post.revoke(revoke_once=True)

    assert "PASS" in said("03.2", post, post.map([1, 2, 3]))


# --- 04 ---


def patient_orders(huey: Any, first: float, factor: float) -> Any:
    opens = time.time() + 0.9

    @huey.task(retry_delay=first, context=True)
    def patient(order: str, task: Any = None) -> str:
        if time.time() < opens:
            delay = task.retry_delay
            task.retry_delay *= factor
            raise RetryTask(delay=delay)
        return order

    return patient.map(["aloe"])


@pytest.mark.parametrize(
    ("first", "factor", "says"),
    [(0.2, 2, "PASS"), (0.1, 2, "first wait"), (0.2, 4, "Make it twice")],
)
def test_the_waits_begin_and_grow_as_was_asked(
    loaded: Any, first: float, factor: float, says: str
) -> None:
    assert says in said("04.1", patient_orders(loaded.huey, first, factor))


def test_a_hook_that_compares_half_of_a_name_is_told_the_whole(loaded: Any) -> None:
    huey = loaded.huey
    huey.pre_execute("closed")(lambda task: None)
    weekend = [datetime.date(2027, 3, day) for day in (6, 7, 8)]
    deliver = huey.task(name="deliver")(lambda day: None)
    send_mail = huey.task(name="send_mail")(lambda day: None)

    parcels = [*deliver.map(weekend), *send_mail.map(weekend)]

    assert f"called {parcels[1].task.name!r}" in said("04.2", CancelExecution, parcels)


def test_a_receipt_that_was_never_printed_is_missed(loaded: Any) -> None:
    charges, tried = [], set()

    @loaded.huey.task(retries=2, retry_delay=0.01)
    def charge(order: str, cents: int) -> None:
        if order not in tried:
            tried.add(order)
            charges.append((order, cents))
            raise OSError("the printer has jammed")

    assert "no receipt" in said("04.3", [charge("aloe", 1200)], charges)


def test_a_handle_that_was_not_reset_is_named_whatever_was_printed(loaded: Any) -> None:
    paper: list[str] = []
    bill = loaded.huey.task(name="print_bill")(lambda order: paper.pop())("cactus")
    with pytest.raises(Exception, match="IndexError"):
        bill.get(blocking=True)
    paper.append("a sheet")
    loaded.huey.run_again(bill.task)

    assert "has to forget" in said("04.4", bill, "a sheet")


# --- 05 ---


def test_a_pair_may_be_handed_on_by_name(loaded: Any) -> None:
    next_pair = loaded.huey.task(name="next_pair")(lambda a, b: {"a": b, "b": a + b})
    line = next_pair.s(0, 1)
    for _ in range(5):
        line.then(next_pair)

    assert "PASS" in said("05.1", loaded.huey.enqueue(line))


def test_the_place_has_to_be_given_and_not_written_into_the_function(loaded: Any) -> None:
    def step(name: str) -> Any:
        return loaded.huey.task(name=name)(int)

    blame = loaded.huey.task(name="blame")(lambda error: f"Bodø: {error}")
    fetch = loaded.huey.task(name="fetch")(str)
    line = fetch.s("?").then(step("parse").s().error(blame)).then(step("store"))

    assert "fits one place only" in said("05.2", line, loaded.huey.enqueue(line))


def test_a_paused_queue_is_said_to_be_paused(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noted, "SHORT", 0.1)
    loaded.pause()
    waiting = average_of(loaded.huey, 45.3)

    assert "%huey resume" in said("01.2", waiting, 45.3)


# --- 06 ---


class Accounts:
    """A bank in memory, which may or may not take back what was half done."""

    def __init__(self) -> None:
        self.cents = {"Ada": 100, "Ben": 100}
        self.lock = threading.Lock()

    def move(self, child: str, cents: int) -> None:
        if self.cents[child] + cents < 0:
            raise ValueError("below zero")
        self.cents[child] += cents


@pytest.mark.parametrize(("careful", "says"), [(True, "PASS"), (False, "gift of -500")])
def test_lines_in_another_order_are_no_transaction(loaded: Any, careful: bool, says: str) -> None:
    bank = Accounts()

    @loaded.huey.task()
    def give(giver: str, taker: str, cents: int) -> None:
        with bank.lock:
            before = dict(bank.cents)
            try:
                bank.move(giver, -cents)
                bank.move(taker, cents)
            except ValueError:
                if careful:
                    bank.cents = before
                raise

    gifts = [give("Ada", "Ben", 30), give("Ada", "Ben", 150), give("Ben", "Ada", 10)]

    assert says in said("06.4", gifts, lambda: dict(bank.cents))


# --- 08 ---


@pytest.mark.skipif(not any(map(shutil.which, PROGRAMS)), reason="no Redis server")
def test_whoever_switches_by_the_clock_is_told_so(
    loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production, "LATER", 0.1)
    monkeypatch.setattr(production, "LINGER", 0.8)

    def looks(old: Any, crew: Any) -> None:
        while len(old) or old.scheduled() or old.running():
            time.sleep(0.02)
        crew.stop(graceful=True)

    def sleeps(old: Any, crew: Any) -> None:
        time.sleep(2)
        crew.stop(graceful=True)

    with redis_server():  # type: ignore[union-attr]
        assert "PASS" in said("08.3", looks)
        assert "not at the clock" in said("08.3", sleeps)


# --- all ---


def test_a_function_without_a_name_in_it_may_be_an_answer() -> None:
    def dots(log: Any) -> None: ...

    def described(log: Any) -> None:
        """Say something."""

    def plain(log: Any) -> Any:
        found = []
        for kind, task in log:
            if kind:
                found += [task]
        return found

    assert [exercises._is_open(one) for one in (dots, described, plain, lambda log: True)] == [
        True,
        True,
        False,
        False,
    ]
