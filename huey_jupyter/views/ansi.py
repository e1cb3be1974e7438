"""Text with terminal escapes to HTML: colours become spans, every other escape goes.

Whatever the text holds, what comes out are spans of this file's own making around escaped text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from markupsafe import Markup, escape

# CSI (with its parameters), OSC up to BEL or ST, other two- and three-byte escapes, stray controls.
ESCAPE: Final = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)

# Dark enough on white and on the grey of a log; the stylesheet has them as a theme wants them.
NAMED: Final = (
    "#1f2328",
    "#b3202a",
    "#196c2e",
    "#7d5200",
    "#0a53b0",
    "#8024a0",
    "#0b6470",
    "#59636e",
)
BASIC: Final = (
    *("#000000", "#cd3131", "#00a250", "#b58900", "#2472c8", "#bc3fbc", "#11a8cd", "#bfbfbf"),
    *("#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff"),
)
LEVELS: Final = (0, 95, 135, 175, 215, 255)
PAPER: Final = (245, 245, 245)  # the grey of a log in a light theme
SLATE: Final = (46, 46, 46)  # and in a dark one
ENOUGH: Final = 4.5


@dataclass(frozen=True)
class Pen:
    """How the text after an escape is drawn. A colour is an index below 16 or `#rrggbb`."""

    fg: int | str | None = None
    bg: int | str | None = None
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False


PLAIN: Final = Pen()


def ansi_html(text: str) -> Markup:
    """Return the text as HTML, coloured as a terminal would."""
    return Painter().paint(text)


def ansi_text(text: str) -> str:
    """Return the text without escapes and control characters."""
    return ESCAPE.sub("", text)


class Painter:
    """Turns pieces of one stream into HTML; the colour of a piece holds on in the next."""

    def __init__(self) -> None:
        self.pen = PLAIN

    def paint(self, text: str) -> Markup:
        return Markup("").join(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[Markup]:
        start = 0
        for found in ESCAPE.finditer(text):
            if found.start() > start:
                yield _span(self.pen, text[start : found.start()])
            start = found.end()
            if found["sgr"] is not None:
                self.pen = _turn(self.pen, found["sgr"])
        if start < len(text):
            yield _span(self.pen, text[start:])


def _span(pen: Pen, text: str) -> Markup:
    if pen == PLAIN:
        return escape(text)
    names = [f"hj-ansi-{name}" for name in ("bold", "italic", "underline") if getattr(pen, name)]
    if isinstance(pen.fg, int):
        names.append(f"hj-ansi-{pen.fg}")
    return Markup('<span class="{}" style="{}">{}</span>').format(
        " ".join(names) or "hj-ansi", ";".join(_styles(pen)), text
    )


def _styles(pen: Pen) -> Iterator[str]:
    fg, bg = (pen.bg, pen.fg) if pen.inverse else (pen.fg, pen.bg)
    if bg is not None or pen.inverse:  # on its own ground the text is black or white
        ground = _rgb(bg) if bg is not None else (89, 99, 110)
        yield f"background-color:{_hex(ground)}"
        yield f"color:{'#000000' if _luminance(ground) > 0.18 else '#ffffff'}"
    elif isinstance(fg, int):
        literal = NAMED[fg % 8]
        yield f"color:{literal};color:var(--hj-ansi-{fg % 8},{literal})"
    elif fg is not None:
        yield f"color:{_hex(_darkened(_rgb(fg)))}"
        yield f"color:color-mix(in srgb,{fg} {_share(_rgb(fg))}%,var(--hj-strong,#000000))"
    if pen.bold:
        yield "font-weight:bold"
    if pen.italic:
        yield "font-style:italic"
    if pen.underline or pen.strike:
        lines = ("underline" if pen.underline else "", "line-through" if pen.strike else "")
        yield f"text-decoration:{' '.join(filter(None, lines))}"


# --- what the numbers of an escape mean (ECMA-48, and xterm's 256 colours) ---


def _turn(pen: Pen, codes: str) -> Pen:
    numbers = [int(code) if code and len(code) < 4 else 0 for code in re.split("[;:]", codes)]
    while numbers:
        code = numbers.pop(0)
        if code in (38, 48):
            colour = _extended(numbers)
            pen = replace(pen, fg=colour) if code == 38 else replace(pen, bg=colour)
        else:
            pen = _simple(pen, code)
    return pen


def _simple(pen: Pen, code: int) -> Pen:
    match code:
        case 0:
            return PLAIN
        case 1 | 22:
            return replace(pen, bold=code == 1)
        case 3 | 23:
            return replace(pen, italic=code == 3)
        case 4 | 24:
            return replace(pen, underline=code == 4)
        case 7 | 27:
            return replace(pen, inverse=code == 7)
        case 9 | 29:
            return replace(pen, strike=code == 9)
        case 39 | 49:
            return replace(pen, fg=None) if code == 39 else replace(pen, bg=None)
    decade, unit = divmod(code, 10)
    if unit < 8 and decade in (3, 9):
        return replace(pen, fg=unit + (8 if decade == 9 else 0))
    if unit < 8 and decade in (4, 10):
        return replace(pen, bg=unit + (8 if decade == 10 else 0))
    return pen


def _extended(numbers: list[int]) -> int | str | None:
    """Take `5;n` or `2;r;g;b` from the front; None when it is neither."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 5 and numbers:
        index = min(numbers.pop(0), 255)
        return index if index < 16 else _hex(_xterm(index))
    if kind == 2 and len(numbers) >= 3:
        red, green, blue = (min(numbers.pop(0), 255) for _ in range(3))
        return _hex((red, green, blue))
    return None


RGB = tuple[int, int, int]


def _xterm(index: int) -> RGB:
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    index -= 16
    return LEVELS[index // 36], LEVELS[index // 6 % 6], LEVELS[index % 6]


def _rgb(colour: int | str) -> RGB:
    digits = BASIC[colour] if isinstance(colour, int) else colour
    return int(digits[1:3], 16), int(digits[3:5], 16), int(digits[5:7], 16)


def _hex(rgb: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def _darkened(rgb: RGB) -> RGB:
    """Return the colour, darker if need be, so that it has a contrast of 4.5 on light paper."""
    while _contrast(rgb, PAPER) < ENOUGH:
        rgb = (rgb[0] * 9 // 10, rgb[1] * 9 // 10, rgb[2] * 9 // 10)
    return rgb


def _share(rgb: RGB) -> int:
    """Return how much of a colour, in percent, stays readable mixed with either foreground."""
    for share in range(80, 0, -10):
        dark, light = (_mixed(rgb, share, full) for full in (0, 255))
        if _contrast(dark, PAPER) >= ENOUGH and _contrast(light, SLATE) >= ENOUGH:
            return share
    return 0


def _mixed(rgb: RGB, share: int, full: int) -> RGB:
    red, green, blue = ((part * share + full * (100 - share)) // 100 for part in rgb)
    return red, green, blue


def _contrast(one: RGB, other: RGB) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio"""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(rgb: RGB) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    red, green, blue = (
        part / 3294 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in rgb
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
