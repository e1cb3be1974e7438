"""A pipeline, a group or a chord as data: its steps, what follows which, and how each stands.

Nothing here knows a kernel, a clock or a lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from huey.composition import chord, group
from huey.exceptions import ConfigurationError
from huey.tasks import Task
from huey_jupyter.cards import Card, State
from huey_jupyter.views import words


@dataclass
class Step:
    """A task of the whole.

    :param card: the fold of its events.
    :param failing: what runs if it fails, empty for nothing.
    :param gives: its value in a few words, once it is known.
    """

    task: Task[Any]
    card: Card
    failing: Chain = field(default_factory=list)
    gives: str = ""

    @property
    def is_known(self) -> bool:
        """Whether anything has happened to it."""
        return self.card.updated > 0


class Fan(NamedTuple):
    """Chains side by side."""

    chains: list[Chain]


Chain: TypeAlias = list["Step | Fan"]
"""One after the other."""


class Look(NamedTuple):
    """How a step stands, in a shape and a word, and the name of a colour."""

    shape: str
    word: str
    tone: str

    @property
    def is_lit(self) -> bool:
        """Whether anything has happened to the step."""
        return self not in (TO_COME, NOT_NEEDED)

    @classmethod
    def of(cls, card: Card) -> Look:
        return cls(card.state.shape, words.word(card), words.tone(card.state))


TO_COME: Final = Look("·", "to come", "idle")
NOT_NEEDED: Final = Look("–", "not needed", "idle")


def chain_of(whole: Any) -> Chain:
    """Return what `Huey.enqueue` would make of a task and its followers, a group or a chord.

    :raises ConfigurationError: if it is none of these.
    """
    if isinstance(whole, Task):
        return [_step(task) for task in whole.pipeline()]
    if not isinstance(whole, group | chord):
        raise ConfigurationError(
            f"a graph is drawn of a task made by s(…), a group or a chord, not of {whole!r}"
        )
    fan = Fan([chain_of(member) for member in whole.tasks])
    return [fan, *chain_of(whole.callback)] if isinstance(whole, chord) else [fan]


def _step(task: Task[Any]) -> Step:
    name, args = task.name, task.describe().get("args", "")
    failing = [] if task.on_error is None else chain_of(task.on_error)
    return Step(task, Card(task.id, name=name, args=args), failing)


def looks(chain: Chain, *, needed: bool = True) -> Iterator[tuple[Step, Look]]:
    """Yield each step and how it stands, in order; what runs at a failure behind the step.

    :param needed: whether it is still to come if nothing has happened to it.
    """
    for part in chain:
        if isinstance(part, Fan):
            for one in part.chains:
                yield from looks(one, needed=needed)
            continue
        card, coming = part.card, TO_COME if needed else NOT_NEEDED
        yield part, Look.of(card) if part.is_known else coming
        may_fail = card.state is State.failed or (needed and not card.terminal)
        yield from looks(part.failing, needed=may_fail)
        needed = needed and (not card.terminal or card.state is State.done)


def is_over(chain: Chain) -> bool:
    """Say whether nothing more will happen."""
    return all(look == NOT_NEEDED or step.card.terminal for step, look in looks(chain))


def sentence(chain: Chain) -> str:
    """Return how things stand, in words."""
    names: dict[str, list[str]] = {}
    for step, look in looks(chain):
        names.setdefault(look.word, []).append(step.card.function)
    done, every = len(names.pop("done", ())), sum(1 for _ in looks(chain))
    rest = [f"{word}: {_listed(found)}" for word, found in names.items()]
    return "; ".join([f"{done} of {words.plural(every, 'step')} done", *rest]) + "."


def _listed(names: list[str]) -> str:
    """Return names, each once, with how often it is there.

    >>> _listed(["fetch", "fetch", "parse"])
    'fetch (2), parse'
    """
    counts = {name: names.count(name) for name in names}
    return ", ".join(name if n == 1 else f"{name} ({n})" for name, n in counts.items())
