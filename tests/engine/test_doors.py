"""What stands at the doors is there, and every module says what it holds."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import huey

DOORS = ["huey", "huey.storage"]
MODULES = ["huey", *(module.name for module in pkgutil.walk_packages(huey.__path__, "huey."))]


@pytest.mark.parametrize("name", DOORS)
def test_a_door_names_what_is_there_in_order(name):
    door = importlib.import_module(name)

    assert door.__all__ == sorted(set(door.__all__))
    assert [each for each in door.__all__ if not hasattr(door, each)] == []


@pytest.mark.parametrize("name", DOORS)
def test_a_door_hides_nothing_that_it_imports_from_the_house(name):
    door = importlib.import_module(name)
    public = {
        each
        for each, value in ((each, getattr(door, each)) for each in {*vars(door), *door.__all__})
        if not each.startswith("_") and getattr(value, "__module__", "").startswith("huey")
    }

    assert public == set(door.__all__)


def test_every_kind_of_huey_is_at_both_doors():
    kinds = {name for name, value in vars(huey.api).items() if is_kind_of_huey(value)}

    assert kinds <= set(huey.__all__)
    assert kinds <= set(huey.api.__all__)
    assert huey.api.__all__ == sorted(huey.api.__all__)
    assert [name for name in huey.api.__all__ if not hasattr(huey.api, name)] == []


def is_kind_of_huey(value):
    return isinstance(value, type) and issubclass(value, huey.Huey)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "huey.bin"])
def test_a_module_says_in_one_sentence_what_it_holds(name):
    first, *rest = importlib.import_module(name).__doc__.splitlines()

    assert first.endswith(".")
    assert first.count(". ") == 0
    assert not rest or rest[0] == ""


def test_importing_huey_opens_no_file_and_starts_no_thread(tmp_path):
    code = "import threading, huey, huey.consumer; print(threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "1\n"
    assert list(tmp_path.iterdir()) == []
