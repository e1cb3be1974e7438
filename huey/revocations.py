"""Which tasks must not run: one by its id, or all of a function."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from huey.constants import EmptyData
from huey.results import Result
from huey.storage.base import FLAGS
from huey.tasks import Task, TaskWrapper
from huey.utils import from_timestamp, printable

if TYPE_CHECKING:
    from huey.api import Huey

logger = logging.getLogger("huey.revocations")

_TASK, _FUNCTION = FLAGS


def revocation_key(subject: Any) -> str:
    """Return the key under which a revocation is kept.

    :param subject: a task, its id, its result, a task class or a task function.
    """
    if isinstance(subject, TaskWrapper):
        subject = subject.task_class
    if isinstance(subject, type) and issubclass(subject, Task):
        return f"{_FUNCTION}{subject.name}"
    return f"{_TASK}{subject.id if isinstance(subject, (Task, Result)) else subject}"


def revocation_keys(task: Task[Any]) -> tuple[str, str]:
    """Return the keys of what may keep a task from running: of its own, and of its function's."""
    return f"{_TASK}{task.id}", f"{_FUNCTION}{type(task).name}"


class Revocations:
    """The revocations of one Huey, kept as values in its storage.

    ``latest`` is another object after each revocation in this process, and after each wish that a
    task stop. A worker that finds it changed looks into the storage once more.
    """

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self.latest = object()

    def note(self) -> None:
        """Take note that a task may be one not to run."""
        self.latest = object()

    def revoke(self, key: str, until: datetime.datetime | None, once: bool) -> None:
        """Remember that what ``key`` stands for must not run."""
        self.huey.storage.put_data(key, self.huey.serializer.serialize((until, once)))
        self.note()

    def restore(self, key: str) -> bool:
        """Forget a revocation; False if there was none."""
        return self.huey.storage.pop_data(key) is not EmptyData

    def is_revoked(self, key: str, now: datetime.datetime) -> bool:
        """Say whether what ``key`` stands for must not run at a time."""
        data = self.huey.storage.peek_data(key)
        if data is EmptyData:
            return False
        until, _ = self._read(key, data)
        return until is None or until > now

    def heed(self, keys: Sequence[str], now: datetime.datetime | None) -> bool:
        """Say the same of several keys to a worker, and use up what is for once or over.

        :param now: by default the present.
        """
        for key, data in zip(keys, self.huey.storage.peek_many(keys), strict=True):
            if data is not EmptyData and self._heed(key, data, now):
                return True
        return False

    def _heed(self, key: str, data: Any, now: datetime.datetime | None) -> bool:
        storage = self.huey.storage
        until, once = self._read(key, data)
        now = now or from_timestamp(time.time(), utc=self.huey.utc)
        if until is not None and until <= now:
            storage.pop_data(key)
            return False
        return not once or storage.pop_data(key) is not EmptyData

    def _read(self, key: str, data: Any) -> tuple[datetime.datetime | None, bool]:
        """Return until when and whether for once; what cannot be read holds until restored."""
        try:
            until, once = self.huey.serializer.deserialize(data)
        except (Exception, SystemExit):
            logger.exception("the revocation %s cannot be read and is heeded", printable(key))
            return None, False
        return until, once
