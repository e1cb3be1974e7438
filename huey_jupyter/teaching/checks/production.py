"""Notebook 08, Graduate to production: values for a while, a module, from queue to queue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from huey import PriorityRedisExpireHuey, RedisHuey
from huey.api import Huey
from huey.consumer import Consumer
from huey.signals import SIGNAL_COMPLETE
from huey.utils import make_id
from huey_jupyter.teaching.exercises import NotYet, exercise, expect
from huey_jupyter.teaching.facts import TICK, Facts
from huey_jupyter.teaching.server import redis_server

PRICES: Final = {(10, 1): 40, (15, 3): 180, (20, 2): 160}
READ: Final = """
import json, sys
sys.path.insert(0, sys.argv[1])
import {module}
print(json.dumps([{module}.invoice.call_local(*one) for one in {asked}]))
"""

ORDERS: Final = 8
LATER: Final = 0.8  # seconds until the order is due that is for later
WORK: Final = 0.05  # seconds that an order takes
PATIENCE: Final = 15.0  # seconds that a switch may take
LINGER: Final = 2.0  # seconds that it may go on when nothing is left


@exercise(
    "08.1",
    "For two seconds",
    praise="Two readers have read it, and after two seconds nobody had to clean up.",
    hints=(
        "A RedisHuey gives a value to one reader only. Which of the four classes does not?",
        "RedisExpireHuey keeps a value for as long as you say, whoever reads it.",
        'receipts = RedisExpireHuey("receipts", url=server.url, expire_time=2)',
    ),
)
def values_expire(facts: Facts, receipts: Any) -> str:
    expect(isinstance(receipts, Huey), "`receipts` should be a Huey.")
    expect(not receipts.immediate, "In immediate mode, nothing is kept on the server.")
    task = receipts.task(name=f"receipt {make_id()}")(lambda: "paid")
    with receipts.create_consumer(workers=1, periodic=False):
        result = task()
        first = result.get(blocking=True, timeout=PATIENCE)
        kept_at = time.monotonic()
    second = receipts.result(result.id)
    expect((first, second) == ("paid", "paid"), "The first reader took it; the second had none.")
    seconds = getattr(receipts.storage, "expire_time", None)
    expect(seconds == 2, f"It is kept for {seconds:,} seconds. expire_time counts in seconds.")
    while receipts.storage.has_data_for_key(result.id):
        expect(time.monotonic() < kept_at + PATIENCE, "It is still there.")
        time.sleep(TICK)
    return "Kept by the server: read twice, then gone by itself."


@exercise(
    "08.2",
    "An invoice that travels",
    praise="Another Python, in another folder, has imported the module and got the same prices.",
    hints=(
        "%huey export names what cannot go along: a value that a loop has filled.",
        "Write `prices` down as one dict, {10: 40, ...}, or work the price out inside `invoice`.",
        "return 4 * size * copies, then %huey export invoices.py",
    ),
)
def the_module_travels(facts: Facts, exported: Any) -> str:
    expect(isinstance(exported, str), "`exported` should be the name of the file, as a text.")
    file = Path(exported)
    expect(file.exists(), f"There is no {exported}. Did %huey export write it, or say why not?")
    text = file.read_text(encoding="utf-8")
    for word in ("get_ipython", "__main__"):
        expect(word not in text, f"{exported} speaks of {word}, which only a notebook has.")
    found = _import_elsewhere(file)
    wanted = list(PRICES.values())
    expect(found == wanted, f"In a clean interpreter, invoice says {found} and not {wanted}.")
    return f"Called in another process: {file.stem}.invoice says {found}."


def _import_elsewhere(file: Path) -> list[Any]:
    """Return what a module's invoice says, in a Python that knows nothing else."""
    code = READ.format(module=file.stem, asked=list(PRICES))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "IPYTHON"))}
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(  # noqa: S603 - this interpreter, and the reader's module
            [sys.executable, "-c", code, str(file.parent.absolute())],
            cwd=elsewhere,
            env=kept,
            capture_output=True,
            text=True,
        )
    said = done.stderr.strip().splitlines() or ["it said nothing"]
    expect(done.returncode == 0, f"A clean interpreter cannot use it: {said[-1]}.")
    answer: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@exercise(
    "08.3",
    "Switch without loss",
    praise="Nothing was lost and nothing was done twice, the one for later included.",
    hints=(
        "A task that is not done is in one of three places. len(old) knows only the first of them.",
        "old.scheduled() lists what waits for its time, old.running() what a worker has in hand.",
        "while len(old) or old.scheduled() or old.running(): time.sleep(0.05), then crew.stop(...)",
    ),
)
def nothing_is_lost(facts: Facts, switch: Any) -> str:
    expect(callable(switch), "`switch` should stay a function.")
    server = redis_server()
    expect(server is not None, "There is no Redis server.")
    assert server is not None  # noqa: S101 - for the type checker
    name = f"orders-{make_id()[:8]}"
    old = RedisHuey(name, url=server.url)
    new = PriorityRedisExpireHuey(name, url=f"{server.url[:-1]}1", expire_time=60)
    try:
        return _switched(old, new, switch)
    finally:
        for huey in (old, new):
            huey.flush()
            huey.storage.close()


def _switched(old: Huey, new: Huey, switch: Callable[[Huey, Consumer], Any]) -> str:
    """Have the switch made while orders wait, and count what was done how often."""
    counts: Counter[int] = Counter()
    ends: list[float] = []  # when orders were done in the old queue
    for huey in (old, new):
        huey.signal(SIGNAL_COMPLETE)(lambda _, task: counts.update(task.args))
    old.signal(SIGNAL_COMPLETE)(lambda _, task: ends.append(time.monotonic()))
    hand_over = [huey.task(name="order")(_order) for huey in (old, new)]
    crew, newcomers = (huey.create_consumer(scheduler_interval=0.1) for huey in (old, new))
    for number in range(ORDERS):
        hand_over[0](number)
    hand_over[0].schedule((ORDERS,), delay=LATER)
    hand_over[1](ORDERS + 1)  # new orders go to the new queue already
    with newcomers:
        crew.start()
        try:
            _call(switch, old, crew)
            at_home, back = not crew.running, time.monotonic()
        finally:
            crew.stop()
        _await_emptiness(new)
    expect(at_home, "The old crew is still at work. crew.stop(graceful=True) sends it home.")
    waiting = len(old) + len(old.scheduled())
    lost = [number for number in range(ORDERS + 2) if not counts[number]]
    expect(
        lost != [ORDERS],
        "Only the order for later is lost: nobody is there when its time comes. Where was it?",
    )
    where = f"{waiting} still lie in the old queue" if waiting else "they are in no queue any more"
    expect(not lost, f"{len(lost)} orders were not done: {where}.")
    twice = [number for number, count in counts.items() if count > 1]
    expect(not twice, f"Done more than once: {len(twice)} orders.")
    idle = back - max(ends)
    expect(
        idle < LINGER,
        f"Nothing is lost, but `switch` came back {idle:.1f} s after the last order was done. "
        "Nobody knows beforehand how long that takes: look at the queue, not at the clock.",
    )
    return f"Noted by both queues: {sum(counts.values())} orders, each done once."


def _order(number: int) -> int:
    time.sleep(WORK)
    return number


def _call(switch: Callable[[Huey, Consumer], Any], old: Huey, crew: Consumer) -> None:
    """Call the reader's function, beside this thread: it may wait for ever.

    :raises NotYet: if it does not return.
    """
    raised: list[BaseException] = []

    def call() -> None:
        try:
            switch(old, crew)
        except BaseException as error:
            raised.append(error)

    calling = threading.Thread(target=call, daemon=True)
    calling.start()
    calling.join(PATIENCE)
    if calling.is_alive():
        raise NotYet(f"`switch` has not returned after {PATIENCE:g} s. What does it wait for?")
    for error in raised:
        raise error


def _await_emptiness(huey: Huey) -> None:
    """Wait until nothing is left to do.

    :raises NotYet: if that does not come.
    """
    deadline = time.monotonic() + PATIENCE
    while len(huey) or huey.scheduled() or huey.running():
        expect(time.monotonic() < deadline, "The new queue does not get empty.")
        time.sleep(TICK)
