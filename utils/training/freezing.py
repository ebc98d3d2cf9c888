"""Freezing: which stages and layers of the backbone learn."""

from __future__ import annotations

import re

import keras

_STAGE = re.compile(r"stage(\d+)_")


def stage_of(layer_name: str) -> int:
    """0 for stem and input scaling, then 1, 2 … for the stages."""
    match = _STAGE.match(layer_name)
    return int(match.group(1)) if match else 0


def stage_count(backbone: keras.Model) -> int:
    """How many stages a backbone has: 7 in most families."""
    return max(stage_of(layer.name) for layer in backbone.layers)


def set_backbone_trainable(
    backbone: keras.Model,
    *,
    frozen_stages: int,
    freeze_batch_norms: bool,
    freeze_depthwise: bool = False,
) -> None:
    """Choose the layers of a backbone that learn.

    A frozen batch norm runs in inference mode, with its stored statistics. Small batches of similar
    photos give worse statistics than ImageNet's, and computing them takes time.

    Args:
        backbone: from ``nets.backbones.build_backbone``.
        frozen_stages: 0 for none, 1 for the stem and stage 1, … ``stage_count`` for all.
        freeze_batch_norms: whether batch norms are frozen in the other stages too.
        freeze_depthwise: whether depthwise kernels are.
    """
    for layer in backbone.layers:
        stage = stage_of(layer.name)
        frozen = bool(frozen_stages) and stage <= frozen_stages
        if freeze_batch_norms and isinstance(layer, keras.layers.BatchNormalization):
            frozen = True
        if freeze_depthwise and isinstance(layer, keras.layers.DepthwiseConv2D):
            frozen = True
        layer.trainable = not frozen
