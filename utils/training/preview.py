"""``--preview``: a picture of what the network would see, instead of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.data.batches.sample_sheet import draw_sample_sheet
from utils.data.batches.samples import TrainingSamples
from utils.data.records import Dataset
from utils.training.choices.phases import Phase, strongest_phase
from utils.training.config import TrainConfig


def write_preview(
    config: TrainConfig, train: Dataset, phases: Sequence[Phase], aspect: tuple[float, float]
) -> Path:
    """Draw a page of augmented training photos with their boxes.

    They are of the phase with the strongest augmentation, at its full strength. ``aspect`` is the
    part of the square network input that training pictures take.

    Returns:
        Its path: ``preview.jpg`` in ``--out``, or in the folder of previews without that.
    """
    phase = strongest_phase(phases)
    folder = config.out or Path("runs/preview") / config.data.resolve().name
    path = folder / "preview.jpg"
    samples = TrainingSamples(train, max(phase.sizes), config.seed, phase.augment, aspect=aspect)
    draw_sample_sheet(path, samples, batch_size=8, batches=2, input_sizes=phase.sizes)
    return path
