"""A card, and the line about the queue, as HTML: live for the widget, or to stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from huey_jupyter.cards import Card, State
from huey_jupyter.views import words
from huey_jupyter.views.bundles import pick
from huey_jupyter.views.offers import DEFAULT_VERBS, offers_of
from huey_jupyter.views.output import parts
from huey_jupyter.views.render import render


class Meter(NamedTuple):
    """A bar: `value` is a percentage, None while nobody knows."""

    value: float | None
    percent: str
    text: str


def card_html(card: Card, *, now: float, live: bool, verbs: frozenset[str] = DEFAULT_VERBS) -> str:
    """Return a card as HTML.

    :param now: seconds since the epoch, for the times that go on.
    :param live: True for the widget, which has a stylesheet, buttons and a clock of its own; False
        for HTML that stays as it is and carries its look with it.
    :param verbs: the buttons that may appear.
    """
    value = pick(card.value) if card.value is not None and card.state is State.done else None
    return render(
        "card.html.j2",
        live,
        now=now,
        card=card,
        tone=words.tone(card.state),
        shape=card.state.shape,
        word=words.word(card),
        meter=_meter(card),
        timing=words.timing(card, now, live),
        facts=words.facts(card, now, live),
        why=words.why(card),
        offers=offers_of(card, verbs),
        traceback="" if card.state is State.locked else card.traceback,
        value=value,
        output=list(parts(card, live)),
        open=value is None,
    )


def status_html(facts: Mapping[str, Any]) -> str:
    """Return the one line about the queue; `facts` as for `status_text`."""
    return render(
        "status.html.j2",
        False,
        now=0.0,
        **queue_state(facts),
        counts=words.status_counts(facts),
        place=words.status_place(facts),
        note=str(facts.get("note") or ""),
    )


def queue_state(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return shape, colour and words for the workers as a whole."""
    if not facts.get("workers"):
        tone, shape = "wait", "○"
    else:
        tone, shape = ("wait", "◌") if facts.get("paused") else ("run", "●")
    return {"tone": tone, "shape": shape, "word": words.workers(facts)}


# --- what the templates are given ---


def _meter(card: Card) -> Meter | None:
    """Return the bar of a card that runs, or that stopped on its way."""
    value = None if card.fraction is None else round(card.fraction * 100, 2)
    going = card.state in (State.running, State.stopping)
    if card.state is State.done or (not going and (value is None or value < 1)):
        return None
    percent = "" if card.fraction is None else words.percent(card.fraction)
    text = " ".join(filter(None, (percent, card.message))) or card.state.word
    return Meter(value, percent, text)
