"""Memory of the system: what may still be taken, what this process holds, what it can give back."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
# Files of a control group, versions 2 and 1: limit, use, statistics with the name of the file
# cache that the system gives up when memory is short.
_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def free_memory(groups: Path = GROUPS) -> int:
    """Bytes that this process may still take: what the system and its container have free.

    Pages of files that were read count as free in both; else a container that has just unpacked
    its photos would seem full.

    Args:
        groups: where control groups are mounted.
    """
    free = psutil.virtual_memory().available
    for limit, used, statistics, cache in _FILES:
        with suppress(OSError, ValueError):  # no such group, or "max": no limit
            left = int((groups / limit).read_text()) - int((groups / used).read_text())
            words = (groups / statistics).read_text().split()
            pages = dict(zip(words[::2], words[1::2], strict=False))
            free = min(free, left + int(pages.get(cache, 0)))
    return max(free, 0)


def memory_used() -> int:
    """Bytes of memory that this process holds."""
    return psutil.Process().memory_info().rss


def give_back_memory() -> None:
    """After a task that made and dropped many small objects, such as reading 100,000 labels.

    glibc keeps what they took for later; training has other uses for it.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
