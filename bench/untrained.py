"""Networks with random weights that find as much as trained ones do, so that they can be timed.

Left as they are, they find nothing or hundreds of objects, and suppression takes no time or half of
all. Nothing else of the time depends on the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.anchors import COCO_ANCHORS_416
from utils.images import read_image
from utils.letterbox import Letterbox

PREDICTIONS = 40  # that reach the confidence: a few objects, each found several times
CLASS_LOGIT = 4.0  # added to that of class 0
SPREAD = 4.0  # standard deviation of objectness logits: few predictions are almost good enough
HEADS = ("head3_out", "head4_out", "head5_out")
ANCHORS_PER_LEVEL = len(COCO_ANCHORS_416) // len(HEADS)  # nets.yolo would load TensorFlow


def network_pixels(photo: Path, size: int) -> np.ndarray:
    """The photo at its own shape as a network gets it: uint8 (1, H, W, 3), RGB."""
    image = read_image(photo)
    height, width = image.shape[:2]
    return Letterbox.fitted(width, height, size).apply(image)[None]


def let_it_find(head: Any, raw: Sequence[Any], conf: float) -> None:
    """Change the last layers so that ``PREDICTIONS`` predictions reach ``conf``.

    Args:
        head: what ``nets.yolo.build_head`` gave.
        raw: the three raw maps of a photo, (1, H/s, W/s, 3·(5 + classes)).
        conf: objectness × class probability that counts, below 1.

    Raises:
        ValueError: too few class probabilities are that high.
    """
    outputs = raw[0].shape[-1] // ANCHORS_PER_LEVEL
    cells = np.concatenate([np.asarray(level, np.float64).reshape(-1, outputs) for level in raw])
    cells[:, 5] += CLASS_LOGIT
    probable = 1 / (1 + np.exp(-cells[:, 5:].max(axis=1)))
    wanted = np.full(len(cells), np.inf)  # the objectness logit with which a prediction counts
    able = probable > conf
    wanted[able] = np.log(conf / (probable[able] - conf))
    if able.sum() < PREDICTIONS:
        raise ValueError(f"class probabilities reach {probable.max():.2f}, which is too low")
    factor = SPREAD / cells[:, 4].std()
    shift = np.sort(wanted - factor * cells[:, 4])[PREDICTIONS - 1]
    for name in HEADS:
        layer = head.get_layer(name)
        kernel, bias = layer.get_weights()
        bias = bias.reshape(ANCHORS_PER_LEVEL, outputs)
        objectness = kernel.reshape(*kernel.shape[:3], ANCHORS_PER_LEVEL, outputs)[..., 4]
        objectness *= factor  # a view: changes the kernel
        bias[:, 4] = factor * bias[:, 4] + shift
        bias[:, 5] += CLASS_LOGIT
        layer.set_weights([kernel, bias.ravel()])
