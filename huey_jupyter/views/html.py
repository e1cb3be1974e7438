"""Cards, groups and the status line as HTML, live for the widget or to stay in the notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from huey_jupyter.cards import Card, Group, State
from huey_jupyter.views import words
from huey_jupyter.views.ansi import ansi_html, ansi_text
from huey_jupyter.views.bundles import pick, text_of
from huey_jupyter.views.looks import live_look, static_look, without_unused
from huey_jupyter.views.output import parts, text_html

MAX_SQUARES: Final = 1_000
MAX_FAILURES: Final = 20
MAX_VALUES: Final = 40
SHORT: Final = 80  # characters of a value that fits a row

# What each state offers, as verb and label; of these the caller says which there are.
OFFERS: Final[Mapping[State, tuple[tuple[str, str], ...]]] = {
    State.queued: (("cancel", "Cancel"),),
    State.scheduled: (("cancel", "Cancel"), ("run_now", "Run now")),
    State.running: (("cancel", "Cancel"),),
    State.stopping: (("kill", "Kill"),),
    State.retry: (("retry_now", "Retry now"), ("give_up", "Give up")),
    State.done: (("run_again", "Run again"),),
    State.failed: (("retry", "Retry"),),
    **dict.fromkeys(
        (State.canceled, State.expired, State.locked, State.lost), (("run_again", "Run again"),)
    ),
}
GROUP_OFFERS: Final = (
    ("cancel", "Cancel all"),
    ("cancel_queued", "Cancel queued"),
    ("retry_failed", "Retry failed"),
)
VERBS: Final = frozenset(verb for offers in (*OFFERS.values(), GROUP_OFFERS) for verb, _ in offers)
DEFAULT_VERBS: Final = frozenset({"cancel"})

FAILURES: Final = frozenset({State.failed, State.lost, State.expired, State.locked})


class Meter(NamedTuple):
    """A bar: `value` is a percentage, None while nobody knows."""

    value: float | None
    percent: str
    text: str


class Share(NamedTuple):
    state: str
    tone: str
    width: float


class Square(NamedTuple):
    id: str
    tone: str
    shape: str
    title: str


def card_html(card: Card, *, now: float, live: bool, verbs: frozenset[str] = DEFAULT_VERBS) -> str:
    """Return a card as HTML.

    :param now: seconds since the epoch, for the times that go on.
    :param live: True for the widget, which has a stylesheet, buttons and a clock of its own; False
        for HTML that stays as it is and carries its look with it.
    :param verbs: the buttons that may appear.
    """
    offers = [offer for offer in OFFERS[card.state] if offer[0] in verbs]
    value = pick(card.value) if card.value is not None and card.state is State.done else None
    return _render(
        "card.html.j2",
        live,
        now=now,
        card=card,
        tone=words.tone(card.state),
        shape=card.state.shape,
        word=words.word(card),
        meter=_meter(card),
        timing=words.timing(card, now, live),
        facts=words.facts(card, now, live),
        offers=offers,
        value=value,
        output=list(parts(card, live)),
        open=value is None,
    )


def group_html(
    group: Group,
    cards: list[Card],
    *,
    now: float,
    live: bool,
    verbs: frozenset[str] = DEFAULT_VERBS,
) -> str:
    """Return a group as HTML; `cards` are its cards, in order. The rest as in `card_html`."""
    failures = [(n, card) for n, card in enumerate(cards, 1) if card.state in FAILURES]
    return _render(
        "group.html.j2",
        live,
        now=now,
        group=group,
        title=words.group_title(group),
        percent=words.percent(group.fraction),
        counts=words.group_counts(group),
        timing=words.group_timing(group, cards, now),
        offers=[offer for offer in GROUP_OFFERS if offer[0] in verbs and _offered(group, offer[0])],
        shares=list(_shares(group)),
        squares=_squares(cards) if group.size <= MAX_SQUARES else [],
        failures=failures[:MAX_FAILURES],
        more_failures=max(0, len(failures) - MAX_FAILURES),
        values=_values(group, cards),
        **_group_state(group),
    )


def status_html(facts: Mapping[str, Any]) -> str:
    """Return the one line about the queue; `facts` as for `status_text`."""
    working = bool(facts.get("workers"))
    return _render(
        "status.html.j2",
        False,
        now=0.0,
        tone="run" if working else "idle",
        shape="●" if working else "○",
        word=words.workers(facts),
        counts=words.status_counts(facts),
        storage=str(facts.get("storage") or ""),
        note=str(facts.get("note") or ""),
    )


# --- what the templates are given ---


def _meter(card: Card) -> Meter | None:
    """Return the bar of a card that runs, or that stopped on its way."""
    value = None if card.fraction is None else round(card.fraction * 100, 2)
    going = card.state in (State.running, State.stopping)
    if card.state is State.done or (not going and (value is None or not card.done)):
        return None
    percent = "" if card.fraction is None else words.percent(card.fraction)
    text = " ".join(filter(None, (percent, card.message))) or card.state.word
    return Meter(value, percent, text)


def _group_state(group: Group) -> dict[str, str]:
    failed = any(group.tally[state] for state in FAILURES)
    if group.terminal:
        state = State.failed if failed else State.done
    else:
        begun = group.finished or group.tally[State.running] or group.tally[State.stopping]
        state = State.running if begun else State.queued
    return {"tone": words.tone(state), "shape": state.shape, "word": state.word}


def _offered(group: Group, verb: str) -> bool:
    if verb == "retry_failed":
        return bool(group.tally[State.failed])
    waiting = group.tally[State.queued] + group.tally[State.scheduled]
    return bool(waiting) if verb == "cancel_queued" else not group.terminal


def _shares(group: Group) -> Iterator[Share]:
    """Yield the parts of the stacked bar; what waits is the track itself."""
    for state, count in group.counts:
        if state not in (State.queued, State.scheduled):
            yield Share(state, words.tone(state), 100 * count / group.size)


def _squares(cards: list[Card]) -> list[Square]:
    return [
        Square(card.id, words.tone(card.state), card.state.shape, words.square_title(n, card))
        for n, card in enumerate(cards, 1)
    ]


def _values(group: Group, cards: list[Card]) -> list[tuple[str, str]]:
    """Return arguments and value of each task, when all are done and fit a row."""
    if not group.terminal or len(cards) > MAX_VALUES:
        return []
    rows = [(card.args, text_of((card.value or {}).get("text/plain"))) for card in cards]
    fits = all(value and "\n" not in value and len(value) <= SHORT for _, value in rows)
    return rows if fits else []


# --- rendering ---


def _render(template: str, live: bool, **facts: Any) -> str:
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
