"""Measure the engine beside others: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.contenders import CONTENDERS, OURS, USUAL
from benchmarks.environments import NoEnvironment, interpreter
from benchmarks.goals import verdicts
from benchmarks.match import match
from benchmarks.report import TAKES, print_verdicts, print_workload
from benchmarks.results import OtherMachine, Results, begin, dated
from benchmarks.server import NoServer
from benchmarks.workloads import WORKLOADS

ALL = "all"
STORAGES = list(dict.fromkeys(place for each in WORKLOADS.values() for place in each.counts))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    usual = [name for name, each in WORKLOADS.items() if each.usual]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this engine beside others, in rounds that take turns. What counts "
        "are the ratios; the figures are this machine's.",
    )
    _add_choice(parser, "--only", "WORKLOAD", WORKLOADS, usual)
    _add_choice(parser, "--with", "CONTENDER", CONTENDERS, USUAL)
    _add_choice(parser, "--on", "STORAGE", STORAGES, STORAGES)
    parser.add_argument("--rounds", type=_above_0, default=3, help="rounds of each (default 3)")
    parser.add_argument(
        "--idle", type=_above_0, default=60, metavar="SECONDS", help="how long to idle (default 60)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all rounds in a file")
    parser.add_argument(
        "--update",
        action="store_true",
        help="leave in that file what it has of other workloads and storages",
    )
    options = parser.parse_args(arguments)
    _refuse_what_nobody_plays(parser, options)
    return options


def _refuse_what_nobody_plays(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name in options.workload:
        if set(options.storage).isdisjoint(WORKLOADS[name].counts) and len(options.workload) == 1:
            known = ", ".join(WORKLOADS[name].counts)
            parser.error(f"{name} is played on {known}, not on {', '.join(options.storage)}")
    if options.update and options.json is None:
        parser.error("--update needs --json FILE, the file to update")


def _add_choice(
    parser: argparse.ArgumentParser,
    option: str,
    what: str,
    known: Collection[str],
    usual: Collection[str],
) -> None:
    def names(text: str) -> list[str]:
        if text == ALL:
            return list(known)
        asked = [name.strip() for name in text.split(",")]
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"no {what.lower()} is called {name!r}; there are {', '.join(known)}"
                )
        return [name for name in known if name in asked]

    others = [name for name in known if name not in usual]
    said = f"which ones, with commas between, or {ALL} (default: {', '.join(usual)}"
    said += f"; also: {', '.join(others)})" if others else ")"
    parser.add_argument(
        option, type=names, default=list(usual), metavar=what, help=said, dest=what.lower()
    )


def _above_0(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return number


def play(options: argparse.Namespace, results: Results) -> None:
    """Play what was asked for; print and keep each workload as it ends."""
    names = list(dict.fromkeys((OURS, *options.contender)))
    workloads = [WORKLOADS[name] for name in options.workload]
    storages = [s for s in options.storage if any(s in each.counts for each in workloads)]
    for name in names:
        interpreter(CONTENDERS[name])
    print(TAKES)
    with match(names, storages, options.idle) as one:
        for workload in workloads:
            fresh = dated(list(one.play(workload, options.rounds)))
            print_workload(Results({}, fresh), workload)
            results.add(fresh)
            if options.json:
                results.write(options.json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures where they are wanted; 1 if somebody failed."""
    options = parse(arguments)
    try:
        results = begin(options.json, update=options.update)
        play(options, results)
    except (NoEnvironment, NoServer, OtherMachine, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    found = verdicts(results)
    if found:
        print_verdicts(found)
    return 1 if any(entry.error for entry in results.entries) else 0


if __name__ == "__main__":
    sys.exit(main())
