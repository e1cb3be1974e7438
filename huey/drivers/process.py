"""Workers that are processes, kept alive by a supervisor that does nothing else."""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import signal
import threading
import time
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NoReturn

from huey.drivers import child
from huey.drivers.base import Driver
from huey.drivers.keeper import Timekeeper
from huey.drivers.kids import Kid, can_fork, fork
from huey.drivers.noted import Noted
from huey.drivers.supervisor import ANSWER, LAST_WORD, Attended, Supervisor
from huey.drivers.thread import free_place
from huey.exceptions import ConfigurationError, StorageError

if TYPE_CHECKING:
    from huey.consumer import Consumer

logger = logging.getLogger("huey.consumer")

CHECK = 1.0  # seconds at most between two looks at a supervisor


def make_process_driver(consumer: Consumer, here: bool) -> Driver:
    """Return what keeps a consumer's worker processes going.

    :param here: whether this process does nothing else, and may supervise them itself. Elsewhere
        another process does, or where there is no fork a thread.
    """
    if consumer.huey.storage.keeps_objects:
        raise ConfigurationError(
            "process workers cannot see a queue in memory: use SqliteHuey, or another kind "
            "of worker"
        )
    if not can_fork() and consumer.options.import_path is None:
        raise ConfigurationError(
            "without fork, process workers must import the Huey: give "
            "create_consumer(import_path='module.huey'), or start huey_consumer"
        )
    if here:
        return Supervisor(consumer)
    return Deputy(consumer) if can_fork() else Attended(consumer)


class Deputy(Driver):
    """Has a supervisor in a process of its own, for a program that has other things to do.

    A thread looks from time to time whether it lives.
    """

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self._lock = threading.Lock()
        self._kid: Kid | None = None
        self._finishing = False
        self._keeper = Timekeeper()

    def start(self) -> None:
        with self._lock:
            self._bear()
        self._check_later()

    def finish(self) -> None:
        self._finishing = True
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
        self._keeper.close()
        self._kid.channel.close()

    def cancel(self, task_id: str) -> bool:
        return self._ask(child.CANCEL, task_id.encode())

    def kill(self, task_id: str) -> bool:
        return self._ask(child.KILL, task_id.encode())

    def pause(self) -> None:
        self._say(child.PAUSE)

    def resume(self) -> None:
        self._say(child.RESUME)

    def resize(self, count: int) -> None:
        places = self.consumer.places  # of those whom a new supervisor would start with
        for place in list(places)[count:]:
            del places[place]
        for _ in range(count - len(places)):
            self.consumer.hire(free_place(places))
        self._say(child.RESIZE, b"%d" % count)

    def _ask(self, word: bytes, task_id: bytes) -> bool:
        """Ask the supervisor about a task; return its answer."""
        with self._lock:
            if self._kid is None:
                return False
            self._kid.say(word, task_id)
            with contextlib.suppress(EOFError, OSError):
                while self._kid.channel.poll(ANSWER + 1):
                    answer, _, what = self._kid.channel.recv_bytes().partition(b" ")
                    if what == task_id:
                        return answer == child.RUNNING
        return False

    def _bear(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        process = fork(partial(_supervise, self.consumer, theirs, ours))
        theirs.close()
        self._kid = Kid(child.SCHEDULER, process, ours)

    def _check_later(self) -> None:
        options = self.consumer.options
        if options.check_worker_health:
            self._keeper.call_after(min(options.health_check_interval, CHECK), self._check)

    def _check(self) -> None:
        """Replace the supervisor if it has died, and its workers with it."""
        failure = ""
        with self._lock:
            kid = self._kid
            if kid is not None and not self._finishing and kid.process.exit_code() is not None:
                failure = _last_words(kid)
                kid.channel.close()
                if not failure:
                    logger.error("the supervisor (process %s) died", kid.process.pid)
                    self._bear()
        if failure:
            self.consumer.fail(StorageError(failure))
        else:
            self._check_later()

    def _say(self, *words: bytes) -> None:
        with self._lock:
            if self._kid is not None:
                self._kid.say(*words)


def _supervise(consumer: Consumer, channel: Connection, hosts: Connection) -> NoReturn:
    """Supervise in this process, until the host's word, its end or a signal.

    :param hosts: the host's end of the channel, which this process must not keep open.
    """
    code = 1
    try:
        hosts.close()
        child.ignore_the_terminal()
        supervisor = Supervisor(consumer, channel)
        consumer.become(supervisor, partial(child.tell_failure, channel))
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


def _last_words(kid: Kid) -> str:
    """Return why a dead supervisor has given up, if it has."""
    while not kid.is_deaf and kid.channel.poll():
        word, _, what = kid.hear().partition(b" ")
        if word == child.FAILED:
            return what.decode()
    return ""


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
    if word in (child.CANCEL, child.KILL):
        act = supervisor.cancel if word == child.CANCEL else supervisor.kill
        known = act(what.decode())
        channel.send_bytes((child.RUNNING if known else child.NOT_RUNNING) + b" " + what)
        return b""
    return b"" if _is_done(supervisor.consumer, word, what) else word


def _is_done(consumer: Consumer, word: bytes, what: bytes) -> bool:
    """Do what a word says that has no answer, unless it is about the end; say whether it was."""
    if word == child.PAUSE:
        consumer.pause()
    elif word == child.RESUME:
        consumer.resume()
    elif word == child.RESIZE:
        consumer.resize(int(what))
    else:
        return False
    return True
