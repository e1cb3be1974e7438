"""pyplot's figures, of which every task has its own."""

from __future__ import annotations

import contextlib
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import ModuleType
from typing import Any

from IPython.display import display

from huey.tasks import Run
from huey_jupyter.capture.arrivals import Arrivals
from huey_jupyter.capture.replaced import Replaced
from huey_jupyter.capture.streams import Which

PNG = "image/png"


class Registry:
    """Stands for pyplot's table of open figures: a task finds its own there.

    :param found: the table of everybody else.
    :param which: tells the task.
    """

    def __init__(self, found: OrderedDict[Any, Any], which: Which) -> None:
        self.found = found
        self._which = which
        self._tables: weakref.WeakKeyDictionary[Run, OrderedDict[Any, Any]]
        self._tables = weakref.WeakKeyDictionary()

    def __get__(self, instance: object, owner: type) -> OrderedDict[Any, Any]:
        run = self._which()
        if run is None:
            return self.found
        return self._tables.setdefault(run, OrderedDict())


class Figures:
    """Gives each task figures of its own, once pyplot has been imported by anybody.

    A task's figures are drawn by Agg, whatever the notebook's backend is: windows belong to the
    main thread. ``plt.show()`` displays and closes them, and so does the end of the task.

    :param ip: the shell.
    :param which: tells the task.
    """

    def __init__(self, ip: Any, which: Which) -> None:
        self._ip = ip
        self._which = which
        self._replaced = Replaced()
        self._formatted: list[tuple[Any, Any]] = []
        self._arrivals = Arrivals({"matplotlib.pyplot": self._take})

    def start(self) -> None:
        """Take pyplot, now or when it is imported."""
        self._arrivals.start()

    def stop(self) -> None:
        """Give pyplot back."""
        self._arrivals.stop()
        self._replaced.give_back()
        while self._formatted:
            figure_class, draw = self._formatted.pop()
            with contextlib.suppress(KeyError):
                if self._png.lookup_by_type(figure_class) is draw:
                    self._png.pop(figure_class)

    @property
    def _png(self) -> Any:
        return self._ip.display_formatter.formatters[PNG]

    def _take(self, pyplot: ModuleType) -> None:
        from matplotlib import _pylab_helpers

        table = _pylab_helpers.Gcf
        if not isinstance(vars(table).get("figs"), OrderedDict):
            return  # kept elsewhere by now: figures come through the backend, as in a cell
        self._replaced.put(table, "figs", Registry(table.figs, self._which))
        self._replaced.put(pyplot, "show", self._show_or(pyplot.show, pyplot))
        make = pyplot.new_figure_manager
        self._replaced.put(pyplot, "new_figure_manager", self._make_or(make, pyplot))
        self._see_to_format()

    def _see_to_format(self) -> None:
        """Have figures shown as images where no backend has seen to that yet."""
        from IPython.core.pylabtools import print_figure
        from matplotlib.figure import Figure

        def draw(figure: Any) -> Any:
            return print_figure(figure, fmt="png", base64=True)

        try:
            self._png.lookup_by_type(Figure)
        except KeyError:
            self._png.for_type(Figure, draw)
            self._formatted.append((Figure, draw))

    def _show_or(self, show: Callable[..., Any], pyplot: ModuleType) -> Callable[..., Any]:
        def show_own(*args: Any, **options: Any) -> Any:
            if self._which() is None:
                return show(*args, **options)
            _show_all(pyplot)
            return None

        return show_own

    def _make_or(self, make: Callable[..., Any], pyplot: ModuleType) -> Callable[..., Any]:
        manager_class = _manager_class()

        def new_figure_manager(num: Any, *args: Any, **options: Any) -> Any:
            run = self._which()
            if run is None:
                return make(num, *args, **options)
            if not pyplot.get_fignums():
                run.at_end.append(lambda: _show_all(pyplot))
            return _make(manager_class, num, *args, **options)

        return new_figure_manager


def _show_all(pyplot: ModuleType) -> None:
    """Display and close the figures that the caller has open."""
    try:
        for number in pyplot.get_fignums():
            display(pyplot.figure(number))
    finally:
        pyplot.close("all")


def _make(manager_class: Any, num: Any, *args: Any, FigureClass: Any = None, **options: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = (FigureClass or Figure)(*args, **options)
    return manager_class(FigureCanvasAgg(figure), num)


def _manager_class() -> Any:
    from matplotlib.backend_bases import FigureManagerBase

    class Manager(FigureManagerBase):
        """Shows a figure, when asked by ``figure.show()``, where the task's displays go."""

        def show(self) -> None:
            display(self.canvas.figure)

    return Manager
