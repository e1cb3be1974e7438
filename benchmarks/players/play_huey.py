"""Plays the workloads with a huey: ours, 3.5.4 or 2.5, whichever is installed here."""

from __future__ import annotations

import huey_rates
import huey_waits
from huey_app import version
from stage import perform

ACTS = {
    "latency": huey_waits.latency,
    "idle": huey_waits.idle,
    "enqueue": huey_rates.enqueue,
    "drain": huey_rates.drain,
    "drain-processes": huey_rates.drain_processes,
    "trips": huey_rates.trips,
    "map": huey_rates.gather,
    "due": huey_rates.due,
}

if __name__ == "__main__":
    perform(ACTS, version())
