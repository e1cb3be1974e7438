"""Rate limits: so many in each stretch of time, among all processes of one storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from huey.exceptions import ConfigurationError, RateLimitExceeded
from huey.locks import guarded

if TYPE_CHECKING:
    from types import TracebackType

    from huey.api import Huey

F = TypeVar("F", bound=Callable[..., Any])


class RateLimit:
    """A limit to how often a task runs; a context manager and a decorator.

    Made by ``Huey.rate_limit()``. The window slides: in no stretch of ``per`` seconds, wherever
    it begins, there are more than ``limit`` turns. Who is rejected is not counted.

    :param huey: whose storage counts.
    :param name: of the limit; whoever uses the name shares it.
    :param limit: how many turns.
    :param per: in how many seconds.
    :param retry: put a rejected task back until there is a turn, which spends no retries;
        otherwise it fails with `RateLimitExceeded`.
    """

    def __init__(
        self, huey: Huey, name: str, limit: int, per: float, *, retry: bool = True
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"a rate limit needs a text as its name, not {name!r}")
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigurationError(
                f"limit is a whole number of turns, 1 or more, not {limit!r}; "
                f"for less than one in a second let per be longer, say limit=1, per=60"
            )
        if not isinstance(per, int | float) or not 0 < per < float("inf"):
            raise ConfigurationError(f"per is a number of seconds above 0, not {per!r}")
        self.huey = huey
        self.name = name
        self.limit = limit
        self.per = per
        self.retry = retry

    def __repr__(self) -> str:
        return f"<RateLimit: {self.name}, {self.limit} in {self.per} s>"

    def __enter__(self) -> RateLimit:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def __call__(self, func: F) -> F:
        """Have each call of ``func`` take a turn; of a task function, each run."""
        return guarded(self, func)

    def acquire(self) -> None:
        """Take a turn.

        :raises RateLimitExceeded: at once, if there is none to be had.
        """
        delay = self.huey.storage.take_turn(self.name, self.limit, self.per)
        if delay > 0:
            raise RateLimitExceeded(self.name, delay, self.retry)
