"""Functions that an application hangs onto a moment in a task's or a worker's life."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from huey.exceptions import ConfigurationError

Hook = Callable[..., Any]

logger = logging.getLogger("huey.hooks")


class Hooks:
    """The hooks of one moment, called in the order in which they were registered."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self._hooks: dict[str, Hook] = {}

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def register(self, name: str | None, hook: Hook) -> None:
        """Add a hook under ``name``, by default the function's own name."""
        name = name or hook.__name__
        if name in self._hooks:
            raise ConfigurationError(
                f"a {self.moment} hook named {name!r} is registered already: "
                f"unregister it first or give the new one another name"
            )
        self._hooks = {**self._hooks, name: hook}

    def unregister(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by its name or by the function itself; False if there is none."""
        gone = [n for n, hook in self._hooks.items() if n == name_or_fn or hook is name_or_fn]
        self._hooks = {n: hook for n, hook in self._hooks.items() if n not in gone}
        return bool(gone)

    def run(self, *args: Any, passing: type[BaseException] | tuple[()] = ()) -> None:
        """Call each hook; errors are logged, save those of type ``passing``, which go on up."""
        for name, hook in self._hooks.items():
            try:
                hook(*args)
            except passing:
                raise
            except (Exception, SystemExit):
                logger.exception("%s hook %r failed", self.moment, name)
