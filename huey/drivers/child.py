"""What runs in a child process: one worker, or the scheduler, ruled by the parent's words."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import math
import os
import signal
import sys
import threading
import time
from functools import partial
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

from huey.coroutines import OwnLoop
from huey.drivers.caller import Caller
from huey.drivers.noted import Noted
from huey.drivers.page import Page, ShownCaller
from huey.drivers.thread import ThreadDriver
from huey.drivers.window import MainWindow
from huey.exceptions import StorageError

if TYPE_CHECKING:
    from huey.consumer import Consumer

logger = logging.getLogger("huey.consumer")

# Words from the parent, and a child's to it; an id or a number may follow after a space,
# so there is none in a word.
FINISH: Final = b"finish"
INTERRUPT: Final = b"interrupt"
CANCEL: Final = b"cancel"
KILL: Final = b"kill"
PAUSE: Final = b"pause"
RESUME: Final = b"resume"
RESIZE: Final = b"resize"
RECOVER: Final = b"recover"
FAILED: Final = b"failed"
RUNNING: Final = b"running"
NOT_RUNNING: Final = b"not-running"

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

SCHEDULER: Final = -1  # the place of the scheduler; workers are counted from 0

INTERRUPT_PATIENCE = 5.0  # seconds that an interrupted task has to end before its process does
ORPHANS_PATIENCE = 0.5  # seconds likewise, when the parent is dead
WORD_PATIENCE = 0.3  # seconds in which a parent that got the same signal says how to stop


def be(
    consumer: Consumer, place: int, channel: Connection, parent: int, page: Page | None = None
) -> NoReturn:
    """Be a worker or the scheduler in this process, which ends with it.

    :param page: where to show the task that runs; None where memory cannot be shared.
    """
    code = 1
    try:
        die_with_parent(parent)
        driver: ChildProcess
        if place == SCHEDULER:
            driver = SchedulerProcess(consumer, place)
        else:
            driver = WorkerProcess(consumer, place, page)
        consumer.become(driver, partial(tell_failure, channel))
        driver.serve(channel)
        code = 0
    except BaseException:
        logger.exception("a process of the consumer ends, which it should not")
    finally:
        leave(code)


def leave(code: int) -> NoReturn:
    """End this process at once, without what its parent wants done at exit."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can (prctl(2) of Linux)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)  # it had died before


def ignore_the_terminal() -> None:
    """Leave Ctrl-C and a hang-up, which the whole process group gets, to the parent.

    By a handler that does nothing: what is merely ignored would be ignored by the programs that
    tasks start, too.
    """
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _do_nothing)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing."""


def tell_failure(channel: Connection, error: StorageError) -> None:
    """Tell the parent that the storage cannot be used."""
    with contextlib.suppress(OSError):
        channel.send_bytes(FAILED + b" " + str(error).encode())


class ChildProcess(ThreadDriver):
    """One loop of the consumer in the main thread of a process.

    Other threads listen to the parent, keep time and write events. A signal to end that the whole
    process group got is left to the parent, who got it too and says how.

    :param place: which of the consumer's workers, or `SCHEDULER`.
    """

    def __init__(self, consumer: Consumer, place: int) -> None:
        super().__init__(consumer)
        self.place = place
        self._over = threading.Event()
        self._told = False
        self._channel: Connection | None = None
        self._speaking = threading.Lock()

    def serve(self, channel: Connection) -> None:
        """Go on until the parent or a signal ends it."""
        ignore_the_terminal()
        self._channel = channel
        with Noted([signal.SIGTERM], at_once=True) as noted:
            unblock_signals()
            if self.huey.events.enabled and self.place != SCHEDULER:
                self._help("events", partial(self.huey.events.serve, self._stop_helpers))
            self._help("listener", partial(self._listen, channel, noted))
            self.loop()
            self._over.set()
            noted.wake()
            self.close()
        self.huey.storage.leave()
        self.huey.storage.close()

    def loop(self) -> None:
        """Do the work, until `finish`."""
        raise NotImplementedError

    def end(self, graceful: bool, patience: float = INTERRUPT_PATIENCE) -> None:
        """Stop; what cannot be interrupted ends with the process, without its message."""
        self.finish()
        if graceful:
            return
        self.interrupt()
        if not self.join(patience):
            with contextlib.suppress(Exception):
                self.release()
            leave(0)

    def interrupt(self) -> None:
        """Interrupt what runs."""
        self._interrupting = True

    def cancel(self, task_id: str) -> bool:
        """Ask a task to end; one that another process runs is passed on and not counted."""
        known = super().cancel(task_id)
        if not known:
            self._say(CANCEL, task_id.encode())
        return known

    def release(self) -> None:
        """Give back what it has in hand."""

    def recover(self) -> None:
        """Look for what dead workers had in hand."""

    def join(self, timeout: float | None) -> bool:
        deadline = time.monotonic() + (timeout or 0.0)
        while not self._over.wait(0.02):
            if time.monotonic() >= deadline:
                return False
            self._press()
        return True

    def _listen(self, channel: Connection, noted: Noted) -> None:
        """Do what the parent or a signal says, until the loop is over."""
        deadline = math.inf
        while not self._over.is_set():
            pause = max(0.0, min(1.0, deadline - time.monotonic()))
            ready = wait([channel, noted.socket], pause)
            if noted.take() is not None and deadline == math.inf and not self._told:
                self.end(graceful=True)  # claims nothing more; a word may make it softer
                deadline = time.monotonic() + WORD_PATIENCE
            if channel in ready:
                deadline = self._obey(channel, deadline)
            if time.monotonic() >= deadline:
                self.end(graceful=False)

    def _obey(self, channel: Connection, deadline: float) -> float:
        """Do what the parent says; return the time after which a signal counts."""
        try:
            word, _, what = channel.recv_bytes().partition(b" ")
        except (EOFError, OSError):  # the parent is dead
            self.end(graceful=False, patience=ORPHANS_PATIENCE)
            return math.inf
        if word == INTERRUPT:
            self.end(graceful=False)
        elif word == FINISH:
            self._told = True  # a signal may still be on its way, to the whole group
            self.end(graceful=True)
            return math.inf
        elif word == RECOVER:
            self.recover()
        elif word in (PAUSE, RESUME):
            self.consumer.paused = word == PAUSE
            self.wake()
        elif word == CANCEL:
            known = super().cancel(what.decode())
            self._say(RUNNING if known else NOT_RUNNING, what)
        return deadline

    def _say(self, *words: bytes) -> None:
        with self._speaking, contextlib.suppress(OSError):
            if self._channel is not None:
                self._channel.send_bytes(b" ".join(words))


class WorkerProcess(ChildProcess):
    """One worker, whose tasks run in the main thread of its process.

    :param page: where to show which.
    """

    def __init__(self, consumer: Consumer, place: int, page: Page | None = None) -> None:
        super().__init__(consumer, place)
        self._page = page
        consumer.hire(place)  # a place that the options do not know, where it was added later

    def loop(self) -> None:
        window, loop = MainWindow(), OwnLoop()
        if self._page is None:
            caller = Caller(window, loop)
        else:
            caller = ShownCaller(window, loop, self._page)
        worker = self.consumer.hire(self.place, caller, self.keeper)
        self.consumer.work(worker, self._stop)

    def interrupt(self) -> None:
        super().interrupt()
        self.consumer.places[self.place].stop()

    def release(self) -> None:
        self.consumer.places[self.place].release()


class SchedulerProcess(ChildProcess):
    """The scheduler."""

    def loop(self) -> None:
        self.consumer.schedule(self._stop)

    def recover(self) -> None:
        self.consumer.scheduler.recover_soon()


def unblock_signals() -> None:
    """Let signals in that were kept waiting since before the fork."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
