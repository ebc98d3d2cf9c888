"""Memory: what is free, what this process uses, and giving unused memory back."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
# Files of a control group, versions 2 and 1: limit, use, statistics, and the field of the file
# cache, which the system frees when memory is short.
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
    """Bytes that are free for this process, in the system and in its container.

    Cached pages of files count as free. Otherwise a container that has just unpacked its photos
    would seem full.

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
    """Bytes of memory that this process uses."""
    return psutil.Process().memory_info().rss


def give_back_memory() -> None:
    """Return freed memory to the system, after work with many small objects such as 100,000 labels.

    glibc would keep it for later.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
