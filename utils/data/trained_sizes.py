"""How large the objects of a dataset are, as a checkpoint notes it: ``trained_sizes``."""

from __future__ import annotations

import numpy as np

from utils.data.records import Dataset
from utils.tiling import ObjectSizes

PERCENTILES = (5, 50, 95)


def trained_sizes(dataset: Dataset, input_size: int, tile: int | None = None) -> ObjectSizes | None:
    """The sizes of the objects that are trained on; None without any.

    Args:
        dataset: what the detector is trained on.
        input_size: longer side of the network input in pixels.
        tile: side of the tiles that photos are trained in, in pixels; None for whole photos.
    """
    photo, scales = [np.zeros(0)], [np.zeros(0)]
    for record in dataset.records:
        boxes = record.boxes[~record.difficult].astype(np.float64)
        photo.append(np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)))
        longest = max(record.width, record.height)
        scales.append(np.full(len(boxes), input_size / min(longest, tile or longest)))
    sizes, scale = np.concatenate(photo), np.concatenate(scales)
    usable = np.isfinite(sizes) & (sizes > 0)
    if not usable.any():
        return None
    sizes, scale = sizes[usable], scale[usable]
    return ObjectSizes(*(tuple(np.percentile(s, PERCENTILES)) for s in (sizes, sizes * scale)))
