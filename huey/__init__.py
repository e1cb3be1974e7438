"""A task queue: functions become tasks, workers run them, results come back."""

import logging

from huey.api import BlackHoleHuey, FileHuey, Huey, MemoryHuey, SqliteHuey
from huey.crontab import crontab
from huey.events import progress, track
from huey.every import every
from huey.exceptions import CancelExecution, RetryTask
from huey.results import Error
from huey.tasks import current_task

__all__ = [
    "BlackHoleHuey",
    "CancelExecution",
    "Error",
    "FileHuey",
    "Huey",
    "MemoryHuey",
    "RetryTask",
    "SqliteHuey",
    "crontab",
    "current_task",
    "every",
    "progress",
    "track",
]

# Silent unless the application sets up logging, as a library should be.
logging.getLogger("huey").addHandler(logging.NullHandler())
