"""A heat map over its picture: ``overlay``, and ``scale_bar`` with the same colours."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from utils.drawing.boxes import draw_box
from utils.heatmaps.heat_map import HeatMap
from utils.letterbox import resize

_COLOURS = cv2.COLORMAP_INFERNO  # perceptually uniform, and readable for the colour-blind
_DARK = 0.22  # inferno below this share is nearly black, which would hide the picture
_OPAQUE = 0.8  # of the colour where the heat is highest; the picture stays visible
BOX = (86, 180, 233)  # sky blue: not in the colour map


def overlay(
    image: np.ndarray,
    heat: HeatMap,
    *,
    size: tuple[int, int] | None = None,
    highest: float | None = None,
    boxes: Sequence[Sequence[float]] = (),
    region: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """The picture in pale colours with the heat on it: uint8 (height, width, 3) RGB.

    Args:
        image: uint8 (H, W, 3) RGB, the photo of the heat map.
        heat: of that photo.
        size: (width, height) of the result; by default that of the region.
        highest: the heat that has the last colour; by default the highest of the map.
        boxes: (N, 4) in pixels of the photo, which are outlined.
        region: ``x0, y0, x1, y1`` in whole pixels of the photo, which is shown; None for all.
    """
    x0, y0, x1, y1 = region or (0, 0, image.shape[1], image.shape[0])
    width, height = size or (x1 - x0, y1 - y0)
    values = heat.on_photo(width, height, (x0, y0, x1, y1))
    values = np.clip(values / max(highest or heat.highest, 1e-30), 0, 1)
    picture = _blend(resize(image[y0:y1, x0:x1], width, height), values)
    thickness = max(2, round((width * height) ** 0.5 / 240))
    scale = np.array([width / (x1 - x0), height / (y1 - y0)] * 2)
    for box in boxes:
        draw_box(picture, (np.asarray(box) - (x0, y0, x0, y0)) * scale, BOX, thickness)
    return picture


def scale_bar(width: int, height: int) -> np.ndarray:
    """The colours from no heat to the highest, over grey: uint8 (height, width, 3) RGB."""
    values = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (height, width))
    return _blend(np.full((height, width, 3), 128, np.uint8), values)


def _blend(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Pale colours of the image, covered the more by the heat's colour the higher it is, 0 to 1."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.float32)
    pale = 0.3 * image + 0.7 * grey
    index = np.round(255 * (_DARK + (1 - _DARK) * values)).astype(np.uint8)
    colours = cv2.applyColorMap(index, _COLOURS)[:, :, ::-1].astype(np.float32)
    covered = _OPAQUE * np.sqrt(values)[:, :, None]
    return np.round((1 - covered) * pale + covered * colours).astype(np.uint8)
