"""Reading one COCO JSON of objects: ``read_coco``.

The format is that of https://cocodataset.org/#format-data: ``images``, ``annotations`` with
``bbox`` as x, y, width, height in continuous pixels, and ``categories``. Ids may have gaps. A
crowd (``iscrowd``) is an object that is neither trained on nor counted. An object that has no
``bbox`` but a ``segmentation`` (polygons or a run-length mask) gets the box around it. So does a
rectangle that CVAT says is rotated. Everything else, above all outlines, is dropped while the file
is read. Reading takes two to three times the file's size in memory; what is kept takes 34 bytes an
object.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.annotations import (
    Annotation,
    AnnotationError,
    NamedIds,
    ObjectError,
    no_name_kind,
    score_of,
)
from utils.data.formats.cvat_rotation import box_around_rotated, rotation_of
from utils.data.formats.json_files import load_json
from utils.data.formats.naming import NAME_LIMIT, class_name, formatted
from utils.data.formats.outlines import points_box, rle_box
from utils.text import counted, listed

_MAX_COORDINATE = 1e9  # pixels
_MAX_AREA = 1e10  # square pixels; COCO's evaluation counts no larger object
_EXAMPLES = 5
_OUTLINE = ""  # the key under which the box of an outline is kept while a file is read
_ROTATION = "attributes"  # of which only the degrees are kept
_MAX_SIDE = 1 << 20  # pixels of a mask
# Takes most of the space in a file, and is not used here.
_UNUSED = frozenset({"keypoints", "segments_info", "caption", "counts", "extra"})


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a file; ``upright`` as in ``Annotation``."""

    id: int | str
    file_name: str
    size: tuple[int, int] | None
    upright: bool


@dataclass(frozen=True)
class CocoFile:
    """What one JSON says.

    Attributes:
        images: in the file's order, without those that cannot be told apart.
        classes: the names of the categories in order of their ids, each once.
        placeholders: those of ``classes`` that are only the supercategory of others, as Roboflow
            writes them, and have no objects.
        notes: one sentence for each thing left out that belongs to no image.
    """

    images: tuple[CocoImage, ...]
    classes: tuple[str, ...]
    placeholders: frozenset[str]
    notes: tuple[str, ...]
    _objects: _Objects
    _errors: dict[int, tuple[AnnotationError, ...]]

    @property
    def objects(self) -> int:
        """How many objects its images have, those that cannot be used included."""
        return len(self._objects.boxes) + sum(map(len, self._errors.values()))

    def has_human_labels(self, indices: Sequence[int]) -> bool:
        """Whether a photo has an object without the score of a detector; ``indices`` as below."""
        scores = (self._objects.scores[self._objects.of(index)] for index in indices)
        return any(np.isnan(found).any() for found in scores)

    def annotation(self, indices: Sequence[int], where: str) -> Annotation:
        """The labels of one photo, which the file may list several times.

        Args:
            indices: of the photo in ``images``.
            where: the file's name for messages.
        """
        objects, first = self._objects, self.images[indices[0]]
        rows = np.concatenate([objects.of(index) for index in indices])
        return Annotation(
            where=f"{where}, image {formatted(first.id)}",
            filename=first.file_name,
            size=first.size,
            names=tuple(self.classes[i] for i in objects.class_ids[rows]),
            boxes=objects.boxes[rows],
            difficult=objects.crowd[rows],
            upright=first.upright,
            numbers=tuple(objects.numbers[rows].tolist()),
            errors=tuple(error for index in indices for error in self._errors.get(index, ())),
            outlines=int(objects.outline[rows].sum()),
            scores=objects.scores[rows],
            areas=objects.areas[rows],
        )


@dataclass(frozen=True)
class _Objects:
    """All objects of a file in the order of its images: M rows."""

    starts: np.ndarray  # (images + 1,): rows starts[i] to starts[i + 1] are image i's
    class_ids: np.ndarray  # (M,) int32, indices into CocoFile.classes
    boxes: np.ndarray  # (M, 4) float32
    crowd: np.ndarray  # (M,) bool
    numbers: np.ndarray  # (M,) int32
    outline: np.ndarray  # (M,) bool: the box is that of an outline
    scores: np.ndarray  # (M,) float32, NaN where a label has none
    areas: np.ndarray  # (M,) float32, NaN likewise

    def of(self, image: int) -> np.ndarray:
        return np.arange(self.starts[image], self.starts[image + 1])


def read_coco(path: str | Path) -> CocoFile:
    """Read one file.

    Raises:
        ValueError: it cannot be read, is too large, no JSON, or holds no COCO object labels; the
            message says which, without the file's name.
    """
    content = _load(Path(path))
    parts = {key: content.get(key) for key in ("images", "annotations", "categories")}
    for key, part in parts.items():
        if not isinstance(part, list):
            raise ValueError(f"no COCO object labels: it has no list {key!r}")
    notes: list[str] = []
    images, index = _images(parts["images"], notes)
    classes, class_ids, groups = _categories(parts["categories"], notes)
    collector = _Collector(len(images), index, class_ids)
    for position, item in enumerate(parts["annotations"]):
        collector.add(position, item)
    objects, errors = collector.finish()
    used = np.unique(objects.class_ids).tolist()
    return CocoFile(
        images=tuple(images),
        classes=classes,
        placeholders=frozenset(groups - {classes[i] for i in used}),
        notes=(*notes, *collector.notes()),
        _objects=objects,
        _errors=errors,
    )


def _load(path: Path) -> dict:
    content = load_json(path, _without_unused_keys, dropped="segmentation")
    if not isinstance(content, dict):
        raise ValueError("no COCO object labels: the outermost value is no object")
    return content


def _without_unused_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without what is not used. An outline becomes its box where that is needed."""
    keys = {key for key, _ in pairs}
    unused = _UNUSED - {"counts"} if "size" in keys else _UNUSED  # a mask, until its object ends
    found = {key: value for key, value in pairs if key not in unused}
    outline = found.pop("segmentation", None)
    if outline and not has_box(found.get("bbox")):
        found[_OUTLINE] = _outline_box(outline)
    attributes = found.pop(_ROTATION, None)
    # The box of an object with an outline is that of the outline: it is not rotated after that.
    if isinstance(attributes, dict) and not outline:
        degrees = rotation_of(attributes.get("rotation"))
        if degrees:
            found[_ROTATION] = degrees
    return found


def has_box(bbox: Any) -> bool:
    """Whether an annotation has a ``bbox``; some programs write zeros where it has only an
    outline."""
    return bool(bbox) and bbox != [0, 0, 0, 0]


def _outline_box(outline: Any) -> list[float] | None:
    """x, y, width, height of polygons or of a run-length mask; None where they enclose nothing."""
    try:
        if isinstance(outline, dict):
            height, width = outline["size"]
            if not all(type(side) is int and 0 < side <= _MAX_SIDE for side in (height, width)):
                return None
            x0, y0, x1, y1 = rle_box((height, width), outline["counts"])
        else:
            polygons = outline if isinstance(outline[0], list) else [outline]
            flat = [float(value) for polygon in polygons for value in polygon]
            if any(len(polygon) % 2 for polygon in polygons):
                return None
            x0, y0, x1, y1 = points_box(zip(flat[::2], flat[1::2], strict=True))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return [x0, y0, x1 - x0, y1 - y0]


def _images(items: list, notes: list[str]) -> tuple[list[CocoImage], dict[int | str, int]]:
    """The images, and id → index among them."""
    images: list[CocoImage] = []
    names: dict[int | str, list[str]] = {}
    problems = Notes()
    for position, item in enumerate(items, start=1):
        key = _id(item.get("id")) if isinstance(item, dict) else None
        name = item.get("file_name") if isinstance(item, dict) else None
        if key is None or not isinstance(name, str) or not name:
            missing = "id" if key is None else "file_name"
            problems.add(missing, f"entry {position} of its images has no {missing}; left out")
            continue
        names.setdefault(key, []).append(name)
        images.append(CocoImage(key, name, _size(item), item.get("upright") is True))
    for key, found in names.items():
        if len(found) > 1 and len(set(found)) == 1:
            name = f"image {formatted(key)} ({formatted(found[0])})"
            problems.add("twice", f"{name} is listed {len(found)} times")
        elif len(found) > 1:
            names_of_id = listed([formatted(name) for name in sorted(set(found))])
            problems.add(
                "same id",
                f"{names_of_id} have the same id {formatted(key)}, so their objects cannot be told "
                "apart; left out",
            )
    notes += problems.sentences()
    kept: dict[int | str, CocoImage] = {}
    for image in images:
        if len(set(names[image.id])) == 1:
            kept.setdefault(image.id, image)
    return list(kept.values()), {key: index for index, key in enumerate(kept)}


def _categories(
    items: list, notes: list[str]
) -> tuple[tuple[str, ...], dict[int | str, int], set[str]]:
    """Class names by id, id → index of its name, and the names that are only supercategories."""
    names: dict[int | str, str] = {}
    supercategories: dict[str, set[str]] = {}  # by class name
    ambiguous = set()
    problems = Notes()
    for position, item in enumerate(items, start=1):
        key = _id(item.get("id")) if isinstance(item, dict) else None
        name = item.get("name") if isinstance(item, dict) else None
        name = class_name(name) if isinstance(name, str) else ""
        if key is None or not name:
            missing = "id" if key is None else f"name, {NAME_LIMIT}"
            problems.add(missing, f"entry {position} of its categories has no {missing}; left out")
        elif names.setdefault(key, name) != name:
            ambiguous.add(key)
            problems.add(
                "same id",
                f"categories {names[key]!r} and {name!r} have the same id {formatted(key)}; "
                "objects of that id are left out",
            )
        else:
            supercategories.setdefault(name, set()).add(str(item.get("supercategory") or "none"))
    notes += problems.sentences()
    names = {key: name for key, name in names.items() if key not in ambiguous}
    for name, count in Counter(names.values()).items():
        if count > 1:
            notes.append(f"{count} categories are called {name!r}; taken for one class")
    ordered = sorted(names, key=lambda key: (isinstance(key, str), key))
    classes = tuple(dict.fromkeys(names[key] for key in ordered))
    index_of = {name: index for index, name in enumerate(classes)}
    groups = {group for name, above in supercategories.items() for group in above - {name}}
    placeholders = {name for name in classes if supercategories[name] == {"none"}} & groups
    return classes, {key: index_of[name] for key, name in names.items()}, placeholders


class Notes:
    """Notes on what is wrong: of each kind the first five, and how many more there are."""

    def __init__(self) -> None:
        self._examples: dict[str, list[str]] = {}
        self._count: Counter[str] = Counter()

    def add(self, kind: str, sentence: str) -> None:
        """One note; ``kind`` is any word that notes of its kind share."""
        self._count[kind] += 1
        if self._count[kind] <= _EXAMPLES:
            self._examples.setdefault(kind, []).append(sentence)

    def sentences(self) -> list[str]:
        """The notes; the last of each kind says how many more there are."""
        found = []
        for kind, examples in self._examples.items():
            more = self._count[kind] - len(examples)
            found += examples
            if more:
                found[-1] += f" (and {more} more such)"
        return found


class _Collector:
    """Gathers the objects of a file in flat arrays: some 50 bytes each."""

    def __init__(
        self, images: int, index: dict[int | str, int], class_ids: dict[int | str, int]
    ) -> None:
        self._index, self._class_ids = index, class_ids
        self._named = NamedIds.of([key for key in class_ids if isinstance(key, int)])
        self._count = [0] * images
        self._image, self._class, self._number = array("i"), array("i"), array("i")
        self._xywh, self._crowd, self._outline = array("d"), array("b"), array("b")
        self._scores, self._areas = array("f"), array("f")
        self._errors: dict[int, list[AnnotationError]] = {}
        self._without_image: dict[str, int] = {}  # image id as written → objects

    def add(self, position: int, item: Any) -> None:
        """Take one item of ``annotations``."""
        if not isinstance(item, dict):
            return self._no_image(f"none (entry {position + 1} of its annotations)")
        image = self._index.get(_id(item.get("image_id")))
        if image is None:
            return self._no_image(formatted(item.get("image_id", "none")))
        self._count[image] += 1
        number = self._count[image]
        class_id = self._class_ids.get(_id(item.get("category_id")))
        if class_id is None:
            what = f"category {formatted(item.get('category_id'))} is not among the categories"
            category = _id(item.get("category_id"))
            numbered = isinstance(category, int)
            kind = no_name_kind(category, self._named) if numbered else "no-name"
            return self._add_error(image, kind, what, number)
        try:
            self._xywh.extend(_xywh(item))
        except ObjectError as error:
            return self._add_error(image, error.kind, str(error), number)
        self._image.append(image)
        self._class.append(class_id)
        self._number.append(number)
        self._crowd.append(_flag(item.get("iscrowd")))
        self._outline.append(_ROTATION in item or not has_box(item.get("bbox")))
        self._scores.append(score_of(item.get("score")))
        self._areas.append(_area(item.get("area")))
        return None

    def finish(self) -> tuple[_Objects, dict[int, tuple[AnnotationError, ...]]]:
        """The objects by image, and the errors of each image."""
        image = np.array(self._image, np.int32)
        number = np.array(self._number, np.int32)
        corners = np.array(self._xywh, np.float64).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]  # in float64: the far side is rounded once, not twice
        boxes = corners.astype(np.float32)
        area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        for row in np.flatnonzero(~area).tolist():
            x, y, width, height = self._xywh[4 * row : 4 * row + 4]
            what = f"a box of {width:g}×{height:g} pixels at {x:g}, {y:g} has no area"
            self._add_error(int(image[row]), "empty-box", what, int(number[row]))
        kept = np.flatnonzero(area)
        kept = kept[np.argsort(image[kept], kind="stable")]
        objects = _Objects(
            starts=np.searchsorted(image[kept], np.arange(len(self._count) + 1)),
            class_ids=np.array(self._class, np.int32)[kept],
            boxes=boxes[kept],
            crowd=np.array(self._crowd, bool)[kept],
            numbers=number[kept],
            outline=np.array(self._outline, bool)[kept],
            scores=np.array(self._scores, np.float32)[kept],
            areas=np.array(self._areas, np.float32)[kept],
        )
        errors = {
            index: tuple(sorted(found, key=lambda error: error.number or 0))
            for index, found in self._errors.items()
        }
        return objects, errors

    def notes(self) -> list[str]:
        """One sentence on all objects of images that the file does not list."""
        if not self._without_image:
            return []
        objects = counted(sum(self._without_image.values()), "object is", "objects are")
        images = listed(list(self._without_image))
        return [f"{objects} of no image that can be used (image {images}); left out"]

    def _no_image(self, name: str) -> None:
        self._without_image[name] = self._without_image.get(name, 0) + 1

    def _add_error(self, image: int, kind: str, message: str, number: int) -> None:
        self._errors.setdefault(image, []).append(AnnotationError(kind, message, number))


def _xywh(item: dict) -> list[float]:
    bbox = item.get("bbox")
    if not has_box(bbox) and _OUTLINE in item:
        bbox = item[_OUTLINE]
        if bbox is None:
            raise ObjectError("no-box", "no bbox, and its outline encloses no area")
    if not bbox:
        raise ObjectError("no-box", "no bbox, and no outline")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ObjectError("no-box", f"bbox {formatted(bbox)} is not x, y, width, height")
    values = []
    for value in bbox:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ObjectError("not-a-number", f"bbox holds {formatted(value)}, not a number")
        if not abs(value) <= _MAX_COORDINATE:  # NaN too, and whole numbers of any length
            raise ObjectError(
                "not-a-number", f"bbox holds {formatted(value)}, not a place in a photo"
            )
        values.append(float(value))
    return _rotated(values, item[_ROTATION]) if _ROTATION in item else values


def _rotated(xywh: list[float], degrees: float) -> list[float]:
    x, y, width, height = xywh
    x0, y0, x1, y1 = box_around_rotated((x, y, x + width, y + height), degrees)
    return [x0, y0, x1 - x0, y1 - y0]


def _id(value: Any) -> int | str | None:
    """An id, where a text of digits is the number; None where the value is not an id."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return value if isinstance(value, int) else None


def _flag(value: Any) -> bool:
    return value in (1, "1") or value is True


def _area(value: Any) -> float:
    """An area as the file gives it; NaN for what none has, such as a placeholder of 0 or -1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if 0 < value <= _MAX_AREA else math.nan


def _size(item: dict) -> tuple[int, int] | None:
    values = []
    for key in ("width", "height"):
        value = item.get(key)
        try:
            values.append(int(float(value)))
        except (TypeError, ValueError, OverflowError):
            return None
    return (values[0], values[1]) if min(values) > 0 else None
