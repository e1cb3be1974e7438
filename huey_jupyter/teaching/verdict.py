"""What a check says of an answer, in words and a shape, as text and as HTML."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from huey_jupyter.views.render import render


class Grade(StrEnum):
    """How an answer is."""

    passed = "PASS"
    todo = "TODO"
    not_yet = "NOT YET"

    @property
    def shape(self) -> str:
        return {"PASS": "✓", "TODO": "○", "NOT YET": "↻"}[self.value]

    @property
    def tone(self) -> str:
        return {"PASS": "good", "TODO": "idle", "NOT YET": "wait"}[self.value]


class Verdict(NamedTuple):
    """An answer's grade.

    :param number: of the exercise, such as ``01.2``.
    :param title: of the exercise.
    :param says: a sentence: what is right, or what helps.
    :param fact: what the queue has noted of the answer, in a few words.
    """

    grade: Grade
    number: str
    title: str
    says: str
    fact: str = ""

    def __repr__(self) -> str:
        head = f"{self.grade.shape} {self.grade.value}  {self.number} {self.title}"
        return "\n  ".join(filter(None, (head, self.says, self.fact)))

    def _repr_html_(self) -> str:
        facts = {"verdict": self, "grade": self.grade}
        return render("check.html.j2", False, now=0.0, **facts)


class Hint(NamedTuple):
    """One of an exercise's hints; each says a little more than the one before."""

    number: str
    title: str
    place: int
    last: int
    says: str

    def __repr__(self) -> str:
        return f"→ HINT {self.place} of {self.last}  {self.number} {self.title}\n  {self.says}"

    def _repr_html_(self) -> str:
        return render("hint.html.j2", False, now=0.0, hint=self)
