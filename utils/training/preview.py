"""Looking at what the network would be shown, instead of training: ``--preview``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.data.batches.sample_sheet import draw_preview
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset
from utils.training.config import TrainConfig
from utils.training.phases import Phase, liveliest


def write_preview(
    config: TrainConfig, train: Dataset, phases: Sequence[Phase], shares: tuple[float, float]
) -> Path:
    """A page of augmented training photos with their boxes.

    Of the phase in which photos are changed the most, at its full strength. ``shares`` of a square
    are what the run's pictures take.

    Returns:
        Where it is: ``preview.jpg`` in ``--out``, or in the folder of previews without it.
    """
    phase = liveliest(phases)
    folder = config.out or Path("runs/preview") / config.data.resolve().name
    path = folder / "preview.jpg"
    samples = TrainingSamples(train, max(phase.sizes), config.seed, phase.augment, aspect=shares)
    draw_preview(path, samples, batch_size=8, batches=2, input_sizes=phase.sizes)
    return path
