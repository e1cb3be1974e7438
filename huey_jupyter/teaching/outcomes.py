"""What came of each signal, as a table, beside what somebody has expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from huey_jupyter.teaching.ledger import Outcome
from huey_jupyter.views.render import render

if TYPE_CHECKING:
    from huey_jupyter.teaching.consumers import Consumers

TITLES: Final = ("signal", "hit", "what came of it")
WIDTHS: Final = (26.0, 24.0, 50.0)  # percent


def row(outcome: Outcome, title: Callable[[str], str]) -> tuple[str, str, str]:
    """Return what a blow was, which task it hit, and what came of it, in words."""
    blow = outcome.blow
    whom = "worker" if blow.target == "worker" else f"consumer {blow.number}"
    what = title(outcome.run.task) if outcome.run is not None else ""
    return f"{blow.signal} → {whom} {blow.pid}", what, str(outcome)


class Outcomes:
    """What came of each signal, beside what somebody has expected.

    :param crew: whose.
    :param predicted: a word of `Fate`, or ``lost``, by signal, such as ``SIGTERM`` or
        ``SIGKILL worker``.
    """

    titles = ("signal", "you said", "what came of it")

    def __init__(self, crew: Consumers, predicted: Mapping[str, object]) -> None:
        self.rows = [
            (one.key, _agreement(predicted.get(one.key), one.word), str(one))
            for one in crew.ledger.outcomes()
            if one.run is not None
        ]

    def __repr__(self) -> str:
        rows = [self.titles, *self.rows]
        wide = [max(len(one[n]) for one in rows) for n in range(2)]
        return "\n".join(f"{a:{wide[0]}}  {b:{wide[1]}}  {c}" for a, b, c in rows)

    def _repr_html_(self) -> str:
        titles = zip(self.titles, WIDTHS, strict=True)
        return render("outcomes.html.j2", False, now=0.0, titles=titles, rows=self.rows)


def _agreement(said: object, word: str) -> str:
    """Return what was said, and whether it is what happened."""
    if not isinstance(said, str) or not said.strip(" ?."):
        return "nothing"
    return f"{'✓' if said.strip() == word else '✗'} {said.strip()}"
