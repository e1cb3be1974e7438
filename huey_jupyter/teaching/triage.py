"""A line in which some are more urgent than others: tasks of several classes, by priority."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from huey_jupyter.teaching.flow import Flow
from huey_jupyter.teaching.line import LIMITS, Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from huey.tasks import Task, TaskWrapper
    from huey_jupyter.teaching.picture import Picture

SHAPES: Final = "▲■●◆"
EVERYBODY: Final = "everybody"
QUEUE_SHOWN: Final = 60  # of those who wait


class Kind(NamedTuple):
    """A class of tasks.

    :param shape: stands for one of them where there is room for no more.
    """

    name: str
    priority: float
    shape: str


class Triage(Line):
    """Hands tasks of several classes over at random moments; the higher priority runs first.

    The keyword arguments are those of `Line`.

    :param task: a task function that takes the seconds it has to work.
    :param classes: by name: a priority, and arrivals a second. Two to four of them.
    :param service: mean seconds of work, for all the same.
    """

    def __init__(
        self,
        task: TaskWrapper[..., Any],
        classes: Mapping[str, tuple[float, float]],
        service: float,
        **options: Any,
    ) -> None:
        if not 2 <= len(classes) <= len(SHAPES):
            raise ValueError(f"there are two to four classes, not {len(classes)}")
        kinds = zip(classes.items(), SHAPES, strict=False)
        self.kinds = [Kind(name, priority, shape) for (name, (priority, _)), shape in kinds]
        self.rates = [float(rate) for _, rate in classes.values()]
        super().__init__(task, sum(self.rates), service, **options)
        self.flows = [Flow(self.flow.begin) for _ in self.kinds]
        self._kind_of: dict[str, int] = {}

    def change(self, what: str, value: float) -> None:
        """Change the arrivals of a class (``"0"`` for the first), or what a `Line` lets change."""
        if not what.isdecimal():
            super().change(what, value)
            return
        least, most = LIMITS["rate"]
        self.rates[int(what)] = min(max(value, least), most)
        self.rate = sum(self.rates)

    def mean_waits(self) -> dict[str, float]:
        """Return how many seconds those of each class have waited on average, and everybody."""
        with self.lock:
            self.catch_up()
            names = [kind.name for kind in self.kinds]
            return {
                name: _mean(flow.waits)
                for name, flow in zip([*names, EVERYBODY], [*self.flows, self.flow], strict=True)
            }

    def queue(self) -> list[Kind]:
        """Return the class of each who waits, the next one first."""
        tasks = self.session.huey.pending(QUEUE_SHOWN)
        return [self.kinds[self._kind_of[task.id]] for task in tasks if task.id in self._kind_of]

    def _view(self) -> Picture[Any]:
        from huey_jupyter.teaching.classes import ClassesView

        return ClassesView(self)

    def _begin(self, now: float) -> None:
        super()._begin(now)
        for flow in self.flows:
            flow.begin = now

    def _make(self, seconds: float) -> Task[Any]:
        [number] = self._random.choices(range(len(self.kinds)), self.rates)
        task = self.task.s(seconds, priority=self.kinds[number].priority)
        self._kind_of[task.id] = number
        return task

    def _fold(self, event: dict[str, Any]) -> None:
        super()._fold(event)
        self.flows[self._kind_of[event["task"]]].fold(event)

    def __repr__(self) -> str:
        names = ", ".join(kind.name for kind in self.kinds)
        return f"<Triage: {names}; {self.rate:g} a second, {1000 * self.service:g} ms each>"


def _mean(waits: list[float]) -> float:
    return sum(waits) / len(waits) if waits else 0.0
