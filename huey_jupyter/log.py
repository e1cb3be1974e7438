"""What a task wrote and displayed: the first lines, the last lines, and how many lay between.

Text arrives in pieces of any size. A carriage return starts the line over, escape sequences stay in
the text for the view to read. Nothing here grows without bound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

MAX_LINES: Final = 2_000
MAX_SIZE: Final = 256_000
HEAD_LINES: Final = 200
HEAD_SIZE: Final = 24_000
MAX_LINE: Final = 8_000
MAX_RICH: Final = 20
MAX_RICH_SIZE: Final = 5_000_000

Bundle: TypeAlias = Mapping[str, Any]
STREAMS: Final = frozenset({"stdout", "stderr"})


class Line(NamedTuple):
    """One line without its newline; `number` counts from 0 since the task began to write."""

    number: int
    stream: str
    text: str


class Gap(NamedTuple):
    """So many lines stood here and were let go."""

    lines: int


class Rich(NamedTuple):
    """A display; `number` is that of the line after it, `name` is what an update calls it by."""

    number: int
    bundle: Bundle
    size: int
    name: str = ""


class Log:
    """A bounded record of one task's output."""

    def __init__(self) -> None:
        self.wipe()

    def __bool__(self) -> bool:
        return bool(self.lines or self._rich)

    def wipe(self) -> None:
        """Forget everything, as `clear_output()` does."""
        self.lines = 0
        self.rich_left_out = 0
        self._head: list[Line] = []
        self._tail: deque[Line] = deque()
        self._rich: deque[Rich] = deque()
        self._head_size = self._tail_size = self._rich_size = 0
        self._head_full = False
        self._open = False  # the last line has no newline yet
        self._returned = False  # its next character overwrites it
        self._wipe_next = False

    @property
    def left_out(self) -> int:
        """How many lines between the first and the last ones were let go."""
        return self.lines - len(self._head) - len(self._tail)

    @property
    def has_rich(self) -> bool:
        return bool(self._rich)

    def clear(self, *, wait: bool) -> None:
        """Forget everything, with `wait` not before something new arrives."""
        if wait:
            self._wipe_next = True
        else:
            self.wipe()

    def write(self, stream: str, text: str) -> None:
        """Add a piece of text, which may hold many lines or a part of one."""
        if not text:
            return
        self._begin()
        if self._open and self._last().stream != stream:
            self._open = False
        *closed, rest = text.split("\n")
        for piece in closed:
            self._put(stream, piece.removesuffix("\r"))
            self._open = self._returned = False
        if rest:
            self._put(stream, rest)

    def display(self, bundle: Bundle, name: str = "") -> None:
        """Add a rich output; past the limit the oldest ones go."""
        self._begin()
        self._open = False
        rich = Rich(self.lines, bundle, _size(bundle), name)
        self._rich.append(rich)
        self._rich_size += rich.size
        self._trim_rich()

    def update(self, bundle: Bundle, name: str) -> bool:
        """Show something else in the displays of that name; False if there is none."""
        found = [n for n, rich in enumerate(self._rich) if rich.name == name]
        for n in found:
            self._rich_size += _size(bundle) - self._rich[n].size
            self._rich[n] = Rich(self._rich[n].number, bundle, _size(bundle), name)
        self._trim_rich()
        return bool(found)

    def _trim_rich(self) -> None:
        while len(self._rich) > MAX_RICH or self._rich_size > MAX_RICH_SIZE:
            self._rich_size -= self._rich.popleft().size
            self.rich_left_out += 1

    def entries(self, last: int | None = None) -> Iterator[Line | Gap | Rich]:
        """Yield what was kept, in order; with `last` only the lines from that number on."""
        rich = deque(self._rich)
        for lines in (self._head, self._tail):
            if lines is self._tail and self.left_out and last is None:
                yield Gap(self.left_out)
            for line in lines:
                while rich and rich[0].number <= line.number:
                    yield rich.popleft()
                if last is None or line.number >= last:
                    yield line
        yield from rich

    def texts(self) -> list[str]:
        """Return the lines that were kept, without the displays."""
        return [entry.text for entry in self.entries() if isinstance(entry, Line)]

    # A line, open or closed, always lies at the end of the head or, once that is full, of the tail.

    def _begin(self) -> None:
        if self._wipe_next:
            self.wipe()

    def _last(self) -> Line:
        return (self._tail or self._head)[-1]

    def _put(self, stream: str, piece: str) -> None:
        """Write a piece without newline: on at the end of the open line, over it after a return."""
        text = self._take() if self._open else ""
        for number, part in enumerate(piece.split("\r")):
            self._returned = self._returned or number > 0
            if part:
                text = part if self._returned else text + part
                self._returned = False
        self._append(stream, text)
        self._open = True

    def _take(self) -> str:
        line = (self._tail or self._head).pop()
        if self._head_full:
            self._tail_size -= len(line.text)
        else:
            self._head_size -= len(line.text)
        self.lines -= 1
        return line.text

    def _append(self, stream: str, text: str) -> None:
        if len(text) > MAX_LINE:
            text = text[:MAX_LINE] + "…"
        line = Line(self.lines, stream, text)
        self.lines += 1
        if not self._head_full:
            self._head_full = len(self._head) >= HEAD_LINES or self._head_size >= HEAD_SIZE
        if self._head_full:
            self._tail.append(line)
            self._tail_size += len(text)
            self._trim()
        else:
            self._head.append(line)
            self._head_size += len(text)

    def _trim(self) -> None:
        lines, size = MAX_LINES - len(self._head), MAX_SIZE - self._head_size
        while len(self._tail) > 1 and (len(self._tail) > lines or self._tail_size > size):
            self._tail_size -= len(self._tail.popleft().text)


def _size(bundle: Bundle) -> int:
    return sum(len(data) if isinstance(data, str | bytes) else 1_000 for data in bundle.values())
