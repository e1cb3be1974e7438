"""The built sites of the tests: the notebooks without a server, and the manual that holds them."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CURE = "no npm, by which Pyodide comes: sudo apt-get install npm"
FAST = "4"  # work in the lessons takes a quarter of the time


@pytest.fixture(scope="session")
def lite_folder() -> Path:
    """Build the site that runs notebooks with no server behind them."""
    if shutil.which("npm") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(CURE)
    _run("lite")
    return ROOT / "build" / "lite"


@pytest.fixture(scope="session")
def manual(lite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the manual as `make docs` does; return the folder of what each builder has made."""
    folder = tmp_path_factory.mktemp("manual")
    _run("docs", "--lite", str(lite_folder), str(folder))
    return folder


def _run(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [ROOT / "tools" / tool, *arguments],
        env={**os.environ, "HUEY_TUTORIAL_SPEED": FAST},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder at a free port, as any web server would; give the address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *line: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
