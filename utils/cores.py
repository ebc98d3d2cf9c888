"""How many processor cores this program may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may run on: a container or ``taskset`` may leave it fewer than the
    machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
