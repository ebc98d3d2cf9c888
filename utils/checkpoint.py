"""Opening a ``.keras`` detector, and running one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nets.yolo import YOLOv3
from utils.errors import UserError


def load_checkpoint(path: str | Path) -> YOLOv3:
    """Open a detector that ``train.py`` saved; runs no code that the file brings along.

    Raises:
        UserError: no such file, no Keras archive, or no detector of this project.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"--weights {path}: there is no such file")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the damage runs into
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise UserError(
            f"--weights {path}: not a checkpoint that can be opened ({reason[:200]})"
        ) from error
    if not isinstance(model, YOLOv3):
        raise UserError(f"--weights {path}: a Keras model, but not a detector made by train.py")
    return model


def compile_inference(model: YOLOv3) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """uint8 (B, H, W, 3) → boxes (B, N, 4) and scores (B, N, classes), as NumPy.

    Compiled once for any number of images of one size; reads the weights at each call.
    """

    @tf.function(jit_compile=False, reduce_retracing=True)
    def forward(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return model(tf.cast(images, tf.float32), training=False)

    def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = forward(tf.convert_to_tensor(images))
        return output["boxes"].numpy(), output["scores"].numpy()

    return infer
