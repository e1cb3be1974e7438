"""Other machines, as far as a consumer can tell: folders of their own that know a module."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import huey_jupyter
from huey.alone import sleep
from huey.exceptions import ConfigurationError
from huey_jupyter.teaching.tethered import Tethered

if TYPE_CHECKING:
    from huey.results import ResultGroup

CONSUMER: Final = ("-m", "huey.bin.huey_consumer")
READY_PATIENCE: Final = 20.0  # seconds that a consumer has to start
TICK: Final = 0.05
LATE: Final = 2.0  # seconds that the line of a log may come after its task has ended
GIVEN_BACK: Final = "goes back to the queue"  # what a task was that is not done
LOG: Final = "consumer.log"
TOLD: Final = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")  # and all that begins with HUEY_


class Done(NamedTuple):
    """A task that a machine has run, in epoch seconds."""

    task: str
    start: float
    end: float


class Machine:
    """A folder with a copy of a module, in which a consumer runs; it ends with the kernel.

    Of the notebook it knows the module and the environment variables that begin with ``HUEY_``.

    :param name: of the machine.
    :param target: what the consumer serves, such as ``shop.huey``; ``shop.py`` is in the working
        folder.
    :param options: for ``huey_consumer``, as one writes them on its command line.
    """

    def __init__(self, name: str, target: str, options: str = "") -> None:
        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"a machine's name is made of letters and digits, not {name!r}")
        module = Path(f"{target.partition('.')[0]}.py")
        if not module.exists():
            raise ConfigurationError(f"there is no {module} in this folder: export it first")
        self.name = name
        self.target = target
        self.command = " ".join(filter(None, ("huey_consumer", target, options)))
        self._home = tempfile.TemporaryDirectory(prefix=f"{name}-")
        self.folder = Path(self._home.name)
        shutil.copy(module, self.folder)
        self._log = self.folder / LOG
        self.earlier: list[dict[str, Any]] = []  # what was logged before it was started again
        self._kept: list[dict[str, Any]] = []  # of the log, once the folder is gone
        logging = ["--logfile", str(self._log), "--log-format", "json"]
        self._program = Tethered(
            [sys.executable, *CONSUMER, target, *shlex.split(options), *logging],
            folder=self.folder,
            environment=_environment(),
        )
        self._await_start()

    @property
    def running(self) -> bool:
        return self._program.running

    @property
    def pid(self) -> int:
        """The consumer's process id."""
        return self._program.pid

    def stop(self) -> None:
        """Send SIGINT, wait until what runs is done, and the consumer has ended."""
        while not self._program.interrupt(TICK):
            pass  # in pieces, so that an interrupt of the kernel gets in

    def end(self) -> None:
        """Stop at once, and remove the folder; what was logged can still be read."""
        self._program.stop()
        self._kept = self.read_log()
        self._home.cleanup()

    def read_log(self) -> list[dict[str, Any]]:
        """Return what the consumer has logged: a dict for each line that is complete."""
        try:
            lines = self._log.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            return self._kept
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def log(self) -> str:
        """What the consumer has logged, for people."""
        return "\n".join(f"{one['level']:7} {one['message']}" for one in self.read_log())

    def __repr__(self) -> str:
        state = "running" if self.running else "stopped"
        return f"<Machine {self.name}, {state}: {self.command}>"

    def _await_start(self) -> None:
        deadline = time.monotonic() + READY_PATIENCE
        while self.running and time.monotonic() < deadline:
            if joined(self.read_log()) is not None:
                return
            time.sleep(TICK)
        said = self.log
        self.end()
        raise ConfigurationError(f"the consumer on {self.name} did not start: {said}")


class Machines:
    """Machines that serve one module's queue; new ones replace those that this kernel had for it.

    :param target: what their consumers serve, such as ``shop.huey``.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.all: dict[str, Machine] = {}
        if (before := _serving.get(target)) is not None:
            before.end()
        _serving[target] = self

    def start(self, name: str, options: str = "") -> Machine:
        """Have a machine of this name join; one that is there is stopped first.

        :param options: for ``huey_consumer``, as one writes them on its command line.
        """
        if (before := self.all.get(name)) is not None:
            before.end()
        machine = Machine(name, self.target, options)
        if before is not None:
            machine.earlier = before.earlier + before.read_log()
        self.all[name] = machine
        return machine

    def stop(self) -> None:
        """Stop all machines; what they run is done first."""
        for machine in self.all.values():
            machine.stop()

    def end(self) -> None:
        """Stop all machines at once, and say which were at work."""
        if names := [name for name, one in self.all.items() if one.running]:
            print(f"Sent home first, from {self.target}: {', '.join(names)}.")
        for machine in self.all.values():
            machine.end()

    def follow(self, batch: ResultGroup[Any]) -> None:
        """Show who runs the tasks of a batch."""
        from huey_jupyter.teaching.shifts import ShiftView

        view = ShiftView(self, [one.id for one in batch])
        huey_jupyter.current().displays.show_view(view, key=view.key)

    def wait(self, batch: ResultGroup[Any], count: int | None = None) -> None:
        """Wait until machines have done so many tasks of a batch, by default all.

        If nothing is left in the queue that they could do, say how many are missing and return.

        :raises ConfigurationError: if no machine is there to do them.
        """
        ids = {one.id for one in batch}
        count = len(ids) if count is None else min(count, len(ids))
        left_since: float | None = None
        while (found := self._count(ids)) < count:
            if not any(machine.running for machine in self.all.values()):
                raise ConfigurationError("no machine is running: start one")
            left_since = None if _waits(batch) else left_since or time.monotonic()
            if left_since is not None and time.monotonic() - left_since > LATE:
                print(
                    f"These machines have run {found} of the {len(ids)} tasks, and no other is left"
                    " in the queue: somebody else has run the rest, or it was taken away."
                )
                break
            sleep(TICK, "look at the chart, which goes on by itself")
        huey_jupyter.current().displays.settle()

    def done(self) -> dict[str, list[Done]]:
        """Return what each machine has run, as its logs say."""
        return {name: list(runs(self.read_log(name))) for name in [*self.all]}

    def read_log(self, name: str) -> list[dict[str, Any]]:
        """Return what the consumers on a machine have logged, those before a restart included."""
        machine = self.all[name]
        return machine.earlier + machine.read_log()

    def _count(self, ids: set[str]) -> int:
        """Return how many of these tasks are done; one may have been run again."""
        return len(ids & {one.task for each in self.done().values() for one in each})


_serving: dict[str, Machines] = {}  # by target: those whose consumers are this kernel's


def joined(log: list[dict[str, Any]]) -> float | None:
    """Return when a consumer began to look for work; None if it has not."""
    starts = (one["at"] for one in log if one["message"].startswith("started with"))
    return next(starts, None)


def left(log: list[dict[str, Any]]) -> float | None:
    """Return when a consumer stopped; None if it has not, or was started again."""
    at = None
    for one in log:
        if one["message"] == "stopped":
            at = one["at"]
        elif one["message"].startswith("started with"):
            at = None
    return at


def runs(log: list[dict[str, Any]]) -> list[Done]:
    """Return the tasks that were run, in the order of their ends.

    Of a task, a consumer logs that it executes it, and then how it ended.
    """
    begun: dict[str, float] = {}
    ended = []
    for one in log:
        task = one.get("task")
        if task is None or one["logger"] != "huey.executor":
            continue
        if one["message"].startswith("executing"):
            begun[task] = one["at"]
        elif one["message"].endswith(GIVEN_BACK):
            begun.pop(task, None)
        elif task in begun:
            ended.append(Done(task, begun.pop(task), one["at"]))
    return ended


def _waits(batch: ResultGroup[Any]) -> bool:
    """Say whether anything is left to do in the queue of a batch."""
    storage = batch[0].huey.storage
    return bool(storage.queue_size() + storage.schedule_size() + storage.inflight())


def _environment() -> dict[str, str]:
    """Return the variables that every machine has, and those of the queue."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in TOLD or name.startswith("HUEY_")
    }
