"""How well given boxes agree with the objects, to notice numbers that were read wrongly.

This never decides what a number means. It is evidence for the user, in messages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from utils.detections import xyxy
from utils.overlap import iou
from utils.text import counted

_MAX_BOXES = 10_000  # boxes that are compared, those with the highest scores
_PAIRS = 1 << 20  # of box and object, compared together
_MIN_MATCHES = 5  # the fewest matches on which a wrong class id is suspected
_OF_OTHER_CLASS = 0.8  # share of matches


class BoxAgreement:
    """Compares boxes with the objects of the photos that they may belong to.

    Args:
        ground_truth: as ``utils.evaluation.coco_files.ground_truth`` makes it.
        boxes: N times x, y, width, height.
        scores: N.
    """

    def __init__(
        self, ground_truth: dict, boxes: Sequence[Sequence[float]], scores: Sequence[float]
    ) -> None:
        self._images = ground_truth["images"]
        self._annotations = ground_truth["annotations"]
        self._all_boxes, self._scores = boxes, scores
        self._matches: dict[tuple[int, ...], np.ndarray] = {}
        self._prepared = False

    def on_objects(self, image_of: Sequence[int]) -> str:
        """The share of boxes with IoU 0.5 or more with an object, in words for a message."""
        matched = self._match(image_of)
        return f" ({_share((matched >= 0).sum(), len(matched))} of the boxes lie on an object)"

    def on_class(self, image_of: Sequence[int], category_of: Sequence[int]) -> str:
        """The share of boxes on objects that name the object's class, for a message."""
        matched = self._match(image_of)
        on_object = matched >= 0
        same = matched[on_object] == np.asarray(category_of)[self._best][on_object]
        return f" ({_share(same.sum(), len(same))} of the boxes on an object have its class)"

    def image_warning(self, image_of: Sequence[int]) -> str | None:
        """A warning if the boxes fit other photos far better than those by position."""
        ids = np.asarray(image_of)
        here = self._share_on_objects(image_of)
        for meaning, place in (
            ("positions counted from 0", lambda ids: ids + 1),
            ("positions in the order 1, 2, 10 instead of 1, 10, 2", self._natural),
        ):
            other = place(ids)
            if other.max(initial=0) > len(self._images) or (other == ids).all():
                continue
            there = self._share_on_objects(other.tolist())
            if there > 2 * here and there > 0.2:
                return (
                    f"the numbers in image_id may be wrong. {here:.0%} of the boxes lie on an "
                    f"object; with {meaning} it would be {there:.0%}. Give each result a file_name"
                )
        return None

    def category_warning(
        self,
        image_of: Sequence[int],
        category_of: Sequence[int],
        numbers: Sequence[int | None],
        classes: Sequence[str],
    ) -> str | None:
        """A warning if most boxes of a class lie on objects of one other class.

        Args:
            image_of: id of the photo for each box.
            category_of: class id for each box.
            numbers: ``category_id`` of each box as in the file; None where a name stands alone.
            classes: names by class id.
        """
        matched = self._match(image_of)
        given = np.asarray(category_of, int)[self._best]
        for category in np.unique(given[matched >= 0]).tolist():
            objects = np.bincount(matched[(given == category) & (matched >= 0)])
            most = int(objects.argmax())
            total = objects.sum()
            of_class = self._best[given == category]
            number = next((numbers[i] for i in of_class if numbers[i] is not None), None)
            if number is None or most == category or total < _MIN_MATCHES:
                continue
            if objects[most] >= _OF_OTHER_CLASS * total:
                boxes = counted(int(total), "box", "boxes")
                return (
                    f"the numbers in category_id may be wrong. Of {boxes} with {number}, read as "
                    f"{classes[category]!r}, {objects[most]:,} lie on objects of class "
                    f"{classes[most]!r}. Give each result its class name as category"
                )
        return None

    def _share_on_objects(self, image_of: Sequence[int]) -> float:
        matched = self._match(image_of)
        return float((matched >= 0).mean()) if len(matched) else 0.0

    def _natural(self, ids: np.ndarray) -> np.ndarray:
        """Positions in the order of numbers → positions in the order of letters."""
        order = sorted(self._images, key=lambda image: _natural_key(image["stem"]))
        return np.array([0, *(image["id"] for image in order)])[ids]

    def _prepare(self) -> None:
        if self._prepared:
            return
        self._prepared = True
        order = np.argsort(-np.asarray(self._scores, float), kind="stable")
        self._best = np.sort(order[:_MAX_BOXES])
        self._boxes = xyxy([self._all_boxes[i] for i in self._best])
        rows: dict[int, list[dict]] = {}
        for annotation in self._annotations:
            rows.setdefault(annotation["image_id"], []).append(annotation)
        self._objects = {
            image: (xyxy([a["bbox"] for a in found]), [a["category_id"] for a in found])
            for image, found in rows.items()
        }

    def _match(self, image_of: Sequence[int]) -> np.ndarray:
        """The class of the object with the highest IoU from 0.5 on for each best box, else −1."""
        self._prepare()
        images = np.asarray(image_of, int)[self._best]
        key = tuple(images.tolist())
        if key not in self._matches:
            matched = np.full(len(images), -1)
            order = np.argsort(images, kind="stable")
            for rows in np.split(order, np.flatnonzero(np.diff(images[order])) + 1):
                if not len(rows) or (image := int(images[rows[0]])) not in self._objects:
                    continue
                boxes, categories = self._objects[image]
                for part in np.array_split(rows, -(-len(rows) * len(boxes) // _PAIRS)):
                    overlap = iou(self._boxes[part][:, None], boxes[None])
                    best = overlap.argmax(axis=1)
                    good = overlap.max(axis=1) >= 0.5
                    matched[part[good]] = np.asarray(categories)[best[good]]
            self._matches[key] = matched
        return self._matches[key]


def _natural_key(stem: str) -> list[tuple[int, int, str]]:
    """1, 2, 10, and capitals first, as programs sort that know numbers."""
    return [
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]{1,30})", stem)
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
