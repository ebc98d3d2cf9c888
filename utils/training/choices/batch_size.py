"""How many photos a training step takes, and in how many parts it is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from nets.yolo import STRIDES, YOLOv3
from utils.errors import UserError
from utils.runtime.distribution import Cluster
from utils.text import counted

EACH, EACH_OF_FEW = 8, 4  # photos on each device
FEW_PHOTOS = 400  # fewer training photos need many steps, so batches are smaller
MEMORY_SHARE = 0.6  # of the free memory, for a training step
# Bytes for each element of a layer's output, measured on EfficientNet-Lite0 and B0: its value for
# the backward pass, and the gradients and workspaces that live at the same time.
BYTES_PER_OUTPUT = 6.0
MICRO_BATCH = "micro-batch"  # the choice: see ``micro_batch_of``


def choose_batch_size(
    asked: int | None,
    photos: int,
    model: YOLOv3,
    cluster: Cluster,
    largest: int,
    free: float,
    *,
    resumed: bool = False,
) -> tuple[int, str]:
    """Photos in a step on all devices together, and a sentence why.

    Args:
        asked: ``--batch-size``, or the choice of the run that is resumed.
        photos: number of training photos.
        model: the detector.
        cluster: the devices.
        largest: side of the largest network input of the run in pixels.
        free: bytes of memory that every host has.
        resumed: whether ``asked`` is the choice of a run, which cannot change.

    Raises:
        UserError: the batch cannot be divided among the devices.
    """
    if asked is not None:
        if asked % cluster.replicas and resumed:
            *fitting, last = (str(n) for n in range(1, asked + 1) if asked % n == 0)
            fitting = " or ".join(filter(None, [", ".join(fitting), last]))
            raise UserError(
                f"--resume: the run has batches of {counted(asked, 'photo')}, which cannot be "
                f"divided among {cluster.replicas} devices; choose {fitting} with --device"
            )
        if asked % cluster.replicas:
            raise UserError(
                f"--batch-size {asked}: cannot be divided among {cluster.replicas} devices; take a "
                f"multiple of {cluster.replicas}"
            )
        return asked, f"batches of {asked}"
    each, reason = EACH, f"{EACH} on each device"
    if photos < FEW_PHOTOS:
        each = EACH_OF_FEW
        reason = f"{each} on each device, as there are fewer than {FEW_PHOTOS} training photos"
    # A GPU reports when its memory runs out. On the CPU the system kills the process instead.
    if not cluster.on_gpu:
        here = cluster.replicas // cluster.hosts
        fits = int(free * MEMORY_SHARE / bytes_per_photo(model, largest) / here)
        if fits < 1:
            reason = "even one photo may need more than the memory; try a smaller --input-size"
        elif fits < each:
            reason = "the most that fits into the memory"
        each = max(min(each, fits), 1)
    return each * cluster.replicas, f"batches of {each * cluster.replicas}: {reason}"


def choose_accumulation(asked: int | None, batch_size: int, cluster: Cluster) -> int:
    """Accumulation steps: the micro-batches in which each device computes its share of a batch.

    1 unless asked for; a step that runs out of memory raises it (``Trainer.accumulate_more``).

    Raises:
        UserError: the share cannot be divided so.
    """
    steps, share = asked or 1, batch_size // cluster.replicas
    if share % steps:
        raise UserError(
            f"--accumulate {steps}: a device's share of a batch is {counted(share, 'photo')}, "
            f"which cannot be divided into {steps} parts"
        )
    return steps


def micro_batch_of(steps: int, batch_size: int, cluster: Cluster) -> int:
    """The most photos that a device may compute at once, when the run is resumed on any devices.

    A run without accumulation has no such limit: there it is the whole batch.

    Args:
        steps: accumulation steps on these devices; those of an older run, which may have been on
            others, need not divide the share of a device.
        batch_size: photos, on all devices together.
        cluster: the devices.
    """
    return batch_size if steps == 1 else max(batch_size // cluster.replicas // steps, 1)


def fit_accumulation(
    saved: Mapping[str, Any], asked: int | None, batch_size: int, cluster: Cluster
) -> tuple[int, int]:
    """The accumulation steps of a run that is resumed, perhaps on other devices.

    They are as few as keep micro-batches at the size that they had, or below. That size is saved
    rather than the steps: where each device has few photos the steps are fewer, and on fewer
    devices they become more again.

    Args:
        saved: choices of the run. Older versions saved the steps.
        asked: ``--accumulate``.
        batch_size: photos, on all devices together.
        cluster: the devices.

    Returns:
        The steps, and the micro-batch to save.
    """
    micro_batch = saved.get(MICRO_BATCH)
    if micro_batch is None:
        steps = max(saved.get("accumulation steps", 1), asked or 1)
        micro_batch = micro_batch_of(steps, batch_size, cluster)
    share = batch_size // cluster.replicas
    least = math.ceil(share / micro_batch)
    return next(n for n in range(least, share + 1) if share % n == 0), micro_batch


def bytes_per_photo(model: YOLOv3, size: int) -> float:
    """Estimate of the memory that a training step takes for each photo of ``size`` pixels."""
    outputs = 0
    for part, shapes in (
        (model.backbone, [(None, size, size, 3)]),
        (model.head, [(None, size // s, size // s, f.shape[-1])
                      for s, f in zip(STRIDES, model.head.inputs, strict=True)]),
    ):  # fmt: skip
        traced = keras.Model(part.inputs, [layer.output for layer in part.layers])
        found = traced.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
        outputs += sum(math.prod(shape[1:]) for shape in found)
    return outputs * BYTES_PER_OUTPUT
