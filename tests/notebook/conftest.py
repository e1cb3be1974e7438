"""A shell in this process, a session in it, and whole notebooks run in a kernel of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from traitlets.config import Config

import huey_jupyter
from huey_jupyter import Session


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A shell with no kernel around it, as in a terminal; one for all, as there is but one."""
    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(
        config=config, ipython_dir=str(tmp_path_factory.mktemp("ipython"))
    )


@pytest.fixture
def ip(shell: Any) -> Any:
    """The shell with no names of other tests in it."""
    shell.reset(new_session=False)
    return shell


@pytest.fixture
def session(ip: Any) -> Iterator[Session]:
    with opened(ip) as session:
        yield session


@contextmanager
def opened(ip: Any) -> Iterator[Session]:
    session = Session(ip)
    session.open()
    try:
        yield session
    finally:
        session.close()


@pytest.fixture
def loaded(ip: Any) -> Iterator[Session]:
    """The session of a shell in which the extension is loaded."""
    with capture_output():
        ip.run_line_magic("load_ext", "huey_jupyter")
        try:
            yield huey_jupyter.current()
        finally:
            ip.run_line_magic("unload_ext", "huey_jupyter")
            huey_jupyter._last = None


@pytest.fixture
def open_session(ip: Any) -> Callable[[], AbstractContextManager[Session]]:
    """Open a session within the test: pytest swaps the streams between fixtures and tests."""
    return lambda: opened(ip)


Notebook = Any


@pytest.fixture
def run_notebook() -> Callable[..., Notebook]:
    """Run cells one after the other in a fresh kernel; return the notebook with its outputs."""

    def run(*cells: str, allow_errors: bool = False) -> Notebook:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        NotebookClient(
            notebook, timeout=60, kernel_name="python3", allow_errors=allow_errors
        ).execute()
        return notebook

    return run
