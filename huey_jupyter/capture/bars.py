"""Bars of the package tqdm, which inside a task become the bar of the task's card."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from huey.contrib import tqdm as ours
from huey_jupyter.capture.arrivals import Arrivals
from huey_jupyter.capture.replaced import Replaced
from huey_jupyter.capture.streams import Which


class Bars:
    """Has tqdm make our bars inside a task, once it has been imported by anybody.

    Bars that write to a file of their own stay tqdm's, and so do those of classes that others
    have derived: they come as text.

    :param which: tells the task.
    """

    def __init__(self, which: Which) -> None:
        self._which = which
        self._replaced = Replaced()
        self._arrivals = Arrivals({"tqdm.std": self._take})

    def start(self) -> None:
        """Take tqdm, now or when it is imported."""
        self._arrivals.start()

    def stop(self) -> None:
        """Give it back."""
        self._arrivals.stop()
        self._replaced.give_back()

    def _take(self, std: ModuleType) -> None:
        """Replace what makes every bar: in ``tqdm.auto`` and ``tqdm.notebook`` it is the same."""
        self._replaced.put(std.tqdm, "__new__", self._new_or(std.tqdm.__new__))

    def _new_or(self, new: Callable[..., Any]) -> Callable[..., Any]:
        def __new__(cls: type, *args: Any, **options: Any) -> Any:
            theirs = cls.__module__.partition(".")[0] == "tqdm"
            if self._which() is None or not theirs or options.get("file") is not None:
                return new(cls, *args, **options)
            return ours.tqdm(*args, **options)  # being of another class, it is not made twice

        return __new__
