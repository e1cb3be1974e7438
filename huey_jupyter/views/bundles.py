"""A value as it shows itself: which of its representations a card can take, and how much of it."""

from __future__ import annotations

import base64
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from huey_jupyter.log import Bundle

MAX_VALUE: Final = 200_000  # characters, of HTML, of text, or of a picture as data

IMAGES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")


class Shown(NamedTuple):
    """What of a bundle is shown: `kind` is html, image or text; `cut` says what was not."""

    kind: str
    data: str
    alt: str = ""
    cut: str = ""


def pick(bundle: Bundle, limit: int = MAX_VALUE) -> Shown | None:
    """Return the richest representation within the limit, else the text, cut; None for nothing."""
    plain = text_of(bundle.get("text/plain"))
    shown = _richest(bundle, plain)
    if shown is not None and len(shown.data) <= limit:
        return shown
    if shown is None and not plain:
        return None
    cuts = []
    if shown is not None:
        what = "HTML" if shown.kind == "html" else "picture"
        cuts.append(f"Its {what} takes {kilobytes(len(shown.data))} and is left out here.")
    if len(plain) > limit:
        cuts.append(f"The first {kilobytes(limit)} of {kilobytes(len(plain))}.")
    return Shown("text", plain[:limit], cut=" ".join(cuts))


def _richest(bundle: Bundle, plain: str) -> Shown | None:
    if html := text_of(bundle.get("text/html")):
        return Shown("html", html)
    alt = " ".join(plain.split())[:200] or "a picture"
    for mime in IMAGES:
        if data := _base64(bundle.get(mime)):
            return Shown("image", f"data:{mime};base64,{data}", alt)
    if svg := text_of(bundle.get("image/svg+xml")):
        return Shown("image", f"data:image/svg+xml;charset=utf-8,{quote(svg)}", alt)
    return None


def text_of(data: Any) -> str:
    """Return the text of a representation, which may come as a list of lines."""
    if isinstance(data, list | tuple):
        return "".join(part for part in data if isinstance(part, str))
    return data if isinstance(data, str) else ""


def _base64(data: Any) -> str:
    if isinstance(data, bytes):
        return base64.b64encode(data).decode("ascii")
    return "".join(text_of(data).split())


def kilobytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 1_000_000 else f"{max(1, size // 1000):,} kB"
