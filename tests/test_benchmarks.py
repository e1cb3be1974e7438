"""The benchmarks play, count up and draw. How long anything takes is not asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.goals import Goal, verdicts
from benchmarks.match import Entry
from benchmarks.results import OtherMachine, Results, begin, read
from benchmarks.tables import number

ROOT = Path(__file__).parents[1]


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def entry(contender, *rates):
    rounds = [{"rate": rate} for rate in rates]
    return Entry("enqueue", "memory", contender, "1.0", 10, rounds)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return the file of a run of ours and the thread pool."""
    file = tmp_path_factory.mktemp("run") / "results.json"
    options = ("--only", "latency", "--on", "memory", "--with", "pool", "--rounds", 1)
    done = benchmarks(*options, "--json", file)
    assert done.returncode == 0, done.stdout + done.stderr
    return file


@pytest.mark.slow
def test_a_run_keeps_all_rounds_of_all_contenders(kept):
    found = json.loads(kept.read_text())

    assert found.keys() == {"machine", "versions", "entries"}
    assert [each["contender"] for each in found["entries"]] == ["ours", "pool"]
    for each in found["entries"]:
        assert (each["workload"], each["storage"], each["error"]) == ("latency", "memory", "")
        assert [figures.keys() for figures in each["rounds"]] == [{"p50", "p95"}]
        assert min(each["rounds"][0].values()) > 0
        assert each["date"]


@pytest.mark.slow
def test_what_a_run_keeps_is_drawn(kept, tmp_path):
    command = [sys.executable, "-m", "benchmarks.plot", kept, tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)

    assert "thread pool" in (tmp_path / "latency.svg").read_text()
    assert ".. image:: /benchmarks/latency.svg" in (tmp_path / "results.rst").read_text()


def test_an_unknown_workload_is_refused_with_those_there_are():
    done = benchmarks("--only", "latency,speed")

    assert done.returncode == 2
    assert "no workload is called 'speed'; there are latency, idle" in done.stderr


def test_a_workload_is_refused_on_a_storage_where_nobody_plays_it():
    done = benchmarks("--only", "due", "--on", "redis")

    assert done.returncode == 2
    assert "due is played on sqlite, not on redis" in done.stderr


def test_a_ratio_is_that_of_rounds_next_to_each_other():
    busy_in_the_last_round = [entry("ours", 100, 110, 10), entry("pool", 200, 220, 20)]

    summary = Results({}, busy_in_the_last_round).summary("enqueue", "memory", "pool", "rate")

    assert summary == (200, 20, 220, 2.0)


def test_a_goal_is_judged_where_both_have_played():
    results = Results({}, [entry("ours", 300), entry("pool", 200)])

    assert [each.word for each in verdicts(results)] == ["reached"]
    assert Goal("enqueue", "memory", "rate", at_least=1, of="pool").words == (
        "at least 1 x thread pool"
    )


def test_results_are_read_as_they_were_written(tmp_path):
    Results({"cpus": 2}, [entry("ours", 1.5)]).write(tmp_path / "kept.json")

    again = read(tmp_path / "kept.json")

    assert (again.machine, again.entries) == ({"cpus": 2}, [entry("ours", 1.5)])


def test_a_workload_that_is_played_again_replaces_all_who_played_it_before():
    results = Results({}, [entry("ours", 300), entry("pool", 200)])
    other = entry("ours", 7)._replace(workload="drain")

    results.add([other])
    results.add([entry("ours", 250)])

    assert results.entries == [other, entry("ours", 250)]


def test_figures_of_two_machines_are_not_mixed(tmp_path):
    file = tmp_path / "kept.json"
    Results({"cpus": 1000}, [entry("ours", 300)]).write(file)

    with pytest.raises(OtherMachine, match="1000"):
        begin(file, update=True)


@pytest.mark.parametrize(
    ("value", "said"), [(0.01234, "0.0123"), (1.5, "1.5"), (123.4, "123"), (12345.6, "12,300")]
)
def test_three_digits_of_a_number_are_said(value, said):
    assert number(value) == said
