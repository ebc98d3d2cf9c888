"""Reading one YOLO label file: ``read_labels``.

A line is ``class cx cy width height``, shares of the photo's width and height; a sixth column is
a detector's confidence and of no use here. A line with more points is an outline,
``class x y x y x y …``, of which the smallest upright box is taken. (Both forms as in
https://docs.ultralytics.com/datasets/.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.annotations import AnnotationError
from utils.data.formats.naming import shown

MAX_BYTES = 8 << 20  # a hundred thousand objects
_FARTHEST = 10.0  # shares beyond this are no labels that reach over the edge but pixels


@dataclass(frozen=True)
class YoloLabels:
    """What one file says.

    Attributes:
        names: N class names.
        boxes: float64 (N, 4), ``x0, y0, x1, y1`` as shares of the photo's width and height, not
            clipped.
        numbers: N places among the file's lines with content, from 1.
        errors: the lines left out.
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    numbers: tuple[int, ...]
    errors: tuple[AnnotationError, ...]


def read_labels(path: str | Path, classes: Mapping[int, str], *, pose: bool = False) -> YoloLabels:
    """Read one file.

    Args:
        classes: names by class id.
        pose: points after the first five columns are those of a body, not of an outline.

    Raises:
        ValueError: it cannot be read or is no text; the message says which, without the file's
            name.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    return parse_labels(data, classes, pose=pose)


def parse_labels(data: bytes, classes: Mapping[int, str], *, pose: bool = False) -> YoloLabels:
    """``read_labels`` on the content of a file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("not a text file") from error
    if "\0" in text:
        raise ValueError("not a text file")
    names, boxes, numbers, errors = [], [], [], []
    lines = (line for line in text.splitlines() if line.strip())
    for number, line in enumerate(lines, start=1):
        try:
            columns = line.split()
            name = _class(columns[0], classes)
            boxes.append(_box(columns[1:], pose))
        except _LineError as error:
            errors.append(AnnotationError(error.kind, str(error), number))
            continue
        names.append(name)
        numbers.append(number)
    return YoloLabels(
        names=tuple(names),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        numbers=tuple(numbers),
        errors=tuple(errors),
    )


class _LineError(Exception):
    """What is wrong with one line; ``kind`` as in ``AnnotationError``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _class(text: str, classes: Mapping[int, str]) -> str:
    try:
        value = float(text)
    except ValueError:
        raise _LineError("no-class", f"class {shown(text)} is not a class id") from None
    if not value.is_integer():  # not finite, too
        raise _LineError("no-class", f"class {shown(text)} is not a class id")
    if int(value) not in classes:
        known = f"{min(classes)} to {max(classes)}" if classes else "none"
        raise _LineError("no-class", f"class id {shown(text)} has no name; there are {known}")
    return classes[int(value)]


def _box(columns: Sequence[str], pose: bool) -> tuple[float, float, float, float]:
    """``x0, y0, x1, y1`` of the columns after the class id."""
    count = len(columns)
    if count < 4:
        raise _LineError("no-box", f"{count + 1} columns; at least 5 are needed")
    if count < 6 or pose:
        cx, cy, width, height = (_share(text) for text in columns[:4])
        if not (width > 0 and height > 0):
            raise _LineError(
                "empty-box", f"width {shown(columns[2])}, height {shown(columns[3])} is no area"
            )
        return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    if count % 2:
        raise _LineError("no-box", f"{count + 1} columns are neither a box nor an outline")
    values = [_share(text) for text in columns]
    x0, y0, x1, y1 = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    if not (x1 > x0 and y1 > y0):
        raise _LineError("empty-box", f"the outline's {count // 2} points enclose no area")
    return x0, y0, x1, y1


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _LineError("not-a-number", f"{shown(text)!r} is not a number") from None
    if not math.isfinite(value):
        raise _LineError("not-a-number", f"{shown(text)} is not a place in a photo")
    if abs(value) > _FARTHEST:
        raise _LineError(
            "not-a-number",
            f"{shown(text)} is no share of the photo's width or height, from 0 to 1 (pixels?)",
        )
    return value
