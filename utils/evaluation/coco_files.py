"""``ground_truth.json`` and ``detections.json``, in COCO's format.

``ground_truth`` and ``to_results`` make their content. ``read_detections`` reads a file of
detections from any source and names the item that is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.data.records import Record
from utils.detections import Detections
from utils.errors import UserError
from utils.evaluation.dataset_ids import warn_of_dataset_ids
from utils.evaluation.tables import class_names
from utils.text import short

_MAX_COORDINATE = 1e9  # pixels; no photo is as large, and areas stay finite


def ground_truth(records: Iterable[Record], classes: Sequence[str]) -> dict:
    """The labels of ``records`` as a COCO dictionary, ready for ``json.dump``.

    Image ids are 1 … n in sorted order of ``stem``, category ids the class ids from 0, annotation
    ids count from 1. Difficult objects have ``iscrowd: 1``, so that finding them counts neither
    way in COCO's scorers.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, record in enumerate(sorted(records, key=lambda r: r.image_id), 1):
        images.append(
            {
                "id": image_id,
                "file_name": record.image.name,
                "stem": record.image_id,
                "width": int(record.width),
                "height": int(record.height),
            }
        )
        objects = zip(
            record.boxes.tolist(),
            record.class_ids.tolist(),
            record.difficult.tolist(),
            strict=True,
        )
        for box, class_id, difficult in objects:
            bbox = _xywh(box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": int(difficult),
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


def to_results(detections: Mapping[str, Detections], ground_truth: dict) -> list[dict]:
    """Detections by file stem → COCO results, in order of image id, best first in each image.

    Classes are matched by name, never by number, because a detector may have another order of
    classes. Images without an entry have no detections.

    Raises:
        UserError: a stem or a class that ``ground_truth`` lacks.
    """
    image_ids = {image["stem"]: image["id"] for image in ground_truth["images"]}
    class_ids = {name: i for i, name in enumerate(class_names(ground_truth))}
    for stem, found in detections.items():
        if stem not in image_ids:
            raise UserError(f"detections for {stem!r}, which is not an image of this split")
        unknown = [name for name in found.class_names if name not in class_ids]
        if unknown:
            raise UserError(
                f"the detector's class {unknown[0]!r} is not in the class list of the data; "
                "score with the class list that the detector was trained with"
            )
    results = []
    for stem in sorted(detections, key=image_ids.__getitem__):
        found = detections[stem]
        rows = zip(found.names(), found.boxes.tolist(), found.scores.tolist(), strict=True)
        results += [
            {
                "image_id": image_ids[stem],
                "category_id": class_ids[name],
                "bbox": _xywh(box),
                "score": score,
            }
            for name, box, score in rows
        ]
    return results


def read_detections(
    path: str | Path,
    ground_truth: dict,
    *,
    labels: Iterable[Path] = (),
    warn: Callable[[str], None] = print,
) -> list[dict]:
    """Read a COCO results file, in its own order.

    Each item needs these keys; others are ignored. Nothing is clipped or filtered.

    - ``bbox``: x, y, width, height in pixels of the photo.
    - ``score``.
    - ``image_id``: the number in ``ground_truth``, or the file stem as a string.
    - ``category_id``, a number, or ``category``, the class name.

    Args:
        path: the file.
        ground_truth: as ``ground_truth`` makes it.
        labels: the label files of the dataset, for ``warn_of_dataset_ids``.
        warn: called with each warning.

    Raises:
        UserError: the file cannot be read, is not a JSON list, or an item is wrong; the message
            names the file and the item, counted from 0.
    """
    path = Path(path)
    items = _read_json(path)
    if not isinstance(items, list):
        raise UserError(
            f"{path}: expected a list of detections, as COCO results are, but the file holds "
            f"{_kind(items)}"
        )
    # Keys are ids and names at once: JSON has different types for them.
    images: dict[int | str, int] = {}
    for image in ground_truth["images"]:
        images[image["id"]] = images[image["stem"]] = image["id"]
    categories: dict[int | str, int] = {}
    for class_id, name in enumerate(class_names(ground_truth)):
        categories[class_id] = categories[name] = class_id
    results = []
    for index, item in enumerate(items):
        try:
            results.append(_result(item, images, categories))
        except _ItemError as error:
            raise UserError(f"{path}, item {index} (counted from 0): {error}") from None
    for warning in warn_of_dataset_ids(str(path), items, labels, ground_truth):
        warn(warning)
    return results


class _ItemError(Exception):
    """What is wrong with an item; the caller adds which item it is."""


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8; nested too deep
        raise UserError(f"{path}: is not JSON: {error}") from error


def _result(item: Any, images: dict[int | str, int], categories: dict[int | str, int]) -> dict:
    if not isinstance(item, dict):
        raise _ItemError(f"expected an object with image_id, bbox and score, got {_kind(item)}")
    for key in ("image_id", "bbox", "score"):
        if key not in item:
            raise _ItemError(f"the key {key!r} is missing")
    image_id = _look_up(item["image_id"], images)
    if image_id is None:
        raise _ItemError(
            f"image_id {_quoted(item['image_id'])} is neither the number in ground_truth.json nor "
            "the file stem of an image of this split"
        )
    bbox = item["bbox"]
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise _ItemError(f"bbox must be a list of x, y, width, height, got {_quoted(bbox)}")
    box = [_number(value, "bbox") for value in bbox]
    if max(map(abs, box)) > _MAX_COORDINATE:
        raise _ItemError(f"bbox {_quoted(bbox)} is larger than any photo")
    return {
        "image_id": image_id,
        "category_id": _category(item, categories),
        "bbox": box,
        "score": _number(item["score"], "score"),
    }


def _category(item: dict, categories: dict[int | str, int]) -> int:
    named = [key for key in ("category_id", "category") if key in item]
    if not named:
        raise _ItemError("the key 'category_id' (or 'category', the class name) is missing")
    ids = []
    for key in named:
        value = item[key]
        right_type = isinstance(value, str) == (key == "category")
        ids.append(_look_up(value, categories) if right_type else None)
        if ids[-1] is None:
            known = [k for k in categories if isinstance(k, str)]
            wanted = (
                f"one of the class names {_quoted(known)}"
                if key == "category"
                else f"a class id from 0 to {len(known) - 1}"
            )
            raise _ItemError(f"{key} {_quoted(value)} is not {wanted}")
    if ids[0] != ids[-1]:
        raise _ItemError(
            f"category_id {_quoted(item['category_id'])} and category "
            f"{_quoted(item['category'])} are different classes"
        )
    return ids[0]


def _look_up(value: Any, ids: dict[int | str, int]) -> int | None:
    """The id for a number or a string. ``true`` is neither, although it equals 1 in Python."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return ids.get(value)


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _ItemError(f"{key} holds {_quoted(value)}, which is not a number")
    try:
        number = float(value)
    except OverflowError:  # JSON allows integers of any length
        number = math.inf
    if not math.isfinite(number):
        raise _ItemError(f"{key} holds a number that is not finite")
    return number


def _xywh(box: Sequence[float]) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return names.get(type(value), "a single value")


def _quoted(value: Any) -> str:
    return short(repr(value), 80)
