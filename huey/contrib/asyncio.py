"""Await results by a function; ``await result`` does the same."""

from __future__ import annotations

from typing import Any, TypeVar

from huey.results import Result, ResultGroup

R = TypeVar("R")


async def aget_result(
    res: Result[R],
    backoff: float = 1.15,
    max_delay: float = 1.0,
    preserve: bool = False,
    timeout: float | None = None,
) -> R | None:
    """Return the value of a task while the event loop goes on, as a blocking `Result.get` would.

    :param res: the result, or that of a chord.
    :param backoff: not needed any more: the storage wakes whoever waits.
    :param max_delay: not needed any more either.
    :param preserve: leave the value in the result store for others.
    :param timeout: seconds to wait, None for as long as it takes.
    """
    return await res.aget(timeout, preserve)


async def aget_result_group(rg: ResultGroup[R], *args: Any, **kwargs: Any) -> list[R | None]:
    """Return the values of several tasks, in their order; arguments as of `aget_result`.

    :param timeout: seconds for all of them together.
    """
    return await rg.aget(**_options(*args, **kwargs))


def _options(
    backoff: float = 1.15,
    max_delay: float = 1.0,
    preserve: bool = False,
    timeout: float | None = None,
) -> dict[str, Any]:
    return {"timeout": timeout, "preserve": preserve}
