"""Tasks that take longer or go wrong on purpose, so that a class can watch what follows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from huey import Huey
from huey.tasks import Task

HOOK: Final = "huey_jupyter lesson"
NAP: Final = 0.05  # seconds; a task that is slowed down can be cancelled between two


class Unlucky(Exception):
    """What a task fails with that was chosen to fail."""


class Lesson:
    """Slows tasks down and lets some of them fail, those that workers in this kernel run.

    :param huey: whose tasks.
    """

    def __init__(self, huey: Huey) -> None:
        self.huey = huey
        self.seconds = 0.0
        self.share = 0.0
        self._random = random.Random()  # noqa: S311 - no secret depends on it

    def slow(self, seconds: float) -> None:
        """Have each task wait so many seconds before it begins; 0 for none.

        :raises ValueError: if it is no such number.
        """
        if not 0 <= seconds < 3600:
            raise ValueError("%huey slow takes seconds from 0 up, less than an hour")
        self.seconds = seconds
        self._hang_on()

    def fail(self, share: float) -> None:
        """Have so large a share of the tasks fail, chosen at random; 0 for none.

        :raises ValueError: if it is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            raise ValueError("%huey fail takes a share from 0 to 1, such as 0.3")
        self.share = share
        self._hang_on()

    def end(self) -> None:
        """Leave tasks alone."""
        self.seconds = self.share = 0.0
        self.huey.unregister_pre_execute(HOOK)

    def _hang_on(self) -> None:
        self.huey.unregister_pre_execute(HOOK)
        if self.seconds or self.share:
            self.huey.pre_execute(HOOK)(self._change)

    def _change(self, task: Task[Any]) -> None:
        task.execute = partial(self._run, task.execute)  # type: ignore[method-assign]

    def _run(self, execute: Callable[[], Any]) -> Any:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            time.sleep(NAP)
        if self._random.random() < self.share:
            raise Unlucky(f"chosen to fail: %huey fail {self.share:g} is in force")
        return execute()
