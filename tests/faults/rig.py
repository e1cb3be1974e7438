"""An application whose consumer, in processes of its own, is killed while it works.

What its tasks do is written into a log that no kill can take back, and counted afterwards.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import PATIENCE, eventually

REPORT = Path(__file__).parents[2] / "build" / "faults.txt"
SCALE = float(os.environ.get("HUEY_FAULTS", "0.1"))  # 1 is full size, as `make faults` runs it

APP = """
import gc, json, os, signal, sys, time
import huey as door
from huey import crontab

_kind, _options = json.loads(os.environ["FAULTS_HUEY"])
huey = getattr(door, _kind)("faults", **_options)
_log = os.open(os.environ["FAULTS_LOG"], os.O_APPEND | os.O_CREAT | os.O_WRONLY)


def say(*words):
    os.write(_log, (" ".join(map(str, words)) + "\\n").encode())


@huey.task()
def work(n):
    say("start", n)
    time.sleep(0.02)
    say("end", n)
    return n * n


@huey.task()
def quick(n):
    say("start", n)
    say("end", n)


@huey.task()
def silent(n):
    pass


@huey.task()
def memory():
    gc.collect()
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return sys.getallocatedblocks(), resident


@huey.task()
def hold(n):
    say("start", n)
    time.sleep(1.5)
    say("end", n)
    return n * n


@huey.task()
@huey.lock_task("one at a time")
def locked(n):
    say("start", n)
    if n:
        time.sleep(60)
    say("end", n)
    return n


@huey.task()
def die(n):
    say("start", n)
    os.kill(os.getpid(), signal.SIGKILL)


if os.environ.get("FAULTS_PERIODIC"):

    @huey.periodic_task(crontab())
    def each_minute():
        say("start", "minute", int(time.time() // 60))
"""


class Rig:
    """One application on one storage.

    :param huey: the name of a Huey class, and its keyword arguments.
    :param folder: where the application, its log and the consumers' log lie.
    """

    def __init__(self, huey, folder):
        self.folder = Path(folder)
        self.env = {"FAULTS_HUEY": json.dumps(huey), "FAULTS_LOG": str(self.folder / "log")}
        self.marker = f"FAULTS_LOG={self.folder / 'log'}"
        self.consumers = []
        (self.folder / "faults_app.py").write_text(APP)
        spec = importlib.util.spec_from_file_location("faults_app", self.folder / "faults_app.py")
        self.app = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            for name, text in self.env.items():
                patch.setenv(name, text)
            spec.loader.exec_module(self.app)
        self.huey = self.app.huey

    # -- consumers ----------------------------------------------------------------------------

    def start(self, *options):
        """Start a consumer in a session of its own."""
        command = [sys.executable, "-m", "huey.bin.huey_consumer", "faults_app.huey", *options]
        root = str(Path(__file__).parents[2])
        with open(self.folder / "consumer.log", "ab") as log:
            consumer = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.env, "PYTHONPATH": root},
            )
        self.consumers.append(consumer)
        return consumer

    def kill_group(self, consumer, number=signal.SIGKILL):
        """Send a signal to a consumer and all its processes; wait for its end."""
        os.killpg(consumer.pid, number)
        consumer.wait(PATIENCE)

    def kill_parent(self, consumer):
        """Kill the consumer's first process alone; the others have to end by themselves."""
        consumer.kill()
        consumer.wait(PATIENCE)
        eventually(lambda: not self.processes(), within=5)

    def kill_worker(self):
        """Kill one worker process of any consumer; return its id."""
        workers = eventually(self.huey.workers)
        os.kill(workers[0].pid, signal.SIGKILL)
        return workers[0].pid

    def processes(self):
        """Return the processes of this application that are alive, this one excepted."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid() and self._is_ours(entry):
                found.append(int(entry.name))
        return found

    def _is_ours(self, entry):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            return state != "Z" and self.marker.encode() in (entry / "environ").read_bytes()
        except OSError:  # ended in this moment, or somebody else's
            return False

    def close(self):
        for consumer in self.consumers:
            if consumer.poll() is None:
                os.killpg(consumer.pid, signal.SIGKILL)
                consumer.wait(PATIENCE)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.huey.storage.close()

    # -- what happened ------------------------------------------------------------------------

    def lines(self, word):
        """Return what the tasks said that begins with a word."""
        try:
            lines = (self.folder / "log").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.partition(" ")[2] for line in lines if line.startswith(f"{word} ")]

    def count(self, results):
        """Count what became of `work` tasks 0, 1, 2, ... whose results are given."""
        values = [_value(result) for result in results]  # first, as it waits for them
        starts, ends = Counter(self.lines("start")), Counter(self.lines("end"))
        return {
            "tasks": len(results),
            "lost": sum(not ends[str(n)] for n in range(len(results))),
            "results lost": sum(value != n * n for n, value in enumerate(values)),
            "duplicates": sum(count - 1 for count in starts.values()),
            "left behind": len(self.huey) + self.huey.storage.inflight(),
        }

    def consumer_log(self):
        return (self.folder / "consumer.log").read_text()


def _value(result):
    try:
        return result.get(blocking=True, timeout=PATIENCE)
    except Exception as error:
        return error


@contextmanager
def rig(huey, folder):
    one = Rig(huey, folder)
    try:
        yield one
    finally:
        one.close()


def report(title, counted):
    """Print a line of figures and keep it for the table of the run."""
    figures = ", ".join(f"{name} {number}" for name, number in counted.items())
    line = f"{title}: {figures}"
    print(line)
    REPORT.parent.mkdir(exist_ok=True)
    with open(REPORT, "a") as file:
        file.write(f"{line}\n")
