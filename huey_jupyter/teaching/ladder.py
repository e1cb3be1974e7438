"""The ladder of a task's tries: a rung for each, the waits between them, how each ended."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import huey_jupyter
from huey.alone import sleep
from huey.results import Result, ResultGroup
from huey.utils import make_id, short_call
from huey_jupyter.states import State
from huey_jupyter.teaching.tries import Course, Try
from huey_jupyter.views import words
from huey_jupyter.views.render import render

TICK: Final = 0.02
TELL_EVERY: Final = 2.0  # seconds; whoever listens to the text is not told more often
AT_FIRST: Final = "Each try is drawn as it happens."
MOST_RUNGS: Final = 16  # with more tries than that, all of a task's are on one line
SHORTEST: Final = 0.5  # seconds that the axis shows at least
LEAST: Final = 1.2  # percent of the axis: what is shorter is drawn so long
ROOM: Final = {"pause": 9.0, "shape": 3.8}  # percent that a text needs on a rung of its own
TIGHT: Final = {"pause": 101.0, "shape": 1.9}  # and where many share a line
CELLS: Final = 56  # characters of the axis in plain text


class Piece(NamedTuple):
    """A stretch of a rung, in percent: a run, or a wait that is over or going on."""

    key: str
    gap: float
    width: float
    tone: str
    text: str
    title: str


class Rung(NamedTuple):
    """A line of the picture: one try, or all of a task's."""

    key: str
    label: str
    pieces: list[Piece]
    tone: str
    says: str
    told: str


class Ladder:
    """Shows the tries of tasks as they happen, and after the last one as they were.

    :param results: handles, or groups of them.
    """

    gone = False

    def __init__(self, *results: Result[Any] | ResultGroup[Any]) -> None:
        flat = list(_flat(results))
        if not flat:
            raise ValueError("Ladder shows the tries of tasks: give it their handles")
        self.session = huey_jupyter.current()
        self.key = f"ladder {make_id()}"
        self.courses = {one.id: Course(_title(one)) for one in flat}
        self.lock = threading.RLock()
        self._cursor: int | None = None
        self._told = AT_FIRST
        self._told_at = time.monotonic()

    # -- for the reader -------------------------------------------------------------------------

    def wait(self) -> str:
        """Wait until all its tasks have ended; return the picture in a sentence."""
        while not self.terminal:
            sleep(TICK, "look at the ladder, which goes on by itself")
        self.session.displays.settle()
        return self.summary

    @property
    def summary(self) -> str:
        """The picture in a sentence."""
        with self.lock:
            self.catch_up()
            return sentence(list(self.courses.values()), self._until)

    def _ipython_display_(self) -> None:
        self.session.displays.show_view(self, key=self.key)

    def __repr__(self) -> str:
        return self.text()

    # -- as a view ------------------------------------------------------------------------------

    @property
    def terminal(self) -> bool:
        with self.lock:
            self.catch_up()
            return all(one.end for one in self.courses.values())

    def html(self, *, live: bool) -> str:
        with self.lock:
            self.catch_up()
            courses, until = list(self.courses.values()), self._until
            return render("ladder.html.j2", live, now=until, **self._shown(courses, until))

    def text(self) -> str:
        with self.lock:
            self.catch_up()
            return "\n".join(lines(list(self.courses.values()), self._until))

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def catch_up(self) -> None:
        """Fold what has happened since."""
        for cursor, event in self.session.huey.events.read(self._cursor):
            self._cursor = cursor
            if event["task"] in self.courses:
                self.courses[event["task"]].fold(event)

    @property
    def _until(self) -> float:
        """The present, or when the last task ended."""
        ends = [one.end.at if one.end else time.time() for one in self.courses.values()]
        return max(ends)

    def _shown(self, courses: list[Course], until: float) -> dict[str, object]:
        begin, span = _axis(courses, until)
        going = any(one.end is None for one in courses)
        counts = Counter(one.state for one in courses)
        return {
            "key": self.key,
            "going": going,
            "bad": counts[State.failed] + counts[State.lost] > 0,
            "counts": [f"{state.shape} {n} {_going(state)}" for state, n in counts.items()],
            "told": self._tell(sentence(courses, until), going),
            "tasks": list(_tasks(courses, begin, span, until)),
            "few": _are_few(courses),
            "span": span,
            "table": list(_table(courses, begin)),
        }

    def _tell(self, says: str, going: bool) -> str:
        """Return the sentence about it, a new one every two seconds at most."""
        now = time.monotonic()
        if not going or now - self._told_at >= TELL_EVERY:
            self._told, self._told_at = says, now
        return self._told


def _flat(results: Iterable[Any]) -> Iterator[Result[Any]]:
    for one in results:
        if isinstance(one, Result):
            yield one
        elif isinstance(one, ResultGroup | list | tuple):
            yield from _flat(one)
        else:
            raise TypeError(f"Ladder takes handles of tasks, not {one!r}")


def _title(result: Result[Any]) -> str:
    task = result.task
    return f"{task.name.rpartition('.')[2]}({short_call(task.args, task.kwargs)})"


# --- in words ---


def sentence(courses: list[Course], until: float) -> str:
    """Return what a ladder shows, in words."""
    begin = _begin(courses, until)
    tries = [len(one.tries) for one in courses]
    counts = Counter(one.state for one in courses)
    states = ", ".join(f"{count} {_going(state)}" for state, count in counts.items())
    if len(courses) > 1:
        most = f", at most {max(tries)} for one" if max(tries) > 1 else ""
        took = words.duration(until - begin)
        return f"{len(courses)} tasks, {_tries(sum(tries))}{most}, in {took}: {states}."
    [course] = courses
    waits = f"; waits of {', '.join(map(_short, course.pauses))}" if course.pauses else ""
    how = f"{_going(course.state)}, {_tries(tries[0])} in {_short(until - begin)}"
    return f"{course.title}: {how}{waits}."


def lines(courses: list[Course], until: float) -> Iterator[str]:
    """Yield a ladder as plain text."""
    begin, span = _axis(courses, until)
    going = any(one.end is None for one in courses)
    yield f"{'● going on' if going else '✓ over'}   {sentence(courses, until)}"
    few = _are_few(courses)
    for course in courses:
        yield f"  {course.state.shape} {course.title}"
        if not few:
            yield f"      {_strip(course.tries, begin, span)}  {_how(course)}"
            continue
        for one in course.tries:
            at = f"{one.start - begin:5.2f} s"
            yield f"      try {one.number}  {at}  {_strip([one], begin, span)}  {_says(one)}"


def _are_few(courses: list[Course]) -> bool:
    """Say whether each try has a rung of its own."""
    return sum(len(one.tries) for one in courses) <= MOST_RUNGS


def _strip(tries: list[Try], begin: float, span: float) -> str:
    """Return tries on an axis of characters: a shape where each begins, dots while it waits."""
    cells = [" "] * CELLS
    for one in tries:
        here = _cell(one.start, begin, span)
        if one.end is not None and one.due is not None:
            first = max(here + 1, _cell(one.end, begin, span))
            for place in range(first, _cell(one.due, begin, span)):
                cells[place] = "·"
        cells[here] = one.state.shape
    return "".join(cells)


def _cell(at: float, begin: float, span: float) -> int:
    return min(CELLS - 1, max(0, int(CELLS * (at - begin) / span)))


def _says(one: Try) -> str:
    """Return how a try ended."""
    why = "" if one.asks or not one.why else f": {one.why}"
    return f"{one.state.shape} {one.word}{why}"


def _how(course: Course) -> str:
    return f"{course.state.shape} {_going(course.state)}, {_tries(len(course.tries))}"


def _tries(number: int) -> str:
    return f"{number:,} {'try' if number == 1 else 'tries'}"


def _going(state: State) -> str:
    return "waiting to be tried again" if state is State.retry else state.word


def _short(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 0.0995 else f"{seconds:.2f} s"


# --- as a picture ---


def _begin(courses: list[Course], until: float) -> float:
    starts = [one.handed for one in courses if one.handed is not None]
    starts += [one.tries[0].start for one in courses if one.tries]
    return min(starts, default=until)


def _axis(courses: list[Course], until: float) -> tuple[float, float]:
    """Return where the axis begins and how many seconds it shows."""
    begin = _begin(courses, until)
    return begin, max(until - begin, SHORTEST)


def _tasks(
    courses: list[Course], begin: float, span: float, until: float
) -> Iterator[dict[str, object]]:
    few = _are_few(courses)
    for number, course in enumerate(courses):
        rungs = _rungs(course, begin, span, until) if few else [_all(course, begin, span, until)]
        yield {
            "key": f"task {number}",
            "title": course.title,
            "how": _how(course),
            "tone": words.tone(course.state),
            "rungs": rungs,
        }


def _rungs(course: Course, begin: float, span: float, until: float) -> list[Rung]:
    rungs, came = [], course.handed
    for one in course.tries:
        pieces = list(_pieces([one], came, begin, span, until))
        after = "" if came is None else f", after {_short(max(0.0, one.start - came))} of waiting"
        told = f"try {one.number} of {course.title}{after}: {_says(one)}"
        label = f"try {one.number}"
        rungs.append(Rung(label, label, pieces, words.tone(one.state), _says(one), told))
        came = one.end
    if course.state is State.retry:
        pieces = list(_wait_on(course.tries[-1], 0.0, begin, span, until))
        label, says = f"try {len(course.tries) + 1}", "○ not yet"
        rungs.append(Rung(label, label, pieces, "idle", says, f"{label} of {course.title}: {says}"))
    return rungs


def _all(course: Course, begin: float, span: float, until: float) -> Rung:
    pieces = list(_pieces(course.tries, course.handed, begin, span, until, TIGHT))
    if course.state is State.retry:
        place = sum(one.gap + one.width for one in pieces)
        pieces += _wait_on(course.tries[-1], place, begin, span, until)
    told = f"{course.title}: {_how(course)}"
    return Rung("all", course.title, pieces, words.tone(course.state), _how(course), told)


def _pieces(
    tries: list[Try],
    came: float | None,
    begin: float,
    span: float,
    until: float,
    room: dict[str, float] = ROOM,
) -> Iterator[Piece]:
    """Yield waits and runs from left to right; what two of them would cover, the first keeps."""
    place = 0.0
    for one in tries:
        left = 100 * (one.start - begin) / span
        if came is not None and one.number > 1:
            start = max(place, 100 * (came - begin) / span)
            width = min(left, 100.0) - start
            if width > 0:
                says = _short(one.start - came)
                text = says if width >= room["pause"] else ""
                title = f"{says} until try {one.number}"
                yield Piece(f"wait {one.number}", start - place, width, "", text, title)
                place = start + width
        left = min(max(left, place), 100 - LEAST)
        end = until if one.end is None else one.end
        width = min(max(100 * (end - begin) / span - left, LEAST), 100 - left)
        text = one.state.shape if width >= room["shape"] else ""
        title = f"try {one.number} {one.word}, {_short(end - one.start)}"
        tone = words.tone(one.state)
        yield Piece(f"try {one.number}", max(0.0, left - place), width, tone, text, title)
        place, came = left + width, one.end


def _wait_on(last: Try, place: float, begin: float, span: float, until: float) -> Iterator[Piece]:
    """Yield the wait that goes on after a task's last try until now."""
    start = max(place, 100 * ((last.end or until) - begin) / span)
    width = 100 * (until - begin) / span - start
    if width > 0:
        says = f"of {_short(last.pause)}" if last.pause is not None else ""
        text = says if width >= 2 * ROOM["pause"] else ""
        number = last.number + 1
        yield Piece(f"wait {number}", start - place, width, "", text, f"until try {number}")


def _table(courses: list[Course], begin: float) -> Iterator[tuple[str, ...]]:
    for course in courses:
        for one in course.tries:
            took = "" if one.end is None else _short(one.end - one.start)
            pause = "" if one.pause is None else _short(one.pause)
            at = f"{one.start - begin:.2f} s"
            yield course.title, str(one.number), at, took, one.word, one.why, pause
