"""Where a run computes and what it resumes: the first stage, before any data is read."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

import cv2
import keras
import numpy as np

from utils.errors import UserError
from utils.files import check_clock
from utils.runtime.device import gpu_numbers
from utils.runtime.distribution import Cluster, is_chief, make_cluster, several_hosts
from utils.training.choices.batch_size import EACH
from utils.training.choices.learning_rate import MAX_BATCH
from utils.training.choices.neck import choose_neck
from utils.training.config import TrainConfig
from utils.training.numerics import make_deterministic, set_precision
from utils.training.run_directory import RunDirectory
from utils.training.state import extended_run, read_state


@dataclass(frozen=True)
class Setup:
    """Where a run computes, and what it resumes.

    Attributes:
        config: the options, with the neck that was chosen; --minutes are the chief's.
        cluster: the devices.
        threads: of each operation, where the run is exact.
        directory: of the run that is resumed, locked; None for a new run.
        saved: facts of the saved state, on all hosts; empty for a new run.
        arrays: of the saved state, on the chief.
        device_note: a sentence for the log on GPUs that are not used; mostly empty.
        at_end: unlocks the run directory when the run ends, or fails.
    """

    config: TrainConfig
    cluster: Cluster
    threads: int | None
    directory: RunDirectory | None
    saved: dict[str, Any]
    arrays: dict[str, np.ndarray]
    at_end: ExitStack
    device_note: str = ""

    def saved_or(self, name: str, default: Any = None) -> Any:
        """The saved choice of the resumed run.

        ``default`` in a new run, or where an older version did not save it.
        """
        return self.saved.get("choices", {}).get(name, default)


def set_up(config: TrainConfig, at_end: ExitStack) -> Setup:
    """Read the run to resume, if any, and choose the devices, before anything is computed."""
    check_clock()
    directory, saved, arrays = None, {}, {}
    if config.resume and config.out.exists():
        directory = RunDirectory.open(config.out, resume=True, writes=is_chief())
        at_end.enter_context(closing(directory))
        saved, arrays = read_state(config.out) if is_chief() else ({}, {})
    threads = make_deterministic(saved.get("threads")) if config.exact else None
    batch_size = saved.get("choices", {}).get("batch size", config.batch_size)
    device, device_note = choose_gpus(config.device, batch_size)
    cluster = make_cluster(device)
    if config.exact:
        refuse_inexact(cluster)
    saved = cluster.broadcast_json(saved)
    saved, minutes = extended_run(saved, config.epochs, cluster.broadcast_json(config.minutes))
    config = replace(config, minutes=minutes)
    of_run = saved.get("choices", {}).get("options", {})
    config = replace(config, neck=choose_neck(config, of_run.get("neck")))
    cv2.setNumThreads(1)  # several threads read photos already
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)
    return Setup(config, cluster, threads, directory, saved, arrays, at_end, device_note)


def choose_gpus(device: str, batch_size: int | None) -> tuple[str, str]:
    """``--device auto`` where there are many GPUs, and a sentence why.

    More photos in a step are fewer steps in a run, whose epochs do not depend on the batch, while
    the learning rate grows no further. So ``auto`` takes as many GPUs as have ``EACH`` photos in a
    batch of ``MAX_BATCH``. With a larger ``--batch-size`` it takes more, and several hosts take
    all: then many devices were asked for.

    Args:
        device: ``--device``.
        batch_size: that of ``--batch-size`` or of the run that is resumed.
    """
    there = len(gpu_numbers(device))
    most = max(batch_size or MAX_BATCH, MAX_BATCH) // EACH
    if device != "auto" or there <= most or several_hosts():
        return device, ""
    while batch_size and batch_size % most:
        most -= 1
    numbers = ",".join(map(str, range(most)))
    return f"gpu:{numbers}", (
        f"{most} of {there} GPUs, as a larger batch would make too few steps; --device "
        "gpu:0,1,... or a larger --batch-size takes more"
    )


def refuse_inexact(cluster: Cluster) -> None:
    """
    Raises:
        UserError: ``--exact`` is not promised for these devices.
    """
    if cluster.replicas > 1 or cluster.on_gpu:
        raise UserError(
            f"--exact is promised for one CPU, and this run would compute on "
            f"{cluster.device_text}; choose it with --device cpu"
        )
