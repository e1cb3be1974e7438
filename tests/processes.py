"""Real processes in tests: started, spoken with by lines, and ended by their id."""

import os
import subprocess
import sys
import textwrap
import threading
import traceback
from contextlib import contextmanager

from waiting import PATIENCE


class Child:
    """A running Python process."""

    def __init__(self, arguments, **options):
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    @property
    def pid(self):
        return self.process.pid

    def tell(self, line=""):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self):
        """Return the next line that it prints; empty when it has ended. Killed if it is silent."""
        silent = threading.Timer(PATIENCE, self.process.kill)
        silent.start()
        try:
            return self.process.stdout.readline().rstrip("\n")
        finally:
            silent.cancel()
            silent.join()

    def wait(self, within=PATIENCE):
        """Wait for its end and return its exit code."""
        return self.process.wait(within)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self):
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def running(code, *arguments, **options):
    """Run a piece of Python in a process of its own; it is gone when the block ends."""
    child = Child(["-c", textwrap.dedent(code), *arguments], **options)
    try:
        yield child
    finally:
        child.end()


def run(code, *arguments, **options):
    """Run a piece of Python in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fork(func):
    """Call a function in a forked process, which then ends with 0; return its id at once."""
    child = os.fork()
    if child:
        return child
    try:
        func()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def exit_code(child):
    """Wait for the end of a forked process; return its exit code, or minus its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
