"""A task queue: functions become tasks, workers run them, results come back."""

import logging

from huey.api import (
    Huey,
    MemoryHuey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
    SqliteHuey,
)
from huey.crontab import crontab
from huey.events import progress, track
from huey.exceptions import CancelExecution, RetryTask
from huey.results import Error
from huey.tasks import current_task

__all__ = [
    "CancelExecution",
    "Error",
    "Huey",
    "MemoryHuey",
    "PriorityRedisExpireHuey",
    "PriorityRedisHuey",
    "RedisExpireHuey",
    "RedisHuey",
    "RetryTask",
    "SqliteHuey",
    "crontab",
    "current_task",
    "progress",
    "track",
]

# Silent unless the application sets up logging, as a library should be.
logging.getLogger("huey").addHandler(logging.NullHandler())
