"""What a task emits, by whatever way, is its own, and the foreground's stays the foreground's."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cloudpickle
import pytest
from IPython.display import HTML, clear_output, display
from IPython.utils.capture import capture_output
from waiting import PATIENCE

from huey_jupyter.card import Card
from huey_jupyter.log import MAX_RICH_SIZE, Log, Rich

numbers = itertools.count()


@pytest.fixture
def card_of(open_session: Any) -> Callable[..., Card]:
    """Run a function as a task of a session of its own; return its card."""

    def card_of(func: Callable[[], Any], meanwhile: Callable[[], Any] | None = None) -> Card:
        with open_session() as session:
            result = session.huey.task(name=f"emits_{next(numbers)}")(func)()
            if meanwhile is not None:
                meanwhile()
            result.get(blocking=True, timeout=PATIENCE)
            session.wait()
            card: Card = session.board.cards[result.id]
            return card

    return card_of


def shown(log: Log) -> list[Any]:
    return [entry.bundle for entry in log.entries() if isinstance(entry, Rich)]


def halves() -> tuple[threading.Event, threading.Event]:
    return threading.Event(), threading.Event()


# --- streams -----------------------------------------------------------------


def test_a_redirection_in_the_foreground_takes_nothing_of_a_task(card_of: Any) -> None:
    redirected, printed = halves()
    caught = io.StringIO()

    def task() -> None:
        redirected.wait(PATIENCE)
        print("of the task")
        printed.set()

    def foreground() -> None:
        with contextlib.redirect_stdout(caught):
            redirected.set()
            printed.wait(PATIENCE)
            print("of the foreground")

    assert card_of(task, foreground).log.texts() == ["of the task"]
    assert caught.getvalue() == "of the foreground\n"


def test_capture_in_the_foreground_takes_nothing_of_a_task(card_of: Any) -> None:
    redirected, printed = halves()

    def task() -> None:
        redirected.wait(PATIENCE)
        print("of the task")
        display(HTML("<b>of the task</b>"))
        printed.set()

    def foreground() -> None:
        with capture_output() as caught:
            redirected.set()
            printed.wait(PATIENCE)
            print("of the foreground")
            display(HTML("<b>of the foreground</b>"))
        assert caught.stdout == "of the foreground\n"
        assert [output.data["text/html"] for output in caught.outputs] == [
            "<b>of the foreground</b>"
        ]

    card = card_of(task, foreground)
    assert card.log.texts() == ["of the task"]
    assert [bundle["text/html"] for bundle in shown(card.log)] == ["<b>of the task</b>"]


def test_a_task_may_redirect_its_own_streams_alone(
    card_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    redirected, printed = halves()

    def task() -> str:
        caught = io.StringIO()
        with contextlib.redirect_stdout(caught), contextlib.redirect_stderr(caught):
            redirected.set()
            printed.wait(PATIENCE)
            print("caught")
            print("this too", file=sys.stderr)
        print("not caught")
        return caught.getvalue()

    def foreground() -> None:
        redirected.wait(PATIENCE)
        print("of the foreground")
        printed.set()

    card = card_of(task, foreground)
    assert card.log.texts() == ["not caught"]
    assert card.value == {"text/plain": repr("caught\nthis too\n")}
    assert capsys.readouterr().out == "of the foreground\n"


def test_capture_in_a_task_takes_its_prints_and_nothing_of_the_foreground(
    card_of: Any, ip: Any
) -> None:
    captures, displayed = halves()
    publisher = ip.display_pub

    def task() -> str:
        with capture_output() as caught:
            captures.set()
            displayed.wait(PATIENCE)
            print("of the task")
            display(HTML("<b>of the task</b>"))
        assert caught.outputs == []
        return str(caught.stdout)

    def foreground() -> None:
        captures.wait(PATIENCE)
        assert ip.display_pub is publisher
        displayed.set()

    card = card_of(task, foreground)
    assert card.value == {"text/plain": repr("of the task\n")}
    assert [bundle["text/html"] for bundle in shown(card.log)] == ["<b>of the task</b>"]


def test_a_log_handler_made_before_the_session_writes_to_the_task(
    card_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("made_before")
    handler = logging.StreamHandler()
    log.addHandler(handler)
    try:
        card = card_of(lambda: log.warning("in the task"), lambda: log.warning("beside it"))
    finally:
        log.removeHandler(handler)

    assert card.log.texts() == ["in the task"]
    assert capsys.readouterr().err == "beside it\n"


def test_a_log_handler_made_in_the_foreground_writes_to_each_task(open_session: Any) -> None:
    log = logging.getLogger("made_in_foreground")
    with open_session() as session:
        handler = logging.StreamHandler(sys.stdout)
        log.addHandler(handler)
        try:
            tell = session.huey.task(name="tell")(lambda word: log.warning(word))
            results = [tell(word) for word in ("one", "two")]
            session.wait()
        finally:
            log.removeHandler(handler)

        logs = [session.board.cards[result.id].log.texts() for result in results]
        assert logs == [["one"], ["two"]]


def test_what_returns_to_the_beginning_of_a_line_is_one_line(card_of: Any) -> None:
    def task() -> None:
        for step in range(3):
            print(f"\rstep {step}", end="")

    assert card_of(task).log.texts() == ["step 2"]


def test_a_stream_takes_text_alone(card_of: Any) -> None:
    def task() -> str:
        with pytest.raises(TypeError, match="not bytes"):
            sys.stdout.write(b"bytes")  # type: ignore[arg-type]
        return f"{sys.stdout.isatty()} {sys.stdout.writable()} {sys.stdout.encoding}"

    assert card_of(task).value["text/plain"].lower() == "'false true utf-8'"


def test_a_function_that_uses_sys_can_be_pickled_by_value(open_session: Any) -> None:
    names: dict[str, Any] = {"sys": sys}
    exec("def version(): return sys.version", names)
    with open_session():
        data = cloudpickle.dumps(names["version"])

    assert cloudpickle.loads(data)() == sys.version


def test_a_task_cannot_read_what_somebody_types(card_of: Any) -> None:
    def task() -> str:
        said = []
        for ask in (input, sys.stdin.readline, sys.stdin.read, sys.stdin.fileno):
            with pytest.raises(RuntimeError, match="cannot ask for input") as caught:
                ask()
            said.append(str(caught.value))
        return said[0]

    assert "read it before" in card_of(task).value["text/plain"]


# --- displays ----------------------------------------------------------------


def test_an_update_in_a_task_changes_the_display_and_adds_none(card_of: Any) -> None:
    def task() -> None:
        handle = display(HTML("first"), display_id=True)
        print("between")
        display(HTML("other"))
        handle.update(HTML("second"))

    log = card_of(task).log
    assert [bundle["text/html"] for bundle in shown(log)] == ["second", "other"]
    assert isinstance(next(log.entries()), Rich)


def test_an_update_of_an_unknown_display_adds_none(card_of: Any) -> None:
    assert not card_of(lambda: display(HTML("x"), display_id="nobody's", update=True)).log


def test_an_update_that_makes_the_displays_too_large_lets_the_oldest_go() -> None:
    log = Log()
    log.display({"text/html": "oldest"})
    log.display({"text/html": "small"}, "named")

    assert log.update({"text/html": "x" * (MAX_RICH_SIZE - 1)}, "named")
    assert not log.update({"text/html": "x"}, "unknown")
    assert [len(bundle["text/html"]) for bundle in shown(log)] == [MAX_RICH_SIZE - 1]


def test_clear_output_clears_the_tasks_own(card_of: Any) -> None:
    def task() -> None:
        print("gone")
        clear_output()
        print("stays until there is more")
        clear_output(wait=True)
        print("stays")

    assert card_of(task).log.texts() == ["stays"]


def test_images_of_bytes_come_as_a_notebook_holds_them(card_of: Any) -> None:
    def task() -> None:
        display({"image/png": b"\x89PNG", "text/plain": "a picture"}, raw=True)

    assert shown(card_of(task).log) == [{"image/png": "iVBORw==", "text/plain": "a picture"}]


# --- threads and programs ----------------------------------------------------


def test_a_thread_prints_into_the_task_that_started_it(card_of: Any) -> None:
    def task() -> None:
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        assert "run" not in vars(thread)

    assert card_of(task).log.texts() == ["from a thread"]


def test_each_call_in_a_pool_prints_into_its_own_task(
    open_session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(1) as pool, open_session() as session:
        say = session.huey.task(name="say")(lambda word: pool.submit(print, word).result())
        results = []
        for word in ("one", "two"):
            results.append(say(word))
            results[-1].get(blocking=True, timeout=PATIENCE)
        pool.submit(print, "of the foreground").result()
        session.wait()

        logs = [session.board.cards[result.id].log.texts() for result in results]
        assert logs == [["one"], ["two"]]
        assert capsys.readouterr().out == "of the foreground\n"


def test_what_a_coroutine_leaves_to_a_thread_prints_into_its_task(card_of: Any) -> None:
    async def task() -> None:
        await asyncio.to_thread(print, "from a thread of the loop")

    assert card_of(task).log.texts() == ["from a thread of the loop"]


def test_programs_print_into_the_task_in_order(
    card_of: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def task() -> int:
        print("before")
        subprocess.run([sys.executable, "-c", "print('a program')"], check=True)
        print("between")
        code = os.system("echo a shell; echo its errors >&2; exit 3")  # noqa: S605
        print("after")
        subprocess.run(["echo", "to its stdout"], stdout=sys.stdout, check=True)
        assert subprocess.check_output(["echo", "kept"], text=True) == "kept\n"
        return os.waitstatus_to_exitcode(code)

    card = card_of(task, lambda: os.system("echo of the foreground"))  # noqa: S605
    *lines, last = [line for line in card.log.texts() if line != "its errors"]
    assert lines == ["before", "a program", "between", "a shell", "after"]
    assert last == "to its stdout"
    assert card.value == {"text/plain": "3"}
    assert capfd.readouterr().out == "of the foreground\n"
    assert "huey pipes" not in {thread.name for thread in threading.enumerate()}


def test_what_a_task_prints_after_a_program_comes_after_it(card_of: Any) -> None:
    def task() -> None:
        for n in range(0, 40, 2):
            subprocess.run(["echo", str(n)], check=True)
            print(n + 1)

    assert card_of(task).log.texts() == [str(n) for n in range(40)]


def test_a_shell_command_prints_into_the_task(open_session: Any) -> None:
    with open_session() as session:
        result = session.run_cell("!echo from a command")
        session.wait()

        assert session.board.cards[result.id].log.texts() == ["from a command"]


def test_a_program_that_prints_without_end_is_cut_short(card_of: Any) -> None:
    def task() -> None:
        subprocess.run("yes | head -c 30000000", shell=True, check=True)  # noqa: S602

    assert "bytes left out]" in "\n".join(card_of(task).log.texts())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_child_prints_into_the_task(card_of: Any) -> None:
    def child() -> None:
        for n in range(1000):
            print(n)
        display(HTML("<b>from a child</b>"))

    def task() -> None:
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()

    log = card_of(task).log
    assert log.texts() == [str(n) for n in range(1000)]
    assert [bundle["text/html"] for bundle in shown(log)] == ["<b>from a child</b>"]


# --- bars --------------------------------------------------------------------


@pytest.mark.parametrize("module", ["tqdm", "tqdm.auto", "tqdm.notebook", "tqdm.std"])
def test_a_tqdm_loop_is_the_bar_of_the_card(card_of: Any, module: str) -> None:
    pytest.importorskip("tqdm")
    source = f"from {module} import tqdm, trange"
    names: dict[str, Any] = {}

    def task() -> list[int]:
        exec(source, names)
        bar = names["tqdm"](range(5), desc="epoch")
        return [x for x in bar if names["trange"](2)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm's, on what is not installed
        card = card_of(task)

    assert (card.done, card.total) == (5, 5)
    assert card.message.startswith("epoch")
    assert not card.log
    assert card.value == {"text/plain": "[0, 1, 2, 3, 4]"}


def test_tqdm_outside_a_task_is_as_it_was(card_of: Any) -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    text = io.StringIO()
    made = []

    card_of(
        lambda: None,
        lambda: made.append(tqdm(range(3), file=text)),
    )
    for bar in made:
        assert type(bar) is tqdm
        assert list(bar) == [0, 1, 2]
    assert "3/3" in text.getvalue()


def test_tqdm_is_not_imported_for_those_who_do_not_use_it(run_notebook: Any) -> None:
    notebook = run_notebook(
        "%load_ext huey_jupyter",
        "%%huey_task --wait\n1",
        "import sys; print([m for m in ('tqdm', 'matplotlib', 'matplotlib.pyplot') "
        "if m in sys.modules])",
    )

    assert notebook.cells[2].outputs[0].text == "[]\n"
