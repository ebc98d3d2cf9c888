"""Runs several copies of a network in parallel, for the highest throughput.

Each copy has a GPU or a group of cores of its own, so that no core waits for another within a
layer. A single picture is faster on one copy with all cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

import numpy as np

from utils.cores import available_cores
from utils.runtime.device_option import gpu_names
from utils.runtime.runtime import Infer, Runtime
from utils.text import counted

MAX_COPIES = 8  # each has its own weights and feature maps in memory


def open_copies(open_one: Callable[..., Runtime], device: object) -> Runtime:
    """A network for the highest throughput: copies on all cores, or one on each GPU of ``device``.

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
        return open_on_cores(lambda threads: open_one(threads=threads))
    return open_one()


def cpu_copies() -> int:
    """How many copies of a network this machine's cores run at a time."""
    return min(available_cores(), MAX_COPIES)


def open_on_cores(open_one: Callable[[int], Runtime]) -> Runtime:
    """Copies on all cores as one runtime: each call of ``infer`` uses a free copy.

    Args:
        open_one: opens the network for this number of threads.
    """
    cores, copies = available_cores(), cpu_copies()
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
