"""A detector in training: the network, its optimizers and moving average, and the compiled step.

``utils.training.loop`` decides when something happens; here is how it is done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nets.loss import Losses
from nets.yolo import YOLOv3
from utils.data.records import Dataset
from utils.detections import Detections
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation.coco_files import ground_truth, to_results
from utils.evaluation.matching import MatchedResults, match_results
from utils.evaluation.metrics import compute_metrics
from utils.evaluation.run_detector import detect_records
from utils.runtime.device import out_of_memory
from utils.runtime.distribution import Cluster
from utils.runtime.runtime import Runtime
from utils.runtime.tensorflow_runtime import compile_inference
from utils.tiling import NO_TILES, Tiling
from utils.training.batch_norm import batch_statistics, is_statistic, lower_momentum
from utils.training.choices.recipes import Recipe
from utils.training.ema import MAX_SPAN, MovingAverage
from utils.training.freezing import set_backbone_trainable, stage_count
from utils.training.optimizers import LossScale, Optimizers
from utils.training.step import StepConfig, build_train_step
from utils.voting import MIN_SCORE_RATIO

EVALUATION_BATCH = 8  # photos a replica
CONFIDENCE = 0.001  # lowest score in an evaluation


class ValidationResult(NamedTuple):
    """What an evaluation found.

    Attributes:
        metrics: as ``utils.evaluation.metrics.compute_metrics`` gives them.
        detections: by image id.
        matched: they, with the objects that they were matched with.
    """

    metrics: dict
    detections: dict[str, Detections]
    matched: MatchedResults


class Trainer:
    """Owns model, optimizers, moving average and loss scale; runs steps, evaluations and saves.

    Args:
        model: the detector, built within the cluster's scope.
        optimizers: not yet built.
        cluster: the devices.
        step: what a step is compiled for.
        precision: the dtype policy that the model was built with.
        pretrained: whether the backbone has trained weights.
        recipe: which parts of such a backbone stay frozen; whether weights are averaged.
        tiling: whether large validation photos are searched in tiles.
        sync_batch_norm: whether the model's batch norms see all replicas' photos.
    """

    def __init__(
        self,
        model: YOLOv3,
        optimizers: Optimizers,
        cluster: Cluster,
        step: StepConfig,
        *,
        precision: str = "float32",
        pretrained: bool,
        recipe: Recipe,
        tiling: Tiling = NO_TILES,
        sync_batch_norm: bool = False,
    ) -> None:
        self.sync_batch_norm = sync_batch_norm and cluster.replicas > 1
        self.model, self.optimizers, self.cluster, self.config = model, optimizers, cluster, step
        self.evaluation_batch, self.tiling = EVALUATION_BATCH, tiling
        self._never_learns = {
            "frozen_stages": recipe.frozen_stages if pretrained else 0,
            "freeze_batch_norms": recipe.frozen_batch_norms and pretrained,
            "freeze_depthwise": recipe.frozen_depthwise and pretrained,
        }
        self._frozen: bool | None = None
        self._step: Callable | None = None
        self._float32_copy: YOLOv3 | None = None

        set_backbone_trainable(model.backbone, **self._never_learns)
        if not pretrained:
            lower_momentum(model.backbone)
        with cluster.strategy.scope():
            optimizers.build(model)
            self.statistics = [v for v in model.non_trainable_variables if is_statistic(v)]
            self.averaging = recipe.average
            self.average = MovingAverage(
                model.trainable_variables + self.statistics, MAX_SPAN if recipe.average else 1
            )
            self._statistic_averages = self.average.averages[len(model.trainable_variables) :]
            self.scale = LossScale(precision)
        one_gpu = cluster.on_gpu and cluster.replicas == 1
        self.infer = compile_inference(
            model, cluster, least_score=CONFIDENCE * MIN_SCORE_RATIO if one_gpu else None
        )

    def set_backbone_frozen(self, frozen: bool) -> None:
        """Freeze the whole backbone, or unfreeze all of it but the layers that never learn.

        Where that changes anything, the next step is compiled anew.
        """
        if frozen == self._frozen:
            return
        self._frozen = frozen
        backbone = self.model.backbone
        all_stages = {"frozen_stages": stage_count(backbone)} if frozen else {}
        set_backbone_trainable(backbone, **self._never_learns | all_stages)
        self._build_step()

    def step(
        self,
        batch: Sequence[tf.Tensor],
        number: int,
        rate_factor: float,
        drop_strength: float = 1.0,
        *,
        uniform_average: bool = False,
    ) -> Losses:
        """One update.

        Args:
            batch: this host's share of the global batch.
            number: of the step, from 1.
            rate_factor: the schedule's factor on the highest learning rates.
            drop_strength: factor on the rates of stochastic depth.
            uniform_average: whether steps have equal weight in the moving average from here on.

        Raises:
            tensorflow.errors.ResourceExhaustedError: it does not fit into memory; see
                ``accumulate_more``.
        """
        self.optimizers.set_rate_factor(rate_factor)
        return self._step(
            *self.cluster.split(batch),
            tf.constant(number, tf.int64),
            tf.constant(drop_strength, tf.float32),
            tf.constant(uniform_average),
        )

    def accumulate_more(self) -> int:
        """From now on take at least twice as many accumulation steps; returns how many.

        Raises:
            UserError: a step takes one photo at a time already.
        """
        replica_batch = self.config.batch // self.cluster.replicas
        more = range(2 * self.config.accumulation_steps, replica_batch + 1)
        steps = next((count for count in more if replica_batch % count == 0), None)
        if steps is None or self.cluster.hosts > 1 or self.sync_batch_norm:
            raise UserError(
                "out of memory; take a smaller --input-size, --batch-size or backbone, or let each "
                "device compute its share in parts (--accumulate)"
            )
        self.config = replace(self.config, accumulation_steps=steps)
        if self._step is not None:
            self._build_step()
        return steps

    def _build_step(self) -> None:
        with self.cluster.strategy.scope():
            self._step = build_train_step(
                self.model, self.optimizers, self.average, self.scale, self.config
            )

    def update_bn(self, batches: Iterable[Sequence[tf.Tensor]]) -> bool:
        """Re-estimate the averaged network's batch-norm statistics.

        Args:
            batches: this host's shares of training batches.

        Returns:
            Whether that was done: not if a value is not finite, or memory ran out.
        """
        try:
            with self.average.applied():
                found = batch_statistics(self.model, self.statistics, self.cluster, batches)
        except tf.errors.OpError as error:
            if not out_of_memory(error):
                raise
            return False
        if not all(np.isfinite(value).all() for value in found):
            return False
        for average, value in zip(self._statistic_averages, found, strict=True):
            average.assign(value)
        return True

    def evaluate(
        self,
        dataset: Dataset,
        *,
        progress: Callable[[Iterable], Iterable] = iter,
        on_unreadable: Callable[[str], None] = print,
    ) -> ValidationResult:
        """Score the averaged weights.

        Several hosts divide the photos among them, and all get the whole result.
        """
        mine = self.cluster.local_indices(len(dataset))
        records = [dataset.records[i] for i in mine]
        with self.average.applied():
            found = self.detect(records, progress, on_unreadable)
        if self.cluster.hosts > 1:
            image_ids = [record.image_id for record in dataset.records]
            found = self.cluster.gather_detections(image_ids, found, self.model.classes)
        truth = ground_truth(dataset.records, dataset.classes)
        matched = match_results(truth, to_results(found, truth))
        return ValidationResult(compute_metrics(matched), found, matched)

    def detect(self, records: list, progress: Callable, on_unreadable: Callable) -> dict:
        """Detections by image id, in smaller batches where memory runs out."""
        while True:
            try:
                return detect_records(
                    self._detector(),
                    records,
                    conf=CONFIDENCE,
                    ious=(0.6,),
                    max_det=300,
                    progress=progress,
                    on_unreadable=on_unreadable,
                    tiling=self.tiling,
                )[0.6]
            except tf.errors.OpError as error:
                if not out_of_memory(error):
                    raise
                if self.evaluation_batch == 1 or self.cluster.hosts > 1:
                    raise UserError(
                        "out of memory in the evaluation; take a smaller --input-size"
                    ) from None
                self.evaluation_batch //= 2

    def _detector(self) -> Detector:
        size = (self.model.input_size, self.model.input_size)
        batch_size = self.evaluation_batch * self.cluster.local_replicas
        metadata = self.model.metadata
        return Detector(
            Runtime(
                self.infer,
                tuple(self.model.classes),
                size,
                batch_size,
                metadata=metadata,
                on_gpu=self.cluster.on_gpu,
            )
        )

    def save(self, path: Path) -> None:
        """Write the averaged weights as a float32 checkpoint, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".part-{path.name}")  # Keras insists on the suffix .keras
        try:
            with self.average.applied():
                self._plain_model().save(part)
            with open(part, "rb+") as file:
                os.fsync(file.fileno())  # a power cut leaves the old file or the new one
            os.replace(part, path)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()

    def _plain_model(self) -> YOLOv3:
        """The model itself; or a float32 copy on one device, which opens anywhere."""
        plain = self.cluster.replicas == 1 and self.model.dtype_policy.name == "float32"
        if plain:
            return self.model
        if self._float32_copy is None:
            policy = keras.config.dtype_policy()
            keras.config.set_dtype_policy("float32")
            self._float32_copy = YOLOv3.from_config({**self.model.get_config(), "dtype": "float32"})
            keras.config.set_dtype_policy(policy)
        self._float32_copy.metadata = self.model.metadata
        self._float32_copy.set_weights(self.model.get_weights())
        return self._float32_copy

    def variables(self) -> dict[str, tf.Variable]:
        """Every variable of the run by a unique name, for saving and resuming."""
        parts = {
            "model": [v.value for v in self.model.variables],
            "optimizer": [v.value for v in self.optimizers.variables],
            "average": [*self.average.averages, self.average.span],
            "precision": self.scale.variables,
        }
        return {f"{part}/{i}": v for part, found in parts.items() for i, v in enumerate(found)}
