"""The files in binder/ agree with pyproject.toml.

With a binder/ folder present nothing installs the package by itself, so the requirements stand in
both places.
"""

import os
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements() -> set[str]:
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return {text for line in lines if (text := line.partition("#")[0].strip())}


def test_every_dependency_is_asked_for_with_the_same_bound():
    assert set(PROJECT["dependencies"]) - requirements() == set()


def test_nothing_is_asked_for_that_the_project_does_not_know():
    known = {*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["lab"]}

    assert requirements() - known == set()


def test_python_is_one_that_the_project_supports():
    version = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")

    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_post_build_can_run():
    script = BINDER / "postBuild"

    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
