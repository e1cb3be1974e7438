"""The workers of a session that are a process outside its kernel."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from huey.exceptions import ConfigurationError
from huey_jupyter.backends import NotebookHuey
from huey_jupyter.shipping.envelope import PYTHON
from huey_jupyter.tied import Order
from huey_jupyter.timetable import Timetable

START_PATIENCE = 10.0  # seconds that a process has to say that it is ready
ANSWER_PATIENCE = 5.0  # seconds for its answer to a word
STOP_PATIENCE = 15.0  # seconds for its end
TICK = 0.05  # seconds; waits look this often, so that an interrupt reaches them
LOG_TAIL = 2000  # characters of a log that are shown


_let_go: list[subprocess.Popen[bytes]] = []  # kept, as Python warns of lost ones that live


class Outside:
    """A process outside this kernel, which runs the tasks in threads or processes of its own.

    It is in a session of its own, so that an interrupt of the kernel does not reach it, and ends
    with the kernel, however that ends: what runs goes back to the queue.

    :param huey: whose tasks; its queue must be one that another process can see.
    :param count: how many at once.
    :param kind: ``process`` or ``thread``.
    :param detach: outlive the kernel.
    :param python: the interpreter; it must be of this kernel's version.
    """

    def __init__(
        self,
        huey: NotebookHuey,
        count: int,
        kind: str = "process",
        detach: bool = False,
        python: str = sys.executable,
    ) -> None:
        self.huey = huey
        self.count = count
        self.kind = kind
        self.detach = detach
        self.python = python
        self.paused = False
        self.log: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._timetable = Timetable(huey)

    @property
    def pid(self) -> int | None:
        """The process's id, None if there is none."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def failure(self) -> str:
        process = self._process
        code = None if process is None else process.poll()
        return "" if code is None else self._obituary(code)

    def start(self) -> None:
        if self.running:
            raise ConfigurationError("these workers are running already")
        if not hasattr(os, "fork"):
            raise ConfigurationError("workers outside the kernel need a system that can fork")
        if not self.huey.durable:
            raise ConfigurationError(
                "workers outside the kernel cannot see a queue in memory: "
                "write %huey use sqlite first"
            )
        self._timetable.stop()
        self._bury()
        try:
            self._line = self._launch()
            self._await_readiness(self._line)
        except BaseException:
            self._end_at_once()
            self._bury()
            raise
        self._timetable.start()
        self.huey.reach.append(self._cancel_there)

    def stop(self, graceful: bool = False) -> bool:
        self._timetable.stop()
        if self._process is None:
            return True
        self._ask("stop", graceful)
        deadline = None if graceful else time.monotonic() + STOP_PATIENCE
        while self._process.poll() is None and (deadline is None or time.monotonic() < deadline):
            time.sleep(TICK)
        ended = self._process.poll() is not None
        self._end_at_once()
        self._bury()
        return ended

    def let_go(self) -> None:
        """Have the process go on without this kernel if it is detached, else stop it."""
        if not self.detach:
            self.stop()
            return
        self._timetable.stop()
        if self._line is not None and self._process is not None:
            self._line.close()
            _let_go.append(self._process)
        self._forget()

    def cancel(self, task_id: str) -> bool:
        return self.huey.cancel(task_id)

    def kill(self, task_id: str) -> bool:
        self.huey.cancel(task_id)
        return bool(self._ask("kill", task_id))

    def pause(self) -> None:
        self._ask("pause")
        self.paused = True

    def resume(self) -> None:
        self._ask("resume")
        self.paused = False

    def set_count(self, count: int) -> None:
        if count < 1:
            raise ConfigurationError(f"there is at least 1 worker, not {count!r}")
        self._ask("resize", count)
        self.count = count

    def read_log(self) -> str:
        """Return the end of what the process has logged."""
        if self.log is None or not self.log.exists():
            return ""
        text = self.log.read_text(errors="replace").strip()
        return text if len(text) <= LOG_TAIL else "... " + text[-LOG_TAIL:].partition("\n")[2]

    def _cancel_there(self, task_id: str) -> bool:
        return bool(self._ask("cancel", task_id))

    def _launch(self) -> Line:
        """Start the process and give it its order, which may hold a password, by a socket."""
        ours, theirs = socket.socketpair()
        handle, path = tempfile.mkstemp(prefix="huey-workers-", suffix=".log")
        self.log = Path(path)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own interpreter
                [self.python, "-m", "huey_jupyter", "worker", "--kernel", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise ConfigurationError(
                f"{self.python} cannot be started: {error.strerror}"
            ) from error
        finally:
            os.close(handle)
            theirs.close()
        line = Line(Connection(ours.detach()))
        with contextlib.suppress(OSError):  # it died at once; its log says why
            line.connection.send(self._order()._asdict())
        return line

    def _order(self) -> Order:
        return Order(
            url=self.huey.url,
            name=self.huey.name,
            workers=self.count,
            kind=self.kind,
            detach=self.detach,
            paused=self.paused,
            log=str(self.log),
            path=sys.path,
            python=PYTHON,
        )

    def _await_readiness(self, line: Line) -> None:
        """Wait until the process says that it is ready.

        :raises ConfigurationError: if it says something else, or nothing.
        """
        deadline = time.monotonic() + START_PATIENCE
        message = line.hear(deadline)
        if "ready" in message:
            return
        why = message.get("refused")
        if why is None:
            silent = f"it was not ready after {START_PATIENCE:g} s"
            why = silent if time.monotonic() >= deadline else "it ended at once"
            why = f"{why}; its log says:\n{self.read_log()}".rstrip("\n")
        raise ConfigurationError(f"the workers outside the kernel did not start: {why}")

    def _ask(self, word: str, value: Any = None) -> Any:
        """Say a word and return the answer; None if there is nobody to give one."""
        line = self._line
        return line.ask(word, value) if line is not None and self.running else None

    def _end_at_once(self) -> None:
        """Kill the process, and everything it has started, if it is alive."""
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _bury(self) -> None:
        """Let go of what belonged to a process that has ended."""
        if self._line is not None:
            self._line.close()
        if self.log is not None:
            self.log.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(ValueError):
            self.huey.reach.remove(self._cancel_there)
        self._process = self._line = self.log = None

    def _obituary(self, code: int) -> str:
        how = f"were killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        log = self.read_log()
        return f"the workers outside the kernel {how}" + (
            f"; their log ends:\n{log}" if log else ""
        )


class Line:
    """The words between this kernel and a process; from any thread, one at a time.

    :param connection: to the process.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = threading.Lock()
        self._number = 0

    def ask(self, word: str, value: Any) -> Any:
        """Say a word and return the answer, None if none comes."""
        deadline = time.monotonic() + ANSWER_PATIENCE
        with self._lock:
            self._number += 1
            message = {"number": self._number, "word": word, "value": value}
            with contextlib.suppress(OSError):
                self.connection.send(message)
                while answer := self.hear(deadline):
                    if answer.get("number") == self._number:
                        return answer["value"]
        return None

    def hear(self, deadline: float) -> dict[str, Any]:
        """Return the next message, an empty one if none comes by a monotonic time."""
        with contextlib.suppress(EOFError, OSError, ValueError):  # closed meanwhile
            while time.monotonic() < deadline:
                if self.connection.poll(TICK):
                    message: dict[str, Any] = self.connection.recv()
                    return message
        return {}

    def close(self) -> None:
        self.connection.close()
