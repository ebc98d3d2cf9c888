"""Reading one Label Studio JSON: ``read_tasks``.

A file is a list of tasks, or a single one. A task has the address of a photo and either
``annotations``, which people drew, or ``predictions``, which a detector found
(https://labelstud.io/guide/predictions); or the labels themselves, as in the export JSON-MIN.
Places are percentages of the width and height of the photo, turned upright as browsers show it.
Rectangles, also turned ones, ellipses and polygons are read; of the last three the bounding box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from utils.data.annotations import Annotation, AnnotationError, ObjectError, score_of
from utils.data.formats.json_files import load_json
from utils.data.formats.naming import NAME_LIMIT, class_name, formatted
from utils.data.formats.outlines import Box, points_box
from utils.images import IMAGE_SUFFIXES

_UNUSED = frozenset({"rle", "history", "meta", "prediction"})  # long, and not used here
_MAX_PERCENT = 1e6  # percent
_MAX_SIDE = 1 << 20  # pixels


@dataclass(frozen=True)
class Task:
    """The labels of one photo.

    Attributes:
        number: its place in the file, from 1.
        name: path of the photo, as far as its address tells.
        by_human: whether people drew the labels, not a detector.
        results: the objects as the file has them; None where the photo is not labelled yet.
        size: (width, height) of the photo in pixels, where the file says it.
    """

    number: int
    name: str
    by_human: bool
    results: tuple[Mapping[str, Any], ...] | None
    size: tuple[int, int] | None

    def annotation(self, size: tuple[int, int], where: str) -> Annotation:
        """The labels in pixels of a photo of that size."""
        names, boxes, scores, numbers, errors, outlines = [], [], [], [], [], 0
        for number, item in enumerate(_regions(self.results or ()), start=1):
            try:
                name = _label(item)
                box, outline = _box(item, size)
            except ObjectError as error:
                errors.append(error.at(number))
                continue
            names.append(name)
            boxes.append(box)
            numbers.append(number)
            scores.append(math.nan if self.by_human else score_of(item.get("score")))
            outlines += outline
        return Annotation(
            where=where,
            filename="",
            size=self.size,
            names=tuple(names),
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            difficult=np.zeros(len(names), bool),
            upright=True,
            numbers=tuple(numbers),
            errors=tuple[AnnotationError, ...](errors),
            outlines=outlines,
            scores=np.array(scores, np.float32),
        )


def read_tasks(path: str | Path) -> list[Task]:
    """The tasks of one file that name a photo.

    Raises:
        ValueError: it cannot be read, is too large, no JSON, or holds no tasks; the message says
            which, without the file's name.
    """
    content = load_json(Path(path), _without_unused_keys, dropped="rle")
    items = [content] if isinstance(content, dict) else content
    tasks = []
    for number, item in enumerate(items if isinstance(items, list) else (), start=1):
        name = _photo(item) if isinstance(item, dict) else ""
        if name:
            by_human, results = _results(item)
            tasks.append(Task(number, name, by_human, results, _size(results or ())))
    if not tasks:
        raise ValueError("no Label Studio labels: it has no task with a photo")
    return tasks


def photo_name(address: str) -> str:
    """The path of a photo that an address means: of local files, uploads, buckets, web pages."""
    try:
        url = urlsplit(address)
    except ValueError:
        return ""
    if url.scheme == "data":  # the photo itself
        return ""
    if local := parse_qs(url.query).get("d"):  # /data/local-files/?d=photos/7.jpg
        return local[0]
    if len(url.scheme) > 1 or address.startswith("/data/"):  # one letter is a disk of Windows
        return unquote(url.path)
    return address


def _without_unused_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in _UNUSED}


def _photo(task: dict) -> str:
    """The name of a task's photo; "" where it has none."""
    data = task["data"] if isinstance(task.get("data"), dict) else task
    values = [data.get("image"), *data.values()]
    names = [photo_name(value) for value in values if isinstance(value, str)]
    return next((name for name in names if name.lower().endswith(IMAGE_SUFFIXES)), "")


def _results(task: dict) -> tuple[bool, tuple[Mapping[str, Any], ...] | None]:
    """Whether people drew the labels, and the labels; None without any."""
    annotations = _objects(task.get("annotations"))
    by_people = [found for found in annotations if not found.get("was_cancelled")]
    if by_people:  # what was marked as the truth, otherwise the newest
        chosen = next((found for found in by_people if found.get("ground_truth")), by_people[-1])
        return True, _objects(chosen.get("result"))
    if predicted := _objects(task.get("predictions")):
        return False, _objects(predicted[-1].get("result"))
    if "data" in task:
        return True, None
    values = [value for found in task.values() for value in _objects(found)]
    return True, tuple({"value": value, **value} for value in values)  # JSON-MIN


def _objects(value: Any) -> tuple[dict, ...]:
    return (
        tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
    )


def _regions(results: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The results that are objects. With some tools an object's class is a result of its own, with
    the same id and place."""
    named = {item.get("id") for item in results if _label_lists(item)} - {None}
    for item in results:
        value = item.get("value")
        if isinstance(value, dict) and (
            _label_lists(item) or ("width" in value and item.get("id") not in named)
        ):
            yield item


def _label_lists(item: Mapping[str, Any]) -> list[list]:
    """``rectanglelabels`` and the like."""
    value = item.get("value")
    pairs = value.items() if isinstance(value, dict) else ()
    return [found for key, found in pairs if key.endswith("labels") and isinstance(found, list)]


def _label(item: Mapping[str, Any]) -> str:
    labels = [label for found in _label_lists(item) for label in found]
    name = class_name(labels[0]) if labels and isinstance(labels[0], str) else ""
    if not name:
        raise ObjectError("no-class", f"no label, {NAME_LIMIT}")
    return name


def _box(item: Mapping[str, Any], size: tuple[int, int]) -> tuple[Box, bool]:
    """The box in pixels, and whether it is that around an outline."""
    value = item["value"]
    if turned := item.get("image_rotation"):
        raise ObjectError("no-box", f"drawn on the photo turned by {formatted(turned)} degrees")
    angle = math.radians(_number(value, "rotation") if value.get("rotation") else 0.0)
    scale_x, scale_y = size[0] / 100, size[1] / 100
    if "points" in value and isinstance(value["points"], list):
        points = [(x * scale_x, y * scale_y) for x, y in map(_point, value["points"])]
        return _around(points), True
    x, y = _number(value, "x") * scale_x, _number(value, "y") * scale_y
    if "radiusX" in value:
        a, b = _number(value, "radiusX") * scale_x, _number(value, "radiusY") * scale_y
        half_x = math.hypot(a * math.cos(angle), b * math.sin(angle))
        half_y = math.hypot(a * math.sin(angle), b * math.cos(angle))
        return _around([(x - half_x, y - half_y), (x + half_x, y + half_y)]), True
    width, height = _number(value, "width") * scale_x, _number(value, "height") * scale_y
    if not angle:
        return _around([(x, y), (x + width, y + height)]), False
    cos, sin = math.cos(angle), math.sin(angle)  # turned about its first corner, clockwise
    sides = ((0, 0), (width, 0), (width, height), (0, height))
    return _around([(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in sides]), True


def _around(points: list[tuple[float, float]]) -> Box:
    try:
        box = np.float32(points_box(points))
    except ValueError:
        box = np.zeros(4, np.float32)
    if not (box[2:] > box[:2]).all():
        raise ObjectError("empty-box", "the region encloses no area")
    return tuple(box.tolist())


def _point(pair: Any) -> tuple[float, float]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ObjectError("not-a-number", f"point {formatted(pair)} is not x and y")
    point = dict(zip("xy", pair, strict=True))
    return _number(point, "x"), _number(point, "y")


def _number(value: Mapping[str, Any], key: str) -> float:
    number = value.get(key)
    if number is None:
        raise ObjectError("no-box", f"no {key}; rectangles, ellipses and polygons are read")
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ObjectError("not-a-number", f"{key} is {formatted(number)}, not a number")
    if not abs(number) <= _MAX_PERCENT:
        raise ObjectError("not-a-number", f"{key} is {formatted(number)}, not a place in a photo")
    return float(number)


def _size(results: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    for item in results:
        width, height = item.get("original_width"), item.get("original_height")
        if all(type(side) is int and 0 < side <= _MAX_SIDE for side in (width, height)):
            return width, height
    return None
