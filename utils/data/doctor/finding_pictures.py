"""Small pictures of findings: the photo, or the part of it that matters, with boxes drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from utils.data.doctor.checked import CheckedPhoto
from utils.data.doctor.findings import Finding
from utils.drawing.boxes import draw_box
from utils.errors import UserError
from utils.html.page import data_address
from utils.images import read_image
from utils.letterbox import resize

WIDTH, HEIGHT = 320, 240  # pixels, at most; two photos lie side by side
_AROUND = 4.0  # times the sides of the box are shown of the photo
_MIN_SIDE = 96  # pixels of the photo at least
_GREY = 160  # around the photo
_COLOURS = ((255, 40, 160), (0, 200, 255))  # the finding's box, the other one
_CROWD = 6  # boxes; lines are thinner beyond
_QUALITY = 80  # of WebP


def picture(finding: Finding, photos: Mapping[str, CheckedPhoto]) -> str:
    """A ``data:`` address; "" where nothing can be shown.

    A copy is shown beside the photo that it is a copy of, each with its own labels.
    """
    photo = photos.get(finding.photo)
    if photo is None or photo.content.error:
        return ""
    pair = [photo]
    if not finding.boxes and finding.others and finding.others[0] in photos:
        pair.append(photos[finding.others[0]])
    try:
        if len(pair) == 1:
            parts = [_part(photo.entry.image, finding.boxes, finding.boxes, _COLOURS)]
        else:
            parts = [_part(p.entry.image, (), p.boxes.tolist(), _COLOURS[:1]) for p in pair]
    except UserError:  # gone or changed since it was checked
        return ""
    sheet = parts[0] if len(parts) == 1 else _beside(parts)
    return data_address(sheet, _QUALITY)


def forget_photos() -> None:
    """Free the memory of the photo that was read last."""
    _read.cache_clear()


def _part(
    path: Path,
    around: Sequence[Sequence[float]],
    boxes: Sequence[Sequence[float]],
    colours: Sequence[tuple[int, int, int]],
) -> np.ndarray:
    """uint8 (h, w, 3): what lies around some boxes, or the whole photo, with boxes drawn on it.

    The first box has the first colour, and so on; the last colour serves for all that follow.
    """
    photo = _read(path)
    region = _region(np.array(around, np.float64).reshape(-1, 4), photo.shape)
    x0, y0, x1, y1 = region
    scale = min(WIDTH / (x1 - x0), HEIGHT / (y1 - y0))
    drawn = np.full((round((y1 - y0) * scale) or 1, round((x1 - x0) * scale) or 1, 3), _GREY)
    drawn = drawn.astype(np.uint8)
    _paste(drawn, photo, region, scale)
    thickness = 3 if len(boxes) <= _CROWD else 2
    for index in range(len(boxes) - 1, -1, -1):  # the finding's box last, on top
        rgb = colours[min(index, len(colours) - 1)]
        draw_box(drawn, (np.array(boxes[index]) - (x0, y0, x0, y0)) * scale, rgb, thickness)
    return drawn


def _region(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(4,) the part to show, in pixels: all of the photo, or what lies around small boxes.

    It reaches beyond the photo where the boxes do, up to the photo's size again.
    """
    height, width = shape[:2]
    whole = np.array([0, 0, width, height])
    if not len(boxes):
        return whole
    reach = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
    reach = np.clip(reach, (-width, -height) * 2, (2 * width, 2 * height) * 2)
    sides = np.maximum((reach[2:] - reach[:2]) * _AROUND, _MIN_SIDE)
    centre = (reach[:2] + reach[2:]) / 2
    near = np.concatenate([centre - sides / 2, centre + sides / 2])
    inside = np.array([*np.maximum(near[:2], 0), *np.minimum(near[2:], (width, height))])
    if (reach[:2] < -1).any() or (reach[2:] > (width + 1, height + 1)).any():
        inside = whole  # the edge of the photo is what matters
        margin = 0.03 * max(*reach, width, height)
        reach = reach + (-margin, -margin, margin, margin)
    region = np.concatenate([np.minimum(inside[:2], reach[:2]), np.maximum(inside[2:], reach[2:])])
    return np.concatenate([np.floor(region[:2]), np.ceil(region[2:])]).astype(int)


def _paste(drawn: np.ndarray, photo: np.ndarray, region: np.ndarray, scale: float) -> None:
    """Put the part of the photo that lies in the region where it belongs on the picture."""
    height, width = photo.shape[:2]
    x0, y0 = np.maximum(region[:2], 0)
    x1, y1 = np.minimum(region[2:], (width, height))
    left, top = (np.array([x0, y0]) - region[:2]) * scale
    right, bottom = (np.array([x1, y1]) - region[:2]) * scale
    left, top, right, bottom = (round(side) for side in (left, top, right, bottom))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    small = resize(np.ascontiguousarray(photo[y0:y1, x0:x1]), right - left, bottom - top)
    target = drawn[top:bottom, left:right]
    target[:] = small[: target.shape[0], : target.shape[1]]


def _beside(parts: Sequence[np.ndarray]) -> np.ndarray:
    height = max(part.shape[0] for part in parts)
    columns = []
    for part in parts:
        column = np.full((height, part.shape[1], 3), _GREY, np.uint8)
        top = (height - part.shape[0]) // 2
        column[top : top + part.shape[0]] = part
        columns += [column, np.full((height, 4, 3), _GREY, np.uint8)]
    return np.hstack(columns[:-1])


@lru_cache(maxsize=1)  # findings of one photo often follow one another
def _read(path: Path) -> np.ndarray:
    return read_image(path)
