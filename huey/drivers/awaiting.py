"""A run whose call is awaited, for workers that are coroutines."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from huey import signals as S
from huey.alone import Breath
from huey.exceptions import CancelExecution, TaskTimeout
from huey.executor import Executor, Host, Inline, Tried
from huey.lifecycle import judge
from huey.tasks import Run, Task, running

if TYPE_CHECKING:
    from huey.consumer import Worker

logger = logging.getLogger("huey.executor")


class AwaitingExecutor(Executor):
    """Leaves the rest of a run to the worker, who awaits it."""

    def run(self, task: Task[Any], host: Host) -> Any:
        if isinstance(host, Inline):
            return super().run(task, host)
        worker: Any = host
        worker.later = self._run(task, worker)
        return None

    async def _run(self, task: Task[Any], worker: Worker) -> None:
        """Do what `Executor.run` does; its order of things, and its reasons, are there."""
        huey = self.huey
        run = worker.run or Run(task, worker.name, huey.events.stir, worker.pid)
        run.give_way = Breath()
        gone = self._gather(run)
        huey.events.begin(run)
        logger.info("executing %s", task)
        huey.signals.send(S.SIGNAL_EXECUTING, task)
        token = running.set(run)
        try:
            began = time.perf_counter()
            tried = Tried(error=gone) if gone else await self._try_awaiting(run, worker)
            duration = time.perf_counter() - began
            outcome = judge(
                tried.error, task.retries, shutdown=worker.stopping, canceled=run.canceled
            )
            self._wind_up(run)
            huey.hooks["post_execute"].run(task, tried.value, tried.error)
        finally:
            running.reset(token)
            self._free_locks(run)
        try:
            self._conclude(run, worker, tried, outcome, duration)
        finally:
            self._free_locks(run)

    async def _try_awaiting(self, run: Run, worker: Worker) -> Tried:
        try:
            self.huey.hooks["pre_execute"].run(run.task, passing=CancelExecution)
        except CancelExecution as error:
            return Tried(error=error)
        run.task.begin()
        tried = await worker.call_awaiting(run, run.task.execute)
        if isinstance(tried.error, TaskTimeout) and not tried.error.args:
            tried.error.args = run.task.overrun().args
        return tried
