"""A cell handed over means what it means when it is run in place."""

from __future__ import annotations

from typing import Any

import pytest

from huey_jupyter.cells import Snapshot, compile_cell, ends_in_semicolon, parse_export


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
    snapshot = Snapshot(dict(names))
    names["x"] = 2

    assert snapshot.run(compile_cell(ip, "x")) == 1


def test_each_try_begins_with_the_same_names(ip: Any) -> None:
    snapshot = Snapshot({"x": 1})
    cell = compile_cell(ip, "x = x + 1\nx")

    assert [snapshot.run(cell), snapshot.run(cell)] == [2, 2]


def test_names_that_the_cell_made_come_back(ip: Any) -> None:
    notebook = {"x": 1}
    snapshot = Snapshot(dict(notebook))
    snapshot.run(compile_cell(ip, "x = 2\nnew = [x]\n_private = 3\nimport math"))

    kept = snapshot.bring_back(notebook, None)

    assert kept == []
    assert notebook["x"] == 2
    assert notebook["new"] == [2]
    assert "math" in notebook
    assert "_private" not in notebook


def test_a_name_that_the_notebook_bound_meanwhile_is_left_alone(ip: Any) -> None:
    notebook = {"x": 1}
    snapshot = Snapshot(dict(notebook))
    snapshot.run(compile_cell(ip, "x = 2\ny = 3"))
    notebook["x"] = 100

    kept = snapshot.bring_back(notebook, None)

    assert kept == ["x"]
    assert notebook == {"x": 100, "y": 3}


def test_a_failed_cell_brings_nothing_back(ip: Any) -> None:
    notebook: dict[str, Any] = {}
    snapshot = Snapshot({})
    with pytest.raises(ZeroDivisionError):
        snapshot.run(compile_cell(ip, "x = 1\n1 / 0"))

    assert snapshot.bring_back(notebook, None) == []
    assert notebook == {}


def test_only_the_wanted_names_come_back(ip: Any) -> None:
    notebook: dict[str, Any] = {}
    snapshot = Snapshot({})
    snapshot.run(compile_cell(ip, "x = 1\ny = 2"))

    snapshot.bring_back(notebook, {"y"})

    assert notebook == {"y": 2}


def test_export_is_auto_none_or_names() -> None:
    assert parse_export("auto") is None
    assert parse_export("none") == set()
    assert parse_export("a, b") == {"a", "b"}
    with pytest.raises(ValueError, match="not '1x'"):
        parse_export("a,1x")
