"""The files in binder/ agree with pyproject.toml.

With a binder/ folder present nothing installs the package by itself, so the requirements stand in
both places.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import check_binder
import pytest

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


@pytest.mark.binder
def test_the_lessons_run_where_binder_has_built(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_binder.py"],
        env={**os.environ, "HUEY_TUTORIAL_SPEED": "4"},
        capture_output=True,
        text=True,
    )
    with capsys.disabled():
        print(done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr


DOCKERFILE = """\
FROM docker.io/library/buildpack-deps:24.04
RUN apt-get -qq install --yes redis-server
python=3.12
COPY binder/requirements.txt
RUN ./binder/postBuild
"""


def test_a_dockerfile_with_all_of_binder_is_right() -> None:
    check_binder.look_at_dockerfile(DOCKERFILE)


@pytest.mark.parametrize("line", ["redis-server", "python=3.12", "requirements.txt", "postBuild"])
def test_what_a_dockerfile_lacks_is_named(line: str) -> None:
    with pytest.raises(check_binder.Wrong, match="lacks"):
        check_binder.look_at_dockerfile(DOCKERFILE.replace(line, ""))
