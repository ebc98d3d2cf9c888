"""The bounding boxes of outlines: ``points_box``, ``rotated_box``, ``rle_box``.

A detector learns boxes, so an object that is labelled by an outline alone is used by its box.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

Box = tuple[float, float, float, float]  # x0, y0, x1, y1

_MAX_DIGITS = 13  # characters of a number in a compressed mask: 65 bits


def points_box(points: Iterable[tuple[float, float]]) -> Box:
    """The box around points.

    Raises:
        ValueError: they enclose no area, or are not numbers.
    """
    xs, ys = zip(*points, strict=True)  # no points: ValueError, too
    box = min(xs), min(ys), max(xs), max(ys)
    if not all(math.isfinite(value) for value in (*xs, *ys)):
        raise ValueError("not finite")
    if not (box[2] > box[0] and box[3] > box[1]):
        raise ValueError("no area")
    return box


def rotated_box(cx: float, cy: float, width: float, height: float, angle: float) -> Box:
    """The box around a rectangle turned about its centre.

    Args:
        angle: in radians; beyond a whole turn, in degrees.

    Raises:
        ValueError: it encloses no area, or has sides that are no numbers.
    """
    if not all(map(math.isfinite, (cx, cy, width, height, angle))) or not min(width, height) > 0:
        raise ValueError("no area")
    if abs(angle) > 2 * math.pi:
        angle = math.radians(angle)
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    half_x, half_y = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    return cx - half_x, cy - half_y, cx + half_x, cy + half_y


def rle_box(size: Sequence[int], counts: Sequence[int] | str) -> Box:
    """The box around a mask in COCO's run-length encoding, which is never unpacked.

    Runs of pixels outside and inside alternate, column by column.

    Args:
        size: height and width.
        counts: the lengths of the runs, or COCO's text for them (``rleToString`` in pycocotools).

    Raises:
        ValueError: it is no such mask, or an empty one.
    """
    height, width = size
    runs = np.array(_runs(counts) if isinstance(counts, str) else counts, np.int64)
    if runs.ndim != 1 or (runs < 0).any() or (runs > height * width).any():
        raise ValueError("no mask")
    ends = np.cumsum(runs)
    if not len(runs) or ends[-1] > height * width:
        raise ValueError("no mask")
    inside = np.arange(len(runs)) % 2 == 1
    inside &= runs > 0
    first, last = (ends - runs)[inside], ends[inside] - 1
    if not len(first):
        raise ValueError("no area")
    x0, x1 = int(first.min()) // height, int(last.max()) // height + 1
    if (first // height != last // height).any():  # a run goes on in the next column
        return x0, 0, x1, height
    return x0, int((first % height).min()), x1, int((last % height).max()) + 1


def _runs(text: str) -> list[int]:
    """The run lengths in COCO's text: five bits a character, mostly as differences."""
    runs: list[int] = []
    value = shift = 0
    for sign in text:
        code = ord(sign) - 48
        if not 0 <= code < 64 or shift >= 5 * _MAX_DIGITS:
            raise ValueError("no mask")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
