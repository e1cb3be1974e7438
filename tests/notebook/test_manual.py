"""The page of the manual on the notebook names everything that a cell can say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from huey_jupyter import commands
from huey_jupyter.cards import State
from huey_jupyter.magics import HueyMagics
from huey_jupyter.views.offers import GROUP_OFFERS, OFFERS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "notebook.rst").read_text()


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


@pytest.mark.parametrize("magic", [HueyMagics.huey_task, HueyMagics.huey_map])
def test_each_option_of_a_cell_is_in_the_manual(magic: object) -> None:
    known = {flag for action in magic.parser._actions for flag in action.option_strings}

    assert known - flags(PAGE) == set()


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_each_line_is_in_the_manual_with_its_options(name: str) -> None:
    known = {flag for names, _ in commands.COMMANDS[name].arguments for flag in names}
    known = {flag for flag in known if flag.startswith("-")}

    assert f"``%huey {name}" in PAGE
    assert known - flags(PAGE) == set()


def test_no_line_is_in_the_manual_that_is_unknown() -> None:
    named = set(re.findall(r"``%huey ([a-z]+)", PAGE))

    assert named - set(commands.COMMANDS) == set()


@pytest.mark.parametrize("state", State)
def test_each_state_is_in_the_manual_with_its_shape_and_its_buttons(state: State) -> None:
    [row] = re.findall(
        rf"\* - ``{re.escape(state.shape)} {state.word}.*?(?=\n    \* -|\n\n)", PAGE, re.S
    )

    for _, label in OFFERS[state]:
        assert label in row


def test_each_button_of_a_group_is_in_the_manual() -> None:
    assert [label for _, label in GROUP_OFFERS if label not in PAGE] == []
