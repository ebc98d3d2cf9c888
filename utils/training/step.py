"""The compiled training step: forward, assignment, loss, gradients, update, moving average.

The same step runs on one device, on several and on several hosts: a replica computes the gradients
of its share of the batch, they are summed, and every replica makes the same update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from nets.bfloat16 import with_bfloat16_convolutions
from nets.folding import folded
from nets.loss import LossConfig, Losses, detection_loss, loss_normalizer, normalizer_counts
from nets.randomness import SampleRandomness, sample_randomness
from nets.targets import assign, assign_simota
from nets.yolo import STRIDES, YOLOv3, decode
from utils.runtime.distribution import spec_by_replica
from utils.training.batch_norm import is_statistic
from utils.training.ema import MovingAverage
from utils.training.optimizers import LossScale, Optimizers

# What sums over positives are divided by until all parts of a batch are counted: about as many as
# there are for each image, so that scaled gradients in float16 stay in their range.
POSITIVES_AN_IMAGE = 16.0
CLIP_NORM = 10.0  # of all gradients together; ordinary steps stay below it


@dataclass(frozen=True)
class StepConfig:
    """What a step is compiled for.

    Attributes:
        batch: images in the global batch.
        accumulation_steps: micro-batches that a replica computes one after the other; more of them
            need less memory.
        seed: of the run, for random masks.
        loss: weights and thresholds.
        simota: whether SimOTA assigns objects to predictions; otherwise anchor shapes alone do.
        bfloat16_convolutions: whether dense convolutions of a float32 model multiply in bfloat16.
    """

    batch: int
    accumulation_steps: int = 1
    seed: int = 0
    loss: LossConfig = field(default_factory=LossConfig)
    simota: bool = True
    bfloat16_convolutions: bool = False


def training_networks(model: YOLOv3, config: StepConfig) -> tuple[keras.Model, keras.Model]:
    """Backbone and head as a step computes them, with the variables of ``model``."""
    backbone, head = folded(model.backbone), model.head
    if config.bfloat16_convolutions:
        return with_bfloat16_convolutions(backbone), with_bfloat16_convolutions(head)
    return backbone, head


def build_train_step(
    model: YOLOv3,
    optimizers: Optimizers,
    average: MovingAverage,
    scale: LossScale,
    config: StepConfig,
) -> Callable[..., Losses]:
    """Compile a step for the variables that are trainable now; build it anew when that changes.

    Call within the scope of the strategy that made the variables.

    Returns:
        (images uint8 (B, H, W, 3), boxes (B, M, 4), class ids (B, M), step number from 1, factor
        on the rates of stochastic depth, whether averaging is uniform) → the losses of the global
        batch, with the model, optimizers and average updated. The first three are one value a
        replica where there are several. A step whose loss or gradients are not finite changes
        nothing. Its losses are then NaN, unless only the loss scale was too high.
    """
    strategy = tf.distribute.get_strategy()
    trainable = model.trainable_variables
    backbone, head = training_networks(model, config)
    statistics = [v.value for v in model.non_trainable_variables if is_statistic(v)]
    several = strategy.num_replicas_in_sync > 1
    replica_batch = config.batch // strategy.num_replicas_in_sync  # images

    def summed(values):
        return tf.distribute.get_replica_context().all_reduce("SUM", values) if several else values

    provisional = tf.constant(config.batch * POSITIVES_AN_IMAGE)

    def losses_and_gradients(images, boxes, class_ids, randomness):
        """Losses and normalizer counts of a micro-batch; gradients of the scaled loss."""
        size = tf.shape(images)
        grids = [(size[1] // stride, size[2] // stride) for stride in STRIDES]
        with tf.GradientTape() as tape, sample_randomness(randomness):
            features = backbone(tf.cast(images, tf.float32), training=True)
            raw = head(features, training=True)
            predictions = decode(raw, model.anchors)
            truth = (boxes, class_ids, grids, model.anchors)
            matched_gt = assign_simota(predictions, *truth) if config.simota else assign(*truth)
            losses = detection_loss(
                predictions, boxes, class_ids, matched_gt, config.loss, provisional
            )
            scaled = losses.total * scale.value
        return [*losses, normalizer_counts(matched_gt)], tape.gradient(scaled, trainable)

    def replica(images, boxes, class_ids, number, strength):
        """A replica's share of the batch → losses, gradients and their norm, of the whole batch."""
        context = tf.distribute.get_replica_context()
        first = context.replica_id_in_sync_group * replica_batch  # its first image in the batch
        before = [tf.identity(v) for v in statistics]

        def micro_batch(index):
            rows = replica_batch // config.accumulation_steps
            part = slice(index * rows, (index + 1) * rows)
            randomness = SampleRandomness(
                config.seed, number, config.batch, first + index * rows, strength
            )
            return losses_and_gradients(images[part], boxes[part], class_ids[part], randomness)

        if config.accumulation_steps == 1:
            sums, gradients = micro_batch(0)
        else:
            sums, gradients = _accumulate(micro_batch, config.accumulation_steps, trainable)
        gradients = summed(gradients)
        *losses, counts = summed(sums)
        # Replaces the provisional divisor by the real one, of all parts of the batch.
        renormalize = provisional / loss_normalizer(counts)
        losses = [part * renormalize for part in losses]
        if several and statistics:
            _average_over_replicas(statistics)
        factor = renormalize / scale.value if scale.active else renormalize
        norm = tf.linalg.global_norm(gradients) * factor
        factor *= CLIP_NORM / tf.maximum(norm, CLIP_NORM)
        gradients = [gradient * factor for gradient in gradients]
        return Losses(*losses), gradients, norm, before

    def restore(before):
        """Undo what the forward pass has done to the running statistics."""
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)

    def the_first(value):
        return strategy.experimental_local_results(value)[0]  # the same on all replicas

    batch = (
        tf.TensorSpec([None, None, None, 3], tf.uint8),
        tf.TensorSpec([None, None, 4], tf.float32),
        tf.TensorSpec([None, None], tf.int32),
    )
    signature = [
        *(spec_by_replica(spec, strategy) for spec in batch),
        tf.TensorSpec([], tf.int64),
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([], tf.bool),
    ]

    # XLA is slower on CPUs and recompiles for every count of boxes. AutoGraph would rewrite the
    # source of all that is called here, which takes a third of the time of tracing.
    @tf.function(jit_compile=False, autograph=False, input_signature=signature)
    def step(images, boxes, class_ids, number, strength, uniform):
        losses, gradients, norm, before = strategy.run(
            replica, args=(images, boxes, class_ids, number, strength)
        )
        losses = Losses(*map(the_first, losses))

        def update():
            strategy.run(lambda g: optimizers.apply(model, g), args=(gradients,))
            average.update(number, uniform)
            scale.note_good()
            return losses

        def undo():
            strategy.run(restore, args=(before,))
            scale_was_too_high = scale.note_bad()
            return Losses(*(tf.where(scale_was_too_high, x, float("nan")) for x in losses))

        finite = tf.math.is_finite(the_first(norm)) & tf.math.is_finite(losses.total)
        return tf.cond(finite, update, undo)

    return step


def _average_over_replicas(statistics: list[tf.Variable]) -> None:
    """Set running statistics to their mean over replicas: each replica has seen its own images."""
    context = tf.distribute.get_replica_context()
    means = context.all_reduce("MEAN", [tf.identity(v) for v in statistics])
    for variable, mean in zip(statistics, means, strict=True):
        variable.assign(mean)


def _accumulate(
    micro_batch: Callable, steps: int, trainable: list
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """Sum losses, counts and gradients of the micro-batches. The loop holds one's activations."""
    zeros = [tf.zeros(v.shape, v.dtype) for v in trainable]
    nothing = [*[tf.constant(0.0)] * len(Losses._fields), tf.zeros(2)]

    def body(index, sums, gradients):
        part_sums, part_gradients = micro_batch(index)
        return (
            index + 1,
            [a + b for a, b in zip(sums, part_sums, strict=True)],
            [a + b for a, b in zip(gradients, part_gradients, strict=True)],
        )

    _, sums, gradients = tf.while_loop(
        lambda index, *_: index < steps,
        body,
        (tf.constant(0), nothing, zeros),
        parallel_iterations=1,
    )
    return sums, gradients
