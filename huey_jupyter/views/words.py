"""The words on a card, for HTML and for plain text alike: durations, counts, the two lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from huey_jupyter.cards import Card, Group, State

SILENT: Final = 5.0  # seconds without output before the card says so
STUBBORN: Final = 2.0  # seconds after which a cancel is waiting for something
SETTLED: Final = 2.0  # seconds of running before a guess at the time left is worth showing
NO_WORKER: Final = "no worker is running: %huey start"
LOCKED_OUT: Final = re.compile(r"unable to acquire lock (.+)$")

SPAN_WORDS: Final = (
    *("under 10 ms", "10 to 100 ms", "0.1 to 1 s", "1 to 10 s", "10 to 60 s"),
    *("1 to 10 min", "10 to 60 min", "over an hour"),
)
TONES: Final = {
    State.running: "run",
    State.stopping: "wait",
    State.retry: "wait",
    State.locked: "wait",
    State.done: "good",
    State.failed: "bad",
    State.lost: "bad",
}


class Tick(NamedTuple):
    """A time that a live card counts on by itself: seconds since a moment, or until one."""

    since: float | None
    until: float | None
    text: str


class Fact(NamedTuple):
    """A piece of a line. `after` is the moment from which it holds, None for always.

    `tone` is the colour of one that must not be overlooked.
    """

    before: str = ""
    tick: Tick | None = None
    behind: str = ""
    title: str = ""
    after: float | None = None
    tone: str = ""

    def __str__(self) -> str:
        return self.before + (self.tick.text if self.tick else "") + self.behind


def tone(state: State) -> str:
    """Return the name of the colour that goes with a state; shape and word say it too."""
    return TONES.get(state, "idle")


def word(card: Card) -> str:
    """Return the state in a word, for a retry with its number."""
    if card.state is State.retry and card.max_tries > 1:
        return f"retry {min(card.attempt + 1, card.max_tries)} of {card.max_tries}"
    if card.state is State.locked and _lock(card):
        return f"locked by `{_lock(card)}`"
    return card.state.word


def why(card: Card) -> str:
    """Return what went wrong, in one line; of a lock, what that means."""
    return f"another task holds the lock `{_lock(card)}`" if _lock(card) else card.error


def _lock(card: Card) -> str:
    found = LOCKED_OUT.search(card.error)
    return found[1] if found else ""


def timing(card: Card, now: float, live: bool) -> list[Fact]:
    """Return the times of the first line: how long, how long still, or when."""
    return [fact for fact in _timing(card, now, live) if _holds(fact, now, live)]


def facts(card: Card, now: float, live: bool) -> list[Fact]:
    """Return the second line: who works on it, which try, where it came from."""
    return [fact for fact in _facts(card, now) if _holds(fact, now, live)]


def _holds(fact: Fact, now: float, live: bool) -> bool:
    return live or fact.after is None or now >= fact.after


def _timing(card: Card, now: float, live: bool) -> Iterator[Fact]:
    seconds = card.elapsed(now)
    if card.state is State.queued and card.created is not None:
        yield Fact("waiting ", _since(card.created, now))
    elif card.state in (State.scheduled, State.retry) and card.eta is not None:
        yield _when(card.eta, now, live)
    elif card.state is State.done and seconds is not None:
        yield Fact(duration(seconds))
    elif card.terminal and seconds is not None:
        yield Fact(f"after {duration(seconds)}")
    elif card.state in (State.running, State.stopping) and card.started is not None:
        yield Fact("", _since(card.started, now))
        left = card.time_left(now)
        if left is not None and now - card.started >= SETTLED:
            yield Fact("about ", Tick(None, now + left, clock(left)), " left")


def _when(eta: float, now: float, live: bool) -> Fact:
    if eta <= now:
        return Fact("now")
    if not live:
        return Fact(f"at {moment(eta, now)}")
    return Fact("in ", Tick(None, eta, clock(eta - now)), title=moment(eta, now))


def _facts(card: Card, now: float) -> Iterator[Fact]:
    if card.hint and not card.terminal:
        yield Fact(card.hint, tone="wait")
    if card.state is State.queued and card.place is not None:
        yield Fact(f"{_place(card.place)} in the queue")
    yield from _course(card, now)
    if card.terminal and card.ended is not None:
        yield Fact(f"at {moment(card.ended, math.inf)}")
    if card.carries and card.state is not State.done:
        yield Fact(f"carries {card.carries}")
    if card.prompt:
        yield Fact(card.prompt)
    yield Fact(card.short, title=f"{card.name} {card.id}".strip())


def _place(place: int) -> str:
    return "next" if place <= 1 else f"number {place:,}"


def _course(card: Card, now: float) -> Iterator[Fact]:
    """Yield who works on it, and how that goes."""
    if card.worker and card.started is not None:
        yield Fact(card.worker)
    if card.deaths:
        yield Fact(_bereaved(card), tone="wait")
    if card.put_back and card.state is not State.queued:
        yield Fact(f"was put back into the queue {_times(card.put_back)}", tone="wait")
    if card.attempt and card.max_tries > 1 and card.state is not State.retry:
        yield Fact(f"try {card.attempt} of {card.max_tries}")
    if card.waited is not None:
        yield Fact(f"queued {duration(card.waited)}")
    if card.state is State.running and card.last_output_at is not None:
        last = card.last_output_at
        yield Fact("last output ", _since(last, now), " ago", after=last + SILENT)
    if card.state is State.stopping and card.asked is not None:
        yield Fact("waiting for a C call to return", after=card.asked + STUBBORN)


def _bereaved(card: Card) -> str:
    """Return that it runs once more, or did, as its worker had died."""
    runs = "runs" if card.state in (State.running, State.stopping) else "ran"
    if card.deaths == 1 and card.died:
        return f"an earlier worker, {card.died}, was lost: it {runs} again"
    return f"its worker was lost {_times(card.deaths)}: it {runs} again"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _since(at: float, now: float) -> Tick:
    return Tick(at, None, clock(now - at))


# --- groups ---


def group_title(group: Group) -> str:
    return f"{group.title or 'tasks'} × {group.size:,}"


def finished(group: Group) -> str:
    """Return how many tasks are over; a percentage would read like success."""
    return f"{group.finished:,} of {group.size:,}"


def group_counts(group: Group) -> list[str]:
    """Return the counts in words, failures first, then what is not even made yet."""
    words = [f"{count:,} {state.word}" for state, count in group.counts]
    unmade = group.size - len(group.ids)
    return words + ([f"{unmade:,} to come"] if unmade else [])


def group_timing(group: Group, now: float) -> list[Fact]:
    """Return how long the whole has taken and, by the tasks finished so far, what is left."""
    if group.created is None:
        return []
    if group.terminal:
        return [Fact(duration((group.ended or now) - group.created))]
    elapsed = now - group.created
    times = [Fact("", _since(group.created, now))]
    if group.finished and elapsed >= SETTLED:
        left = elapsed * (group.size - group.finished) / group.finished
        times.append(Fact("about ", Tick(None, now + left, clock(left)), " left"))
    return times


def spent(card: Card) -> str:
    """Return how long a task took that is over."""
    return duration(card.seconds) if card.terminal and card.seconds is not None else ""


def spans(group: Group) -> list[tuple[str, int]]:
    """Return how many tasks took how long, in words, from the shortest to the longest there are."""
    last = max((span for span, count in group.spans.items() if count), default=-1)
    first = min((span for span, count in group.spans.items() if count), default=0)
    return [(SPAN_WORDS[span], group.spans[span]) for span in range(first, last + 1)]


# --- numbers ---


def duration(seconds: float) -> str:
    """Return a length of time that is over, short.

    >>> [duration(s) for s in (0.04, 2.44, 59.96, 3725)]
    ['40 ms', '2.4 s', '1:00', '1:02:05']
    """
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 59.95 else clock(seconds + 0.5)


def clock(seconds: float) -> str:
    """Return a length of time that goes on, as a clock shows it.

    >>> clock(41.9), clock(3725), clock(90061)
    ('0:41', '1:02:05', '1 d 1:01:01')
    """
    whole = int(min(max(0.0, seconds), 1e12)) if seconds == seconds else 0
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if not hours:
        return f"{minute}:{second:02}"
    return f"{days} d {hour}:{minute:02}:{second:02}" if days else f"{hour}:{minute:02}:{second:02}"


def percent(fraction: float) -> str:
    """Return a share; it says 100 % only when all is done."""
    return f"{math.floor(fraction * 100 + 1e-9)} %"


def moment(at: float, now: float) -> str:
    """Return the time of day, with the date when that is another one than now's."""
    try:
        then = datetime.fromtimestamp(at)
        same_day = math.isfinite(now) and then.date() == datetime.fromtimestamp(now).date()
    except (ValueError, OverflowError, OSError):  # no such date
        return "an unknown time"
    return f"{then:%H:%M:%S}" if same_day else f"{then:%Y-%m-%d %H:%M}"


def plural(count: int, noun: str) -> str:
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


# --- the queue ---


def workers(facts: Mapping[str, Any]) -> str:
    count, elsewhere = facts.get("workers") or 0, facts.get("elsewhere") or 0
    if not count:
        return f"{plural(elsewhere, 'worker')} elsewhere" if elsewhere else NO_WORKER
    kind = str(facts.get("kind") or "worker")
    words = plural(count, f"{kind} worker" if kind == "asyncio" else kind)
    words += f", {elsewhere:,} elsewhere" if elsewhere else ""
    return f"{words}, paused" if facts.get("paused") else words


def status_counts(facts: Mapping[str, Any]) -> list[str]:
    """Return what is going on, then what is over if there is any."""
    now = [f"{facts.get(key) or 0:,} {key}" for key in ("running", "queued")]
    rest = [
        f"{facts[key]:,} {key}"
        for key in ("scheduled", "periodic", "done", "failed", "cancelled")
        if facts.get(key)
    ]
    return now + rest


def lag(seconds: float | None) -> str:
    """Return by how much the kernel is late; nothing where nobody measures."""
    return "" if seconds is None else f"kernel lag {duration(seconds)}"


def status_place(facts: Mapping[str, Any]) -> list[str]:
    """Return where the queue is and how late the kernel."""
    seconds = facts.get("lag")
    late = lag(seconds) if isinstance(seconds, int | float) else ""
    return [text for text in (str(facts.get("storage") or ""), late) if text]
