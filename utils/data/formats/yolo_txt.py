"""Reading one YOLO label file: ``read_labels``.

A line is ``class cx cy width height``, fractions of the photo's width and height, with spaces,
tabs, commas or semicolons between them. A sixth column
is a detector's confidence. A line with more points is an outline,
``class x y x y x y …``; its bounding box is taken. (Both forms as in
https://docs.ultralytics.com/datasets/.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.annotations import (
    AnnotationError,
    NamedIds,
    ObjectError,
    no_name_kind,
    score_of,
)
from utils.data.formats.encoding import decoded
from utils.data.formats.naming import formatted
from utils.files import read_limited

MAX_BYTES = 8 << 20  # a hundred thousand objects
_DECIMAL = re.compile(r"[-+]?\d+(,\d+)?")
_SPACE = re.compile(r"\s")
_LEADING = re.compile(r"(^|[\s,;])[,;](?=\S)")
_MAX_BOX_COLUMNS = 6  # columns: class, box and confidence
_MAX_FRACTION = 10.0  # larger numbers are pixels; a box may reach over the edge of the photo


@dataclass(frozen=True)
class YoloLabels:
    """What one file says.

    Attributes:
        names: N class names.
        boxes: float64 (N, 4), ``x0, y0, x1, y1`` as fractions of the photo's width and height,
            not clipped.
        numbers: N places among the file's lines with content, from 1.
        errors: the lines left out.
        outlines: how many of the lines are outlines.
        scores: float32 (N,), NaN for lines without a confidence.
    """

    names: tuple[str, ...]
    boxes: np.ndarray
    numbers: tuple[int, ...]
    errors: tuple[AnnotationError, ...]
    outlines: int = 0
    scores: np.ndarray | None = None


def read_labels(
    path: str | Path,
    classes: Mapping[int, str],
    *,
    pose: bool = False,
    named: NamedIds | None = None,
) -> YoloLabels:
    """Read one file.

    Args:
        classes: names by class id.
        pose: points after the first five columns are those of a body, not of an outline.
        named: of ``classes``, where many files are read.

    Raises:
        ValueError: it cannot be read or is no text; the message says which, without the file's
            name.
    """
    return parse_labels(read_limited(path, MAX_BYTES), classes, pose=pose, named=named)


def parse_labels(
    data: bytes,
    classes: Mapping[int, str],
    *,
    pose: bool = False,
    named: NamedIds | None = None,
) -> YoloLabels:
    """``read_labels`` on the content of a file."""
    text = decoded(data)
    named = named or NamedIds.of(classes)
    names, boxes, numbers, scores, errors, outlines = [], [], [], [], [], 0
    lines = (line for line in text.splitlines() if line.strip())
    for number, line in enumerate(lines, start=1):
        try:
            columns = _columns(line)
            if not columns:  # commas only
                raise ObjectError("no-box", "no columns; at least 5 are needed")
            name = _class(columns[0], classes, named)
            boxes.append(_box(columns[1:], pose))
        except ObjectError as error:
            errors.append(error.at(number))
            continue
        names.append(name)
        numbers.append(number)
        has_score = len(columns) == _MAX_BOX_COLUMNS and not pose
        scores.append(score_of(columns[-1]) if has_score else math.nan)
        outlines += len(columns) > _MAX_BOX_COLUMNS and not pose
    return YoloLabels(
        names=tuple(names),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        numbers=tuple(numbers),
        errors=tuple(errors),
        outlines=outlines,
        scores=np.array(scores, np.float32),
    )


def _columns(line: str) -> list[str]:
    """The columns of a line, between spaces, tabs, semicolons or commas.

    A comma within columns that are set apart in another way is that of a decimal number: 0,25.
    """
    if "," not in line and ";" not in line:
        return line.split()
    columns = line.replace(";", " ").split()
    if "." not in line and len(columns) > 4 and all(map(_DECIMAL.fullmatch, columns[1:])):
        return [columns[0], *(column.replace(",", ".") for column in columns[1:])]
    columns = [column.strip() for column in re.split("[,;]", line.rstrip(" \t,;"))]
    if len(columns) > 4 and all(columns) and not any(map(_SPACE.search, columns)):
        return columns
    if _LEADING.search(line):  # a comma before a number: one is missing, or it is a decimal one
        return line.split()
    return line.replace(";", " ").replace(",", " ").split()


def _class(text: str, classes: Mapping[int, str], named: NamedIds) -> str:
    try:
        value = float(text)
    except ValueError:
        raise ObjectError("no-id", f"class {formatted(text)!r} is not a class id") from None
    if not value.is_integer():  # not finite, too
        raise ObjectError("no-id", f"class {formatted(text)!r} is not a class id")
    if int(value) not in classes:
        raise ObjectError(
            no_name_kind(int(value), named),
            f"class id {formatted(text)} has no name; {_with_names(classes, named)}",
        )
    return classes[int(value)]


def _with_names(classes: Mapping[int, str], named: NamedIds) -> str:
    if not classes:
        return "no id has"
    low, high = named.low, named.high
    return f"only id {low} has" if low == high else f"the ids {low} to {high} have"


def _box(columns: Sequence[str], pose: bool) -> tuple[float, float, float, float]:
    """``x0, y0, x1, y1`` of the columns after the class id."""
    count = len(columns)
    if count < 4:
        raise ObjectError("no-box", f"{count + 1} columns; at least 5 are needed")
    if count < _MAX_BOX_COLUMNS or pose:
        cx, cy, width, height = (_fraction(text) for text in columns[:4])
        if not (width > 0 and height > 0):
            raise ObjectError(
                "empty-box",
                f"width {formatted(columns[2])}, height {formatted(columns[3])} enclose no area",
            )
        return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
    if count % 2:
        raise ObjectError("no-box", f"{count + 1} columns are neither a box nor an outline")
    values = [_fraction(text) for text in columns]
    x0, y0, x1, y1 = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    if not (x1 > x0 and y1 > y0):
        raise ObjectError("empty-box", f"the outline's {count // 2} points enclose no area")
    return x0, y0, x1, y1


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ObjectError("not-a-number", f"{formatted(text)!r} is not a number") from None
    if not math.isfinite(value):
        raise ObjectError("not-a-number", f"{formatted(text)} is not a place in a photo")
    if abs(value) > _MAX_FRACTION:
        raise ObjectError(
            "not-a-number",
            f"{formatted(text)} is not a fraction of the photo's width or height, from 0 to 1; "
            "are these pixels?",
        )
    return value
