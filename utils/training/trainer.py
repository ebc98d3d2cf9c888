"""A detector in training: the network, its optimisers and moving average, and the compiled step.

What happens when is decided in ``train.py``; here is what each event does.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from nets.loss import LossConfig, Losses
from nets.yolo import YOLOv3
from utils.checkpoint import compile_inference
from utils.data.records import Dataset
from utils.evaluation.detect import detect_records
from utils.evaluation.files import ground_truth, to_results
from utils.evaluation.metrics import evaluate
from utils.training.ema import MovingAverage
from utils.training.freezing import quicken_norms, set_backbone_trainable, stage_count
from utils.training.step import Optimizers, build_train_step


class Trainer:
    """Owns everything that training changes.

    Args:
        model: the detector.
        optimizers: unbuilt; they get slots for every variable that may ever learn.
        pretrained: whether the backbone's weights are worth keeping. If so its batch norms stay
            as they are and ``frozen_stages`` of it never learn.
        frozen_stages: counted from the pixels.
        loss: weights and thresholds.
    """

    def __init__(
        self,
        model: YOLOv3,
        optimizers: Optimizers,
        *,
        pretrained: bool,
        frozen_stages: int,
        loss: LossConfig | None = None,
    ) -> None:
        self.model, self.optimizers, self.loss = model, optimizers, loss or LossConfig()
        self.pretrained, self.frozen_stages = pretrained, frozen_stages if pretrained else 0
        self._frozen: bool | None = None
        self._step: Callable | None = None

        set_backbone_trainable(
            model.backbone, frozen_stages=self.frozen_stages, freeze_norms=pretrained
        )
        if not pretrained:
            quicken_norms(model.backbone)
        optimizers.build(model)
        statistics = [v for v in model.non_trainable_variables if v.name.startswith("moving_")]
        self.average = MovingAverage(model.trainable_variables + statistics)
        self._infer = compile_inference(model)

    def set_backbone_frozen(self, frozen: bool) -> bool:
        """Freeze the whole backbone, or thaw it but for the stages that never learn.

        Returns:
            Whether anything changed; the next step is then compiled anew.
        """
        if frozen == self._frozen:
            return False
        self._frozen = frozen
        set_backbone_trainable(
            self.model.backbone,
            frozen_stages=stage_count(self.model.backbone) if frozen else self.frozen_stages,
            freeze_norms=self.pretrained,
        )
        self._step = build_train_step(self.model, self.optimizers, self.average, self.loss)
        return True

    def step(self, batch: Sequence[tf.Tensor], number: int, rate: float) -> Losses:
        """One update; ``number`` counts from 1, ``rate`` is the factor of the schedule."""
        self.optimizers.set_rate(rate)
        return self._step(*batch, tf.constant(number, tf.int64))

    def evaluate(
        self,
        dataset: Dataset,
        *,
        batch_size: int = 8,
        progress: Callable[[Iterable], Iterable] = iter,
        on_unreadable: Callable[[str], None] = print,
    ) -> dict:
        """Metrics (``utils.evaluation.metrics.evaluate``) of the averaged weights."""
        with self.average.applied():
            found = detect_records(
                self._infer,
                dataset.records,
                self.model.input_size,
                self.model.classes,
                conf=0.001,
                iou=0.6,
                max_det=300,
                batch_size=batch_size,
                progress=progress,
                on_unreadable=on_unreadable,
            )
        truth = ground_truth(dataset.records, dataset.classes)
        return evaluate(truth, to_results(found, truth))

    def expected_times(self, dataset: Dataset, *, batch_size: int = 8) -> tuple[float, float]:
        """Seconds that an evaluation and that compiling the network take, from a batch of grey."""
        size = self.model.input_size
        images = np.full((batch_size, size, size, 3), 128, np.uint8)
        began = time.monotonic()
        self._infer(images)
        compiled = time.monotonic()
        self._infer(images)
        batch = time.monotonic() - compiled
        return 1.3 * batch * math.ceil(len(dataset) / batch_size), compiled - began - batch

    def save(self, path: Path) -> None:
        """Write the averaged weights as a checkpoint, whole or not at all."""
        part = path.with_name(f".part-{path.name}")  # Keras insists on the suffix .keras
        with self.average.applied():
            self.model.save(part)
        os.replace(part, path)

    def variables(self) -> dict[str, tf.Variable]:
        """Every variable of the run by a unique name, for saving and resuming."""
        parts = {
            "model": [v.value for v in self.model.variables],
            "optimizer": [v.value for v in self.optimizers.variables],
            "average": self.average.averages,
        }
        return {f"{part}/{i}": v for part, found in parts.items() for i, v in enumerate(found)}
