"""How photos look: a ``thumbnail``, its 64-bit ``difference_hash``, and their correlation.

The hash says for 8 × 8 places whether the picture gets brighter to the right (N. Krawetz, "Kind of
Like That", 2013: dHash). Re-encoding, resizing and a change of brightness or contrast change few of
its bits. The hash finds candidates quickly. The correlation of their thumbnails then decides
whether they show the same picture.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from utils.images import image_size, read_image

SIDE = 32  # pixels of a thumbnail
MAX_DISTANCE = 7  # bits in which the hashes of candidates may differ
MIN_CORRELATION = 0.94  # of two thumbnails of one picture; different photos seldom reach 0.8
MIN_CONTRAST = 4.0  # grey levels; a flatter picture looks like any other flat one


def thumbnail(path: Path) -> np.ndarray:
    """The photo in grey, upright, squeezed into uint8 (32, 32).

    Raises:
        UserError: it cannot be read.
    """
    size = image_size(path)
    short = min(size.width, size.height)
    reduce = next((n for n in (8, 4, 2) if short >= 4 * SIDE * n), 1)
    grey = cv2.cvtColor(read_image(path, reduce=reduce), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def difference_hash(small: np.ndarray) -> int:
    """64 bits for a thumbnail."""
    tiny = cv2.resize(small.astype(np.float32), (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(tiny[:, 1:] > tiny[:, :-1]).tobytes(), "big")


def contrast(small: np.ndarray) -> float:
    """Standard deviation of a thumbnail in grey levels."""
    return float(small.std())


def normalised(small: np.ndarray) -> np.ndarray:
    """(…, 32, 32) thumbnails → float32 (…, 1024) of mean 0 and length 1; flat ones become 0."""
    flat = small.reshape(*small.shape[:-2], SIDE * SIDE).astype(np.float32)
    flat -= flat.mean(axis=-1, keepdims=True)
    length = np.sqrt((flat * flat).sum(axis=-1, keepdims=True))
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-3)
