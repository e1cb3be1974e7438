"""The tree of errors.

HueyException
    ConfigurationError          an option that cannot work, said when it is given
        StorageError            the storage cannot be used at all: a corrupt file, a wrong password
    TaskLockedException         a lock that another task holds
    RateLimitExceeded           a limit whose turns are taken
    ResultTimeout               the caller waited long enough
    CancelExecution             raised by a task or a hook: do not run, do not retry
    RetryTask                   raised by a task: run me again
    TaskTimeout                 raised inside a task whose time is over
    UnreadableMessage           a message that this consumer cannot turn into a task
    TaskException               the task failed; its subclasses: it will never have a value
        TaskExpired
        TaskCanceled
            TaskRevoked
        TaskLockedOut
        WorkerLost

TaskInterrupt                   not a HueyException: what a worker raises inside a running task
"""

from __future__ import annotations

import datetime
from typing import Any


class HueyException(Exception):
    """General exception class."""


class ConfigurationError(HueyException):
    """A setting that cannot work; the message says what to write instead."""


class TaskLockedException(HueyException):
    """A task lock could not be acquired."""


class RateLimitExceeded(HueyException):
    """A rate limit has no turn left.

    :param key: the limit's name.
    :param delay: seconds until there is a turn.
    :param retry: whether the task that meets it goes back to the schedule until then.
    """

    def __init__(self, key: str, delay: float, retry: bool = True) -> None:
        super().__init__(key, delay, retry)
        self.key = key
        self.delay = delay
        self.retry = retry

    def __str__(self) -> str:
        return f"the rate limit {self.key!r} is used up, the next turn is in {self.delay:.3g} s"


class ResultTimeout(HueyException):
    """The result was not ready when the time to wait for it was over."""


class StorageError(ConfigurationError):
    """The storage cannot be used, and trying again would not help.

    The message names the file or the server and says what to do.
    """


class UnreadableMessage(HueyException):
    """A message names no known task, or is no message at all.

    :param msg: why.
    :param task_id: the task's id if that at least could be read.
    """

    def __init__(self, msg: str, task_id: str | None = None) -> None:
        super().__init__(msg)
        self.task_id = task_id


class CancelExecution(HueyException):
    """Raise in a hook or in a task to cancel it.

    :param msg: why; told in the event ``canceled``, on the task's card, and to whoever reads its
        result.
    :param retry: False: never retried, whatever retries are left. True: retried at least once
        more. None: the task's own retry policy decides. A positional bool means ``retry``.
    """

    def __init__(self, msg: str | bool | None = None, retry: bool | None = False) -> None:
        if isinstance(msg, bool):
            msg, retry = None, msg
        super().__init__(*(() if msg is None else (msg,)))
        self.retry = retry


class RetryTask(HueyException):
    """Raise in a task to run it again; retries that are left are not spent.

    :param msg: why; shown in the log.
    :param delay: seconds until the next run; beats the task's ``retry_delay``.
    :param eta: time of the next run; beats ``delay``.
    """

    def __init__(
        self,
        msg: str | None = None,
        delay: float | None = None,
        eta: datetime.datetime | None = None,
    ) -> None:
        super().__init__(*(() if msg is None else (msg,)))
        self.delay = delay
        self.eta = eta


class TaskTimeout(HueyException):
    """Raised inside a task that has run for longer than its ``timeout``; it may clean up."""


class TaskException(HueyException):
    """A task failed; raised by whoever reads its result.

    :param metadata: ``error`` (one line), ``retries`` (left), ``traceback`` (text), ``task_id``;
        a text is the ``error`` alone.
    """

    def __init__(self, metadata: dict[str, Any] | str | None = None, *args: object) -> None:
        super().__init__(metadata, *args)
        told = metadata if isinstance(metadata, dict | None) else {"error": metadata}
        self.metadata: dict[str, Any] = told or {}

    def __str__(self) -> str:
        return str(self.metadata.get("error", "unknown error"))


class TaskExpired(TaskException):
    """No worker was free before the task's ``expires``, so it was not run."""


class TaskCanceled(TaskException):
    """The task was cancelled, by a hook, by itself or by ``Result.cancel()``."""


class TaskRevoked(TaskCanceled):
    """The task was revoked or cancelled before it began, so it will never have a value."""


class TaskLockedOut(TaskException):
    """Another task held the lock, and there were no retries left, so the task was dropped."""


class WorkerLost(TaskException):
    """The task will not run any more: its worker died or was stopped, or its queue was given up."""


class TaskInterrupt(BaseException):
    """Raised by a worker inside the task that it runs, to stop it.

    A BaseException, so that ``except Exception`` in a task does not swallow it.
    """
