"""``check`` and ``hint``: what a reader asks of an exercise."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

from IPython.display import display

import huey_jupyter
from huey_jupyter.teaching import exercises
from huey_jupyter.teaching.exercises import Exercise, NotYet, Todo
from huey_jupyter.teaching.facts import Facts
from huey_jupyter.teaching.verdict import Grade, Hint, Verdict

STRICT: Final = "HUEY_TUTORIAL_STRICT"

_asked: Counter[str] = Counter()  # hints given


class CheckFailed(AssertionError):
    """An exercise that is not solved, where it has to be."""


def check(number: str, *answers: Any) -> None:
    """Say how the answers to an exercise are: PASS, TODO, or NOT YET with what helps.

    It looks at what the queue has noted, and never stops a notebook. With the environment variable
    ``HUEY_TUTORIAL_STRICT=1`` it does.

    :param number: of the exercise, such as ``"01.2"``.
    :param answers: what the exercise asks for.
    :raises CheckFailed: in strict mode, for whatever is no PASS.
    """
    verdict = _verdict(exercises.find(number), answers)
    display(verdict)
    if verdict.grade is not Grade.passed and os.environ.get(STRICT, "0") != "0":
        raise CheckFailed(repr(verdict))


def hint(number: str) -> None:
    """Give one more hint for an exercise; each call says a little more.

    :param number: of the exercise, such as ``"01.2"``.
    """
    one = exercises.find(number)
    place = min(_asked[number], len(one.hints) - 1)
    _asked[number] = place + 1
    display(Hint(number, one.title, place + 1, len(one.hints), one.hints[place]))


def _verdict(one: Exercise, answers: tuple[Any, ...]) -> Verdict:
    def graded(grade: Grade, says: str, fact: str = "") -> Verdict:
        return Verdict(grade, one.number, one.title, says, fact)

    try:
        fact = exercises.judge(one, Facts(huey_jupyter.current()), answers)
    except Todo as todo:
        what = str(todo) or "Replace the dots in the cell above by your answer"
        return graded(Grade.todo, f"{what}, run it, then this cell again. {_offer(one.number)}")
    except NotYet as helps:
        return graded(Grade.not_yet, f"{helps} {_offer(one.number)}")
    except Exception as error:  # whatever a reader's answer may be
        return graded(
            Grade.not_yet,
            "This is something else than the exercise asks for. "
            f"Looking at it gave {type(error).__name__}: {error}. {_offer(one.number)}",
        )
    return graded(Grade.passed, one.praise, fact)


def _offer(number: str) -> str:
    return f'hint("{number}") helps.'
