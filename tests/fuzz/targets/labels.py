"""What holds for the labels that any format gives: ``check_annotation``."""

from __future__ import annotations

import numpy as np

from tests.fuzz.target import is_plain, require
from utils.data.annotations import Annotation


def check_annotation(found: Annotation) -> None:
    """Names, boxes and numbers belong together; boxes are finite and have an area."""
    count = len(found.names)
    require(found.boxes.shape == (count, 4), "as many boxes as names")
    require(len(found.difficult) == count and len(found.numbers) == count, "as many of all")
    require(bool(np.isfinite(found.boxes).all()), "finite boxes")
    if count:
        require(bool((found.boxes[:, 2:] > found.boxes[:, :2]).all()), "boxes with an area")
    require(all(name and is_plain(name) for name in found.names), "names that can be shown")
    for error in found.errors:
        require(is_plain(error.message), f"an error that can be shown: {error.message!a:.100}")
