"""Waiting in tests: for something, with a deadline, and never by the clock alone."""

import threading
import time
from contextlib import contextmanager
from functools import partial

PATIENCE = 20.0  # seconds; nothing in a test takes as long unless it is broken


def eventually(look, within=PATIENCE):
    """Look again and again until there is something true, and return it."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing came of {look} within {within} s"
        time.sleep(0.002)


class Started:
    """What a thread started by `started` comes to."""

    def __init__(self, func):
        self._func = func
        self._value = self._error = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self._value = self._func()
        except BaseException as error:
            self._error = error

    def value(self, within=PATIENCE):
        self.thread.join(within)
        assert not self.thread.is_alive(), f"{self._func} did not end within {within} s"
        if self._error is not None:
            raise self._error
        return self._value


@contextmanager
def started(*funcs):
    """Call functions in threads of their own; all have ended when the block has."""
    threads = [Started(func) for func in funcs]
    try:
        yield threads
    finally:
        for thread in threads:
            thread.thread.join(PATIENCE)


def at_once(*funcs):
    """Call functions at the same time, each in a thread of its own; return their values."""
    barrier = threading.Barrier(len(funcs))

    def after_the_others(func):
        barrier.wait(PATIENCE)
        return func()

    with started(*(partial(after_the_others, func) for func in funcs)) as threads:
        return [thread.value() for thread in threads]
