"""What the network of a file from a stranger answers, checked: it may be no boxes and scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from utils.errors import UserError
from utils.runtime.runtime import Runtime

_ANCHORS = 3  # of each cell
_NUMBERS = "fiuV"  # kinds of NumPy types; V is bfloat16


def with_checked_answers(runtime: Runtime, where: str) -> Runtime:
    """A runtime whose ``infer`` raises ``UserError`` where the network fails or answers wrongly.

    Args:
        runtime: of an exported file.
        where: begins the message, such as ``--weights FILE``.
    """

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            outputs = runtime.infer(images)
        except Exception as error:  # each library has its own
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(
                f"{where}: its network cannot be run ({lines[-1].strip()[:200]})"
            ) from error
        if not _fits(outputs, images.shape, len(runtime.class_names), raw=bool(runtime.heads)):
            shapes = ", ".join(str(np.shape(one)) for one in outputs)
            raise UserError(
                f"{where}: its network answers with arrays of other shapes than a detector's "
                f"({shapes})"
            )
        if not all(np.asarray(one).dtype.kind in _NUMBERS for one in outputs):
            raise UserError(f"{where}: its network answers with something else than numbers")
        return outputs

    return replace(runtime, infer=infer)


def _fits(
    outputs: tuple[np.ndarray, ...], shape: tuple[int, ...], classes: int, *, raw: bool
) -> bool:
    """Whether the outputs for a batch of ``shape`` (B, H, W, 3) are what ``Infer`` says."""
    batch, height, width, _ = shape
    if raw:
        channels = _ANCHORS * (5 + classes)
        maps = [(batch, height // s, width // s, channels) for s in (8, 16, 32)]
        return [np.shape(one) for one in outputs] == maps
    boxes, scores = outputs
    rows = np.shape(boxes)[1:2]
    return np.shape(boxes) == (batch, *rows, 4) and np.shape(scores) == (batch, *rows, classes)
