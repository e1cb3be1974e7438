"""A real kernel as a test sees it: cells to run, what they print and show."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

DEADLINE = 60.0  # seconds; the machine may be busy with something else


class CellFailed(AssertionError):
    """A cell raised; says what."""


class Kernel:
    """A kernel in a folder of its own.

    :param folder: where it works.
    :param env: additions to its environment.
    """

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.manager = KernelManager(kernel_name="python3")
        self._env = env
        self.start()

    def start(self) -> None:
        """Start the kernel."""
        self.manager.start_kernel(cwd=str(self.folder), env={**os.environ, **(self._env or {})})
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=DEADLINE)

    def run(self, source: str) -> str:
        """Run a cell; return all text that it printed and displayed.

        :raises CellFailed: if it raised.
        """
        texts: list[str] = []

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                texts.append(content["text"])
            elif message["msg_type"] in ("display_data", "execute_result", "update_display_data"):
                texts.append(content["data"].get("text/plain", "") + "\n")

        reply = self.client.execute_interactive(source, timeout=DEADLINE, output_hook=note)
        content = reply["content"]
        if content["status"] != "ok":
            raise CellFailed(f"{content['ename']}: {content['evalue']}\n{''.join(texts)}")
        return "".join(texts)

    def kill(self) -> None:
        """End the kernel as a crash does."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def restart(self) -> None:
        """Crash, and start anew."""
        self.kill()
        self.manager = KernelManager(kernel_name="python3")
        self.start()

    def close(self) -> None:
        """End the kernel as a person does."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@contextlib.contextmanager
def kernel(folder: Path, env: dict[str, str] | None = None) -> Iterator[Kernel]:
    """A kernel, ended at the end."""
    started = Kernel(folder, env)
    try:
        yield started
    finally:
        if started.manager.is_alive():
            started.close()
