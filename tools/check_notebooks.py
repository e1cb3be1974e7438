"""Check what can be checked of the course without running it.

    python tools/check_notebooks.py [FILE...]

Links and anchors lead somewhere and their texts say where, none out of the folder that JupyterLab
serves; the manual has the pages that are named; pictures have alternative texts; there
is one main heading and no level is skipped; the length is right; nothing of a run is stored; the
setup is the same everywhere; and each name of huey's API occurs in code of the notebook that
`notebooks/coverage.json` gives it to. A notebook that is not written yet is named, and no failure.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
from run_notebooks import code_of, exercises

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
MANUAL = ROOT / "docs"
COVERAGE = NOTEBOOKS / "coverage.json"
SETUP = "%load_ext huey_jupyter\nfrom huey_jupyter.teaching import check, hint, work"
WORDS = range(700, 1401)
KEPT = {"tags", "wrong"}  # metadata that a cell may have
SAYS_NOTHING = {"", "here", "link", "this", "click here", "image", "png", "alt text", "figure"}

FENCE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^(#+)\s+(.*)$", re.MULTILINE)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)")
IMG = re.compile(r"<img\b(?![^>]*\balt=\"[^\"]+\")")
LINK = re.compile(r"(?<!!)\[((?:!\[[^\]]*\]\([^)]*\)|[^\]])*)\]\(([^)\s]+)\)")
PAGE = re.compile(r"the manual's page \*([^*]+)\*")  # docs/course.py makes a link of it

# How names are written that no rule finds.
WRITTEN = {
    "Huey.__len__": r"\blen\(\w*huey\)",
    "Huey.immediate": r"\bimmediate\b",
    "Result.__call__": r"(?<![.\w])\w+\(blocking=",
}


def main() -> int:
    """Check what the command line names; return how many complaints there are, at most 99."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    files = parser.parse_args().files or sorted(NOTEBOOKS.glob("*.ipynb"))
    found = [f"{path.name}: {complaint}" for path in files for complaint in complaints(path)]
    names = coverage()
    found += [line for path in files for line in uncovered(path, names.get(path.name[:2], []))]
    print(*found, sep="\n")
    there = {path.name[:2] for path in NOTEBOOKS.glob("*.ipynb")}
    missing = [number for number in names if number not in there]
    print(f"{len(files)} notebooks checked; not written yet: {', '.join(missing) or 'none'}")
    return min(len(found), 99)


def coverage() -> dict[str, list[str]]:
    """Return the names of the API by the number of the notebook that teaches them."""
    names: dict[str, list[str]] = json.loads(COVERAGE.read_text(encoding="utf-8"))
    return names


def uncovered(path: Path, names: list[str]) -> Iterator[str]:
    """Yield a sentence for each name that a notebook should use and does not."""
    code = "\n".join(sources(nbformat.read(path, as_version=4)))
    for name in names:
        if not re.search(pattern_of(name), code):
            yield f"{path.name}: no code cell uses {name}"


def sources(book: Any) -> Iterator[str]:
    """Yield the code of a notebook, solutions included and comments left out."""
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    code += [code_of(cells["solution"]) for cells in exercises(book).values()]
    for source in code:
        yield re.sub(r"(?m)#.*$", "", source)


def pattern_of(name: str) -> str:
    """Return what a name looks like in code."""
    owner, _, member = name.rpartition(".")
    if name in WRITTEN:
        return WRITTEN[name]
    if not owner:
        return rf"\b{name}\b"
    if owner == "Huey":
        return rf"\b\w*huey\w*\.{member}\b"
    if owner in ("BaseStorage", "Serializer"):
        return rf"\b{member}\b"
    return rf"(?<!\bhuey)\.{member}\b"


# --- one notebook ---


def complaints(path: Path) -> Iterator[str]:
    """Yield a sentence for each thing that is not as it should be in a notebook."""
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    yield from _stored(book)
    yield from _headings(book)
    yield from _links(book, path)
    yield from _setup(book)
    yield from _exercises(book, path)
    count = words(book)
    if count not in WORDS:
        yield f"{count} words; {WORDS[0]} to {WORDS[-1]} are right"


def words(book: Any) -> int:
    """Return how many words of prose a notebook has."""
    prose = " ".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|<[^>]*>|\]\([^)]*\)", " ", prose, flags=re.DOTALL)
    return len(re.findall(r"\w[\w'’-]*", prose))


def anchors(book: Any) -> set[str]:
    """Return what a link into a notebook may name after its `#`."""
    found = set()
    for _, text in _markdown(book):
        found |= {re.sub(r"\s+", "-", title.strip()) for _, title in HEADING.findall(text)}
        found |= set(re.findall(r'<a id="([^"]+)"', text))
    return found


def _stored(book: Any) -> Iterator[str]:
    for number, cell in enumerate(book.cells):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            yield f"cell {number} has outputs: nbstripout --keep-id takes them out"
        if strange := cell.metadata.keys() - KEPT:
            yield f"cell {number} has metadata of some program: {', '.join(sorted(strange))}"


def _headings(book: Any) -> Iterator[str]:
    levels = [len(marks) for _, text in _markdown(book) for marks, _ in HEADING.findall(text)]
    if levels.count(1) != 1 or levels[0] != 1:
        yield "it needs one main heading, before all others"
    for upper, lower in pairwise(levels):
        if lower - upper > 1:
            yield f"a heading of level {lower} follows one of level {upper}"


def _links(book: Any, path: Path) -> Iterator[str]:
    for number, text in _markdown(book):
        plain = FENCE.sub(" ", text)
        for alt, _url in PICTURE.findall(plain):
            if alt.strip().lower() in SAYS_NOTHING:
                yield f"cell {number}: a picture without an alternative text"
        if IMG.search(plain):
            yield f"cell {number}: an <img> without an alternative text"
        for said, url in LINK.findall(text):
            if said.strip().lower() in SAYS_NOTHING:
                yield f"cell {number}: the link text {said!r} does not say where it leads"
            if not _leads_somewhere(url, path, book):
                yield f"cell {number}: {url} leads nowhere"
            if url.startswith(".."):
                yield f"cell {number}: {url} leads out of the folder that JupyterLab serves"
        for title in PAGE.findall(plain):
            if title not in _manual():
                yield f"cell {number}: the manual has no page {title!r}"


@cache
def _manual() -> set[str]:
    """Return the titles of the manual's pages."""
    pages = MANUAL.glob("*/*.rst")
    return {page.read_text(encoding="utf-8").partition("\n")[0] for page in pages}


def _leads_somewhere(url: str, path: Path, book: Any) -> bool:
    """Say whether a link has something at its other end; addresses elsewhere are believed."""
    parts = urlsplit(url)
    if parts.scheme:
        return True
    target = path.parent / unquote(parts.path) if parts.path else path
    if not target.exists():
        return False
    if not parts.fragment or target.suffix != ".ipynb":
        return True
    other = book if target == path else nbformat.read(target, as_version=4)
    return unquote(parts.fragment) in anchors(other)


def _setup(book: Any) -> Iterator[str]:
    first = next((cell.source for cell in book.cells if cell.cell_type == "code"), "")
    if first != SETUP:
        yield f"the first code cell is not the setup that all have: {SETUP!r}"


def _exercises(book: Any, path: Path) -> Iterator[str]:
    found = exercises(book)
    if not 2 <= len(found) <= 4:
        yield f"{len(found)} exercises; 2 to 4 are right"
    for name, cells in found.items():
        number = f"{path.name[:2]}.{name.removeprefix('ex')}"
        if f'check("{number}"' not in cells["check"].source:
            yield f'{name} is not checked by check("{number}", ...)'
        if not cells["solution"].metadata.get("wrong"):
            yield f"{name} lists no wrong answers in its solution's metadata"
        if not cells["solution"].source.startswith("<details>"):
            yield f"the solution of {name} is not folded"


def _markdown(book: Any) -> Iterator[tuple[int, str]]:
    """Yield each text cell with its number, code blocks left out."""
    for number, cell in enumerate(book.cells):
        if cell.cell_type == "markdown":
            yield number, re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
