"""A cell handed over means what it means when it is run in place."""

from __future__ import annotations

from typing import Any

import pytest

from huey_jupyter.cells import Brought, Snapshot, compile_cell, ends_in_semicolon, parse_export


def run(ip: Any, source: str, **names: Any) -> tuple[Any, Snapshot]:
    snapshot = Snapshot({**ip.user_ns, **names})
    return snapshot.run(compile_cell(ip, source)), snapshot


def test_the_last_expression_is_the_value(ip: Any) -> None:
    assert run(ip, "x = 20\nx + 1")[0] == 21


def test_a_cell_without_a_last_expression_has_no_value(ip: Any) -> None:
    assert run(ip, "x = 20")[0] is None
    assert run(ip, "")[0] is None


def test_a_semicolon_suppresses_the_value(ip: Any) -> None:
    assert run(ip, "20 + 1;")[0] is None
    assert run(ip, "20 + 1;  # quiet")[0] is None
    assert run(ip, "'a;'")[0] == "a;"
    assert ends_in_semicolon("a;\n\n# b")


def test_top_level_await_works(ip: Any) -> None:
    source = "import asyncio\nawait asyncio.sleep(0)\nawait asyncio.sleep(0, 'awake')"

    assert run(ip, source)[0] == "awake"


def test_line_magics_and_shell_commands_work(ip: Any, capfd: pytest.CaptureFixture[str]) -> None:
    value, _ = run(ip, "%time t = 6 * 7\nfiles = !echo one\nt, files[0]")

    assert value == (42, "one")


def test_functions_of_the_cell_see_its_names_and_recurse(ip: Any) -> None:
    source = "k = 1\ndef f(n): return k if n == 0 else n * f(n - 1)\nf(5)"

    assert run(ip, source)[0] == 120


def test_text_that_is_not_python_fails_before_it_is_handed_over(ip: Any) -> None:
    with pytest.raises(SyntaxError) as caught:
        compile_cell(ip, "x = 1\ny = = 2", line="%%huey_task")

    assert caught.value.lineno == 3  # the magic's line counts, as in the cell


def test_the_snapshot_does_not_see_what_is_bound_later(ip: Any) -> None:
    names = {"x": 1}
    snapshot = Snapshot(names)
    names["x"] = 2

    assert snapshot.run(compile_cell(ip, "x")) == 1


def test_each_try_begins_with_the_same_names(ip: Any) -> None:
    snapshot = Snapshot({"x": 1})
    cell = compile_cell(ip, "x = x + 1\nx")

    assert [snapshot.run(cell), snapshot.run(cell)] == [2, 2]


def test_names_that_the_cell_made_come_back(ip: Any) -> None:
    notebook = {"x": 1}
    snapshot = Snapshot(notebook)
    snapshot.run(compile_cell(ip, "x = 2\nnew = [x]\n_private = 3\nimport math"))

    assert snapshot.bring_back(None, {}) == ([], [])
    assert notebook["x"] == 2
    assert notebook["new"] == [2]
    assert "math" in notebook
    assert "_private" not in notebook


def test_a_name_that_the_notebook_bound_meanwhile_is_left_alone(ip: Any) -> None:
    notebook = {"x": 1}
    snapshot = Snapshot(notebook)
    snapshot.run(compile_cell(ip, "x = 2\ny = 3"))
    notebook["x"] = 100

    kept, _ = snapshot.bring_back(None, {})

    assert kept == ["x"]
    assert notebook == {"x": 100, "y": 3}


def test_a_failed_cell_brings_nothing_back(ip: Any) -> None:
    notebook: dict[str, Any] = {}
    snapshot = Snapshot(notebook)
    with pytest.raises(ZeroDivisionError):
        snapshot.run(compile_cell(ip, "x = 1\n1 / 0"))

    assert snapshot.bring_back(None, {}) == ([], [])
    assert notebook == {}


def test_only_the_wanted_names_come_back(ip: Any) -> None:
    notebook: dict[str, Any] = {}
    snapshot = Snapshot(notebook)
    snapshot.run(compile_cell(ip, "x = 1\ny = 2"))

    assert snapshot.bring_back({"y", "z"}, {}) == ([], ["z"])
    assert notebook == {"y": 2}


def test_of_two_cells_that_bind_a_name_the_one_handed_over_later_wins(ip: Any) -> None:
    for order in ((0, 1), (1, 0)):
        notebook: dict[str, Any] = {}
        brought: Brought = {}
        snapshots = [Snapshot(notebook), Snapshot(notebook)]
        for number, snapshot in enumerate(snapshots):
            snapshot.run(compile_cell(ip, f"import math\nx = {number}"))

        kept = [snapshots[n].bring_back(None, brought) for n in order]

        assert notebook["x"] == 1
        assert kept == [([], []), ([], [])]


def test_functions_of_the_notebook_see_the_snapshot(ip: Any) -> None:
    notebook: dict[str, Any] = {"side": 3, "count": 0}
    exec("def area(): return side ** 2", notebook)
    exec("def tick():\n    global count\n    count += 1", notebook)
    snapshot = Snapshot(notebook)

    value = snapshot.run(compile_cell(ip, "side = 10\ntick()\ntick()\narea(), count"))

    assert value == (100, 2)
    assert (notebook["side"], notebook["count"]) == (3, 0)
    assert "area" not in snapshot.made


def test_a_function_that_comes_back_sees_the_notebook(ip: Any) -> None:
    notebook: dict[str, Any] = {"side": 10}
    snapshot = Snapshot(notebook)
    snapshot.run(compile_cell(ip, "def grow(by=1): return side + by"))
    snapshot.bring_back(None, {})
    notebook["side"] = 100

    assert notebook["grow"]() == 101


def test_a_cell_that_leaves_ends_itself_and_not_the_kernel(ip: Any) -> None:
    with pytest.raises(SystemExit):
        Snapshot({"exit": "the kernel's"}).run(compile_cell(ip, "exit()"))


def test_statements_and_the_last_expression_share_one_event_loop(ip: Any) -> None:
    source = (
        "import asyncio\n"
        "task = asyncio.create_task(asyncio.sleep(0.01, 'slept'))\n"
        "await asyncio.wait_for(task, 5)"
    )

    assert run(ip, source)[0] == "slept"


def test_export_is_auto_none_or_names() -> None:
    assert parse_export("auto") is None
    assert parse_export("none") == set()
    assert parse_export("a, b") == {"a", "b"}
    assert parse_export("a,") == {"a"}
    for wrong in ("1x", "class"):
        with pytest.raises(ValueError, match=f"not '{wrong}'"):
            parse_export(f"a,{wrong}")
