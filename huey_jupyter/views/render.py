"""Templates, with everything escaped that is printed into them."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from huey_jupyter.views.ansi import ansi_html, ansi_text
from huey_jupyter.views.looks import live_look, static_look, without_unused
from huey_jupyter.views.output import text_html


def render(template: str, live: bool, **facts: Any) -> str:
    """Return a template filled in, with the look of a live card or of one that stays."""
    look = live_look if live else static_look
    facts |= {"live": live, "look": look, "aria": _aria if live else _nothing}
    facts |= {"text": lambda text: text_html(text, look, live)}
    html = _environment().get_template(template).render(facts)
    return html if live else without_unused(html)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("huey_jupyter.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters["ansi"] = ansi_html
    environment.filters["own_html"] = _own_html
    return environment


def _clean(value: Any) -> Any:
    """Take escapes and control characters out of whatever a template prints."""
    return ansi_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _own_html(html: str) -> Markup:
    """Let the value's own HTML through: it is what the notebook would show of it anyway."""
    return Markup(html)  # noqa: S704


def _aria(**attributes: Any) -> Markup:
    """Return attributes for the live card: None and False leave one out, True has no value."""
    return Markup("").join(
        Markup(" {}").format(key.replace("_", "-"))
        if value is True
        else Markup(' {}="{}"').format(key.replace("_", "-"), _clean(value))
        for key, value in attributes.items()
        if value is not None and value is not False
    )


def _nothing(**_attributes: Any) -> str:
    return ""
