"""The manual is built without a warning and names everything that is public."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile

from huey import exceptions

DOCS = Path(__file__).parent.parent / "docs"
DOORS = ("huey", "huey.api", "huey.storage", "huey_jupyter")
CLASSES = (
    *("huey.api.Huey", "huey.tasks.Task", "huey.tasks.TaskWrapper"),
    *("huey.results.Result", "huey.results.ResultGroup", "huey.consumer.Consumer"),
    *("huey.events.EventLog", "huey.storage.base.BaseStorage", "huey.locks.TaskLock"),
    *("huey.serializer.Serializer", "huey_jupyter.session.Session"),
)
NOT_IN_THE_MANUAL = {"load_ipython_extension", "unload_ipython_extension"}  # IPython calls them


def sphinx(builder, folder):
    """Build the manual; what was read once is not read again for another builder."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder]
    done = subprocess.run(
        [*command, "-d", folder / "read", DOCS, folder / builder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / builder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("manual")


@pytest.fixture(scope="module")
def names(folder):
    """Return the full names of what stands in the manual."""
    return known(sphinx("html", folder) / "objects.inv")


def known(inventory):
    data = InventoryFile.loads(inventory.read_bytes(), uri="").data
    return {name for kind, items in data.items() if kind.startswith("py:") for name in items}


def test_what_stands_at_a_door_is_in_the_manual(names):
    last = {name.rpartition(".")[2] for name in names}
    wanted = {each for door in DOORS for each in importlib.import_module(door).__all__}
    wanted |= {name for name, _ in inspect.getmembers(exceptions, inspect.isclass)} - {"Any"}

    assert sorted(wanted - last - NOT_IN_THE_MANUAL) == []


@pytest.mark.parametrize("path", CLASSES)
def test_every_public_method_is_in_the_manual(names, path):
    module, _, name = path.rpartition(".")
    members = inspect.getmembers(getattr(importlib.import_module(module), name))
    public = [each for each, value in members if callable(value) and not each.startswith("_")]

    assert [each for each in public if f"{path}.{each}" not in names] == []


def test_examples_in_docstrings_are_right(folder):
    said = (sphinx("doctest", folder) / "output.txt").read_text()

    assert "0 failures in tests" in said
    assert "\n    0 tests" not in said
