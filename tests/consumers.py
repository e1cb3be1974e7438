"""A consumer in a process of its own, as `huey_consumer` starts it, and its module beside it."""

import importlib.util
import os
import signal
import textwrap
from contextlib import contextmanager, suppress
from pathlib import Path

from processes import Child
from waiting import PATIENCE, eventually

HEAD = """
import asyncio, os, signal, sys, threading, time
from pathlib import Path
from huey import SqliteHuey, crontab, progress

here = Path(__file__).parent
huey = SqliteHuey("app", filename=here / "huey.db", events=True)

def touch(name):
    (here / f"{name} has begun").touch()

def wait_for(name):
    while not (here / name).exists():
        time.sleep(0.005)
"""


class App:
    """A module of tasks in a folder, and the consumers that run them.

    :param folder: where the module is made.
    :param code: what stands in it after the Huey.
    """

    def __init__(self, folder, code):
        self.folder = folder
        self.children = []
        path = folder / "app.py"
        path.write_text(HEAD + textwrap.dedent(code))
        spec = importlib.util.spec_from_file_location("app", path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.huey = self.module.huey

    def __getattr__(self, name):
        return getattr(self.module, name)

    def consume(self, *options, **popen):
        """Start a consumer, its log in a file."""
        arguments = ["-m", "huey.bin.huey_consumer", "app.huey", *options]
        with open(self.folder / "log", "a") as log:
            self.children.append(Child(arguments, cwd=self.folder, stderr=log, **popen))
        return self.children[-1]

    def has_begun(self, name):
        eventually((self.folder / f"{name} has begun").exists)

    def touch(self, name):
        (self.folder / name).touch()

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def kinds(self, result):
        events = [event for _, event in self.huey.events.read()]
        return [event["kind"] for event in events if event["task"] == result.id]


@contextmanager
def app_in(folder, code):
    """Give an `App`; when the block ends, none of its processes is left."""
    app = App(folder, code)
    try:
        yield app
    finally:
        left = {pid for child in app.children for pid in (child.pid, *descendants(child.pid))}
        for child in app.children:
            child.end()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        app.huey.storage.close()


def value(result):
    return result.get(blocking=True, timeout=PATIENCE)


def descendants(pid):
    """Return the living processes below one, from the kernel's own books."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    below = [int(child) for child in listed if is_alive(int(child))]
    return below + [one for child in below for one in descendants(child)]


def is_alive(pid):
    """Say whether a process lives; one that is dead and not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
