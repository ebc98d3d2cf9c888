"""Writing COCO JSON: ``write_coco``, with one image and one object a line.

``utils.data.formats.coco_json`` reads such files. A difficult object, which is neither trained on
nor counted, becomes a crowd, which scorers neither reward nor punish.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from utils.files import atomic_write


class LabelledPhoto(Protocol):
    """Size and objects of a photo, as a ``Record`` has them."""

    width: int
    height: int
    boxes: np.ndarray  # float32 (N, 4)
    class_ids: np.ndarray  # (N,), from 0
    difficult: np.ndarray  # bool (N,)
    areas: np.ndarray | None  # float32 (N,), NaN or None where they are those of the boxes


def write_coco(
    path: str | Path,
    photos: Iterable[tuple[int, str, LabelledPhoto]],
    classes: Sequence[str],
    scores: Sequence[np.ndarray] | None = None,
) -> None:
    """Write one file, atomically.

    Category ids count from 1, as COCO's own do. Numbers are as short as they can be and still
    read back as the same float32 boxes.

    Args:
        path: the JSON file.
        photos: for each its image id, its ``file_name`` and its labels.
        classes: names in the order of the class ids.
        scores: for each photo the scores of its objects, where a detector found them.
    """
    photos = list(photos)
    with atomic_write(path) as file:
        file.write('{"images": [')
        _write_items(file, (_image(*photo) for photo in photos))
        file.write('],\n"annotations": [')
        _write_items(file, _annotations(photos, scores))
        file.write('],\n"categories": [')
        _write_items(file, ({"id": i, "name": name} for i, name in enumerate(classes, start=1)))
        file.write("]}\n")


def _write_items(file: IO[str], items: Iterable[dict[str, Any]]) -> None:
    for number, item in enumerate(items):
        # One by one: a whole list as text would take as much memory as the file is long.
        file.write((",\n" if number else "\n") + json.dumps(item, ensure_ascii=False))


def _image(image_id: int, file_name: str, photo: LabelledPhoto) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": file_name,
        "width": photo.width,
        "height": photo.height,
        # Not part of COCO, where nothing tells whether boxes are of the photo before or after
        # EXIF orientation; other readers pass over it.
        "upright": True,
    }


def _annotations(
    photos: Sequence[tuple[int, str, LabelledPhoto]], scores: Sequence[np.ndarray] | None
) -> Iterator[dict[str, Any]]:
    number = 0
    for index, (image_id, _, photo) in enumerate(photos):
        rows = zip(photo.boxes, photo.class_ids.tolist(), photo.difficult.tolist(), strict=True)
        for row, (box, class_id, difficult) in enumerate(rows):
            number += 1
            bbox = short_xywh(box)
            area = math.nan if photo.areas is None else photo.areas[row]
            yield {
                "id": number,
                "image_id": image_id,
                "category_id": class_id + 1,
                "bbox": bbox,
                "area": _short(area) if math.isfinite(area) else bbox[2] * bbox[3],
                "iscrowd": int(difficult),
                "segmentation": [],
                **({} if scores is None else {"score": round(float(scores[index][row]), 6)}),
            }


def short_xywh(box: np.ndarray) -> list[float]:
    """float32 ``x0, y0, x1, y1`` → x, y, width, height with few digits.

    Read in float64 and rounded to float32 once the far sides are computed, they give exactly the
    same box.
    """
    x0, y0, x1, y1 = np.asarray(box, np.float32)
    x, y = _short(x0), _short(y0)
    return [x, y, _extent(x, x1), _extent(y, y1)]


def _short(value: np.float32) -> float:
    number = float(str(value))
    return int(number) if number.is_integer() else number


def _extent(low: float, high: np.float32) -> float:
    exact = float(high) - low
    for digits in range(10):
        extent = round(exact, digits)
        if extent > 0 and np.float32(low + extent) == high:
            return int(extent) if extent.is_integer() else extent
    return exact
