"""The rows of lanes: where each stretch of time stands in them, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from huey_jupyter.states import State
from huey_jupyter.teaching.holds import Refusal, Wait
from huey_jupyter.teaching.lanefacts import Facts, Try, end_of
from huey_jupyter.teaching.turns import Turn
from huey_jupyter.views import words

LEAST: Final = 0.4  # percent of a lane: what is shorter is drawn so long
MARK: Final = 1.8  # percent of a lane that the mark of a refusal takes
ROOM: Final = 1.05  # percent of a lane that a letter takes
CELLS: Final = 48  # characters of a lane in plain text
SHORT: Final = 0.05  # seconds; a task that is refused sooner is a mark and no bar
BRIEF: Final = 0.005  # seconds; a shorter wait is none
BACK: Final = "back in line"
LOCKS: Final = ", locks"
HELD, WAITS, REFUSED = "▨", "┄", "✕"


class Piece(NamedTuple):
    """A stretch of time before it has a place: what it is, and what it says if there is room."""

    kind: str
    start: float
    end: float
    text: str
    title: str


class Stretch(NamedTuple):
    """A piece in its place; `gap` before it and `width` are in percent."""

    key: str
    kind: str
    gap: float
    width: float
    text: str
    title: str


class Row(NamedTuple):
    """A lane as it is drawn; `now` stands right of it, `told` says it in words."""

    name: str
    said: str
    thin: bool
    stretches: list[Stretch]
    now: str
    told: str
    cells: str


# --- rows ---


def rows(facts: Facts) -> Iterator[Row]:
    """Yield the lanes from top to bottom."""
    for worker in facts.workers:
        tries = [one for one in facts.tries if one.turn.worker == worker]
        yield _worker_row(facts, worker, [one.turn for one in tries])
        if facts.locks:
            yield _lock_row(facts, worker, tries)
    if any(_outside(facts, wait) for wait in facts.waits):
        yield _back_row(facts)


def _worker_row(facts: Facts, worker: str, turns: list[Turn]) -> Row:
    shown = [turn for turn in turns if not is_mark(turn)]
    pieces = [
        Piece(
            words.tone(turn.state),
            turn.start,
            facts.until if turn.end is None else turn.end,
            f"{turn.state.shape} {turn.title}",
            f"{turn.title} · {turn.state.word} · {words.duration(turn.seconds(facts.until))}",
        )
        for turn in shown
    ]
    going = next((turn for turn in turns if turn.end is None), None)
    now = words.plural(len(shown), "task")
    now = f"{going.state.shape} {going.title}" if facts.going and going else now
    told = ", ".join(f"{one.title} at {one.start:.1f} s" for one in shown[:20])
    cells = _cells(
        facts, [(piece, turn.state.shape) for piece, turn in zip(pieces, shown, strict=True)]
    )
    return _row(facts, worker, False, pieces, now, told or "no task", cells)


def _lock_row(facts: Facts, worker: str, tries: list[Try]) -> Row:
    """Return what a worker's tasks had to do with locks, below the tasks themselves."""
    sent = [one.sent_away for one in tries if one.sent_away is not None]
    pieces = [*_held(facts, tries), *_waited(facts, tries), *_marks(facts, sent)]
    pieces.sort(key=lambda piece: (piece.start, piece.end))
    shapes = {"held": HELD, "waits": WAITS, "refused": REFUSED}
    cells = _cells(facts, [(piece, shapes[piece.kind]) for piece in pieces])
    numbers = {HELD: sum(len(one.holds) for one in tries), REFUSED: len(sent)}
    now = " · ".join(f"{shape} {times(number)}" for shape, number in numbers.items() if number)
    told = "; ".join(piece.title for piece in pieces[:20]) or "no lock"
    return _row(facts, worker + LOCKS, True, pieces, now, told, cells)


def _held(facts: Facts, tries: list[Try]) -> Iterator[Piece]:
    for turn, holds, _ in tries:
        for hold in holds:
            end = end_of(facts, hold.end)
            title = f"{turn.title} has {hold.lock} · {words.duration(end - hold.start)}"
            yield Piece("held", hold.start, end, f"{HELD} {hold.lock}", title)


def _waited(facts: Facts, tries: list[Try]) -> Iterator[Piece]:
    """Yield the waits of tasks that kept their worker meanwhile."""
    for turn in (one.turn for one in tries if not is_mark(one.turn)):
        for wait in facts.waits:
            start = max(wait.start, turn.start)
            end = min(end_of(facts, wait.end), end_of(facts, turn.end))
            if turn.task == wait.task and end - start > BRIEF:
                title = f"{turn.title} waits for {wait.lock} · {words.duration(end - start)}"
                yield Piece("waits", start, end, f"{WAITS} waits", title)


def _marks(facts: Facts, sent: list[Refusal]) -> Iterator[Piece]:
    """Yield the refusals that sent a task away from its worker, those close together as one."""
    last: Piece | None = None
    many = 0
    for one in sorted(sent, key=lambda one: one.at):
        if last is not None and one.at < last.start + facts.span * MARK / 100:
            many += 1
            last = last._replace(title=f"{many} tasks asked for {one.lock} in vain")
            continue
        if last is not None:
            yield last
        title = f"{facts.titles[one.task]} asked for {one.lock} in vain"
        last, many = Piece("refused", one.at, one.at, REFUSED, title), 1
    if last is not None:
        yield last


def _back_row(facts: Facts) -> Row:
    """Return how many waited for a lock without a worker, as long as the number stays the same."""
    waits = [part for wait in facts.waits for part in _outside(facts, wait)]
    steps = sorted([(start, 1) for start, _ in waits] + [(end, -1) for _, end in waits])
    pieces: list[Piece] = []
    number, since = 0, 0.0
    for at, step in steps:
        if number and at - since > facts.span * LEAST / 100:
            pieces.append(Piece("waits", since, at, f"{number}", f"{number} wait for a lock"))
            since = at
        elif not number:
            since = at
        number += step
    most = max((int(piece.text) for piece in pieces), default=0)
    told = ", ".join(f"{one.text} from {one.start:.1f} s" for one in pieces[:20])
    cells = _cells(
        facts, [(piece, piece.text if len(piece.text) == 1 else "+") for piece in pieces]
    )
    return _row(facts, BACK, True, pieces, f"{WAITS} {most} at most", told, cells)


def _row(
    facts: Facts, name: str, thin: bool, pieces: list[Piece], now: str, told: str, cells: str
) -> Row:
    said = "locks" if name.endswith(LOCKS) else name
    return Row(name, said, thin, list(_placed(facts, pieces)), now, f"{name}: {told}", cells)


def _placed(facts: Facts, pieces: list[Piece]) -> Iterator[Stretch]:
    """Yield pieces from left to right; what two of them would both cover, the first one keeps."""
    place = 0.0
    for piece in pieces:
        least = MARK if piece.kind == "refused" else LEAST
        left = min(max(100 * piece.start / facts.span, place), 100 - least)
        right = min(100 * piece.end / facts.span, 100.0)
        width = max(right - left, least)
        if left + width <= place or place > 100 - least:
            return
        text = piece.text if piece.kind == "refused" or len(piece.text) * ROOM < width else ""
        if not text and width > MARK:
            text = piece.text[0]  # its shape
        key = f"{piece.kind} {piece.start:.6f}"
        yield Stretch(key, piece.kind, left - place, width, text, piece.title)
        place = left + width


# --- what belongs together ---


def is_mark(turn: Turn) -> bool:
    """Say whether a try was over at once because somebody had the lock."""
    return turn.state is State.locked and turn.seconds(turn.start) < SHORT


def _outside(facts: Facts, wait: Wait) -> list[tuple[float, float]]:
    """Return the parts of a wait in which its task had no worker."""
    own = sorted(
        (turn.start, end_of(facts, turn.end))
        for turn, _, _ in facts.tries
        if turn.task == wait.task and not is_mark(turn)
    )
    parts, at, end = [], wait.start, end_of(facts, wait.end)
    for start, stop in own:
        if start > at:
            parts.append((at, min(start, end)))
        at = max(at, stop)
    parts.append((at, end))
    return [(start, stop) for start, stop in parts if stop - start > BRIEF]


# --- text ---


def times(count: int) -> str:
    """Return how often, in words."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _cells(facts: Facts, pieces: list[tuple[Piece, str]]) -> str:
    """Return a lane as characters, one for each stretch of time."""
    cells = ["·"] * CELLS
    for piece, shape in pieces:
        first = int(CELLS * piece.start / facts.span)
        last = int(CELLS * piece.end / facts.span - 1e-6)
        for n in range(max(first, 0), min(max(last, first) + 1, CELLS)):
            cells[n] = shape
    return "".join(cells)
