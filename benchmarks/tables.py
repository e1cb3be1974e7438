"""Tables for a terminal, and numbers that fit into them."""

from __future__ import annotations

from collections.abc import Sequence


def print_table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows under a title; the first column to the left, the others to the right."""
    print(f"\n{title}\n")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for first, *rest in [head, *rows]:
        cells = zip(rest, widths[1:], strict=True)
        line = "".join(f"{cell:>{max(width, 9) + 3}}" for cell, width in cells)
        print(f"  {first:<{max(widths[0], 16)}}{line}".rstrip())


def number(value: float) -> str:
    """Return a number with three digits that count: 0.0123, 1.23, 123, 12,300."""
    if not value:
        return "0"
    if abs(value) >= 100:
        digits = len(str(int(abs(value)))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def times(ratio: float | None) -> str:
    """Return a ratio in words."""
    return "" if ratio is None else f"{number(ratio)} x"
