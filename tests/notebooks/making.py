"""Notebooks made for a test: cells, and the three cells of an exercise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]

Write = Callable[..., Path]


def made(cell: Any) -> Any:
    """Return a cell: a text is code, a pair a text and what it is, or its metadata."""
    if not isinstance(cell, tuple):
        return nbformat.v4.new_code_cell(cell)
    source, metadata = cell
    if metadata == "markdown":
        return nbformat.v4.new_markdown_cell(source)
    if "solution" in metadata["tags"]:
        return nbformat.v4.new_markdown_cell(source, metadata=metadata)
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def exercise(shipped: str, solution: str, check: str, *wrong: str, name: str = "ex1") -> list[Any]:
    """Return the three cells of an exercise."""
    folded = f"<details><summary>A solution</summary>\n\n```python\n{solution}\n```\n\n</details>"
    return [
        (shipped, {"tags": ["exercise", name]}),
        (folded, {"tags": ["solution", name], "wrong": list(wrong)}),
        (check, {"tags": ["check", name]}),
    ]
