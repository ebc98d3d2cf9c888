"""A line of text in the corner of a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from utils.drawing.boxes import sizes
from utils.drawing.fonts import Typeface

_BEHIND = 0.35  # brightness that is left of the picture behind the text


def draw_caption(picture: np.ndarray, text: str) -> None:
    """Write white on darkened ground in the lower left corner of uint8 (H, W, 3) RGB, in place."""
    height, width = picture.shape[:2]
    _, size = sizes(width, height)
    face, pad = Typeface(size), max(2, size // 3)
    above, below = face.box("Éj0")
    rows = min(height, round(below - above) + 2 * pad)
    columns = min(width, round(face.width(text)) + 2 * pad)
    corner = picture[height - rows :, :columns]
    plate = Image.fromarray((corner * _BEHIND).astype(np.uint8))
    face.draw(ImageDraw.Draw(plate), (pad, pad - above), text, (255, 255, 255))
    corner[:] = np.asarray(plate)
