"""Photos a second of a training step beside one written the tutorial way, and its parts.

    python -m bench.throughput --backbones efficientnet_lite0 efficientnet_b0

Both train on the same random photos and objects, alternately and in one process, so that other
work on the machine slows both. Ours is the default step of ``train.py``, with the published neck:
the backbone is frozen for the first tenth of the steps (an option), then its stages 3 to 7 learn,
with batch norms in inference mode. Assignment, loss, clipping and moving average are included.
Weights are random on both sides: time does not depend on them.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.common import append_result
from utils.cli import OK, option, parse, run
from utils.quiet import import_tensorflow

OBJECTS = 14  # an image, as many as BCCD has
CLASSES = 3


@dataclass(frozen=True)
class ThroughputConfig:
    """The options of this measurement."""

    backbones: tuple[str, ...] = option(
        ("efficientnet_lite0", "efficientnet_b0"), help="backbones to measure"
    )
    size: int = option(416, help="side of the network input in pixels")
    batch: int = option(8, help="photos in a step")
    repeats: int = option(5, help="steps of each kind; their median is the result", low=1)
    frozen_share: float = option(
        0.1, help="share of the steps with a frozen backbone", low=0, high=1
    )
    fast_math: bool = option(False, help="bfloat16 convolutions, where the processor has them")


def main(argv: list[str]) -> int:
    config = parse(ThroughputConfig, argv, __doc__.split("\n\n")[0])
    os.environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "BF16" if config.fast_math else "STRICT"
    import_tensorflow()
    for backbone in config.backbones:
        result = measure(backbone, config)
        print(json.dumps(result, indent=1), flush=True)
        append_result("throughput", result)
    return OK


def measure(backbone: str, config: ThroughputConfig) -> dict:
    """Medians of step times in seconds, photos a second, and parts of our step."""
    images, boxes, class_ids = random_batch(config.batch, config.size)
    ours = our_steps(backbone, config, images, boxes, class_ids)
    kinds = {"tutorial": tutorial_step(backbone, config, images, boxes, class_ids), **ours}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for step in kinds.values():
        step()  # compiles
    for _ in range(config.repeats):
        for name, step in kinds.items():
            began = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - began)
    median = {name: statistics.median(found) for name, found in times.items()}
    frozen, unfrozen = median["frozen backbone"], median["stages 3-7 learn"]
    over_run = config.frozen_share * frozen + (1 - config.frozen_share) * unfrozen
    parts = {
        "forward": median["forward"],
        "assignment": median["assignment"],
        "loss": median["forward and loss"] - median["forward"],
        "backward": median["gradients"] - median["forward and loss"] - median["assignment"],
        "clipping, update, moving average": unfrozen - median["gradients"],
    }
    return {
        "backbone": backbone,
        "size": config.size,
        "batch": config.batch,
        "fast_math": config.fast_math,
        "seconds_a_step": {name: round(value, 3) for name, value in median.items()},
        "photos_a_second": {
            "tutorial": round(config.batch / median["tutorial"], 2),
            "ours, whole schedule": round(config.batch / over_run, 2),
        },
        "ratio": round(median["tutorial"] / over_run, 2),
        "parts_of_an_unfrozen_step": {k: round(v / unfrozen, 3) for k, v in parts.items()},
    }


def random_batch(batch: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 images, float32 boxes and int32 class ids of noise with objects anywhere."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3), np.uint8)
    corners = rng.uniform(0, 0.7 * size, (batch, OBJECTS, 2))
    sides = rng.uniform(0.04 * size, 0.3 * size, (batch, OBJECTS, 2))
    boxes = np.concatenate([corners, corners + sides], -1).astype(np.float32)
    return images, boxes, rng.integers(0, CLASSES, (batch, OBJECTS)).astype(np.int32)


def tutorial_step(
    backbone: str, config: ThroughputConfig, images: np.ndarray, boxes: np.ndarray, ids: np.ndarray
) -> Callable[[], None]:
    """One step the tutorial way, targets included."""
    import keras

    from bench import tutorial

    anchors = tutorial.ANCHORS.astype(np.float32) * config.size / 416
    model = tutorial.build_model(backbone, CLASSES)
    model.compile(
        keras.optimizers.Adam(1e-4),
        loss=[tutorial.make_loss(anchors, config.size, level) for level in range(3)],
    )
    pixels = images.astype(np.float32)

    def step() -> None:
        targets = tutorial.dense_targets(list(boxes), list(ids), anchors, config.size, CLASSES)
        model.train_on_batch(pixels, targets)

    return step


def our_steps(
    backbone: str, config: ThroughputConfig, images: np.ndarray, boxes: np.ndarray, ids: np.ndarray
) -> dict[str, Callable[[], None]]:
    """Our step frozen and unfrozen, and its parts."""
    import tensorflow as tf

    from nets.loss import LossConfig, detection_loss
    from nets.targets import assign_simota
    from nets.yolo import STRIDES, YOLOv3, decode
    from utils.runtime.distribution import make_cluster
    from utils.training.choices.recipes import Recipe
    from utils.training.numerics import needs_casts
    from utils.training.optimizers import Optimizers
    from utils.training.step import StepConfig, training_networks
    from utils.training.trainer import Trainer

    cluster = make_cluster("cpu")
    step_config = StepConfig(config.batch, bfloat16_convolutions=config.fast_math and needs_casts())
    batch = [tf.constant(part) for part in (images, boxes, ids)]
    count = tf.Variable(0, dtype=tf.int64)

    def trainer(frozen: bool) -> Trainer:
        model = YOLOv3(
            backbone, [str(i) for i in range(CLASSES)], config.size, backbone_weights=None,
            backbone_options={"stochastic_depth": 0.0},
        )  # fmt: skip
        optimizers = Optimizers("adamw", rate=1e-4, backbone_rate_factor=0.5, decay=5e-4)
        made = Trainer(model, optimizers, cluster, step_config, pretrained=True, recipe=Recipe())
        made.set_backbone_frozen(frozen)
        return made

    frozen, unfrozen = trainer(True), trainer(False)
    model = unfrozen.model
    grids = [(config.size // s, config.size // s) for s in STRIDES]

    backbone_of_step, head = training_networks(model, step_config)

    def raw():
        features = backbone_of_step(tf.cast(batch[0], tf.float32), training=True)
        return head(features, training=True)

    def assigned(predictions):
        return assign_simota(predictions, batch[1], batch[2], grids, model.anchors)

    def loss(predictions, matched_gt):
        return detection_loss(predictions, batch[1], batch[2], matched_gt, LossConfig()).total

    predictions = decode(raw(), model.anchors)
    matched_gt = assigned(predictions)

    @tf.function(jit_compile=False)
    def forward():
        return [tf.reduce_sum(x) for x in raw()]

    @tf.function(jit_compile=False)
    def assignment():
        return assigned(predictions)

    @tf.function(jit_compile=False)
    def forward_and_loss():
        return loss(decode(raw(), model.anchors), matched_gt)

    @tf.function(jit_compile=False)
    def gradients():
        with tf.GradientTape() as tape:
            found = decode(raw(), model.anchors)
            total = loss(found, assigned(found))
        return [tf.reduce_sum(g) for g in tape.gradient(total, model.trainable_variables)]

    def step(made: Trainer) -> None:
        count.assign_add(1)
        float(made.step(batch, int(count), 1.0).total)

    return {
        "frozen backbone": lambda: step(frozen),
        "stages 3-7 learn": lambda: step(unfrozen),
        "forward": lambda: [x.numpy() for x in forward()],
        "assignment": lambda: assignment().numpy(),
        "forward and loss": lambda: forward_and_loss().numpy(),
        "gradients": lambda: [x.numpy() for x in gradients()],
    }


if __name__ == "__main__":
    sys.exit(run(main))
