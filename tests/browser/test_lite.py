"""The tutorials in a browser with no server behind them: the site that `make lite` builds."""

from __future__ import annotations

import subprocess

import pytest
from labpage import Lab, Notebook
from playwright.sync_api import expect
from sites import FAST, ROOT, served

pytestmark = [pytest.mark.browser, pytest.mark.lite]

TUTORIAL = "01_first_task.ipynb"
ELSEWHERE = ("07", "08")  # see lessons_elsewhere in docs/conf.py
OTHERS = [
    path.stem
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
    if path.name != TUTORIAL and path.name[:2] not in ELSEWHERE
]
HURRY = f"import os; os.environ['HUEY_TUTORIAL_SPEED'] = '{FAST}'"
IN_THE_KERNEL = """(code) => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
    .requestExecute({ code, store_history: false }).done.then(() => null)"""


class Site(Lab):
    """The site, served by any web server."""

    def address(self, path: str) -> str:
        return f"{self.url}/notebooks/index.html?path={path}"


@pytest.fixture(scope="module")
def site(lite_folder, tmp_path_factory):
    """Return the site, served at a free port."""
    log = tmp_path_factory.mktemp("site") / "log"
    log.touch()
    with served(lite_folder) as url:
        yield Site("notebook", url, "", lite_folder / "files", log)


@pytest.fixture
def asked(context):
    """Return the addresses that pages ask for, of whatever host."""
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    return asked


@pytest.fixture
def notebook(page, site, asked):
    """A page of the site; it fails the test if the browser complained of what is ours."""
    notebook = Notebook(page, site)
    yield notebook
    assert not notebook.complaints, "\n".join(["the browser's console:", *notebook.complaints])


def test_the_first_tutorial_runs_live_and_asks_no_other_host(notebook, site, asked):
    notebook.open_file(TUTORIAL)
    cells = notebook.code_cells()
    sources = [notebook.source(number) for number in cells]

    def cell_with(text):
        return next(n for n, one in zip(cells, sources, strict=True) if text in one)

    card, beside = cell_with("%%huey_task fill_albums"), cell_with("I did not have to wait")
    notebook.run_all()

    seen = notebook.watch_bar(card)
    assert seen == sorted(seen)
    notebook.wait_done(beside)
    assert notebook.bar(card) is not None  # the notebook was free while the task ran

    notebook.wait_done(*cells)
    for number in cells:
        outputs = notebook.outputs(number)
        assert not [one for one in outputs if one["output_type"] == "error"], outputs
    expect(notebook.page.locator(".hj-root")).to_have_count(0)
    expect(notebook.final(card)).to_contain_text("done")
    expect(notebook.final(cell_with("albums=1_000_000"))).to_contain_text("cancelled")
    assert "None" in notebook.text(cell_with("early.get()"))

    again = beside
    notebook.write_over(again, "average_packets(500, albums=1_000_000)")
    notebook.run(again)
    notebook.watch_bar(again, moves=0)
    notebook.live(again).get_by_role("button", name="Cancel").click()
    expect(notebook.final(again)).to_contain_text("cancelled")

    stored = subprocess.run(
        ["git", "show", f":notebooks/{TUTORIAL}"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    assert (site.folder / TUTORIAL).read_bytes() == stored
    own = (site.url, "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
    notebook.screenshot("lite-tutorial")


@pytest.mark.parametrize("lesson", OTHERS)
def test_another_lesson_runs_to_its_end_with_no_server(notebook, lesson):
    notebook.open_file(f"{lesson}.ipynb")
    notebook.page.evaluate(IN_THE_KERNEL, HURRY)
    cells = notebook.code_cells()
    notebook.run_all()
    notebook.wait_done(*cells)

    outputs = [one for number in cells for one in notebook.outputs(number)]
    assert [one for one in outputs if one["output_type"] == "error"] == []
    assert "Traceback (most" not in str(outputs)
    checks = [notebook.text(n) for n in cells if "check(" in notebook.source(n)]
    assert checks
    assert all("TODO" in one for one in checks), checks
    notebook.screenshot(f"lite-{lesson}")


PLAIN_TASKS = """
%load_ext huey_jupyter
import sys, time

begun, raised, watched = [], [], set()

def rest(depth):
    "Sleep in many a call through C: what such a call keeps is overwritten by others meanwhile."
    if depth:
        min([depth], key=lambda _: rest(depth - 1))
    else:
        while True:
            time.sleep(0.05)

@huey.task(context=True)
def sleeper(depth, task=None):
    begun.append(task.id)
    try:
        rest(depth)
    except BaseException as error:
        raised.append(type(error).__name__)
        watched.add(sys.monitoring.get_events(4))
        raise

def begin(*tasks):
    "Hand tasks over, and wait until they sleep."
    begun.clear()
    handles = [sleeper(depth, **options) for depth, options in tasks]
    while len(begun) < len(tasks):
        time.sleep(0.01)
    return handles

def story(handle):
    return [event["kind"] for _, event in huey.events.read() if event["task"] == handle.id]
"""


def test_plain_tasks_that_sleep_are_interrupted_where_they_do(notebook):
    notebook.open_file(TUTORIAL)
    first, stop, after, late = notebook.code_cells()[:4]
    notebook.write_over(first, PLAIN_TASKS + "pair = begin((3, {}), (12, {}))")
    notebook.write_over(stop, "%huey stop")
    notebook.write_over(after, "print(raised, *map(story, pair), huey.pending_count(), watched)")
    notebook.write_over(
        late,
        "huey.flush()\n"
        "%huey start\n"
        "raised.clear(); late, off = begin((5, {'timeout': 0.3}), (9, {})); off.cancel()\n"
        "while len(raised) < 2: time.sleep(0.05)\n"
        "print(raised, story(late)[-1], story(off)[-1])",
    )
    notebook.run(first, stop, after, late)
    notebook.wait_done(first, stop, after, late)

    back = ["enqueued", "executing", "interrupted"]
    both = f"{['TaskInterrupt'] * 2} {back} {back} 2"
    assert f"{both} {{0}}" in notebook.text(after)  # no events of all code were asked for
    assert "['TaskTimeout', 'TaskInterrupt'] timeout canceled" in notebook.text(late)


def test_garbage_is_collected_while_stacks_are_laid_aside(notebook):
    notebook.open_file(TUTORIAL)
    first = notebook.code_cells()[0]
    notebook.write_over(
        first,
        PLAIN_TASKS + "pair = begin((1, {}), (1, {}))\n"
        "import gc\n"
        "for _ in range(10):\n"
        "    min([0], key=lambda _: gc.collect(1) + gc.collect())\n"
        "    many = [[[]] for _ in range(200_000)]\n"
        "    time.sleep(0.05)\n"
        "print('still', len(huey.running()), 'running')",
    )
    notebook.run(first)
    notebook.wait_done(first)

    assert "still 2 running" in notebook.text(first)
