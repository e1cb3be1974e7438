"""A progress bar with tqdm's face that reports to the running task.

``from huey.contrib.tqdm import tqdm`` instead of ``from tqdm import tqdm``: what a bar would show
goes to the task's events. Outside a task it shows nothing. The package tqdm is not needed.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sized
from types import TracebackType
from typing import Any, Generic, TextIO, TypeVar

from huey.events import progress
from huey.tasks import Run, current_run

T = TypeVar("T")

# The open bars of each running task, the outermost first.
_open: weakref.WeakKeyDictionary[Run, list[tqdm[Any]]] = weakref.WeakKeyDictionary()


class tqdm(Generic[T]):
    """A bar over an iterable, or one that `update` moves on.

    Of bars inside each other the outermost is the task's progress, and the others stand in its
    message. Options of tqdm's that say how a bar looks are taken and do nothing.

    :param iterable: what to iterate over.
    :param desc: a few words in front.
    :param total: how much there is, by default ``len(iterable)`` where that is known.
    :param disable: report nothing.
    :param unit: what is counted.
    :param initial: how much is done before the start.
    :param postfix: names and values to show.
    """

    def __init__(
        self,
        iterable: Any = None,
        desc: str | None = None,
        total: float | None = None,
        leave: bool | None = True,
        *args: Any,
        disable: bool | None = False,
        unit: str = "it",
        initial: float = 0,
        postfix: Mapping[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        self.iterable: Iterable[T] | None = iterable
        self.desc = desc or ""
        self.total = total
        self.leave = leave
        self.disable = bool(disable)
        self.unit = unit
        self.n = self.initial = initial
        self.postfix = postfix if isinstance(postfix, str) else _pairs(postfix or {})
        self._run = None if self.disable else current_run()
        if self._run is not None:
            _open.setdefault(self._run, []).append(self)
        self.refresh()

    def __iter__(self) -> Iterator[T]:
        if self.iterable is None:
            raise TypeError("this bar has no iterable: move it on with update()")
        try:
            for item in self.iterable:
                yield item
                self.update()
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[T]:
        items: Any = self.iterable
        try:
            async for item in items:
                yield item
                self.update()
        finally:
            self.close()

    def __len__(self) -> int:
        return len(self.iterable) if isinstance(self.iterable, Sized) else int(self.total or 0)

    def __bool__(self) -> bool:
        return self.total is None or self.total > 0

    def __contains__(self, item: object) -> bool:
        return any(item == one for one in self.iterable or ())

    def __enter__(self) -> tqdm[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def update(self, n: float | None = 1) -> bool:
        """Move on by ``n``; a task that was cancelled stops here."""
        self.n += 1 if n is None else n
        self.refresh()
        return self._run is not None

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        """Report how it stands."""
        bars = _open.get(self._run, []) if self._run is not None else []
        if self in bars:
            outermost = bars[0]
            said = [outermost.words(), *(bar.words(counted=True) for bar in bars[1:])]
            progress(outermost.n, outermost.total, ", ".join(filter(None, said)) or None)

    display = refresh

    def words(self, counted: bool = False) -> str:
        """Return what stands beside the bar.

        :param counted: with the numbers, for a bar inside another one.
        """
        of = "" if self.total is None else f"/{self.total}"
        numbers = f"{self.n}{of} {self.unit}" if counted else ""
        return " ".join(filter(None, (self.desc, numbers, self.postfix)))

    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        """Say something else in front."""
        self.desc = desc or ""
        self.refresh()

    set_description_str = set_description

    def set_postfix(
        self,
        ordered_dict: Mapping[str, Any] | None = None,
        refresh: bool | None = True,
        **kwargs: Any,
    ) -> None:
        """Show names and values."""
        self.set_postfix_str(_pairs({**(ordered_dict or {}), **kwargs}))

    def set_postfix_str(self, s: str = "", refresh: bool | None = True) -> None:
        """Show a text behind."""
        self.postfix = s
        self.refresh()

    def reset(self, total: float | None = None) -> None:
        """Begin again from 0."""
        self.n = 0
        if total is not None:
            self.total = total
        self.refresh()

    def close(self) -> None:
        """Be done with the bar; closing it twice does no harm."""
        bars = _open.get(self._run, []) if self._run is not None else []
        if self in bars:
            self.refresh()
            bars.remove(self)

    def clear(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: there is no line to clear."""

    def unpause(self) -> None:
        """Do nothing: no speed is reckoned."""

    @classmethod
    def write(
        cls, s: str, file: TextIO | None = None, end: str = "\n", nolock: bool = False
    ) -> None:
        """Print a text, by default to the task's own output."""
        print(s, file=file or sys.stdout, end=end)


def trange(*args: int, **kwargs: Any) -> tqdm[int]:
    """Return a bar over ``range(*args)``."""
    return tqdm(range(*args), **kwargs)


def _pairs(postfix: Mapping[str, Any]) -> str:
    shown = {
        key: f"{value:.3g}" if isinstance(value, float) else value for key, value in postfix.items()
    }
    return " ".join(f"{key}={value}" for key, value in shown.items())
