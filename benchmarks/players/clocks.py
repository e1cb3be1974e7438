"""What a process has used: CPU time and memory, from the kernel's own books."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and all below it, as exact as the system tells."""
    return sum(_own_seconds(one) for one in (pid, *descendants(pid)))


def _own_seconds(pid: int) -> float:
    """Read the process's own clock.

    Linux numbers the CPU clocks of processes so, see clock_getcpuclockid(3). It counts nanoseconds,
    where ``/proc/PID/stat`` counts hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


def descendants(pid: int) -> list[int]:
    """Return the living processes below one."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
