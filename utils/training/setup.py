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
from utils.runtime.distribution import Cluster, is_chief, make_cluster
from utils.training.choices.neck import choose_neck
from utils.training.config import TrainConfig
from utils.training.numerics import make_deterministic, set_precision
from utils.training.run_directory import RunDirectory
from utils.training.state import made_longer, read_state


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
        at_end: unlocks the run directory when the run ends, or fails.
    """

    config: TrainConfig
    cluster: Cluster
    threads: int | None
    directory: RunDirectory | None
    saved: dict[str, Any]
    arrays: dict[str, np.ndarray]
    at_end: ExitStack

    def saved_choice(self, name: str, asked: Any = None) -> Any:
        """The choice of the run that is resumed; what the options ask for in a new run."""
        return self.saved.get("choices", {}).get(name, asked)


def set_up(config: TrainConfig, at_end: ExitStack) -> Setup:
    """Read the run to resume, if any, and choose the devices, before anything is computed."""
    check_clock()
    directory, saved, arrays = None, {}, {}
    if config.resume and config.out.exists():
        directory = RunDirectory.open(config.out, resume=True, writes=is_chief())
        at_end.enter_context(closing(directory))
        saved, arrays = read_state(config.out) if is_chief() else ({}, {})
    threads = make_deterministic(saved.get("threads")) if config.exact else None
    cluster = make_cluster(config.device)
    if config.exact and cluster.replicas > 1:
        raise UserError("--exact is promised for one device; choose it with --device")
    saved = cluster.broadcast_json(saved)
    saved, minutes = made_longer(saved, config.epochs, cluster.broadcast_json(config.minutes))
    config = replace(config, minutes=minutes)
    of_run = saved.get("choices", {}).get("options", {})
    config = replace(config, neck=choose_neck(config, of_run.get("neck")))
    cv2.setNumThreads(1)  # several threads read photos already
    keras.utils.set_random_seed(config.seed)
    set_precision(config.precision)
    return Setup(config, cluster, threads, directory, saved, arrays, at_end)
