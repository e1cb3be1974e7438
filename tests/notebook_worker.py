"""A notebook's names and a worker elsewhere: in another folder, with nothing of the notebook's."""

import linecache
import os
import textwrap
from contextlib import contextmanager
from pathlib import Path

from processes import running

from huey_jupyter.backends import NotebookHuey

ROOT = Path(__file__).parent.parent

WORKER = """
import sys
from huey_jupyter.shipping import envelope
name, url, kind, python = sys.argv[1:]
envelope.PYTHON = python or envelope.PYTHON
from huey_jupyter.backends import NotebookHuey
consumer = NotebookHuey(name, url).create_consumer(workers=1, worker_type=kind)
print("ready", flush=True)
sys.exit(consumer.run())
"""


@contextmanager
def worker_for(huey, folder, kind="thread", python="", before=""):
    """Run a worker for a Huey in a process of its own, in a folder of its own.

    :param python: which Python it believes to be.
    :param before: what it does first.
    """
    folder.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("TMPDIR",) if name in os.environ}
    environment = {"PYTHONPATH": str(ROOT), **kept}
    with (
        open(folder / "log", "a") as log,
        running(
            before + WORKER,
            huey.name,
            huey.url,
            kind,
            python,
            cwd=folder,
            env=environment,
            stderr=log,
        ) as child,
    ):
        assert child.hear() == "ready", (folder / "log").read_text()
        yield child
        child.process.terminate()
        child.wait()


class Notebook:
    """Names made as a notebook makes them: in ``__main__``, the source of cells kept in memory."""

    def __init__(self, url, name="demo"):
        self.huey = NotebookHuey(name, url)
        self.names = {"__name__": "__main__", "huey": self.huey}
        self.cells = 0

    def __getattr__(self, name):
        return self.names[name]

    def cell(self, text):
        """Run a cell and return the notebook, to get at what it made."""
        self.cells += 1
        text = textwrap.dedent(text)
        filename = f"<cell {id(self)} {self.cells}>"
        lines = text.splitlines(keepends=True)
        linecache.cache[filename] = (len(text), None, lines, filename)
        exec(compile(text, filename, "exec"), self.names)
        return self

    def close(self):
        self.huey.storage.close()
