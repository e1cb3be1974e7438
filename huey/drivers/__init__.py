"""Who calls the steps of workers and scheduler: one driver for each kind of worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huey.alone import is_alone
from huey.constants import WORKER_ASYNCIO, WORKER_GREENLET, WORKER_PROCESS
from huey.exceptions import ConfigurationError

if TYPE_CHECKING:
    from huey.consumer import Consumer
    from huey.drivers.base import Driver


def make_driver(consumer: Consumer, here: bool) -> Driver:
    """Return the driver for the kind of worker that a consumer's options name.

    :param here: whether the main thread of this process has nothing to do but to `Driver.watch`.
    """
    kind = consumer.options.worker_type
    if kind == WORKER_PROCESS:
        if is_alone():
            raise ConfigurationError("this interpreter can start no process: leave worker_type out")
        from huey.drivers.process import make_process_driver

        return make_process_driver(consumer, here)
    if kind == WORKER_GREENLET:
        from huey.drivers.greenlet import GreenletDriver

        return GreenletDriver(consumer)
    if is_alone():
        from huey.drivers.single import SingleDriver

        return SingleDriver(consumer, here)
    if kind == WORKER_ASYNCIO:
        from huey.drivers.asyncio import AsyncioDriver

        return AsyncioDriver(consumer)
    from huey.drivers.thread import ThreadDriver

    return ThreadDriver(consumer)
