"""A Sphinx extension: the lessons of the course, and which of them teaches what.

``.. lessons::`` lists the notebooks, ``.. taught::`` the names of the API with the lesson that uses
each. Both read the notebooks and ``notebooks/coverage.json``, so there is one place to keep.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DOCS = Path(__file__).parent
NOTEBOOKS = DOCS.parent / "notebooks"
COVERAGE = NOTEBOOKS / "coverage.json"
MANUAL = re.compile(r"the manual's page \*([^*]+)\*( \(`make docs` builds the manual\))?")
PLACE = re.compile(r"(?:gh|gl)/[\w.-]+/[\w.-]+/[\w./-]+")


class Lesson(NamedTuple):
    """A notebook of the course: its file's name, and what its first cell says."""

    name: str
    title: str
    promise: str

    @property
    def number(self) -> str:
        return self.name[:2]


def lessons() -> list[Lesson]:
    """Return the course in its order."""
    return [_lesson(path) for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]


def _lesson(path: Path) -> Lesson:
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
    title, promise, *_ = "".join(first).split("\n\n")
    return Lesson(path.stem, title.removeprefix("# "), promise.replace("\n", " "))


class Lessons(SphinxDirective):
    """List the lessons: to read, to run in the browser, to open on Binder, to take along."""

    def run(self) -> list[nodes.Node]:
        for lesson in lessons():
            self.env.note_dependency(NOTEBOOKS / f"{lesson.name}.ipynb")
        return self.parse_text_to_nodes("\n".join(map(self._row, lessons())))

    def _row(self, lesson: Lesson) -> str:
        links = [f"`Lesson {lesson.number} in the browser <{self._in_browser(lesson)}>`__"]
        if lesson.number in self.config.lessons_elsewhere:
            links = []
        if place := self.config.binder_repository:
            links.append(f"`Lesson {lesson.number} on Binder <{_on_binder(lesson, place)}>`__")
        links.append(f":download:`Lesson {lesson.number} as a file <{lesson.name}.ipynb>`")
        return (
            f".. rubric:: :doc:`{lesson.number}: {lesson.title} <{lesson.name}>`\n\n"
            f"{lesson.promise}\n\n"
            f".. container:: lesson-links\n\n    {' '.join(links)}\n"
        )

    def _in_browser(self, lesson: Lesson) -> str:
        return f"../lite/notebooks/index.html?path={lesson.name}.ipynb"


def _on_binder(lesson: Lesson, place: str) -> str:
    if not PLACE.fullmatch(place):
        raise ValueError(f"binder_repository is like gh/OWNER/REPOSITORY/TAG, not {place!r}")
    return f"https://mybinder.org/v2/{place}?urlpath=lab/tree/notebooks/{lesson.name}.ipynb"


class Taught(SphinxDirective):
    """List the names of the API by the lesson that uses each in its code."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(COVERAGE)
        names = json.loads(COVERAGE.read_text(encoding="utf-8"))
        rows = [
            f":doc:`{lesson.title} <{lesson.name}>`\n"
            f"    {', '.join(f'`{name}`' for name in names[lesson.number])}"
            for lesson in lessons()
            if lesson.number in names
        ]
        return self.parse_text_to_nodes("\n".join(rows))


def lead_from_here(app: Sphinx, page: str, source: list[str]) -> None:
    """Have the pages that a lesson names be links here; JupyterLab could not follow them."""
    if page.startswith("tutorials/"):
        places = {_title(path): path.relative_to(DOCS) for path in DOCS.glob("*/*.rst")}
        source[0] = MANUAL.sub(
            lambda found: f"the manual's page [{found[1]}](../{places[found[1]].as_posix()})",
            source[0],
        )


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("lessons", Lessons)
    app.add_directive("taught", Taught)
    app.connect("source-read", lead_from_here)
    app.add_config_value("binder_repository", "", "env")
    app.add_config_value("lessons_elsewhere", [], "env")
    return {"parallel_read_safe": True}
