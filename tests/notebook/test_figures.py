"""pyplot's figures: a task has its own, shown by itself, and the foreground's are left alone."""

from __future__ import annotations

import base64
import io
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waiting import PATIENCE

from huey_jupyter.log import Rich

matplotlib = pytest.importorskip("matplotlib")

numbers = itertools.count()


@pytest.fixture(autouse=True)
def pyplot() -> Iterator[Any]:
    matplotlib.use("agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.fixture
def run_tasks(open_session: Any) -> Callable[..., list[list[Any]]]:
    """Run functions as tasks at once; return what each displays, the colour of a picture."""

    def run_tasks(*funcs: Callable[[], Any]) -> list[list[Any]]:
        with open_session() as session:
            task = session.huey.task
            results = [task(name=f"draws_{next(numbers)}")(func)() for func in funcs]
            for result in results:
                result.get(blocking=True, timeout=PATIENCE)
            session.wait()
            logs = [session.board.cards[result.id].log for result in results]
        return [[what(e.bundle) for e in log.entries() if isinstance(e, Rich)] for log in logs]

    return run_tasks


def what(bundle: Any) -> Any:
    """Return the colour of a picture's corner."""
    from matplotlib.image import imread

    picture = imread(io.BytesIO(base64.b64decode(bundle["image/png"])))
    return tuple(round(float(part), 1) for part in picture[0, 0, :3])


RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def draw(colour: Any) -> Any:
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(1, 1), facecolor=colour)
    figure.add_subplot().plot([1, 2])
    return figure


def test_each_task_shows_its_own_figures_and_closes_them(run_tasks: Any, pyplot: Any) -> None:
    both = threading.Barrier(2)

    def task(colour: Any) -> Callable[[], Any]:
        def draws() -> None:
            draw(colour)
            both.wait(PATIENCE)
            assert pyplot.get_fignums() == [1]
            pyplot.show()
            assert pyplot.get_fignums() == []

        return draws

    assert run_tasks(task(RED), task(GREEN)) == [[RED], [GREEN]]


def test_figures_open_at_the_end_are_shown_in_order(run_tasks: Any) -> None:
    def task() -> None:
        draw(RED)
        draw(BLUE)

    assert run_tasks(task) == [[RED, BLUE]]


def test_a_task_that_fails_shows_what_it_had_drawn(open_session: Any) -> None:
    def task() -> None:
        draw(GREEN)
        raise ValueError("after drawing")

    with open_session() as session:
        result = session.huey.task(name="draws_and_fails")(task)()
        session.wait()
        [shown] = session.board.cards[result.id].log.entries()

    assert what(shown.bundle) == GREEN


def test_what_a_task_closes_is_not_shown(run_tasks: Any, pyplot: Any) -> None:
    def task() -> None:
        pyplot.close(draw(RED))
        draw(GREEN)
        draw(RED)
        pyplot.close()

    assert run_tasks(task) == [[GREEN]]


def test_the_figures_of_the_foreground_are_left_alone(run_tasks: Any, pyplot: Any) -> None:
    mine = draw(BLUE)

    def task() -> None:
        draw(RED)
        pyplot.show()
        draw(GREEN)
        pyplot.close("all")

    assert run_tasks(task) == [[RED]]
    assert pyplot.get_fignums() == [mine.number]
    assert pyplot.gcf() is mine


def test_a_figure_shows_itself_once(run_tasks: Any, pyplot: Any) -> None:
    def task() -> None:
        figure = draw(RED)
        figure.show()
        pyplot.close(figure)

    assert run_tasks(task) == [[RED]]


def test_everything_of_pyplot_is_given_back(open_session: Any, pyplot: Any) -> None:
    from matplotlib._pylab_helpers import Gcf

    def found() -> list[Any]:
        return [vars(Gcf)["figs"], pyplot.show, pyplot.new_figure_manager, pyplot.get_backend()]

    before = found()
    with open_session():
        assert not isinstance(vars(Gcf)["figs"], OrderedDict)
        assert Gcf.figs is before[0]

    assert [now is then for now, then in zip(found()[:3], before[:3], strict=True)] == [True] * 3
    assert found()[3] == before[3]


def test_pyplot_imported_first_inside_a_task_is_the_tasks_too(run_notebook: Any) -> None:
    draws = (
        "import matplotlib.pyplot as plt\n"
        "plt.figure(figsize=(1, 1)); plt.plot([1, 2]); plt.title(word);"
    )
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "word = 'one'\nimport sys; assert 'matplotlib' not in sys.modules",
        f"%%huey_task --wait\n{draws}",
        f"{draws.replace('word', '1')}\nprint(plt.get_fignums(), plt.get_backend())",
        "print(plt.get_fignums())",
    )

    [card] = [output.data for output in notebook.cells[2].outputs]
    assert card["text/html"].count("data:image/png;base64,") == 1
    printed, picture = notebook.cells[3].outputs
    assert printed.text.startswith("[1] ")
    assert "inline" in printed.text
    assert "image/png" in picture.data
    assert notebook.cells[4].outputs[0].text == "[]\n"
