"""Notebooks made for a test, and the tools that look at the course's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from making import ROOT, Write, made

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "seed")]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write cells to a notebook: a text is code, text with tags an exercise's part."""

    def write(*cells: Any, name: str = "99_made.ipynb") -> Path:
        book = nbformat.v4.new_notebook(cells=[made(cell) for cell in cells])
        path = tmp_path / name
        nbformat.write(book, path)
        return path

    return write
