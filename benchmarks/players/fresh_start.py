"""How long a fresh interpreter takes to import a module, and then to a first result.

A script of its own: ``python fresh_start.py MODULE``.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from stage import Act, Figures, Settings, each_round


def imports(module: str) -> Act:
    """Return the act that starts interpreters, each of which imports a module.

    :param module: or a module and a name in it, as in ``celery:Celery``, where the module alone
        does not import what a program needs.


    The bare start of an interpreter does not count.
    """

    @each_round
    def act(settings: Settings) -> Figures:
        command = [sys.executable, __file__, module]
        _start(command)  # whatever is not compiled or not in memory yet
        found = [_start(command) for _ in range(settings.count)]
        return {name: median(each[name] for each in found) for name in found[0]}

    return act


def _start(command: list[str]) -> Figures:
    compiled = {**os.environ}
    compiled.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=compiled)
    figures: Figures = json.loads(done.stdout)
    return figures


def first_result_of_huey(module: Any) -> None:
    """Make a Huey in memory, a task and a consumer, and wait for a result."""
    huey = module.MemoryHuey("bench")
    task = huey.task()(add)
    consumer = huey.create_consumer(workers=1)
    consumer.start()
    assert task(1, 2).get(blocking=True) == 3


def first_result_of_pool(module: Any) -> None:
    """Make a thread pool and wait for a result."""
    assert module.ThreadPoolExecutor(1).submit(add, 1, 2).result() == 3


def add(a: int, b: int) -> int:
    return a + b


FIRST: dict[str, Callable[[Any], None]] = {
    "huey": first_result_of_huey,
    "concurrent.futures": first_result_of_pool,
}


def measure(name: str) -> Figures:
    """Import a module, and have it run a task if it is known how."""
    began = time.perf_counter()
    where, _, what = name.partition(":")
    module = importlib.import_module(where)
    if what:
        getattr(module, what)
    imported = time.perf_counter()
    found = {"import": 1000 * (imported - began)}
    if name in FIRST:
        FIRST[name](module)
        found["first"] = 1000 * (time.perf_counter() - imported)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])), flush=True)
