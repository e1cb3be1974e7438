"""Kernels of several versions, driven as a front end drives them.

``tools/kernels`` puts the versions into ``build/kernels``. Without it their tests are skipped,
which under CI is a failure.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel
from waiting import PATIENCE

ROOT = Path(__file__).parents[2]
VERSIONS = ("6.29.5", "6.31.0", "7.1.0", "7.3.0", "7.4.0")
REFUSED = "7.0.1"


def add_spec(data: Path, version: str) -> str:
    """Describe a kernel of that version in a data folder of Jupyter's; return its name."""
    installed = ROOT / "build" / "kernels" / version
    if not installed.exists():
        pytest.skip(f"ipykernel {version} is not there: tools/kernels")
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    name = f"ipykernel-{version}"
    folder = data / "kernels" / name
    folder.mkdir(parents=True)
    launcher = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {
        "argv": launcher,
        "display_name": name,
        "language": "python",
        "env": {"PYTHONPATH": path, "IPYTHONDIR": str(data / "ipython")},
    }
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return name


class Kernel:
    """A running kernel, and every message that it has published."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager = manager
        self.client = client
        self.messages: list[Any] = []

    def run(self, source: str) -> str:
        """Run a cell that must not fail; return its id."""
        cell = self.send(source)
        reply = self.reply(cell)
        problem = "\n".join(reply["content"].get("traceback", ()))
        assert reply["content"]["status"] == "ok", problem
        return cell

    def send(self, source: str) -> str:
        """Hand a cell to the kernel and return its id at once."""
        return str(self.client.execute(source))

    def reply(self, cell: str) -> Any:
        """Wait until a cell is done, and all that it published has come; return the reply."""
        while not self._is_idle(self.hear(3 * PATIENCE), cell):
            pass  # heard first: of many messages that nobody hears, zmq drops the last
        while True:
            reply = self.client.get_shell_msg(timeout=3 * PATIENCE)
            if reply["parent_header"].get("msg_id") == cell:
                return reply

    def hear(self, timeout: float = PATIENCE) -> Any:
        """Wait for the next message on the side of outputs."""
        self.messages.append(self.client.get_iopub_msg(timeout=timeout))
        return self.messages[-1]

    def value(self, expression: str) -> Any:
        """Return what an expression is in the kernel, by way of JSON."""
        return json.loads(self.text(self.run(f"import json; print(json.dumps({expression}))")))

    def outputs(self, cell: str) -> list[Any]:
        """Return the messages that a cell has for outputs, as a notebook would keep them."""
        kinds = ("stream", "display_data", "execute_result", "error")
        of_cell = [m for m in self.messages if m["parent_header"].get("msg_id") == cell]
        return [m for m in of_cell if m["msg_type"] in kinds]

    def text(self, cell: str, stream: str = "stdout") -> str:
        """Return what a cell has printed."""
        streams = [m["content"] for m in self.outputs(cell) if m["msg_type"] == "stream"]
        return "".join(one["text"] for one in streams if one["name"] == stream)

    def shown(self, cell: str) -> list[Any]:
        """Return the bundles that a cell displays, those brought up to date as they are now."""
        displays = [m["content"] for m in self.outputs(cell) if "data" in m["content"]]
        now = {
            self._name(m["content"]): m["content"]["data"]
            for m in self.messages
            if m["msg_type"] == "update_display_data"
        }
        return [now.get(self._name(one), one["data"]) for one in displays]

    def _name(self, content: Any) -> Any:
        return content.get("transient", {}).get("display_id", id(content))

    def _is_idle(self, message: Any, cell: str) -> bool:
        state = message["content"].get("execution_state")
        return state == "idle" and message["parent_header"].get("msg_id") == cell


@contextmanager
def running(name: str, folder: Path) -> Iterator[Kernel]:
    """Start a kernel by the name of its spec; it is gone when the block ends."""
    manager, client = start_new_kernel(kernel_name=name, cwd=str(folder))
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        deadline = time.monotonic() + PATIENCE
        manager.shutdown_kernel(now=True)
        while manager.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
