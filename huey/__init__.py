"""A task queue: functions become tasks, workers run them, results come back."""

import logging

from huey.api import (
    BlackHoleHuey,
    FileHuey,
    Huey,
    MemoryHuey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    SqliteHuey,
)
from huey.composition import chord, group
from huey.crontab import crontab
from huey.events import progress, track
from huey.every import every
from huey.exceptions import CancelExecution, RetryTask
from huey.results import SKIPPED, Error
from huey.tasks import current_task

__all__ = [  # noqa: RUF022 - in plain order, as in the other doors
    "BlackHoleHuey",
    "CancelExecution",
    "Error",
    "FileHuey",
    "Huey",
    "MemoryHuey",
    "PriorityRedisExpireHuey",
    "PriorityRedisHuey",
    "RedisExpireHuey",
    "RedisHuey",
    "RetryTask",
    "SKIPPED",
    "SqliteHuey",
    "chord",
    "crontab",
    "current_task",
    "every",
    "group",
    "progress",
    "track",
]

# Silent unless the application sets up logging, as a library should be.
logging.getLogger("huey").addHandler(logging.NullHandler())
