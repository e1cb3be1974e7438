"""The table: every name of the API on every storage, in immediate mode and with a consumer.

It is written to ``build/seed-table.md`` when all of it was proved.
"""

import inspect
from pathlib import Path

import checks
import pytest
from names import BOUND, NAMES, applies

CHECKS = {
    name: check
    for name, check in vars(checks).items()
    if name.startswith("check_") and inspect.isfunction(check)
}
TABLE = Path(__file__).parents[2] / "build" / "seed-table.md"


@pytest.fixture(scope="module")
def cells(benches):
    """Collect what was proved: names by kind and mode; the table is written at the end."""
    proved, ran = {}, {}

    def note(bench, name):
        column = (bench.kind, bench.mode)
        ran.setdefault(column, set()).add(name)
        proved.setdefault(column, set()).update(
            each for each in CHECKS[name].proves if applies(each, bench.huey)
        )

    yield note
    whole = {column: names for column, names in proved.items() if ran[column] == set(CHECKS)}
    fields = {column: column_of(names, benches(*column).huey) for column, names in whole.items()}
    write_table(fields)
    empty = [
        (name, *column) for column, marks in fields.items() for name in NAMES if not marks[name]
    ]
    assert not empty, f"nothing proves {empty}"


def column_of(proved, huey):
    marks = {True: "✓", False: ""}
    return {name: marks[name in proved] if applies(name, huey) else "–" for name in NAMES}


def write_table(fields):
    columns = sorted(fields)
    lines = [
        "# Every name of the API, on every storage, in both modes",
        "",
        "✓ a test proves it there. – it belongs to another storage (whose column may be missing",
        "when that storage is not among the kinds that were tested).",
        "",
        "| name | " + " | ".join(f"{kind}, {mode}" for kind, mode in columns) + " |",
        "|---" * (1 + len(columns)) + "|",
        *(f"| `{name}` | " + " | ".join(fields[c][name] for c in columns) + " |" for name in NAMES),
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", CHECKS)
def test_what_the_api_names_works(bench, cells, name):
    if any(applies(each, bench.huey) for each in CHECKS[name].proves):
        CHECKS[name](bench)
    cells(bench, name)


def test_every_name_is_proved_by_a_check_and_no_other():
    proved = {each for check in CHECKS.values() for each in check.proves}

    assert sorted(proved - set(NAMES)) == []
    assert sorted(set(NAMES) - proved) == []
    assert len(NAMES) == len(set(NAMES)) > 200


def test_names_of_one_storage_are_known_as_such():
    owners = {name.partition("(")[0] for name in NAMES}

    assert owners >= BOUND
