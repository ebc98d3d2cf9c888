"""How many processor cores this program may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Cores that this process may run on.

    ``taskset`` or a container's cpuset may allow fewer than the machine has. A quota of their time,
    as set by ``docker --cpus``, does not count.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
