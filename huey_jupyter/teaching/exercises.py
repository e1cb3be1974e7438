"""The exercises of the course: what each is called, what helps with it, and how it is checked."""

from __future__ import annotations

import dis
from collections.abc import Callable
from importlib import import_module
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from huey_jupyter.teaching.facts import Facts

Rule = Callable[..., str]
"""Called with the facts and the answers; returns what the queue has noted, in a few words."""

# The modules in `checks` by the number of their notebook.
NOTEBOOKS: Final = {
    "01": "first_task",
    "02": "growing_line",
    "03": "time",
    "04": "failing",
    "05": "pipes",
    "06": "sharing",
    "07": "chaos",
    "08": "production",
    "09": "under_the_hood",
}


class NotYet(Exception):
    """An answer is not right yet; the message is the sentence that helps."""


class Todo(Exception):
    """There is no answer yet; the message, if there is one, says what is to be done."""


class Exercise(NamedTuple):
    """An exercise; its number is the notebook's and its own, such as ``01.2``.

    :param praise: a sentence on what a right answer shows.
    :param hints: each says a little more than the one before.
    """

    number: str
    title: str
    praise: str
    hints: tuple[str, ...]
    rule: Rule


# The steps of a function that only returns None, in every Python there is.
NOTHING: Final = frozenset({"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"})

EXERCISES: Final[dict[str, Exercise]] = {}


def exercise(
    number: str, title: str, *, praise: str, hints: tuple[str, ...]
) -> Callable[[Rule], Rule]:
    """Register what checks an exercise; it is called with the facts, and the answers by position.

    It raises `NotYet` for an answer that is not right, most easily by `expect`.
    """

    def register(rule: Rule) -> Rule:
        EXERCISES[number] = Exercise(number, title, praise, hints, rule)
        return rule

    return register


def find(number: str) -> Exercise:
    """Return an exercise.

    :raises LookupError: if there is none of that number; it says which there are.
    """
    notebook = str(number).partition(".")[0]
    if notebook in NOTEBOOKS:
        import_module(f"huey_jupyter.teaching.checks.{NOTEBOOKS[notebook]}")
    if number not in EXERCISES:
        known = [one for one in EXERCISES if one.startswith(f"{notebook}.")] or ["01.1"]
        raise LookupError(f"there is no exercise {number!r}; there is {', '.join(sorted(known))}")
    return EXERCISES[number]


def expect(fact: object, helps: str) -> None:
    """Go on if something is true.

    :raises NotYet: with the sentence that helps, if it is not.
    """
    if not fact:
        raise NotYet(helps)


def judge(one: Exercise, facts: Facts, answers: tuple[Any, ...]) -> str:
    """Return what the queue has noted of right answers.

    :raises Todo: if there are none yet.
    :raises NotYet: if they are not right.
    """
    if any(map(_is_open, answers)) or facts.is_unwritten(answers):
        raise Todo
    return one.rule(facts, *answers)


def _is_open(answer: Any) -> bool:
    """Say whether an answer is still dots, or a function whose body is nothing else."""
    return answer is ... or (isinstance(answer, FunctionType) and _does_nothing(answer.__code__))


def _does_nothing(code: CodeType) -> bool:
    """Say whether a body is dots, ``pass`` or a docstring: it returns None and that is all."""
    steps = {step.opname: step.argval for step in dis.get_instructions(code)}
    returned = steps.get("RETURN_CONST", steps.get("LOAD_CONST"))
    return steps.keys() <= NOTHING and returned is None
