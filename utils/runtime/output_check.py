"""Checks the outputs of a network from an untrusted file: shapes and types of boxes and scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from utils.decoding import ANCHORS_PER_LEVEL, STRIDES
from utils.errors import UserError, last_line
from utils.runtime.runtime import Runtime

_NUMBERS = "fiuV"  # kinds of NumPy types; V is bfloat16


def with_checked_outputs(runtime: Runtime, where: str) -> Runtime:
    """The runtime with an ``infer`` that checks each output.

    It raises ``UserError`` where the network fails, or its outputs are not those of a detector.

    Args:
        runtime: of an exported file.
        where: begins the message, such as ``--weights FILE``.
    """

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            outputs = runtime.infer(images)
        except Exception as error:  # each library has its own
            raise UserError(f"{where}: its network cannot be run ({last_line(error)})") from error
        if not _has_expected_shapes(
            outputs, images.shape, len(runtime.class_names), raw=bool(runtime.decoding_params)
        ):
            shapes = ", ".join(str(np.shape(one)) for one in outputs)
            raise UserError(
                f"{where}: its network answers with arrays of other shapes than a detector's "
                f"({shapes})"
            )
        if not all(np.asarray(one).dtype.kind in _NUMBERS for one in outputs):
            raise UserError(f"{where}: its network answers with something else than numbers")
        return outputs

    return replace(runtime, infer=infer)


def _has_expected_shapes(
    outputs: tuple[np.ndarray, ...], shape: tuple[int, ...], classes: int, *, raw: bool
) -> bool:
    """Whether the outputs for images of ``shape`` (B, H, W, 3) have the shapes of ``Infer``.

    With ``raw``, they are the three maps before decoding.
    """
    batch, height, width, _ = shape
    if raw:
        channels = ANCHORS_PER_LEVEL * (5 + classes)
        maps = [(batch, height // s, width // s, channels) for s in STRIDES]
        return [np.shape(one) for one in outputs] == maps
    boxes, scores = outputs
    rows = np.shape(boxes)[1:2]
    return np.shape(boxes) == (batch, *rows, 4) and np.shape(scores) == (batch, *rows, classes)
