"""Looking at the data instead of training on it: ``--check`` and ``--preview``."""

from __future__ import annotations

from collections.abc import Sequence

from utils.data.records import Dataset
from utils.training.config import TrainConfig
from utils.training.phases import Phase


def check_data(config: TrainConfig) -> int:
    """``--check``: examine the data folder and write the report; returns the exit status."""
    raise NotImplementedError


def draw_preview(config: TrainConfig, train: Dataset, phases: Sequence[Phase]) -> int:
    """``--preview``: a page of augmented training photos; returns the exit status."""
    raise NotImplementedError
