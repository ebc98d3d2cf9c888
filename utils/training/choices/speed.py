"""The estimate of how many photos a run sees with ``--minutes``."""

from __future__ import annotations

import time
from collections.abc import Callable

import tensorflow as tf

from nets.backbones import build_backbone
from utils.training.numerics import needs_casts
from utils.training.schedule import EVALUATION_SHARE
from utils.training.validation import photos_to_score

SIDE, BATCH = 256, 4  # of the batch that is timed
REPEATS = 3  # after one that compiles; the fastest counts
# A training step with stages 3 to 7 learning takes this many times as long as the backbone's
# forward pass: 2.6 on EfficientNet-Lite0, 2.8 on B0, 2.4 on MobileNetV3.
STEP_OVER_FORWARD = 2.7
# With bfloat16 convolutions 2.9 makes the estimate true for Lite2 with the lighter neck, from
# Lite0's forward pass: fourteen runs of ten minutes at 256 and 416 (2.2 to 3.4). Where the step
# casts to bfloat16 itself, the forward pass that is timed stays in float32: 2.4 on Lite0 and 2.2
# on Lite2 at 256, on one thread.
STEP_OVER_FAST_FORWARD = 2.9
CASTING_STEP_OVER_FORWARD = 2.5
TRAINING_SHARE = 0.85  # of the time; start-up, compiling, evaluations and saves take the rest
# Scoring a photo, with reading it and suppression: 1.4 on Lite2 and 1.8 on Lite0, random heads.
EVALUATION_OVER_FORWARD = 1.6


def photos_seen(
    backbone: str,
    minutes: float,
    replicas: int = 1,
    *,
    fast_math: bool = False,
    validation_photos: int = 0,
    **scaling: float | None,
) -> Callable[[float], float]:
    """Pixels of a training picture → estimate of how many a run of so many minutes sees.

    Times the backbone's forward pass. The estimate is for the default recipe; where all layers
    learn, a run sees fewer.

    Args:
        backbone: its name.
        minutes: of the run.
        replicas: devices that share a batch.
        fast_math: whether convolutions on the CPU round to bfloat16.
        validation_photos: that there are. Where the last evaluation takes more than the share
            that a run spends on those before it, the difference is lost to training.
        scaling: ``width`` and ``depth``, as ``nets.backbones.build_backbone`` takes them.

    Raises:
        ValueError: no such backbone.
    """
    network = build_backbone(backbone, **{k: v for k, v in scaling.items() if v is not None})
    pictures = tf.zeros([BATCH, SIDE, SIDE, 3])
    run = tf.function(lambda x: network(x, training=False), jit_compile=False)
    run(pictures)  # compiles
    fastest = min(_seconds(lambda: run(pictures)) for _ in range(REPEATS))
    factor = STEP_OVER_FORWARD
    if fast_math and not tf.config.list_logical_devices("GPU"):
        factor = CASTING_STEP_OVER_FORWARD if needs_casts() else STEP_OVER_FAST_FORWARD
    forward = fastest / (BATCH * SIDE * SIDE) / replicas  # seconds a pixel
    seconds = 60 * minutes

    def seen(pixels: float) -> float:
        each = EVALUATION_OVER_FORWARD * forward * pixels
        evaluation = each * photos_to_score(validation_photos, each, seconds)
        lost = max(0.0, evaluation - EVALUATION_SHARE * seconds)
        return max(0.0, TRAINING_SHARE * seconds - lost) / (factor * forward * pixels)

    return seen


def _seconds(work: Callable[[], list]) -> float:
    began = time.perf_counter()
    work()[-1].numpy()  # waits until it is computed
    return time.perf_counter() - began
