"""What a magic says to a line that it cannot take: one sentence that helps."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

import huey_jupyter
from huey_jupyter.options import CellOptions, parse_when


@pytest.fixture
def loaded(ip: Any) -> Iterator[Any]:
    """A shell in which the extension is loaded."""
    with capture_output():
        ip.run_line_magic("load_ext", "huey_jupyter")
        try:
            yield ip
        finally:
            ip.run_line_magic("unload_ext", "huey_jupyter")
            huey_jupyter._last = None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('"unclosed', "No closing quotation"),
        ("--help", "%%huey_task? shows the options"),
        ("--every * * * * *", "quotes around"),
        ("-o huey", "-o huey would hide the queue"),
        ("--every '* * * * *' --wait", "--every and --wait cannot go together"),
        ("--priority nan", "--priority takes a number"),
        ("--delay 1e300", "--delay takes"),
        ("--expires 1e300", "--expires takes"),
        ("--timeout 1e300", "--timeout takes"),
        ("--retry-delay 1e300", "--retry-delay takes"),
    ],
)
def test_a_line_that_cannot_be_is_answered_with_a_sentence(
    loaded: Any, line: str, says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        loaded.run_cell_magic("huey_task", line, "1")

    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("n in [1", "takes NAMES in EXPRESSION"),
        ('n in [1] -n "unclosed', "No closing quotation"),
        ("n in nosuchname", "nosuchname: NameError: name 'nosuchname' is not defined"),
        ("n in [1 / 0]", "[1 / 0]: ZeroDivisionError"),
        ("n in 5", "5: TypeError: 'int' object is not iterable"),
        ("n, m in [(1, 2), (3,)]", "n, m cannot be bound to (3,): not enough values"),
        ("n in [1] --every '* * * * *'", "--every is not for %%huey_map"),
        ("n in [1] --after r", "--after is not for %%huey_map"),
    ],
)
def test_a_map_that_cannot_be_is_answered_with_a_sentence(
    loaded: Any, line: str, says: str
) -> None:
    loaded.user_ns["r"] = huey_jupyter.current().run_cell("1")

    with pytest.raises(UsageError) as caught:
        loaded.run_cell_magic("huey_map", line, "1")

    assert says in str(caught.value)


def test_a_map_of_nothing_says_so(loaded: Any) -> None:
    with capture_output() as shown:
        loaded.run_cell_magic("huey_map", "n in [] -o results --wait", "n")

    assert "no items" in shown.stdout
    assert loaded.user_ns["results"].get() == []


def test_no_worker_is_no_number_of_workers(loaded: Any) -> None:
    with pytest.raises(UsageError, match="at least 1 worker, not 0"):
        loaded.run_line_magic("huey", "start -w 0")


@pytest.mark.parametrize("line", ["help", "-h", "--help"])
def test_help_is_the_manual(loaded: Any, line: str) -> None:
    with capture_output() as shown:
        loaded.run_line_magic("huey", line)

    assert "%huey start [-w N]" in shown.stdout


def test_lessons_say_what_is_in_force(loaded: Any) -> None:
    with capture_output() as shown:
        for line in ("slow 2", "slow 0", "fail 0.5", "fail 0"):
            loaded.run_line_magic("huey", line)

    assert shown.stdout.splitlines() == [
        "each task waits 2 s before it begins: %huey slow 0 ends that",
        "no task waits before it begins",
        "50 % of the tasks fail: %huey fail 0 ends that",
        "no task is chosen to fail",
    ]


def test_a_task_that_did_not_fail_is_not_said_to(loaded: Any) -> None:
    session = huey_jupyter.current()
    loaded.user_ns["bad"] = session.run_cell("1 / 0")
    session.wait()

    with pytest.raises(UsageError) as caught:
        loaded.run_cell_magic("huey_task", "--after bad --wait", "1")

    assert str(caught.value) == "the task was cancelled"


def test_an_hour_may_be_one_digit() -> None:
    now = datetime.datetime(2030, 1, 1, 8, 0)

    assert parse_when("9:30", now) == datetime.datetime(2030, 1, 1, 9, 30)


def test_a_priority_may_be_below_zero() -> None:
    assert CellOptions(priority=-2.5).priority == -2.5
