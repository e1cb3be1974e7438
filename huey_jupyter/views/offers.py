"""The buttons: what each state offers, as verb and label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from huey_jupyter.cards import Card, Group, State
from huey_jupyter.overview import Overview

Offers: TypeAlias = list[tuple[str, str]]

AGAIN: Final = (("run_again", "Run again"),)
# Of these the caller of a view says which there are. `copy` is the page's own: it puts the text of
# the card's traceback on the clipboard and tells Python nothing. `take` binds the task's own values
# of the names that the notebook has kept its own of.
OFFERS: Final[Mapping[State, tuple[tuple[str, str], ...]]] = {
    State.queued: (("cancel", "Cancel"),),
    State.scheduled: (("cancel", "Cancel"), ("run_now", "Run now")),
    State.running: (("cancel", "Cancel"),),
    State.stopping: (("kill", "Kill"),),
    State.retry: (("retry_now", "Retry now"), ("give_up", "Give up")),
    State.done: (("take", "Bring back"), *AGAIN),
    State.failed: (("retry", "Retry"), ("copy", "Copy traceback")),
    **dict.fromkeys((State.canceled, State.expired, State.locked, State.lost), AGAIN),
}
GROUP_OFFERS: Final = (
    ("cancel", "Cancel all"),
    ("cancel_queued", "Cancel queued"),
    ("retry_failed", "Retry failed"),
)
DASHBOARD: Final = "dashboard"  # what its buttons send where those of a card send its id
DASHBOARD_OFFERS: Final = (
    ("pause", "Pause"),
    ("resume", "Resume"),
    ("fewer", "One worker fewer"),
    ("more", "One worker more"),
)
DASHBOARD_VERBS: Final = frozenset(verb for verb, _ in DASHBOARD_OFFERS)
LINE_OFFERS: Final = (
    ("hold", "Pause the picture"),
    ("go_on", "Go on"),
    ("end", "No more arrivals"),
)
CREW_OFFERS: Final = (("add_consumer", "Start a consumer"),)
# Of a consumer and of a worker: the view's key, `#` and the process.
CONSUMER_OFFERS: Final = (("sigint", "SIGINT"), ("sigterm", "SIGTERM"), ("sigkill", "SIGKILL"))
WORKER_OFFERS: Final = (("sigkill_worker", "SIGKILL"),)
SET: Final = "set"  # sent for a slider: the view's key, `#`, the slider's name, `=` and its value
PICK: Final = "pick"  # sent for a square: the group's id, `#` and the task's number
VERBS: Final = frozenset(
    {
        verb
        for offers in (
            *OFFERS.values(),
            *(GROUP_OFFERS, DASHBOARD_OFFERS, LINE_OFFERS),
            *(CREW_OFFERS, CONSUMER_OFFERS, WORKER_OFFERS),
        )
        for verb, _ in offers
    }
    | {PICK, SET}
)
DEFAULT_VERBS: Final = frozenset({"cancel"})


def offers_of(card: Card, verbs: frozenset[str]) -> Offers:
    """Return the buttons of a card: those of its state, of the given ones, that make sense."""
    return [
        (verb, _label(card, verb, label))
        for verb, label in OFFERS[card.state]
        if verb in verbs and _fits(card, verb)
    ]


def offers_of_group(group: Group, verbs: frozenset[str]) -> Offers:
    """Return the buttons of a group: those of the given ones that have anything to act on."""
    return [offer for offer in GROUP_OFFERS if offer[0] in verbs and _in_reach(group, offer[0])]


def offers_of_dashboard(overview: Overview, verbs: frozenset[str]) -> Offers:
    """Return the buttons of the dashboard."""
    workers, paused = len(overview.facts.workers), overview.facts.paused
    there = {
        "pause": workers > 0 and not paused,
        "resume": paused,
        "fewer": workers > 1,
        "more": True,
    }
    return [offer for offer in DASHBOARD_OFFERS if offer[0] in verbs and there[offer[0]]]


def _fits(card: Card, verb: str) -> bool:
    return bool({"copy": card.traceback, "take": card.unbound}.get(verb, True))


def _label(card: Card, verb: str, label: str) -> str:
    names = card.unbound if verb == "take" else ()
    return " ".join([label, ", ".join(f"`{name}`" for name in names)]).rstrip()


def _in_reach(group: Group, verb: str) -> bool:
    if verb == "retry_failed":
        return bool(group.tally[State.failed])
    waiting = group.tally[State.queued] + group.tally[State.scheduled]
    return bool(waiting) if verb == "cancel_queued" else not group.terminal
