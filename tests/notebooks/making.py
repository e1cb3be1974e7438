"""Notebooks made for a test: cells, and the three cells of an exercise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]

Write = Callable[..., Path]


def made(cell: Any) -> Any:
    if not isinstance(cell, tuple):
        return nbformat.v4.new_code_cell(cell)
    source, metadata = cell
    if metadata == "markdown":
        return nbformat.v4.new_markdown_cell(source)
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def exercise(shipped: str, solution: str, check: str, *wrong: str, name: str = "ex1") -> list[Any]:
    """Return the three cells of an exercise."""
    hidden = {"jupyter": {"source_hidden": True}, "wrong": list(wrong)}
    return [
        (shipped, {"tags": ["exercise", name]}),
        (solution, {"tags": ["solution", name], **hidden}),
        (check, {"tags": ["check", name]}),
    ]
