"""The side of the network input, and the estimate of speed that it depends on with ``--minutes``.

The rule by the objects' sizes is in ``utils.data.input_size``: the doctor uses it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import tensorflow as tf

from nets.backbones import build_backbone
from nets.yolo import YOLOv3, checked_input_size
from utils.data.input_size import input_size_for_objects
from utils.data.records import Dataset
from utils.errors import UserError
from utils.training.choices.start import explain_backbone_errors
from utils.training.config import TrainConfig
from utils.training.numerics import has_bfloat16, needs_casts

SIDE, BATCH = 256, 4  # of the batch that is timed
REPEATS = 3  # after one that compiles; the fastest counts
# A training step with stages 3 to 7 learning takes this many times as long as the backbone's
# forward pass: 2.6 on EfficientNet-Lite0, 2.8 on B0, 2.4 on MobileNetV3.
STEP_OVER_FORWARD = 2.7
# bfloat16 convolutions speed up the forward pass more than the rest: 5.0 on Lite0, at four sizes
# from 256 to 512 (4.9 to 5.9). Where the step casts to bfloat16 itself, the forward pass that is
# timed stays in float32: 3.2 on Lite0 at 256, on one thread.
STEP_OVER_FAST_FORWARD = 5.0
CASTING_STEP_OVER_FORWARD = 3.2
TRAINING_SHARE = 0.85  # of the time; start-up, compiling, evaluations and saves take the rest


def choose_input_size(
    asked: int | str,
    checkpoint: YOLOv3 | None,
    train: Dataset,
    aspect: tuple[float, float],
    config: TrainConfig,
    epochs: int,
    replicas: int,
) -> tuple[int, str]:
    """Side of the square network input in pixels, and a sentence why.

    The size asked for; otherwise the checkpoint's, or the size that the objects need, or a smaller
    one where ``--minutes`` leaves too little time for that.

    Args:
        asked: ``auto`` or pixels.
        checkpoint: the detector that the run starts from.
        train: the training photos.
        aspect: the part of the square that training pictures take.
        config: the run's options.
        epochs: of the run, at most.
        replicas: devices that share a batch.

    Raises:
        UserError: not a multiple of 32, or an unknown backbone.
    """
    if asked != "auto":
        try:
            return checked_input_size(asked), f"input size {asked}"
        except ValueError as error:
            raise UserError(f"--input-size {asked}: {error}") from None
    if checkpoint:
        return checkpoint.input_size, f"input size {checkpoint.input_size}: the checkpoint's"
    seen = None
    if config.minutes:
        with explain_backbone_errors(config):
            seen = photos_seen(
                config.backbone,
                config.minutes,
                replicas,
                fast_math=bool(config.fast_math) and has_bfloat16(),
                width=config.width,
                depth=config.depth,
            )
    return input_size_for_objects(train, aspect, seen, planned=epochs * len(train))


def photos_seen(
    backbone: str,
    minutes: float,
    replicas: int = 1,
    *,
    fast_math: bool = False,
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
        scaling: ``width`` and ``depth``, as ``nets.backbones.build_backbone`` takes them.

    Raises:
        ValueError: no such backbone.
    """
    network = build_backbone(backbone, **{k: v for k, v in scaling.items() if v is not None})
    pictures = tf.zeros([BATCH, SIDE, SIDE, 3])
    forward = tf.function(lambda x: network(x, training=False), jit_compile=False)
    forward(pictures)  # compiles
    fastest = min(_seconds(lambda: forward(pictures)) for _ in range(REPEATS))
    factor = STEP_OVER_FORWARD
    if fast_math and not tf.config.list_logical_devices("GPU"):
        factor = CASTING_STEP_OVER_FORWARD if needs_casts() else STEP_OVER_FAST_FORWARD
    seconds_a_pixel = factor * fastest / (BATCH * SIDE * SIDE) / replicas
    return lambda pixels: TRAINING_SHARE * 60 * minutes / (seconds_a_pixel * pixels)


def _seconds(work: Callable[[], list]) -> float:
    began = time.perf_counter()
    work()[-1].numpy()  # waits until it is computed
    return time.perf_counter() - began
