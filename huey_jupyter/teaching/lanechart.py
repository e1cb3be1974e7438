"""Lanes as a picture: HTML that moves or stays, a sentence, a table, plain text."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from huey.utils import make_id
from huey_jupyter.states import State
from huey_jupyter.teaching.facts import Run, most_at_once
from huey_jupyter.teaching.holds import most_holders
from huey_jupyter.teaching.lanefacts import Facts, end_of, facts_of
from huey_jupyter.teaching.lanerows import HELD, REFUSED, WAITS, is_mark, rows, times
from huey_jupyter.views import words
from huey_jupyter.views.render import render

if TYPE_CHECKING:
    from huey_jupyter.teaching.lanes import Lanes

TELL_EVERY: Final = 2.0  # seconds; whoever listens to the text is not told more often
ROWS: Final = 60  # of the table
LEGEND: Final = (
    ("held", HELD, "has the lock"),
    ("waits", WAITS, "waits for it"),
    ("refused", REFUSED, "asked for it in vain and left"),
)


class LanesView:
    """Lanes as they are shown.

    :param lanes: what is shown.
    """

    gone = False

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.key = f"lanes {make_id()}"
        self._told = ""
        self._told_at = 0.0

    @property
    def terminal(self) -> bool:
        return self.lanes.is_over

    def html(self, *, live: bool) -> str:
        facts = facts_of(self.lanes)
        drawn = list(rows(facts))
        kinds = {one.kind for row in drawn for one in row.stretches}
        return render(
            "lanes.html.j2",
            live,
            now=time.time(),
            key=self.key,
            facts=facts,
            counts=" · ".join(counts(facts)),
            told=self._tell(facts),
            rows=drawn,
            legend=[one for one in LEGEND if one[0] in kinds],
            ticks=[_tick(facts.span * part / 4, facts.span) for part in range(5)],
            table=list(table(facts)),
            left_out=max(0, len(facts.tries) - ROWS),
        )

    def text(self) -> str:
        return "\n".join(_text(facts_of(self.lanes)))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _tell(self, facts: Facts) -> str:
        """Return the sentence about it, a new one every two seconds at most."""
        now = time.monotonic()
        if not self._told or not facts.going or now - self._told_at >= TELL_EVERY:
            self._told, self._told_at = sentence(facts), now
        return self._told


def counts(facts: Facts) -> Iterator[str]:
    """Yield what there was, in numbers."""
    yield words.plural(len(facts.titles.keys() - {""}), "task")
    yield words.plural(len(facts.workers), "worker")
    if dropped := list(facts.over.values()).count(State.locked):
        yield f"{dropped:,} dropped"


def sentence(facts: Facts) -> str:
    """Return what lanes show, in words."""
    if not facts.tries:
        return "No worker has run anything yet." if facts.going else "No worker ran anything."
    parts = [f"At most {_most(facts)} at work at once"]
    for lock in facts.locks:
        holds = [hold for hold in facts.holds if hold.lock == lock]
        most = most_holders(holds, facts.until)
        never = ", never by two at once" if most <= 1 and len(holds) > 1 else ""
        refused = sum(one.number for one in facts.refusals if one.lock == lock)
        asked = f", asked for {times(refused)} in vain" if refused else ""
        parts.append(f"the lock `{lock}` was held {times(len(holds))}{never}{asked}")
    if not facts.locks:
        parts.append("nobody used a lock")
    return f"{'; '.join([*parts, _total(facts)])}."


def table(facts: Facts) -> Iterator[tuple[str, str, str, str, str, str]]:
    """Yield the same try by try: task, worker, from, to, how it ended, what was with locks."""
    for turn, holds, refusals in facts.tries[:ROWS]:
        held = [
            f"{HELD} {hold.lock} {hold.start:.2f} to {end_of(facts, hold.end):.2f} s"
            for hold in holds
        ]
        asked: Counter[str] = Counter()
        for one in refusals:
            asked[one.lock] += one.number
        vain = [f"{REFUSED} {lock}, {times(number)}" for lock, number in asked.items()]
        until = "" if turn.end is None else f"{turn.end:.2f} s"
        locks = "; ".join([*vain, *held])
        yield turn.title, turn.worker, f"{turn.start:.2f} s", until, turn.state.word, locks


def _total(facts: Facts) -> str:
    """Return how long it took, or has taken."""
    seconds = words.duration(facts.until)
    if facts.going:
        return f"{seconds} so far"
    still = facts.titles.keys() - {""} - facts.over.keys()
    return f"{len(still)} not over after {seconds}" if still else f"all over after {seconds}"


def _most(facts: Facts) -> int:
    """Return how many tasks were at work at the same time, at most."""
    runs = [
        Run(turn.start, end_of(facts, turn.end), turn.worker)
        for turn, _, _ in facts.tries
        if not is_mark(turn)
    ]
    return most_at_once(runs)


def _tick(at: float, span: float) -> str:
    return f"{at:.1f} s" if span >= 1 else f"{at:.2f} s"


# --- plain text ---


def _text(facts: Facts) -> Iterator[str]:
    state = "● going on" if facts.going else "✓ over"
    yield f"{state}   {' · '.join(counts(facts))}"
    yield f"  {sentence(facts)}"
    drawn = list(rows(facts))
    wide = max((len(row.name) for row in drawn), default=0)
    for row in drawn:
        yield f"  {row.name:<{wide}}  {row.cells}  {row.now}".rstrip()
    if facts.locks:
        yield "  " + "   ".join(f"{shape} {says}" for _, shape, says in LEGEND)
