"""Log records as JSON, one object per line, with the task that they are about."""

from __future__ import annotations

import json
import logging
from typing import Any

from huey.tasks import Task, current_task


class JSONFormatter(logging.Formatter):
    """Write each record as one line of JSON, for programs that collect logs.

    The keys are ``at`` (epoch seconds), ``level``, ``logger`` and ``message``; ``task`` (its id)
    and ``name`` (of the task function) where a line is about a task, be it one of the queue's own
    or whatever a task logs while it runs; and ``traceback`` where there is one.

    .. code-block:: python

        handler = logging.StreamHandler()
        handler.setFormatter(JSONFormatter())
        logging.getLogger("huey").addHandler(handler)
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        said: dict[str, Any] = {
            "at": round(record.created, 6),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        task = _task_of(record)
        if task is not None:
            said |= {"task": task.id, "name": task.name}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=True, default=str)


def _task_of(record: logging.LogRecord) -> Task[Any] | None:
    given = record.args if isinstance(record.args, tuple) else ()
    return next((one for one in given if isinstance(one, Task)), None) or current_task()
