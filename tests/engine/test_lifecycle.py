"""The fate of a task, decided from facts alone."""

import datetime

import pytest

from huey.exceptions import CancelExecution, RetryTask, TaskInterrupt, TaskLockedException
from huey.lifecycle import Admission, Ending, Outcome, admit, judge

NOW = datetime.datetime(2030, 6, 1, 12)
BEFORE = NOW - datetime.timedelta(seconds=1)
LATER = NOW + datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("eta", "expires", "revoked", "admission"),
    [
        (None, None, False, Admission.RUN),
        (BEFORE, LATER, False, Admission.RUN),
        (NOW, NOW, False, Admission.RUN),
        (LATER, None, False, Admission.SCHEDULE),
        (LATER, BEFORE, True, Admission.SCHEDULE),
        (None, None, True, Admission.REVOKED),
        (BEFORE, BEFORE, True, Admission.REVOKED),
        (None, BEFORE, False, Admission.EXPIRED),
        (BEFORE, BEFORE, False, Admission.EXPIRED),
    ],
)
def test_a_claimed_task_is_admitted_or_not(eta, expires, revoked, admission):
    assert admit(eta, expires, NOW, revoked) is admission


ERROR, CANCELED, LOCKED = Ending.ERROR, Ending.CANCELED, Ending.LOCKED


@pytest.mark.parametrize(
    ("error", "retries", "outcome"),
    [
        (None, 3, Outcome(Ending.COMPLETE)),
        (ValueError(), 0, Outcome(ERROR)),
        (ValueError(), 2, Outcome(ERROR, 1)),
        (SystemExit(), 1, Outcome(ERROR, 0)),
        (RetryTask(), 0, Outcome(ERROR, 0)),
        (RetryTask(delay=5, eta=NOW), 2, Outcome(ERROR, 2, 5, NOW)),
        (CancelExecution(), 2, Outcome(CANCELED)),
        (CancelExecution(retry=True), 0, Outcome(CANCELED, 0)),
        (CancelExecution(retry=True), 2, Outcome(CANCELED, 1)),
        (CancelExecution(retry=None), 0, Outcome(CANCELED)),
        (CancelExecution(retry=None), 2, Outcome(CANCELED, 1)),
        (TaskLockedException(), 0, Outcome(LOCKED)),
        (TaskLockedException(), 2, Outcome(LOCKED, 1)),
        (TaskInterrupt(), 2, Outcome(CANCELED)),
    ],
    ids=repr,
)
def test_a_try_is_judged_by_what_it_raised(error, retries, outcome):
    assert judge(error, retries) == outcome


def test_a_task_that_the_end_of_its_worker_interrupted_is_not_over():
    assert judge(TaskInterrupt(), 2, shutdown=True) == Outcome(Ending.INTERRUPTED)
    assert judge(ValueError(), 2, shutdown=True) == Outcome(ERROR, 1)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome(Ending.COMPLETE)),
        (TaskInterrupt(), Outcome(CANCELED)),
        (ValueError(), Outcome(ERROR)),
        (RetryTask(), Outcome(CANCELED)),
        (CancelExecution(retry=True), Outcome(CANCELED)),
    ],
    ids=repr,
)
def test_a_task_that_somebody_cancelled_is_not_tried_again(error, outcome):
    assert judge(error, 2, canceled=True) == outcome
