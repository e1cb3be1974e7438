"""The interface of every kind of worker: started, stopped and reached in the same way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huey.consumer import Consumer
    from huey.drivers.noted import Noted


class Driver:
    """Keeps the workers and the scheduler of one consumer going, from one start to one stop.

    It decides who calls the workers' steps. The order of calls is `start`, `finish`, `join`, if
    that took too long `interrupt` and `join` again, `close`.

    :param consumer: whose workers.
    """

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.huey = consumer.huey

    def start(self) -> None:
        """Start workers and scheduler; return at once."""
        raise NotImplementedError

    def watch(self, noted: Noted) -> None:
        """Look after the workers for a moment, or until there is something in ``noted``."""
        noted.wait(1.0)

    def finish(self) -> None:
        """Have no message claimed any more; what runs may end."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Have what runs interrupted, and put back on the queue."""
        raise NotImplementedError

    def join(self, timeout: float | None) -> bool:
        """Wait until all workers have ended; say whether they have.

        :param timeout: seconds to wait in all, None for as long as it takes.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the scheduler, and let go of workers that have not ended."""
        raise NotImplementedError

    def cancel(self, task_id: str) -> bool:
        """Ask a task to end; say whether one of the workers is running it."""
        raise NotImplementedError

    def kill(self, task_id: str) -> bool:
        """End the worker that runs a task; say whether there was one that can be ended."""
        return False

    def pause(self) -> None:
        """Tell the workers that their consumer is paused."""
        raise NotImplementedError

    def resume(self) -> None:
        """Tell them that it goes on."""

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have a function called that may wait for the workers; return at once."""
        threading.Thread(target=func, name="huey stop").start()

    def resize(self, count: int) -> None:
        """Have so many workers; those too many end what they run first."""
        raise NotImplementedError
