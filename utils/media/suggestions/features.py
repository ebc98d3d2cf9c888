"""What photos look like to the backbone of a detector: ``backbone_features``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.letterbox import Letterbox

SIDE = 224  # pixels of the square that photos are resized to

# uint8 (H, W, 3) RGB → float32 (D,).
Features = Callable[[np.ndarray], np.ndarray]


def backbone_features(weights: Path) -> Features:
    """The mean of the deepest feature map of a checkpoint's backbone.

    Raises:
        UserError: the file is no checkpoint; exported files do not give the features.
    """
    if weights.suffix != ".keras":
        raise UserError(
            f"--suggest: compares photos by the features of the backbone, which {weights} does not "
            "give; use the .keras checkpoint that it was exported from"
        )
    import tensorflow as tf  # heavy; after the check

    from utils.checkpoint import load_checkpoint

    backbone = load_checkpoint(weights).backbone

    @tf.function(jit_compile=False)
    def means(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(backbone(tf.cast(images, tf.float32), training=False)[-1], (1, 2))

    def features(image: np.ndarray) -> np.ndarray:
        small = Letterbox(image.shape[1], image.shape[0], SIDE, SIDE).apply(image)
        return means(tf.constant(small[None])).numpy()[0].astype(np.float32)

    return features
