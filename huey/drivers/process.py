"""Workers that are processes, kept alive by a supervisor that does nothing else."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Protocol

from huey.drivers import child
from huey.drivers.base import Driver
from huey.drivers.noted import Noted
from huey.exceptions import ConfigurationError, StorageError

if TYPE_CHECKING:
    from huey.consumer import Consumer

logger = logging.getLogger("huey.consumer")

HALF_DEAD = 1.0  # seconds that a process which hears no more has to end by itself
ANSWER = 2.0  # seconds to wait for the answers to a question
LAST_WORD = 3.0  # seconds more than its children that a supervisor has to end
YOUNG = 1.0  # a process that died before this age (seconds) is not replaced at once
LONGEST_PAUSE = 1.0  # seconds before even that is replaced


class Process(Protocol):
    """A child process."""

    pid: int

    def exit_code(self) -> int | None:
        """Return how it ended, minus the number if by a signal; None while it lives."""
        ...


class Forked:
    """A child made by fork."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def exit_code(self) -> int | None:
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self._code = 1
            else:
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class Spawned:
    """A child made by a new interpreter."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid: int = process.pid

    def exit_code(self) -> int | None:
        code: int | None = self._process.exitcode
        return code


class Kid:
    """One child as its supervisor knows it.

    :param place: which worker, or the scheduler.
    """

    def __init__(self, place: int, process: Process, channel: Connection) -> None:
        self.place = place
        self.process = process
        self.channel = channel
        self.born = time.monotonic()
        self.deaf_since = math.inf

    @property
    def is_worker(self) -> bool:
        return self.place != child.SCHEDULER

    @property
    def is_deaf(self) -> bool:
        return self.deaf_since < math.inf

    def say(self, *words: bytes) -> None:
        if not self.is_deaf:
            with contextlib.suppress(OSError):
                self.channel.send_bytes(b" ".join(words))

    def hear(self) -> bytes:
        """Return what it says; nothing if it is dying."""
        try:
            return self.channel.recv_bytes()
        except (EOFError, OSError):
            self.deaf_since = time.monotonic()
            self.channel.close()
            return b""

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def can_fork() -> bool:
    """Say whether processes are made by fork: where there is one, unless spawning is asked for."""
    return hasattr(os, "fork") and multiprocessing.get_start_method(allow_none=True) in (
        *(None, "fork"),
    )


class ProcessDriver(Driver):
    """Runs each worker, and the scheduler, in a process of its own.

    In a process that only waits it supervises them itself; elsewhere another process does.
    """

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        if self.huey.storage.keeps_objects:
            raise ConfigurationError(
                "process workers cannot see a queue in memory: use SqliteHuey, or another kind "
                "of worker"
            )
        if not can_fork() and consumer.options.import_path is None:
            raise ConfigurationError(
                "without fork, process workers must import the Huey: give "
                "create_consumer(import_path='module.huey'), or start huey_consumer"
            )
        self._driver: Driver = Deputy(consumer)

    def start(self) -> None:
        if self.here or not can_fork():
            self._driver = Supervisor(self.consumer)
        self._driver.start()

    def watch(self, noted: Noted) -> None:
        self._driver.watch(noted)

    def finish(self) -> None:
        self._driver.finish()

    def interrupt(self) -> None:
        self._driver.interrupt()

    def join(self, timeout: float | None) -> bool:
        return self._driver.join(timeout)

    def close(self) -> None:
        self._driver.close()

    def cancel(self, task_id: str) -> bool:
        return self._driver.cancel(task_id)


class Supervisor(Driver):
    """Starts the processes, replaces those that die, and tells them when to end.

    It has no thread, so that to fork is safe at any time.
    """

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self._kids: list[Kid] = []
        self._births: list[tuple[float, int]] = []  # when, and for which place
        self._early_deaths: dict[int, int] = {}
        self._finishing = False
        self._closing = False
        self._answers: list[bool] = []

    def start(self) -> None:
        for place in (child.SCHEDULER, *range(len(self.consumer.workers))):
            self._bear(place)

    def watch(self, noted: Noted) -> None:
        self.turn(1.0, noted.socket)

    def finish(self) -> None:
        self._finishing = True
        self._tell_workers(child.FINISH)

    def interrupt(self) -> None:
        self._tell_workers(child.INTERRUPT)

    def join(self, timeout: float | None) -> bool:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while any(kid.is_worker for kid in self._kids):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.turn(min(left, 0.2))
        return True

    def close(self) -> None:
        self._closing = True
        for kid in self._kids:
            kid.say(child.INTERRUPT)
        deadline = time.monotonic() + LAST_WORD
        while self._kids and time.monotonic() < deadline:
            self.turn(0.1)
        for kid in self._kids:
            kid.kill()
        while self._kids:
            self.turn(0.1)

    def cancel(self, task_id: str) -> bool:
        workers = [kid for kid in self._kids if kid.is_worker and not kid.is_deaf]
        self._answers.clear()
        for kid in workers:
            kid.say(child.CANCEL, task_id.encode())
        deadline = time.monotonic() + ANSWER
        while len(self._answers) < len(workers) and time.monotonic() < deadline:
            if any(self._answers):
                return True
            self.turn(0.05)
        return any(self._answers)

    def turn(self, timeout: float, *also: Any) -> None:
        """Wait for something to happen, to the children or in ``also``, and see to it."""
        channels = {kid.channel: kid for kid in self._kids if not kid.is_deaf}
        for ready in wait([*channels, *also], self._pause(timeout)):
            if ready in channels:
                self._hear(channels[ready])
        for kid in list(self._kids):
            self._bury(kid)
        self._replace()

    def _pause(self, timeout: float) -> float:
        if any(kid.is_deaf for kid in self._kids):
            return min(timeout, 0.01)
        births = [when - time.monotonic() for when, _ in self._births]
        return max(0.0, min([timeout, *births]))

    def _tell_workers(self, word: bytes) -> None:
        for kid in self._kids:
            if kid.is_worker:
                kid.say(word)

    def _hear(self, kid: Kid) -> None:
        word, _, what = kid.hear().partition(b" ")
        if word == child.FAILED:
            self.consumer.fail(StorageError(what.decode()))
        elif word:
            self._answers.append(word == child.RUNNING)

    def _bury(self, kid: Kid) -> None:
        """Take note of a child's death, and of who has to take its place when."""
        code = kid.process.exit_code()
        if code is None:
            if kid.deaf_since + HALF_DEAD < time.monotonic():
                kid.kill()
            return
        self._kids.remove(kid)
        kid.channel.close()
        if self._closing or (self._finishing and kid.is_worker):
            return
        options = self.consumer.options
        self._log_death(kid, code)
        for one in self._kids:
            if not one.is_worker:
                one.say(child.RECOVER)
        if code == 0 or options.check_worker_health:
            self._births.append((time.monotonic() + self._mourning(kid), kid.place))

    def _log_death(self, kid: Kid, code: int) -> None:
        who = self.consumer.workers[kid.place].name if kid.is_worker else "the scheduler"
        if code == 0:
            logger.info("%s (process %s) has ended", who, kid.process.pid)
        else:
            how = f"was killed by signal {-code}" if code < 0 else f"died with exit code {code}"
            logger.error("%s (process %s) %s", who, kid.process.pid, how)

    def _mourning(self, kid: Kid) -> float:
        """Return how long to wait before a child is replaced: longer the more die young."""
        if time.monotonic() - kid.born > YOUNG:
            self._early_deaths.pop(kid.place, None)
            return 0.0
        deaths = self._early_deaths[kid.place] = self._early_deaths.get(kid.place, 0) + 1
        return min(0.05 * 2.0 ** min(deaths, 10), LONGEST_PAUSE)

    def _replace(self) -> None:
        now = time.monotonic()
        due = [place for when, place in self._births if when <= now]
        self._births = [birth for birth in self._births if birth[0] > now]
        for place in due:
            if not self._closing and not (self._finishing and place != child.SCHEDULER):
                self._bear(place)

    def _bear(self, place: int) -> None:
        """Start a child."""
        ours, theirs = multiprocessing.Pipe()
        process = self._fork(place, theirs) if can_fork() else self._spawn(place, theirs)
        theirs.close()
        self._kids.append(Kid(place, process, ours))
        logger.debug("process %s started for place %s", process.pid, place)

    def _fork(self, place: int, channel: Connection) -> Process:
        parent = os.getpid()
        with _signals_blocked():
            pid = os.fork()
            if pid == 0:
                for kid in self._kids:  # or their parent would seem to live as long as this one
                    kid.channel.close()
                child.be(self.consumer, place, channel, parent)
        return Forked(pid)

    def _spawn(self, place: int, channel: Connection) -> Process:
        context = multiprocessing.get_context("spawn")
        arguments = (self.consumer.options, place, channel, os.getpid())
        process = context.Process(target=be_spawned, args=arguments)
        process.start()
        return Spawned(process)


def be_spawned(options: Any, place: int, channel: Connection, parent: int) -> None:
    """Import the Huey in a new interpreter and be one of its consumer's processes."""
    module, _, name = options.import_path.rpartition(".")
    huey = getattr(importlib.import_module(module), name)
    consumer = huey.create_consumer(**vars(options))
    child.be(consumer, place, channel, parent)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Keep signals waiting, so that none meets a child that has no handler yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, child.STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, child.STOP_SIGNALS)


class Deputy(Driver):
    """Has a supervisor in a process of its own, for a program that has other things to do."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self._lock = threading.Lock()
        self._kid: Kid | None = None

    def start(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        with _signals_blocked():
            pid = os.fork()
            if pid == 0:
                ours.close()
                _supervise(self.consumer, theirs)
        theirs.close()
        self._kid = Kid(child.SCHEDULER, Forked(pid), ours)

    def finish(self) -> None:
        self._say(child.FINISH)

    def interrupt(self) -> None:
        self._say(child.INTERRUPT)

    def join(self, timeout: float | None) -> bool:
        deadline = math.inf if timeout is None else time.monotonic() + timeout + LAST_WORD
        while self._kid is not None and self._kid.process.exit_code() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def close(self) -> None:
        if self._kid is None:
            return
        if not self.join(0):
            self._kid.kill()
            self.join(None)
        self._kid.channel.close()

    def cancel(self, task_id: str) -> bool:
        with self._lock:
            if self._kid is None:
                return False
            self._kid.say(child.CANCEL, task_id.encode())
            with contextlib.suppress(EOFError, OSError):
                if self._kid.channel.poll(ANSWER + 1):
                    return self._kid.channel.recv_bytes() == child.RUNNING
        return False

    def _say(self, word: bytes) -> None:
        with self._lock:
            if self._kid is not None:
                self._kid.say(word)


def _supervise(consumer: Consumer, channel: Connection) -> None:
    """Supervise in this process, until the host's word, its end or a signal."""
    code = 1
    try:
        child.ignore_the_terminal()
        supervisor = Supervisor(consumer)
        consumer.become(supervisor, _log_failure)
        with Noted([signal.SIGTERM]) as noted:
            child.unblock_signals()
            supervisor.start()
            word = _until_told(supervisor, channel, noted)
            supervisor.finish()
            while word == child.FINISH and not supervisor.join(0.1):
                word = child.INTERRUPT if noted else _word(supervisor, channel) or word
            if word != child.FINISH:
                supervisor.interrupt()
                supervisor.join(child.INTERRUPT_PATIENCE)
            supervisor.close()
        code = 0
    except BaseException:
        logger.exception("the supervisor ends, which it should not")
    finally:
        child.leave(code)


def _log_failure(error: StorageError) -> None:
    logger.critical("stopping: %s", error)


def _until_told(supervisor: Supervisor, channel: Connection, noted: Noted) -> bytes:
    """Supervise until it is time to end; return whether that is to finish or to interrupt."""
    while supervisor.consumer.failure is None and noted.take() is None:
        supervisor.turn(1.0, channel, noted.socket)
        word = _word(supervisor, channel)
        if word:
            return word
    return child.INTERRUPT


def _word(supervisor: Supervisor, channel: Connection) -> bytes:
    """Return what the host says about the end, if anything; do what else it wants."""
    if not channel.poll():
        return b""
    try:
        word, _, what = channel.recv_bytes().partition(b" ")
    except (EOFError, OSError):  # the host is dead
        return child.INTERRUPT
    if word != child.CANCEL:
        return word
    known = supervisor.cancel(what.decode())
    channel.send_bytes(child.RUNNING if known else child.NOT_RUNNING)
    return b""
