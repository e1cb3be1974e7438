"""The buttons: what each state offers, as verb and label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from huey_jupyter.cards import Group, State

# Of these the caller of a view says which there are.
OFFERS: Final[Mapping[State, tuple[tuple[str, str], ...]]] = {
    State.queued: (("cancel", "Cancel"),),
    State.scheduled: (("cancel", "Cancel"), ("run_now", "Run now")),
    State.running: (("cancel", "Cancel"),),
    State.stopping: (("kill", "Kill"),),
    State.retry: (("retry_now", "Retry now"), ("give_up", "Give up")),
    State.done: (("run_again", "Run again"),),
    State.failed: (("retry", "Retry"),),
    **dict.fromkeys(
        (State.canceled, State.expired, State.locked, State.lost), (("run_again", "Run again"),)
    ),
}
GROUP_OFFERS: Final = (
    ("cancel", "Cancel all"),
    ("cancel_queued", "Cancel queued"),
    ("retry_failed", "Retry failed"),
)
VERBS: Final = frozenset(verb for offers in (*OFFERS.values(), GROUP_OFFERS) for verb, _ in offers)
DEFAULT_VERBS: Final = frozenset({"cancel"})


def in_reach(group: Group, verb: str) -> bool:
    """Return whether a verb has anything to act on."""
    if verb == "retry_failed":
        return bool(group.tally[State.failed])
    waiting = group.tally[State.queued] + group.tally[State.scheduled]
    return bool(waiting) if verb == "cancel_queued" else not group.terminal
