"""Small names that every part agrees on."""

from typing import Final

WORKER_THREAD: Final = "thread"
WORKER_PROCESS: Final = "process"
WORKER_GREENLET: Final = "greenlet"
WORKER_ASYNCIO: Final = "asyncio"
WORKER_TYPES: Final = (WORKER_THREAD, WORKER_PROCESS, WORKER_GREENLET, WORKER_ASYNCIO)


AT_LEAST_ONCE: Final = "at-least-once"
AT_MOST_ONCE: Final = "at-most-once"


class EmptyData:
    """What a storage returns for a key that holds nothing; None is a value like any other."""
