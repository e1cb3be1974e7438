"""Every version of ipykernel that the extension is for: tasks and a busy cell keep apart.

Two seconds of it for each version, ten with HUEY_LONG=1.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import kernels
import pytest
from kernels import Kernel

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

SECONDS = 10 if os.environ.get("HUEY_LONG") else 2
COLOURS = ("red", "lime", "blue", "yellow", "cyan")  # of four tasks, and of the foreground


@pytest.fixture(scope="module", params=kernels.VERSIONS)
def kernel_version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def one_kernel(kernel_version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel of that version, one for all tests here."""
    folder = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        name = kernels.add_spec(folder, kernel_version)
        with kernels.running(name, folder) as kernel:
            yield kernel


@pytest.fixture
def kernel(one_kernel: Kernel) -> Iterator[Kernel]:
    """The same, without the extension and without names of other tests."""
    one_kernel.run("%reset -f")
    yield one_kernel
    one_kernel.run("%unload_ext huey_jupyter")


OPEN = """
import ipykernel, logging, warnings
import matplotlib.pyplot as plt
log = logging.getLogger("chatter")
log.addHandler(logging.StreamHandler())
from IPython.display import HTML, display
from huey_jupyter import Session
warnings.simplefilter("always")
session = Session(get_ipython(), workers=4)
session.open()
huey = session.huey
print(ipykernel.__version__)
"""
CHATTER = """
import sys, threading, time, warnings
together = threading.Barrier(5)

def chatter(word, colour):
    together.wait(20)
    end, count = time.monotonic() + SECONDS, 0
    handle = display(HTML(f"<i>{word} begins</i>"), display_id=True)
    while time.monotonic() < end:
        print(f"{word} prints {count}")
        print(f"{word} errs {count}", file=sys.stderr)
        log.warning(f"{word} logs {count}")
        warnings.warn(f"{word} warns {count}")
        display(HTML(f"<b>{word} displays {count}</b>"))
        if count % 100 == 0:
            plt.figure(figsize=(1, 1), facecolor=colour).add_subplot().plot([1, 2])
            plt.show()
        count += 1
        time.sleep(0.002)
    handle.update(HTML(f"<i>{word} ends</i>"))
    return count

chat = huey.task(name="chat")(chatter)
"""
TALK = """
results = [chat(f"w{n}", colour) for n, colour in enumerate(COLOURS[:4])]
counts = [chatter("main", COLOURS[4])]
counts += [result.get(blocking=True) for result in results]
"""
EVENTS = """
huey.events.flush()
story = [
    (event["task"], record)
    for _, event in huey.events.read(None)
    if event["kind"] == "output"
    for record in event["records"]
]
ids = [result.id for result in results]
"""


def test_four_tasks_and_a_cell_keep_their_output_apart(kernel: Kernel, kernel_version: str) -> None:
    assert kernel.text(kernel.run(OPEN)).strip() == kernel_version
    kernel.run(f"SECONDS, COLOURS = {SECONDS}, {COLOURS}\n" + CHATTER)
    cell = kernel.run(TALK)
    kernel.run(EVENTS)
    main, *counts = kernel.value("counts")
    ids, story = kernel.value("ids"), kernel.value("story")

    for n, (task, count) in enumerate(zip(ids, counts, strict=True)):
        records = [record for owner, record in story if owner == task]
        told = {s: "".join(text for name, text in records if name == s) for s in STREAMS}
        shown = [content for name, content in records if name == "display"]
        named = [content[1] for name, content in records if name in ("named display", "update")]
        assert_complete(f"w{n}", COLOURS[n], count, told, shown)
        assert [bundle["text/html"] for bundle in named] == [
            f"<i>w{n} begins</i>",
            f"<i>w{n} ends</i>",
        ]

    kernel.run("session.close(); log.handlers.clear()")
    told = {stream: kernel.text(cell, stream) for stream in STREAMS}
    first, *shown = kernel.shown(cell)
    assert first["text/html"] == "<i>main ends</i>"
    assert_complete("main", COLOURS[4], main, told, shown)


STREAMS = ("stdout", "stderr")


def assert_complete(
    word: str, colour: str, count: int, told: dict[str, str], shown: list[Any]
) -> None:
    """Assert that everything is there once and in order, and nothing of anybody else."""
    for verb, stream in (("prints", 0), ("errs", 1), ("logs", 1), ("warns", 1)):
        found = re.findall(rf"(\w+) {verb} (\d+)\n", told[STREAMS[stream]])
        assert found == [(word, str(n)) for n in range(count)], (word, verb)
    html = [bundle["text/html"] for bundle in shown if "text/html" in bundle]
    assert html == [f"<b>{word} displays {n}</b>" for n in range(count)]
    pictures = [bundle["image/png"] for bundle in shown if "image/png" in bundle]
    assert Counter(map(colour_of, pictures)) == {colour: (count + 99) // 100}


def colour_of(png: str) -> str:
    """Return the name of the colour in a picture's corner."""
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    corner = tuple(imread(io.BytesIO(base64.b64decode(png)))[0, 0, :3])
    return next(name for name in COLOURS if to_rgb(name) == corner)


def test_a_cell_becomes_a_card_that_ends_as_html(kernel: Kernel) -> None:
    kernel.run("%load_ext huey_jupyter")
    cell = kernel.run(
        "%%huey_task sum_up -o res\nfrom huey import track\ntotal = 0\n"
        "for i in track(range(20)):\n    total += i\nprint('ready')\n"
        "import warnings; warnings.warn('careful')\ntotal"
    )
    value = kernel.run("res.get(blocking=True, timeout=20)")
    status = kernel.run("%huey")

    [card] = kernel.shown(cell)
    assert set(card) == {"text/html", "text/plain"}
    assert "✓ done   sum_up" in card["text/plain"]
    assert "ready" in card["text/plain"]
    assert "careful" in card["text/plain"]
    assert kernel.shown(value) == [{"text/plain": "190"}]
    assert "2 threads" in kernel.shown(status)[0]["text/plain"]
    assert kernel.value("total") == 190


SAY_WHEN_WAITING = """
import sys, threading, traceback
def waits():
    stack = traceback.extract_stack(sys._current_frames()[main])
    return any(f.name == "wait" and f.filename.endswith("session.py") for f in stack)

def look():
    while not waits():
        threading.Event().wait(0.01)
    print("it waits", flush=True)

main = threading.main_thread().ident
threading.Thread(target=look).start()
"""


def test_a_group_is_a_grid_and_an_interrupt_ends_the_waiting(kernel: Kernel) -> None:
    kernel.run("%load_ext huey_jupyter\n@huey.task()\ndef square(x): return x * x")
    grid = kernel.run("g = square.map(range(6))\ng")
    kernel.run("%huey wait")
    assert "6 done" in kernel.shown(grid)[0]["text/plain"]

    kernel.run("import threading\ngo = threading.Event()")
    kernel.run("%%huey_task held -o held\ngo.wait(20)")
    waiting = kernel.send(SAY_WHEN_WAITING + "%huey wait")
    while "it waits" not in kernel.text(waiting):
        kernel.hear()
    kernel.manager.interrupt_kernel()

    assert "The tasks go on" in kernel.reply(waiting)["content"]["evalue"]
    kernel.run("go.set()\nassert held.get(blocking=True, timeout=20) is True")


def test_what_a_failing_thread_says_is_on_the_card(kernel: Kernel) -> None:
    kernel.run("%load_ext huey_jupyter")
    cell = kernel.run(
        "%%huey_task --wait\nimport threading\n"
        "thread = threading.Thread(target=lambda: 1 / 0)\nthread.start()\nthread.join()\n"
        "!echo from a shell"
    )

    [card] = kernel.shown(cell)
    assert "ZeroDivisionError" in card["text/plain"]
    assert "from a shell" in card["text/plain"]
    assert kernel.text(cell) + kernel.text(cell, "stderr") == ""


LOOK = """
def look():
    import sys, os, signal, subprocess, threading, concurrent.futures, getpass, builtins
    from IPython.core import display_functions
    ip = get_ipython()
    formatters = ip.display_formatter.formatters
    modules = {name: sys.modules.get(name) for name in ("tqdm.std", "matplotlib.pyplot")}
    found = {
        "type of sys": type(sys),
        "slots": [vars(sys)[name] for name in ("stdout", "stderr", "stdin", "displayhook")],
        "streams": [sys.stdout, sys.stderr, sys.stdin],
        "hooks": (sys.excepthook, threading.excepthook, getpass.getpass),
        "types": [type(stream) for stream in (sys.stdout, sys.stderr, sys.stdin)],
        "display": [vars(display_functions)[name] for name in display_functions.__all__],
        "publisher": [ip.display_pub, *(vars(ip.display_pub).get(n) for n in OF_PUBLISHER)],
        "formatters": {m: dict(f.type_printers) for m, f in formatters.items()},
        "shell": [vars(ip).get("_showtraceback"), vars(ip).get("system")],
        "kernel": [vars(ip.kernel).get(name) for name in ("raw_input", "getpass")],
        "events": {name: list(calls) for name, calls in ip.events.callbacks.items()},
        "threads": [vars(threading.Thread)["start"], vars(threading.Thread)["run"]],
        "pool": vars(concurrent.futures.ThreadPoolExecutor)["submit"],
        "programs": [vars(subprocess.Popen)[name] for name in ("__init__", "wait")],
        "system": os.system,
        "finders": list(sys.meta_path),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "switching": sys.getswitchinterval(),
        "alive": {t.name for t in threading.enumerate()},
    }
    if modules["matplotlib.pyplot"]:
        from matplotlib import _pylab_helpers
        plt = modules["matplotlib.pyplot"]
        found["pyplot"] = [vars(_pylab_helpers.Gcf)["figs"], plt.show, plt.new_figure_manager]
        found["backend"] = plt.get_backend()
    if modules["tqdm.std"]:
        found["tqdm"] = vars(modules["tqdm.std"].tqdm)["__new__"]
    return found

OF_PUBLISHER = ("publish", "clear_output")

def assert_same(before, after):
    assert before.keys() == after.keys()
    for name, one in before.items():
        other = after[name]
        if isinstance(one, list):
            assert len(one) == len(other), name
            assert all(x is y for x, y in zip(one, other)), (name, one, other)
        else:
            assert one is other or one == other, (name, one, other)
"""


def test_everything_is_given_back(kernel: Kernel) -> None:
    kernel.run(LOOK)
    kernel.run("import matplotlib.pyplot as plt; plt.figure(); plt.close()")
    tqdm = kernel.text(kernel.run("try: import tqdm.auto\nexcept ImportError: print('none')"))
    assert not (tqdm and os.environ.get("CI"))
    kernel.run("before = look()")
    for _ in range(2):
        kernel.run("%load_ext huey_jupyter")
        kernel.run("%%huey_task --wait\nprint('x')\nplt.plot([1, 2])\n!echo x")
        kernel.run("%unload_ext huey_jupyter")
        kernel.run("assert_same(before, look())")


def test_what_others_put_over_it_stays_theirs_and_is_not_in_the_way(kernel: Kernel) -> None:
    kernel.run(LOOK + "\nimport matplotlib.pyplot as plt; plt.figure(); plt.close()")
    kernel.run("before = look()\nimport contextlib, io, sys, threading")
    kernel.run("caught = io.StringIO()\nredirected = contextlib.redirect_stdout(caught)")
    kernel.run("%load_ext huey_jupyter")
    kernel.run(
        "start = threading.Thread.start\n"
        "def theirs(thread): start(thread)\n"
        "threading.Thread.start = theirs\n"
        "show = plt.show\nplt.show = lambda: show()\n"
        "redirected.__enter__()"
    )
    kernel.run("%unload_ext huey_jupyter\nassert sys.stdout is caught\nprint('kept')")
    quiet = kernel.run("thread = threading.Thread(target=print); thread.start(); thread.join()")
    assert kernel.outputs(quiet) == []
    kernel.run("assert threading.Thread.start is theirs\nredirected.__exit__(None, None, None)")
    kernel.run("assert caught.getvalue().startswith('kept')\nplt.plot([1, 2]); plt.show()")
    kernel.run(
        "plt.show = before['pyplot'][1]; threading.Thread.start = before['threads'][0]\n"
        "assert_same(before, look())"
    )


def test_loading_inside_a_redirection_leaves_no_trace_either(kernel: Kernel) -> None:
    kernel.run(LOOK + "\nbefore = look()")
    kernel.run("%%capture caught\n%load_ext huey_jupyter")
    cell = kernel.run("print('shown', caught.stdout.count('workers wait'))")
    kernel.run("%unload_ext huey_jupyter")
    kernel.run("assert_same(before, look())")

    assert kernel.text(cell) == "shown 1\n"


@pytest.mark.parametrize("kernel_version", [kernels.REFUSED], indirect=True)
def test_a_kernel_that_cannot_is_refused_with_a_sentence(kernel: Kernel) -> None:
    cell = kernel.run("%load_ext huey_jupyter")

    assert "pip install 'ipykernel>=7.1'" in kernel.text(cell, "stderr")
    assert kernel.text(kernel.run("print('huey' in globals())")) == "False\n"
