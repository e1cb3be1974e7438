"""An environment for each contender, under ``build/bench``; quick when it is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import Contender

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"


class NoEnvironment(Exception):
    """What a contender needs cannot be installed here."""


def interpreter(contender: Contender) -> Path:
    """Return the Python that has what a contender needs; make its environment if there is none.

    :raises NoEnvironment: if it cannot be made.
    """
    if not contender.requirements:
        return Path(sys.executable)
    folder = FOLDER / contender.name
    python, made = folder / "bin" / "python", folder / "made"
    wanted = "\n".join((sys.version, *contender.requirements))
    if not (made.exists() and made.read_text() == wanted):
        print(f"benchmarks: installing {', '.join(contender.requirements)} into {folder}")
        _run(contender, sys.executable, "-m", "venv", "--clear", folder)
        _run(contender, python, *PIP, *contender.requirements)
        made.write_text(wanted)
    return python


PIP = ("-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check")


def _run(contender: Contender, *command: str | Path) -> None:
    if subprocess.run(command).returncode:
        raise NoEnvironment(
            f"{contender.name} cannot be installed here; the lines above say why. Without a "
            f"network pip needs a mirror (PIP_INDEX_URL), or leave {contender.name} out of --with"
        )
