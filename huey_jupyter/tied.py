"""A consumer outside the kernel that does what the kernel says, and ends with it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from huey.drivers.noted import Noted
from huey.exceptions import ConfigurationError, HueyException
from huey.executor import one_line
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.shipping.envelope import PYTHON
from huey_jupyter.worker import furnished, open_huey

logger = logging.getLogger("huey.consumer")

GLANCE = 0.5  # seconds between two looks whether the kernel and the workers live


class Order(NamedTuple):
    """What a kernel wants to be served, in its first message, as a dict.

    :param url: where the queue is.
    :param name: its name.
    :param workers: how many tasks at once.
    :param kind: of worker.
    :param detach: whether to go on without the kernel.
    :param paused: whether to begin no task yet.
    :param log: the file that this process writes to.
    :param path: where the kernel finds modules.
    :param python: the version that the kernel has.
    """

    url: str
    name: str
    workers: int
    kind: str
    detach: bool
    paused: bool
    log: str
    path: list[str]
    python: str


def serve_kernel(descriptor: int) -> int:
    """Run tasks for the kernel at the other end of a socket; return the exit code.

    After the order, each of the kernel's messages has a number, a word and a value, and is
    answered. No more messages: the kernel is gone.

    :param descriptor: of the socket.
    """
    line = Connection(descriptor)
    try:
        order = Order(**line.recv())
    except EOFError:
        return 1
    try:
        huey = open_for(order)
    except Exception as error:
        line.send({"refused": str(error) if isinstance(error, HueyException) else one_line(error)})
        return 2
    logging.getLogger("huey.executor").setLevel(logging.WARNING)  # the cards tell the rest
    with furnished(huey):
        return Tied(huey, line, order).run()


def open_for(order: Order) -> NotebookHuey:
    """Return the Huey that a kernel wants.

    :raises ConfigurationError: if it cannot be had.
    """
    if order.python != PYTHON:
        raise ConfigurationError(
            f"the notebook runs Python {order.python}, and {sys.executable} is "
            f"{PYTHON}: what travels between them needs the same"
        )
    sys.path.extend(entry for entry in order.path if entry not in sys.path)
    huey = open_huey(order.url, order.name)
    try:
        huey.pending_count()
    except Exception as error:
        if not huey.storage.is_outage(error):
            raise
        raise ConfigurationError(f"{huey.place} cannot be reached: {one_line(error)}") from error
    return huey


class Tied:
    """A consumer tied to a kernel.

    :param line: to the kernel.
    """

    def __init__(self, huey: NotebookHuey, line: Connection, order: Order) -> None:
        self.order = order
        self.line: Connection | None = line
        self.consumer = consumer = huey.create_consumer(
            workers=order.workers, worker_type=order.kind
        )
        self._parent = os.getppid()
        self._noted = Noted([signal.SIGINT, signal.SIGTERM])
        self._words: dict[str, Callable[[Any], Any]] = {
            "cancel": consumer.cancel,
            "kill": consumer.kill,
            "resize": consumer.resize,
            "pause": lambda _: consumer.pause(),
            "resume": lambda _: consumer.resume(),
            "stop": self._stop_later,
        }

    def run(self) -> int:
        """Serve until the kernel's word or end, or a signal; return the exit code."""
        with self._noted:
            if self.order.paused:
                self.consumer.pause()
            self.consumer.start()
            self._say({"ready": os.getpid()})
            while self.consumer.running:
                self._turn()
        if self.line is None and self.consumer.failure is None:
            Path(self.order.log).unlink(missing_ok=True)
        return 0 if self.consumer.failure is None else 1

    def _turn(self) -> None:
        """Wait for something to happen, and see to it."""
        lines = [] if self.line is None else [self.line]
        ready = wait([*lines, self._noted.socket], GLANCE)
        number = self._noted.take()
        if number is not None:
            self._stop_later(number == signal.SIGINT)
        elif self.line is not None and self.line in ready:
            self._listen(self.line)
        elif self.line is not None and os.getppid() != self._parent:
            self._be_left()  # somebody else has the kernel's end of the line

    def _listen(self, line: Connection) -> None:
        """Do what the kernel says."""
        try:
            message = line.recv()
        except (EOFError, OSError):
            self._be_left()
            return
        try:
            value = self._words[message["word"]](message["value"])
        except Exception as error:
            value = None
            logger.exception("the kernel's word cannot be done: %s", one_line(error))
        self._say({"number": message["number"], "value": value})

    def _be_left(self) -> None:
        """End without the kernel, or go on without it."""
        self.line = None
        if self.order.detach:
            logger.info("the kernel is gone, its workers go on")
        else:
            logger.info("the kernel is gone: what runs goes back to the queue")
            Path(self.order.log).unlink(missing_ok=True)  # nobody else will
            self.consumer.stop()

    def _stop_later(self, graceful: bool) -> None:
        """Stop, in a thread: what runs can be cancelled meanwhile."""

        def stop() -> None:
            self.consumer.stop(graceful)
            self._noted.wake()

        threading.Thread(target=stop, name="huey stop").start()

    def _say(self, message: dict[str, Any]) -> None:
        if self.line is not None:
            with contextlib.suppress(OSError):
                self.line.send(message)
