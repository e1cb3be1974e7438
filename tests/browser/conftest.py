"""JupyterLab, Notebook 7 and Chromium for the tests in this folder."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labpage import DEADLINE, Lab, Notebook

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
CURE = "no Chromium: sudo apt-get install chromium fonts-dejavu-core"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed and report.when == "call" and "notebook" in item.funcargs:
        notebook = item.funcargs["notebook"]
        report.sections += [
            ("on the page", _seen(notebook)),
            ("in the browser's console", "\n".join(notebook.errors)),
            ("in the server's log", notebook.lab.log.read_text(errors="replace")[-5000:]),
        ]
    return report


def _seen(notebook: Notebook) -> str:
    from playwright.sync_api import Error

    try:
        return notebook.see()
    except Error as error:
        return str(error)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return found or pytest.skip(CURE)


@pytest.fixture(scope="session", params=["lab", "notebook"])
def lab(
    request: pytest.FixtureRequest, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """A server of JupyterLab or Notebook 7 with folders and settings of its own."""
    home = tmp_path_factory.mktemp(request.param)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, folder = f"http://127.0.0.1:{port}", home / "notebooks"
    server = Lab(request.param, url, secrets.token_hex(16), folder, home / "server.log")
    server.folder.mkdir()
    with server.log.open("wb") as stream:
        process = subprocess.Popen(
            _command(server, port), cwd=home, env=_environment(home), stdout=stream, stderr=stream
        )
        try:
            _wait_for(server, process)
            yield server
        finally:
            _end(process)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """The browser, for one file: playwright's event loop would be in the way of other tests."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * DEADLINE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """What pages share: above all the megabytes of script that each would load again."""
    context = browser.new_context(
        viewport={"width": 1100, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(1000 * DEADLINE)
    yield context
    context.close()


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    """A page of its own."""
    page = context.new_page()
    yield page
    page.close()


@pytest.fixture
def notebook(page: Any, lab: Lab) -> Iterator[Notebook]:
    """A notebook to open. Its kernel ends with the test, which fails if the browser complained."""
    notebook = Notebook(page, lab)
    yield notebook
    notebook.release()
    page.close()
    _end_kernels(lab)
    assert not notebook.complaints, "\n".join(["the browser's console:", *notebook.complaints])


# -- the server ---------------------------------------------------------------------------------


def _command(server: Lab, port: int) -> list[str]:
    options = [
        *("--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        f"--IdentityProvider.token={server.token}",
        f"--ServerApp.root_dir={server.folder}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    module, name = {
        "lab": ("jupyterlab", "LabApp"),
        "notebook": ("notebook", "JupyterNotebookApp"),
    }[server.app]
    return [sys.executable, "-m", module, *options, f"--{name}.expose_app_in_browser=True"]


def _environment(home: Path) -> dict[str, str]:
    """Return an environment with Jupyter's folders below ``home``, and write its settings there."""
    config = home / "config"
    _write(
        config / "lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings",
        {"windowingMode": "none"},  # else what is off the screen is not on the page
    )
    _write(
        config / "labconfig/page_config.json",
        {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}},
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY_"))}
    return inherited | {
        "HUEY_TUTORIAL_SPEED": "4",
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }


def _write(path: Path, settings: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(settings), encoding="utf-8")


def _wait_for(server: Lab, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end and process.poll() is None:
        try:
            _ask(server, "api/status")
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(
        f"the server did not start:\n{server.log.read_text(errors='replace')}", pytrace=False
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_kernels(server: Lab) -> None:
    for session in _ask(server, "api/sessions"):
        _ask(server, f"api/sessions/{session['id']}", method="DELETE")


def _ask(server: Lab, path: str, method: str = "GET") -> Any:
    headers = {"Authorization": f"token {server.token}"}
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=DEADLINE)
    with contextlib.closing(connection):
        connection.request(method, f"/{path}", headers=headers)
        body = connection.getresponse().read()
    return json.loads(body) if body else None
