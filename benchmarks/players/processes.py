"""Processes that a player has started."""

from __future__ import annotations

import subprocess

STOP_PATIENCE = 15.0  # seconds that one may take to end


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end; kill it if it does not."""
    process.terminate()
    try:
        process.wait(STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
