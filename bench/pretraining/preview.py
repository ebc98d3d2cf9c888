"""A contact sheet: pictures with their boxes, for a look at what is drawn."""

from __future__ import annotations

import cv2
import numpy as np

from bench.pretraining.classes import CLASSES
from bench.pretraining.scenes import Scene

TILE = 400  # pixels of a side
ACROSS = 6


def contact_sheet(scenes: list[Scene]) -> np.ndarray:
    """Scenes side by side, BGR uint8; boxes green, those of difficult objects red."""
    tiles = [_tile(scene) for scene in scenes]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % ACROSS)
    return np.vstack(
        [np.hstack(tiles[first : first + ACROSS]) for first in range(0, len(tiles), ACROSS)]
    )


def _tile(scene: Scene) -> np.ndarray:
    height, width = scene.image.shape[:2]
    scale = TILE / max(height, width)
    small = cv2.resize(scene.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for box, label, hard in zip(scene.boxes, scene.labels, scene.difficult, strict=True):
        x0, y0, x1, y1 = (np.asarray(box) * scale * 16 - 8).astype(int).tolist()
        ink = (40, 40, 255) if hard else (60, 255, 60)
        cv2.rectangle(small, (x0, y0), (x1, y1), ink, 1, cv2.LINE_AA, 4)
        if x1 - x0 > 45 * 16:
            place = x0 // 16 + 2, max(8, y0 // 16 + 9)
            cv2.putText(small, CLASSES[label], place, 0, 0.33, (0, 0, 0), 2, cv2.LINE_AA)
            cv2.putText(small, CLASSES[label], place, 0, 0.33, ink, 1, cv2.LINE_AA)
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
    return tile
