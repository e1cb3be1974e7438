"""A type checker knows what tasks give back; see typed.py."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_mypy_agrees_with_what_is_written_in_typed_py():
    command = [sys.executable, "-m", "mypy", "--strict", HERE / "typed.py"]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
