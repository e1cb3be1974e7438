"""What events cost: throughput with them, and with somebody who reads them, beside without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from huey_app import Stand, stand
from huey_rates import fill, seconds_to_drain
from stage import Figures, Settings, each_round

WORKERS = 4


@each_round
def events(settings: Settings) -> Figures:
    """Enqueue and drain three times; the last figures are the ratios to the first."""
    off = _rate(settings, on=False)
    on = _rate(settings, on=True)
    read = _rate(settings, on=True, read=True)
    return {"off": off, "on": on, "read": read, "kept": on / off, "kept-read": read / off}


def _rate(settings: Settings, *, on: bool, read: bool = False) -> float:
    with stand(settings, events=on) as one, _follow(one) if read else nullcontext():
        seconds = fill(one.tasks.tick, settings.count)
        return settings.count / (seconds + seconds_to_drain(one, settings.count, WORKERS))


@contextmanager
def _follow(one: Stand) -> Iterator[None]:
    """Read all events in a thread of this process, until the block ends."""
    over = threading.Event()

    def follow() -> None:
        cursor = None
        while not over.is_set():
            found = one.huey.events.read(cursor, limit=1000, timeout=1)
            cursor = found[-1][0] if found else cursor

    reader = threading.Thread(target=follow)
    reader.start()
    try:
        yield
    finally:
        over.set()
        one.huey.storage.wake_readers()
        reader.join()
