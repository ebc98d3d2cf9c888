"""Which parts of the network learn: freeze-then-thaw of a pretrained backbone by stage."""

from __future__ import annotations

import re

import keras

QUICK_MOMENTUM = 0.9  # noisy by itself; the moving average of the weights smooths it
_STAGE = re.compile(r"stage(\d+)_")


def stage_of(layer_name: str) -> int:
    """0 for the stem and the input scaling, then 1, 2 … for the stages."""
    match = _STAGE.match(layer_name)
    return int(match.group(1)) if match else 0


def stage_count(backbone: keras.Model) -> int:
    """How many stages a backbone has: 7 in most families."""
    return max(stage_of(layer.name) for layer in backbone.layers)


def quicken_norms(backbone: keras.Model) -> None:
    """Let batch norms follow the statistics of a run of a few hundred steps.

    The published momentum of 0.99 or more is meant for many thousands: after 250 steps a twelfth
    of the statistics would still be what they were initialised with, and inference nonsense.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, QUICK_MOMENTUM)


def synchronize_norms(model: keras.Model) -> None:
    """Let the batch norms that learn see the photos of all replicas, not only of their own."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def set_backbone_trainable(
    backbone: keras.Model,
    *,
    frozen_stages: int,
    freeze_norms: bool,
    freeze_depthwise: bool = False,
) -> None:
    """Choose the layers of a backbone that learn.

    A frozen batch norm runs in inference mode, with its stored statistics: those of small
    batches of a few similar photos are worse than ImageNet's, and live batch norm costs more time
    than its arithmetic.

    Args:
        backbone: from ``nets.backbones.build_backbone``.
        frozen_stages: 0 for none, 1 for the stem and stage 1, … ``stage_count`` for all.
        freeze_norms: whether batch norms stay frozen in the stages that learn.
        freeze_depthwise: whether depthwise kernels do.
    """
    for layer in backbone.layers:
        stage = stage_of(layer.name)
        frozen = bool(frozen_stages) and stage <= frozen_stages
        if freeze_norms and isinstance(layer, keras.layers.BatchNormalization):
            frozen = True
        if freeze_depthwise and isinstance(layer, keras.layers.DepthwiseConv2D):
            frozen = True
        layer.trainable = not frozen
