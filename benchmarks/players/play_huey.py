"""Plays the workloads with a huey: ours, 3.5.4 or 2.5, whichever is installed here."""

from __future__ import annotations

import huey_crowds
import huey_rates
import huey_waits
from fresh_start import imports
from huey_app import is_ours, version
from stage import Act, perform

ACTS: dict[str, Act] = {
    "latency": huey_waits.latency,
    "idle": huey_waits.idle,
    "enqueue": huey_rates.enqueue,
    "drain": huey_rates.drain,
    "drain-processes": huey_rates.drain_processes,
    "trips": huey_rates.trips,
    "map": huey_rates.gather,
    "due": huey_rates.due,
    "import": imports("huey"),
    "memory": huey_crowds.memory,
    "workers": huey_crowds.workers,
}

if is_ours():
    from our_events import events
    from our_scale import scale

    ACTS |= {"events": events, "scale": scale}

if __name__ == "__main__":
    perform(ACTS, version())
