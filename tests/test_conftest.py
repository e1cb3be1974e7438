"""What CI relies on: a skipped test counts as failed, see conftest.py; and no test is left out."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

PLANTED = {
    "test_marks.py": """
import pytest

def test_called():
    pytest.skip("no server")

@pytest.mark.skipif(True, reason="no browser")
def test_marked():
    pass

@pytest.mark.xfail(reason="known")
def test_known_to_fail():
    assert False
""",
    "test_file.py": """
import pytest

pytest.skip("no kernel", allow_module_level=True)
""",
}


def run_pytest(folder, ci):
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    for name, source in PLANTED.items():
        (folder / name).write_text(source)
    command = [sys.executable, "-m", "pytest", "-ra", "--continue-on-collection-errors"]
    env = os.environ | {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    env["PYTHONPATH"] = str(Path(__file__).parent)  # for what the conftest imports
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True).stdout


def test_a_skip_fails_under_ci_and_says_why(tmp_path):
    said = run_pytest(tmp_path, ci="1")

    for missing in "server", "browser", "kernel":
        assert f"skipped under CI: no {missing}" in said
    assert "1 failed, 1 xfailed, 2 errors" in said


def test_a_skip_is_a_skip_without_ci(tmp_path):
    said = run_pytest(tmp_path, ci="")

    assert "3 skipped, 1 xfailed" in said


def test_each_test_is_in_one_part_whatever_its_marks():
    script = (Path(__file__).parent.parent / "tools" / "test").read_text()
    parts = dict(re.findall(r'^(\w+)="([a-z$() ]+)"', script, re.MULTILINE))
    of_parts = [each.replace("$kills", parts["kills"]) for each in parts.values()]
    names = set(re.findall(r"\w+", " ".join(of_parts))) - {"and", "or", "not"}

    assert len(parts) == 5
    for values in itertools.product([False, True], repeat=len(names)):
        marks = dict(zip(sorted(names), values, strict=True))
        chosen = [each for each in of_parts if eval(each, {}, marks)]  # noqa: S307 - our own file
        assert len(chosen) == 1, marks
    for part in parts:  # and each part is run
        assert f'part {part} "${part}"' in script or f'-m "${part}"' in script
