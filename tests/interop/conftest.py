"""huey 3.5.4 from PyPI, in an environment of its own, beside ours on one queue."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

UPSTREAM = ("huey==3.5.4", "redis")
ROOT = Path(__file__).parents[2]

APP = """
import json, os, sys
import huey as door

_kind, _options = json.loads(os.environ["INTEROP_HUEY"])
huey = getattr(door, _kind)("interop", **_options)

@huey.task()
def add(a, b):
    return a + b

@huey.task()
def fail():
    raise ValueError("no")

@huey.task(retries=2)
def third_time(path):
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) < 3:
        raise OSError("not yet")
    return "done"

@huey.task(context=True)
def whole(a, b=2, task=None):
    return {"args": [a, b], "priority": task.priority, "retries": task.retries}
"""

OPEN = {
    "sqlite": lambda folder: ("SqliteHuey", {"filename": str(folder / "huey.db")}),
    "file": lambda folder: ("FileHuey", {"path": str(folder / "queue")}),
}


ON_REDIS = ("RedisHuey", "PriorityRedisHuey", "RedisExpireHuey", "PriorityRedisExpireHuey")


@pytest.fixture(scope="session")
def upstream():
    """Return the interpreter of the other environment, made once."""
    folder = ROOT / "build" / "upstream"
    python = folder / "bin" / "python"
    made = folder / "made"
    if not made.exists() or made.read_text() != " ".join(UPSTREAM):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *UPSTREAM]
        if subprocess.run(pip).returncode:
            pytest.skip("huey 3.5.4 cannot be installed from PyPI here")
        made.write_text(" ".join(UPSTREAM))
    return str(python)


class Side:
    """One of the two: runs pieces of Python beside the application, and its consumer."""

    def __init__(self, python, folder, huey, path):
        self.python = python
        self.folder = folder
        self.huey = huey[0]
        self.env = {**os.environ, "INTEROP_HUEY": json.dumps(huey), "PYTHONPATH": path}

    def run(self, code):
        """Run code that sees the application's names; return what it assigns to `out`."""
        code = f"from interop_app import *\nout = None\n{code}\nprint(json.dumps(out))"
        done = subprocess.run(
            [self.python, "-c", code],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def consume(self, *ids):
        """Run a consumer until it has a value or an error for every task id."""
        bin_ = "from huey.bin.huey_consumer import *\nimport sys\n"
        command = f"{bin_}sys.argv = ['', 'interop_app.huey', '-w', '2']\n"
        command += "sys.exit(consumer_main() if 'consumer_main' in globals() else main())"
        with open(self.folder / "consumer.log", "ab") as log:
            consumer = subprocess.Popen(
                [self.python, "-c", command], cwd=self.folder, env=self.env, stderr=log
            )
        try:
            return self.run(
                "out = []\n"
                f"for id in {list(ids)!r}:\n"
                f"    try: value = huey.result(id, blocking=True, timeout={PATIENCE - 5})\n"
                "    except Exception as error: value = str(error)\n"
                "    out.append(value)"
            )
        finally:
            consumer.send_signal(signal.SIGINT)
            consumer.wait(PATIENCE)


@pytest.fixture(params=[*OPEN, *ON_REDIS])
def sides(request, upstream, tmp_path):
    """Return our side and theirs."""
    (tmp_path / "interop_app.py").write_text(APP)
    if request.param in ON_REDIS:
        huey = (request.param, {"url": request.getfixturevalue("redis_server").url})
    else:
        huey = OPEN[request.param](tmp_path)
    ours = Side(sys.executable, tmp_path, huey, f"{ROOT}{os.pathsep}{tmp_path}")
    return ours, Side(upstream, tmp_path, huey, str(tmp_path))
