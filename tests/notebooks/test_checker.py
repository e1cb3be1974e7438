"""What is looked at in the course without running it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from check_notebooks import SETUP, complaints, coverage, pattern_of, uncovered, words
from making import ROOT, Write, exercise
from names import NAMES

DOCUMENT = Path(os.environ.get("HUEY_API_DOCUMENT", "/work/shared/seed-api.rst"))
TEXT = ("# A title\n" + "word " * 800, "markdown")
PARTS = [
    *exercise("a = ...", "a = 1", 'check("99.1", a)', "a = 2"),
    *exercise("b = ...", "b = 1", 'check("99.2", b)', "b = 2", name="ex2"),
]


def found(write: Write, *cells: Any) -> list[str]:
    return list(complaints(write(TEXT, SETUP, *PARTS, *cells)))


def test_a_notebook_in_order_gives_no_complaint(write: Write) -> None:
    assert found(write) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a lesson](nowhere.ipynb)", "leads nowhere"),
        ("[its end](#The-end)", "leads nowhere"),
        ("[the folder above](..)", "leads out of the folder"),
        ("It is on the manual's page *No such page*.", "no page 'No such page'"),
        ("[here](99_made.ipynb)", "does not say where"),
        ("![](99_made.ipynb)", "without an alternative text"),
        ('<img src="a.png">', "without an alternative text"),
        ("# Another", "one main heading"),
        ("### Deep", "a heading of level 3 follows one of level 1"),
        ("word " * 700, "1506 words"),
    ],
)
def test_what_is_wrong_in_a_text_is_said(write: Write, text: str, says: str) -> None:
    [complaint] = found(write, (text, "markdown"))

    assert says in complaint


@pytest.mark.parametrize(
    "text",
    [
        "[the title](#A-title)",
        "[this notebook's title](99_made.ipynb#A-title)",
        "[elsewhere](https://example.org/a)",
        "![a queue of three](99_made.ipynb)",
        "```\n[here](nowhere)\n# no heading\n```",
    ],
)
def test_what_is_right_in_a_text_is_left_alone(write: Write, text: str) -> None:
    assert found(write, (text, "markdown")) == []


def test_outputs_and_the_metadata_of_programs_are_not_stored(write: Write) -> None:
    path = write(TEXT, SETUP, *PARTS)
    book = nbformat.read(path, as_version=4)
    book.cells[1].execution_count = 3
    book.cells[2].metadata["vscode"] = {}
    nbformat.write(book, path)

    assert [complaint[:11] for complaint in complaints(path)] == ["cell 1 has ", "cell 2 has "]


def test_another_setup_and_unchecked_exercises_are_named(write: Write) -> None:
    cells = exercise("a = ...", "a = 1", "check('77.1', a)")
    said = "\n".join(complaints(write(TEXT, "import huey", *cells)))

    assert "not the setup" in said
    assert "1 exercises" in said
    assert "ex1 is not checked" in said
    assert "no wrong answers" in said


def test_words_are_counted_without_code_and_addresses(write: Write) -> None:
    text = "Three plain words. [two more](https://example.org/a/b) <kbd>Enter</kbd>\n```\nnone\n```"
    book = nbformat.read(write((text, "markdown")), as_version=4)

    assert words(book) == 6


def test_a_name_is_used_in_code_and_not_in_a_comment(write: Write) -> None:
    path = write("# huey.pending()\nhuey.put('a', 1)\nprint(len(huey))\nanswer(blocking=True)")
    names = ["Huey.pending", "Huey.put", "Huey.__len__", "Result.__call__", "Result.get"]

    said = list(uncovered(path, names))

    assert [line.rpartition(" ")[2] for line in said] == ["Huey.pending", "Result.get"]


def test_every_name_of_the_api_has_a_notebook() -> None:
    given = [name for names in coverage().values() for name in names]

    assert sorted(given) == sorted({name.partition("(")[0] for name in NAMES})
    assert all(re.compile(pattern_of(name)) for name in given)


if DOCUMENT.exists():  # it is no part of the repository

    def test_the_names_are_those_of_the_api_document() -> None:
        line = re.compile(r"\s*\.\. py:(class|method|function|attribute):: (\w+)")
        owner, names = "", set()
        for found in filter(None, map(line.match, DOCUMENT.read_text().splitlines())):
            owner = found[2] if found[1] in ("class", "function") else owner
            names.add(found[2] if found[1] in ("class", "function") else f"{owner}.{found[2]}")

        assert names == {name.partition("(")[0] for name in NAMES}


def test_the_coverage_is_stored_as_it_is_read() -> None:
    text = (ROOT / "notebooks" / "coverage.json").read_text(encoding="utf-8")

    assert text == json.dumps(coverage(), indent=2) + "\n"
