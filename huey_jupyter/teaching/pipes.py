"""A pipeline, a group or a chord drawn as a graph, whose steps light up as workers come to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import huey_jupyter
from huey.alone import sleep
from huey.exceptions import TaskException
from huey.results import ChordResult, Result, ResultGroup
from huey.utils import make_id, short_call
from huey_jupyter.cards import State
from huey_jupyter.teaching.graph import Chain, Fan, Look, Step, chain_of, is_over, looks, sentence
from huey_jupyter.teaching.picture import Told
from huey_jupyter.views import words
from huey_jupyter.views.render import render

TICK: Final = 0.05  # seconds
LONGEST_CALL: Final = 50  # characters of a call in its box


class Pipes:
    """What `Huey.enqueue` takes, drawn before it is handed over, and live from then on.

    :param whole: a task made by ``s()`` with what follows it, a `group` or a `chord`.
    """

    def __init__(self, whole: Any) -> None:
        self.session = huey_jupyter.current()
        self.whole = whole
        self.chain = chain_of(whole)
        self.result: Any = None  # what `Huey.enqueue` gave
        self.lock = threading.RLock()
        self._steps = {step.card.id: step for step, _ in looks(self.chain)}
        self._results = {
            step.card.id: Result(self.session.huey, step.task) for step in self._steps.values()
        }
        self._cursor = self.session.huey.storage.last_event()
        self._shown_in: int | None = None  # the number of the cell that shows it

    # -- for the reader -------------------------------------------------------------------------

    def start(self) -> Pipes:
        """Hand it over with `Huey.enqueue`, and show it; if that has been done, say so instead."""
        if self.started:
            print("These tasks are handed over already: make new ones with s(…) to see it again.")
            self._show()
            return self
        self._cursor = self.session.huey.storage.last_event()
        self.result = self.session.huey.enqueue(self.whole)
        self._results |= {one.id: one for one in _singles(self.result)}
        self._show()
        return self

    def wait(self) -> Any:
        """Wait until nothing more will happen; return what `Huey.enqueue` gave."""
        while self.started and not self.is_over:
            sleep(TICK, "look at the picture, which goes on by itself")
        self.session.displays.settle()
        return self.result

    @property
    def started(self) -> bool:
        """Whether it is handed over."""
        return self.result is not None

    @property
    def is_over(self) -> bool:
        """Whether each step has ended, or will not run."""
        with self.lock:
            self.catch_up()
            return is_over(self.chain)

    def catch_up(self) -> None:
        """Fold what has happened since."""
        with self.lock:
            for cursor, event in self.session.huey.events.read(self._cursor):
                self._cursor = cursor
                step = self._steps.get(event["task"])
                if step is not None:
                    step.card.fold(event)
                    step.gives = self._value(step)

    def __repr__(self) -> str:
        return PipesView(self).text()

    def _ipython_display_(self) -> None:
        if self._shown_in != self.session.ip.execution_count:
            self._show()

    # -- within ---------------------------------------------------------------------------------

    def _show(self) -> None:
        self._shown_in = self.session.ip.execution_count
        view = PipesView(self)
        self.session.displays.show_view(view, key=view.key)

    def _value(self, step: Step) -> str:
        """Return the value of a step in a few words; it stays where it is."""
        if step.card.state is not State.done:
            return ""
        try:
            value = self._results[step.card.id].get(preserve=True)
        except TaskException:  # somebody ran it again, and it has failed
            return ""
        return step.gives if value is None else short_call((value,), {})


def _singles(result: Any) -> Iterator[Result[Any]]:
    """Yield the results that a result consists of."""
    if isinstance(result, ResultGroup):
        for one in result:
            yield from _singles(one)
    elif isinstance(result, ChordResult):
        yield from _singles(result.results)
        yield from _singles(result.pipeline_results or result.callback)
    else:
        yield result


class PipesView(Told):
    """The drawing.

    :param pipes: what is drawn.
    """

    gone = False

    def __init__(self, pipes: Pipes) -> None:
        self.pipes = pipes
        self.key = f"pipes {make_id()}"

    @property
    def terminal(self) -> bool:
        return not self.pipes.started or self.pipes.is_over

    def html(self, *, live: bool) -> str:
        now = time.time()
        with self.pipes.lock:
            self.pipes.catch_up()
            chain = self.pipes.chain
            told = self._tell(sentence(chain), not is_over(chain))
            facts = {"state": self._state(), "told": told, "boxes": _boxes(chain, now, live)}
        return render("pipes.html.j2", live, now=now, key=self.key, chain=chain, **facts)

    def text(self) -> str:
        with self.pipes.lock:
            self.pipes.catch_up()
            boxes = _boxes(self.pipes.chain, time.time(), live=False)
            head = f"{self._state().shape} {self._state().word}   {sentence(self.pipes.chain)}"
            return "\n".join([head, *_lines(self.pipes.chain, boxes, "  ")])

    def bundle(self) -> dict[str, str]:
        return {"text/html": self.html(live=False), "text/plain": self.text()}

    def _state(self) -> Look:
        """Return how it stands with the whole."""
        if not self.pipes.started:
            return Look("·", "a plan, not handed over", "idle")
        if not is_over(self.pipes.chain):
            return Look("●", "going on", "run")
        failed = sum(look.tone == "bad" for _, look in looks(self.pipes.chain))
        return Look("✗", f"over, {failed} failed", "bad") if failed else Look("✓", "over", "good")


Boxes = dict[str, dict[str, Any]]


def _boxes(chain: Chain, now: float, live: bool) -> Boxes:
    """Return what stands in the box of each step, by the id of its task."""
    return {
        step.card.id: {
            "look": look,
            "title": _short(step.card.title),
            "timing": words.timing(step.card, now, live) if step.is_known else [],
            "says": f"gives {step.gives}" if step.gives else words.why(step.card),
        }
        for step, look in looks(chain)
    }


def _short(title: str) -> str:
    return title if len(title) <= LONGEST_CALL else f"{title[: LONGEST_CALL - 1]}…"


def _lines(chain: Chain, boxes: Boxes, indent: str) -> Iterator[str]:
    """Yield a chain as text, a step a line, what follows one marked by an arrow."""
    for number, part in enumerate(chain):
        arrow = "→ " if number else "  "
        if isinstance(part, Fan):
            yield f"{indent}{arrow}side by side:"
            for one in part.chains:
                yield from _lines(one, boxes, f"{indent}  | ")
            continue
        box = boxes[part.card.id]
        timing = "".join(str(fact) for fact in box["timing"])
        said = filter(None, (box["title"], timing, box["says"]))
        yield f"{indent}{arrow}{box['look'].shape} {box['look'].word:11}{'   '.join(said)}"
        if part.failing:
            yield f"{indent}    if it fails:"
            yield from _lines(part.failing, boxes, f"{indent}    ")
