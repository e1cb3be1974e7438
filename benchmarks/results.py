"""What a run came to: kept as JSON, read again, and counted up."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders import OURS
from benchmarks.environments import ROOT
from benchmarks.match import Entry


class Summary(NamedTuple):
    """The rounds of one figure.

    :param ratio: the median, over the rounds, of the contender's figure divided by ours; None if
        either did not play.
    """

    median: float
    least: float
    most: float
    ratio: float | None


class OtherMachine(Exception):
    """What a file keeps was measured elsewhere."""


class Results:
    """The entries of one or several runs on one machine.

    :param machine: what a reader wants to know of it.
    :param entries: of all workloads.
    """

    def __init__(self, machine: dict[str, Any], entries: Sequence[Entry] = ()) -> None:
        self.machine = machine
        self._found: dict[tuple[str, str, str], Entry] = {}
        self.add(entries)

    @property
    def entries(self) -> list[Entry]:
        """All of them, in the order in which they were played."""
        return list(self._found.values())

    def add(self, entries: Sequence[Entry]) -> None:
        """Add what has played in turn; what was kept of these workloads on these storages goes."""
        played = {(one.workload, one.storage) for one in entries}
        kept = [one for one in self._found.values() if (one.workload, one.storage) not in played]
        self._found = {(one.workload, one.storage, one.contender): one for one in (*kept, *entries)}

    def entry(self, workload: str, storage: str, contender: str) -> Entry | None:
        """Return an entry that has rounds, None if there is none."""
        entry = self._found.get((workload, storage, contender))
        return entry if entry and entry.rounds else None

    def has(self, workload: str) -> bool:
        """Say whether anybody has played a workload."""
        return any(entry.workload == workload and entry.rounds for entry in self.entries)

    def values(self, workload: str, storage: str, contender: str, figure: str) -> list[float]:
        """Return a figure round by round, without those rounds that lack it."""
        entry = self.entry(workload, storage, contender)
        return [each[figure] for each in entry.rounds if figure in each] if entry else []

    def median(self, workload: str, storage: str, contender: str, figure: str) -> float | None:
        """Return the median of a figure's rounds, None if there are none."""
        values = self.values(workload, storage, contender, figure)
        return statistics.median(values) if values else None

    def ratio(self, workload: str, storage: str, one: str, other: str, figure: str) -> float | None:
        """Return the median of the rounds' ratios, one divided by the other, None if unknown.

        Rounds of a number follow each other closely, so what slows the machine slows both.
        """
        pairs = list(
            zip(
                self.values(workload, storage, one, figure),
                self.values(workload, storage, other, figure),
                strict=False,
            )
        )
        return statistics.median(a / b if b else float("inf") for a, b in pairs) if pairs else None

    def summary(self, workload: str, storage: str, contender: str, figure: str) -> Summary | None:
        """Return what the rounds of a figure come to, None if there are none."""
        values = self.values(workload, storage, contender, figure)
        if not values:
            return None
        ratio = self.ratio(workload, storage, contender, OURS, figure)
        return Summary(statistics.median(values), min(values), max(values), ratio)

    def write(self, path: Path) -> None:
        """Keep everything in a file."""
        entries = [entry._asdict() for entry in self.entries]
        whole = {"machine": self.machine, "versions": self.versions, "entries": entries}
        path.write_text(json.dumps(whole, indent=1) + "\n")

    @property
    def versions(self) -> dict[str, str]:
        """With what each contender has played."""
        return {entry.contender: entry.version for entry in self.entries if entry.version}


def read(path: Path) -> Results:
    """Return the results that a file keeps."""
    whole = json.loads(path.read_text())
    return Results(whole["machine"], [Entry(**entry) for entry in whole["entries"]])


def begin(path: Path | None, *, update: bool) -> Results:
    """Return what to add to: what a file keeps, or nothing yet.

    :param path: of the file that is going to be written, so its folder is made.
    :raises OtherMachine: if the file's figures must not stand beside those of this machine.
    """
    here = _machine()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if update and path.exists():
            kept = read(path)
            if kept.machine != here:
                raise OtherMachine(
                    f"{path} was measured on {kept.machine}, this is {here}: leave out --update, "
                    f"or choose another file"
                )
            return kept
        path.touch()
    return Results(here)


def dated(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries that say when and at which commit they were played: now, at this one."""
    date = datetime.datetime.now().isoformat(timespec="seconds")
    commit = _said("git", "describe", "--always", "--dirty")
    return [entry._replace(date=date, commit=commit) for entry in entries]


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "release": platform.release(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "redis": _said("redis-server", "--version").partition(" sha")[0],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [line for line in lines if line.startswith("model name")]
    return named[0].partition(":")[2].strip() if named else platform.machine()


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
