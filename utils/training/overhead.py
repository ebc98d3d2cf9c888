"""How long the parts of a run beside its training steps take, measured before the first step."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from utils.data.records import Dataset
from utils.errors import UserError
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.matching import match_results
from utils.evaluation.run_detector import views_of
from utils.tiling import TrainingSizes
from utils.training.batch_norm import MAX_PHOTOS
from utils.training.trainer import EVALUATION_BATCH, Trainer

TIMED_VIEWS = 16  # pictures that the network gets to time an evaluation, a replica


class ExpectedTimes(NamedTuple):
    """Seconds that parts of a run are expected to take.

    Attributes:
        photo: an evaluation, for each photo.
        compiling: compiling the network.
        update_bn: re-estimating batch-norm statistics; 0 where weights are not averaged.
    """

    photo: float
    compiling: float
    update_bn: float

    def evaluation(self, photos: int) -> float:
        """Seconds of an evaluation of so many photos."""
        return self.photo * photos


def measure_times(trainer: Trainer, dataset: Dataset) -> ExpectedTimes:
    """Times a grey batch, and the scoring of a few photos of the dataset: these have to be read and
    their boxes suppressed."""
    size, cluster = trainer.model.input_size, trainer.cluster
    here = EVALUATION_BATCH * cluster.local_replicas
    images = np.full((here, size, size, 3), 128, np.uint8)
    began = time.monotonic()
    trainer.infer(images)
    compiled = time.monotonic()
    trainer.infer(images)
    batch = time.monotonic() - compiled
    update_bn = 1.3 * batch * MAX_PHOTOS / (EVALUATION_BATCH * cluster.replicas)
    training_sizes = TrainingSizes.from_metadata(trainer.model.metadata)
    views = views_of(dataset.records, trainer.tiling, size, training_sizes)
    each = 1.3 * max(batch / here, _seconds_a_view(trainer, dataset, views))
    return ExpectedTimes(
        photo=each * float(np.mean(views)) / cluster.hosts,
        compiling=compiled - began - batch,
        update_bn=update_bn if trainer.averaging else 0.0,
    )


def _seconds_a_view(trainer: Trainer, dataset: Dataset, views: np.ndarray) -> float:
    """Seconds that this host takes to read, detect and match, for each picture that the network
    gets, on photos from all over the dataset; 0 where none of them can be read.

    Args:
        trainer: the detector in training.
        dataset: the photos.
        views: (P,), how many pictures the network gets of each of them.
    """
    wanted = TIMED_VIEWS * trainer.cluster.local_replicas
    count = min(max(round(wanted / np.mean(views)), 1), len(views))
    chosen = np.linspace(0, len(views) - 1, count).astype(int)
    records = [dataset.records[i] for i in chosen]
    truth = ground_truth(records, dataset.classes)
    began, seconds = time.monotonic(), 0.0
    with trainer.average.applied(), suppress(UserError):
        found = trainer.detect(records, iter, on_unreadable=lambda message: None)
        match_results(truth, to_results(found, truth))
        seconds = time.monotonic() - began
    return seconds / int(views[chosen].sum())
