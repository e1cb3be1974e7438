"""The workers of a session: what can be asked of them, and threads in its kernel."""

from __future__ import annotations

import sys
from typing import Protocol

from huey import Huey

# Seconds between two offers of the interpreter to another thread while workers run: a tenth of
# the default, so that the notebook stays quick beside a busy task.
SWITCH_INTERVAL = 0.0005

MOST_DEATHS = 2  # of the kernel, by one task: it takes everything with it, so two are enough


class Workers(Protocol):
    """Who runs a session's tasks."""

    kind: str

    @property
    def paused(self) -> bool:
        """Whether they begin no task."""
        ...

    @property
    def count(self) -> int:
        """How many tasks at once."""
        ...

    @property
    def running(self) -> bool:
        """Whether they were started, and neither stopped nor died."""
        ...

    @property
    def failure(self) -> str:
        """Why they stopped by themselves; empty if they did not."""
        ...

    def start(self) -> None:
        """Start; if that is impossible, a `ConfigurationError` says why."""
        ...

    def stop(self, graceful: bool = False) -> bool:
        """Stop; what runs ends first or goes back to the queue. Say whether all have ended."""
        ...

    def cancel(self, task_id: str) -> bool:
        """Keep a task from running, or ask it to end; say whether one of them is running it."""
        ...

    def kill(self, task_id: str) -> bool:
        """Cancel a task and end the process that runs it; say whether there was one."""
        ...

    def pause(self) -> None:
        """Begin no task any more, until `resume`."""
        ...

    def resume(self) -> None:
        """Begin tasks again."""
        ...

    def set_count(self, count: int) -> None:
        """Be so many; one that is too many ends what it runs first."""
        ...


class Threads:
    """Threads in this kernel.

    :param huey: whose tasks.
    :param count: how many at once.
    """

    kind = "thread"

    def __init__(self, huey: Huey, count: int) -> None:
        self.huey = huey
        self.consumer = huey.create_consumer(workers=count, most_deliveries=MOST_DEATHS)
        self._switch_interval: float | None = None

    @property
    def count(self) -> int:
        return self.consumer.options.workers

    @property
    def running(self) -> bool:
        return self.consumer.running

    @property
    def paused(self) -> bool:
        return self.consumer.paused

    @property
    def failure(self) -> str:
        return str(self.consumer.failure or "")

    def start(self) -> None:
        self.consumer.start()
        if self._switch_interval is None:
            self._switch_interval = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL)

    def stop(self, graceful: bool = False) -> bool:
        ended = self.consumer.stop(graceful)
        before, self._switch_interval = self._switch_interval, None
        if before is not None and abs(sys.getswitchinterval() - SWITCH_INTERVAL) < 1e-6:
            sys.setswitchinterval(before)  # nobody has set another one meanwhile
        return ended

    def cancel(self, task_id: str) -> bool:
        return self.huey.cancel(task_id)

    def kill(self, task_id: str) -> bool:
        """Return False: a thread cannot be ended from outside."""
        return False

    def pause(self) -> None:
        self.consumer.pause()

    def resume(self) -> None:
        self.consumer.resume()

    def step(self) -> None:
        """Pause, if that was not done, and have one task begun."""
        self.consumer.pause()
        self.consumer.step()

    def set_count(self, count: int) -> None:
        self.consumer.resize(count)
