"""Several copies of a network, each with cores or a GPU of its own: the most pictures a second.

One network on all cores answers a single picture sooner. Of many pictures, copies with a core each
do more in a second, because no core waits for another within a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

import numpy as np

from utils.cores import available_cores
from utils.runtime.opening import gpu_names
from utils.runtime.runtime import Infer, Runtime
from utils.text import counted

MOST_COPIES = 8  # each has its own weights and feature maps in memory


def open_copies(open_one: Callable[..., Runtime], device: object) -> Runtime:
    """A network for the most pictures a second: copies on all cores, or one on each GPU of
    ``device``.

    Args:
        open_one: opens the network; takes ``threads`` and ``device``.
        device: as for ``utils.runtime.runtime.open_runtime``.
    """
    gpus = gpu_names(device)
    if len(gpus) > 1:
        opened = [open_one(device=gpu) for gpu in gpus]
        words = f"{opened[0].description} and {counted(len(gpus) - 1, 'more GPU')}"
        infer = pooled([one.infer for one in opened])
        return replace(opened[0], infer=infer, parallel=len(gpus), description=words)
    if device in (None, "auto", "cpu"):
        return side_by_side(lambda threads: open_one(threads=threads))
    return open_one()


def copies_here() -> int:
    """How many copies of a network this machine's cores run side by side."""
    return min(available_cores(), MOST_COPIES)


def side_by_side(open_one: Callable[[int], Runtime]) -> Runtime:
    """One runtime made of several, of which each call of ``infer`` uses a free one.

    Args:
        open_one: opens the network for this number of threads.
    """
    cores, copies = available_cores(), copies_here()
    opened = [open_one(cores // copies + (i < cores % copies)) for i in range(copies)]
    infer = pooled([one.infer for one in opened])
    return replace(opened[0], infer=infer, parallel=copies)


def pooled(infers: list[Infer]) -> Infer:
    """A function that may be called by as many threads at a time as there are ``infers``."""
    free: SimpleQueue[Infer] = SimpleQueue()
    for infer in infers:
        free.put(infer)

    def run(images: np.ndarray) -> tuple[np.ndarray, ...]:
        infer = free.get()
        try:
            return infer(images)
        finally:
            free.put(infer)

    return run
