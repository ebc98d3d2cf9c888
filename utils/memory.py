"""Memory that Python has freed, back to the system: ``give_back_memory``."""

from __future__ import annotations

import ctypes
import sys


def give_back_memory() -> None:
    """After a task that made and dropped many small objects, such as reading 100,000 labels.

    glibc keeps what they took for later; training has other uses for it.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
