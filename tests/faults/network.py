"""A tiny ONNX network that opens in a moment and finds two boxes on every picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from tests.onnx_network import constant_network
from utils.runtime.facts import Facts

_COPIES = 12  # of each box, so that voting lowers no score


def write_network(path: Path, classes: Sequence[str], side: int) -> None:
    """Write a detector of ``classes`` for pictures of ``side`` pixels."""
    anchors = tuple((float(size), float(size)) for size in range(4, 40, 4))
    facts = Facts(tuple(classes), anchors, (side, side), "mobilenet_v3_small", "0" * 64, {})
    boxes = np.float32([[8, 8, 40, 40], [20, 24, 60, 60]]).repeat(_COPIES, axis=0)
    scores = np.zeros((len(boxes), len(classes)), np.float32)
    scores[:_COPIES, 0] = scores[_COPIES:, -1] = 0.9
    onnx.save(constant_network(boxes, scores, facts), path)
