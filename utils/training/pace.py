"""How many photos a run of some minutes has the time for, before its network is built."""

from __future__ import annotations

import time
from collections.abc import Callable

import tensorflow as tf

from nets.backbones import build_backbone

SIDE, BATCH = 256, 4  # of the pictures that are timed
TURNS = 3  # after a first one; the fastest counts
# A training step with stages 3 to 7 learning takes this many times as long as the forward pass of
# the backbone alone that is timed here: 2.6 on EfficientNet-Lite0, 2.8 on B0, 2.4 on MobileNetV3.
STEP_OVER_FORWARD = 2.7
# Convolutions in bfloat16 speed the forward pass up more than what follows: 5.0 on Lite0, at four
# sizes from 256 to 512 (4.9 to 5.9).
STEP_OVER_FAST_FORWARD = 5.0
TRAINING_SHARE = 0.85  # of the time; the rest starts the process, compiles, evaluates and saves


def photos_seen(
    backbone: str,
    minutes: float,
    replicas: int = 1,
    *,
    fast_math: bool = False,
    **scaling: float | None,
) -> Callable[[float], float]:
    """Pixels of a training picture → about how many a run of so many minutes sees.

    The estimate is for the default recipe; where all layers learn a run sees fewer.

    Args:
        backbone: its name.
        minutes: of the run.
        replicas: devices that share a batch.
        fast_math: whether convolutions on the processor round to bfloat16.
        scaling: ``width`` and ``depth``, as ``nets.backbones.build_backbone`` takes them.

    Raises:
        ValueError: no such backbone.
    """
    network = build_backbone(backbone, **{k: v for k, v in scaling.items() if v is not None})
    pictures = tf.zeros([BATCH, SIDE, SIDE, 3])
    forward = tf.function(lambda x: network(x, training=False), jit_compile=False)
    forward(pictures)  # compiles
    fastest = min(_seconds(lambda: forward(pictures)) for _ in range(TURNS))
    fast = fast_math and not tf.config.list_logical_devices("GPU")
    factor = STEP_OVER_FAST_FORWARD if fast else STEP_OVER_FORWARD
    seconds_a_pixel = factor * fastest / (BATCH * SIDE * SIDE) / replicas
    return lambda pixels: TRAINING_SHARE * 60 * minutes / (seconds_a_pixel * pixels)


def _seconds(work: Callable[[], list]) -> float:
    began = time.perf_counter()
    work()[-1].numpy()  # waits until it is computed
    return time.perf_counter() - began
