"""The manual is built without a warning and names everything that is public."""

import importlib
import inspect
import sys

import pytest
from check_site import complaints, main
from sites import ROOT
from sphinx.util.inventory import InventoryFile

from huey import exceptions

pytestmark = pytest.mark.site

DOORS = ("huey", "huey.api", "huey.storage", "huey_jupyter", "huey_jupyter.teaching")
CLASSES = (
    *("huey.api.Huey", "huey.tasks.Task", "huey.tasks.TaskWrapper"),
    *("huey.results.Result", "huey.results.ResultGroup", "huey.consumer.Consumer"),
    *("huey.events.EventLog", "huey.storage.base.BaseStorage", "huey.locks.TaskLock"),
    *("huey.serializer.Serializer", "huey_jupyter.session.Session"),
)
NOT_IN_THE_MANUAL = {"load_ipython_extension", "unload_ipython_extension"}  # IPython calls them


@pytest.fixture(scope="module")
def names(manual):
    """Return the full names of what stands in the manual."""
    return known(manual / "html" / "objects.inv")


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


def test_examples_are_right(manual):
    said = (manual / "doctest" / "output.txt").read_text()

    assert "0 failures in tests" in said
    assert "\n    0 tests" not in said


def test_every_link_inside_leads_somewhere(manual):
    assert list(complaints(manual / "html")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<a href="other.html">there</a>', "no such file"),
        ('<a href="page.html#nowhere">there</a>', "no such anchor"),
        ('<a href="page.html#here" id="here">there</a>', None),
        ('<a href="https://example.org/page#nowhere">there</a>', None),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path, text, problem):
    (tmp_path / "page.html").write_text(text)
    link = text.split('"')[1]

    assert list(complaints(tmp_path)) == ([f"page.html: {link}: {problem}"] if problem else [])


def test_a_folder_without_a_site_is_not_taken_for_a_site_without_faults(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["check_site.py", str(tmp_path)])

    with pytest.raises(SystemExit, match=r"no index\.html"):
        main()


def test_each_lesson_is_in_the_manual_as_it_ran(manual):
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        page = (manual / "html" / "tutorials" / f"{lesson.stem}.html").read_text(encoding="utf-8")
        assert 'class="hj ' in page, lesson
        assert "TODO" in page, lesson
