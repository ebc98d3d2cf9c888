"""The suggestions as one HTML page that needs nothing but a browser: ``write_page``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from utils.drawing.boxes import draw_detections
from utils.errors import UserError
from utils.files import atomic_write
from utils.html.page import Page, data_address
from utils.media.suggestions.suggest import Suggestion
from utils.text import counted

PICTURES = 200  # on the page; about 5 MB
_SIDE, _QUALITY = 480, 75


def write_page(
    suggestions: Sequence[Suggestion],
    path: Path,
    *,
    looked_at: int,
    left_out: int,
    read: Callable[[Path], np.ndarray],
) -> None:
    """Write the page, atomically.

    Args:
        suggestions: the most useful first.
        path: the HTML file.
        looked_at: how many photos they were chosen from.
        left_out: how many the detector was trained on.
        read: gives uint8 (H, W, 3) RGB for a path.
    """
    cards = [
        (place, one, _picture(one, read) if place <= PICTURES else "")
        for place, one in enumerate(suggestions, start=1)
    ]
    text = Page(Path(__file__).with_suffix(".html"), counted=counted).render(
        {"cards": cards, "looked_at": looked_at, "left_out": left_out}
    )
    with atomic_write(path) as file:
        file.write(text)


def _picture(one: Suggestion, read: Callable[[Path], np.ndarray]) -> str:
    """The photo with what was found, small, as an address; "" where it can no longer be read."""
    try:
        image = read(one.path)
    except UserError:
        return ""
    scale = min(1.0, _SIDE / max(image.shape[:2]))
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    found = one.found[one.found.scores >= 0.25]
    found = replace(found, boxes=(found.boxes * scale).astype(np.float32))
    return data_address(draw_detections(small, found), _QUALITY)
