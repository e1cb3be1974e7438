"""What happens to a task, by name, and who in this process is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

SIGNAL_CANCELED: Final = "canceled"
SIGNAL_COMPLETE: Final = "complete"
SIGNAL_ENQUEUED: Final = "enqueued"
SIGNAL_ERROR: Final = "error"
SIGNAL_EXECUTING: Final = "executing"
SIGNAL_EXPIRED: Final = "expired"
SIGNAL_INTERRUPTED: Final = "interrupted"
SIGNAL_LOCKED: Final = "locked"
SIGNAL_RATE_LIMITED: Final = "rate_limited"
SIGNAL_RETRYING: Final = "retrying"
SIGNAL_REVOKED: Final = "revoked"
SIGNAL_SCHEDULED: Final = "scheduled"
SIGNAL_TIMEOUT: Final = "timeout"

ALL_SIGNALS: Final = (
    SIGNAL_CANCELED,
    SIGNAL_COMPLETE,
    SIGNAL_ENQUEUED,
    SIGNAL_ERROR,
    SIGNAL_EXECUTING,
    SIGNAL_EXPIRED,
    SIGNAL_INTERRUPTED,
    SIGNAL_LOCKED,
    SIGNAL_RATE_LIMITED,
    SIGNAL_RETRYING,
    SIGNAL_REVOKED,
    SIGNAL_SCHEDULED,
    SIGNAL_TIMEOUT,
)

Receiver = Callable[..., Any]

logger = logging.getLogger("huey.signals")


class Signals:
    """Receivers by signal, called one after the other in the order in which they came."""

    def __init__(self) -> None:
        self._receivers: list[tuple[Receiver, frozenset[str]]] = []

    def __bool__(self) -> bool:
        return bool(self._receivers)

    def connect(self, receiver: Receiver, *signals: str) -> None:
        """Call ``receiver`` for each of ``signals``, or for all when none is named."""
        wanted = frozenset(signals or ALL_SIGNALS)
        for known, names in self._receivers:
            if known is receiver:
                wanted |= names
        self.disconnect(receiver)
        self._receivers = [*self._receivers, (receiver, wanted)]

    def disconnect(self, receiver: Receiver, *signals: str) -> None:
        """Stop calling ``receiver`` for each of ``signals``, or for any when none is named."""
        gone = frozenset(signals or ALL_SIGNALS)
        kept = []
        for known, names in self._receivers:
            if known is receiver:
                names = names - gone if signals else frozenset()
            if names:
                kept.append((known, names))
        self._receivers = kept

    def send(self, signal: str, task: Any, *args: Any, **kwargs: Any) -> None:
        """Tell the receivers; an error in one is logged and the next is called."""
        for receiver, names in self._receivers:
            if signal in names:
                try:
                    receiver(signal, task, *args, **kwargs)
                except (Exception, SystemExit):
                    logger.exception("receiver %r failed for signal %r", receiver, signal)
