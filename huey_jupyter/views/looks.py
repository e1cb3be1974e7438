"""The look of a card that has no stylesheet: `card.css` written into style attributes.

JupyterLab's sanitiser, which every notebook that is not trusted goes through, drops `<style>` and
each declaration with a `var()`. So every colour stands there twice, first as it is on light paper,
then as the theme has it. What the sanitiser leaves is a light card that reads well on any page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

from markupsafe import Markup

Look: TypeAlias = Callable[..., Markup]

RULE: Final = re.compile(r"\.hj(?:-([\w-]+))?(?:\.hj-[\w-]+)? \{([^}]*)\}")
DECLARATION: Final = re.compile(r"([\w-]+):\s*([^;]+);")
USE: Final = re.compile(r"var\((--hj-[\w-]+)\)")
SIZES: Final = {"gap": "margin-left:{:.2f}%", "width": "width:{:.2f}%", "height": "height:{:.0f}px"}
LIVE_ONLY: Final = "/* --- live only"


def live_look(*names: str, **sizes: float | None) -> Markup:
    """Return a class attribute.

    :param sizes: `width`, and `gap` to the left of it, in percent; `height` in pixels.
    """
    style = _sizes(sizes)
    attribute = f' style="{style}"' if style else ""
    return Markup(f' class="{_classes(names)}"{attribute}')  # noqa: S704 - names of our own


def static_look(*names: str, **sizes: float | None) -> Markup:
    """Return a class attribute and the style that the class would have given."""
    style = "".join(_styles().get(name, "") for name in names) + _sizes(sizes)
    attribute = Markup(' style="{}"').format(style.removesuffix(";")) if style else ""
    return Markup(' class="{}"{}').format(_classes(names), attribute)


def _sizes(sizes: dict[str, float | None]) -> str:
    return ";".join(SIZES[name].format(size) for name, size in sizes.items() if size is not None)


def without_unused(html: str) -> str:
    """Drop the variables that the first element declares and nothing below it takes."""
    start, end = html.find("--hj-"), html.find("box-sizing:")
    if not 0 <= start < end:
        return html
    colours = dict(DECLARATION.findall(html[start:end]))
    used = {name for name in colours if f"var({name}," in html[end:]}
    for name in reversed(colours):  # a variable takes only what is declared above it
        if name in used:
            used.update(USE.findall(colours[name]))
    kept = "".join(f"{name}:{value};" for name, value in colours.items() if name in used)
    return html[:start] + kept + html[end:]


def _classes(names: tuple[str, ...]) -> str:
    return " ".join(f"hj-{name}" if name else "hj" for name in names)


@cache
def _styles() -> dict[str, str]:
    """Return the declarations by class name; that of `.hj` itself is the empty one."""
    text = stylesheet().partition(LIVE_ONLY)[0]
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    rules = {rule[1] or "": DECLARATION.findall(rule[2]) for rule in RULE.finditer(text)}
    literals: dict[str, str] = {}
    for name, value in rules[""]:
        literals.setdefault(name, value)  # the first of two is the literal one
    return {
        name: "".join(_declare(prop, value, literals) for prop, value in declarations)
        for name, declarations in rules.items()
    }


def _declare(prop: str, value: str, literals: dict[str, str]) -> str:
    if prop.startswith("--"):
        return "" if value == literals[prop] else f"{prop}:{value};"
    if not USE.search(value):
        return f"{prop}:{value};"
    plain = USE.sub(lambda use: literals[use[1]], value)
    themed = USE.sub(lambda use: f"var({use[1]},{literals[use[1]]})", value)
    return f"{prop}:{plain};{prop}:{themed};"


@cache
def stylesheet() -> str:
    return (files("huey_jupyter.views") / "static" / "card.css").read_text(encoding="utf-8")
