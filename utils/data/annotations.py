"""What label files say, in any format.

A format (``utils.data.formats``) finds the photos and labels of a folder: ``Layout`` is what the
folder holds, ``Entry`` one photo with its label file, ``Annotation`` the content of the labels.
Nothing is clipped or turned yet. What cannot be understood becomes an ``AnnotationError``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Of a photo. Training compares 27 predictions with each object, in all photos of a batch alike.
MAX_OBJECTS = 5000


@dataclass(frozen=True, slots=True)
class AnnotationError:
    """An object, or a whole label file, that cannot be used.

    Attributes:
        kind: a short name. Of a whole file:

            - ``unreadable``: it cannot be read;
            - ``crowded``: it has more than ``MAX_OBJECTS`` objects.

            Of an object:

            - ``no-class``: it has no class;
            - ``no-id``: what stands for the class is no class id;
            - ``no-name``: the class id has no name;
            - ``after-last``: the ids begin with 0, and this one is one above the last with a name;
            - ``before-first``: the class id is 0, and the names begin with 1;
            - ``no-box``: it has no box, or none of the known form;
            - ``not-a-number``: a coordinate is no number;
            - ``empty-box``: the box has no area.
        message: what is wrong, without the file's name, such as
            ``xmax 119 lies before xmin 119``.
        number: place of the object among those of its photo, from 1; None for the whole file.
    """

    kind: str
    message: str
    number: int | None = None

    def __str__(self) -> str:
        where = "" if self.number is None else f"object {self.number}: "
        return f"{where}{self.message}; skipped"


class ObjectError(Exception):
    """Why one object of a label file cannot be used, while it is read; ``kind`` and ``message`` as
    in ``AnnotationError``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def at(self, number: int) -> AnnotationError:
        """The same, for the object at that place."""
        return AnnotationError(self.kind, str(self), number)


class NamedIds(NamedTuple):
    """What errors need to know of the class ids that have a name, found out once for all of them.

    Attributes:
        low, high: the lowest and the highest; −1 where there is none.
        zero: whether 0 has a name.
    """

    low: int
    high: int
    zero: bool

    @classmethod
    def of(cls, ids: Collection[int]) -> NamedIds:
        return cls(min(ids, default=-1), max(ids, default=-1), 0 in ids)


def no_name_kind(class_id: int, named: NamedIds) -> str:
    """The kind of error of a class id without a name; ``named`` are those that have one."""
    if named.zero and class_id == named.high + 1:
        return "after-last"
    return "before-first" if class_id == 0 and named.low == 1 else "no-name"


def score_of(value: object) -> float:
    """A detector's score as a label file gives it, 0 to 1; NaN for anything else."""
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return score if 0 <= score <= 1 else math.nan


@dataclass(frozen=True, slots=True)
class Annotation:
    """The labels of one photo.

    Attributes:
        where: what to call the place in messages: ``Annotations/0042.xml``, ``labels/0042.txt``,
            ``instances.json, image 42``.
        filename: the photo that the file itself names, "" where it names none.
        size: (width, height) in pixels that the labels were made for, None where not said.
        names: N class names.
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels, continuous, not clipped; each has an
            area.
        difficult: bool (N,): neither trained on nor counted when scoring; a crowd in COCO.
        upright: whether it says that its boxes are of the photo turned upright by EXIF.
        numbers: N places among the photo's objects, from 1, for messages.
        errors: the objects left out.
        outlines: how many of the N objects are labelled by an outline or a rotated box, of which
            the bounding box is taken.
        scores: float32 (N,), of objects that a detector found; NaN for the others. None where no
            object has one.
        areas: float32 (N,), square pixels as the file gives them, in COCO those of the outline; NaN
            for the others. None where no object has one.
    """

    where: str
    filename: str
    size: tuple[int, int] | None
    names: tuple[str, ...]
    boxes: np.ndarray
    difficult: np.ndarray
    upright: bool
    numbers: tuple[int, ...]
    errors: tuple[AnnotationError, ...]
    outlines: int = 0
    scores: np.ndarray | None = None
    areas: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One labelled photo; ``image_id`` is unique in the folder.

    ``label`` is the file that holds the labels, which photos share in COCO. It is None for a photo
    without label file that counts as a photo without objects.
    """

    image_id: str
    image: Path
    label: Path | None


@dataclass(frozen=True)
class SplitList:
    """The image ids of one split in the list's order, and notes on names that were not found."""

    image_ids: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """What a data folder holds.

    Attributes:
        format: ``voc``, ``yolo``, ``coco`` or ``label-studio``.
        root: the folder, without links.
        entries: the labelled photos by image id, in sorted order.
        lists: split lists by name; in a devkit with their year (``2007:train``) and, joined over
            the years, without (``train``). Empty where the folder has none.
        class_order: the class names in the order in which the folder itself declares them (COCO's
            categories by id, YOLO's names); None where it declares none (VOC).
        years: the folders of a devkit, without their "VOC"; empty elsewhere.
        unlabelled: photos without labels, which are left out.
        unmatched_labels: label files without a photo; entries of a JSON, in words.
        notes: one sentence for each further thing left out.
    """

    format: str
    root: Path
    entries: Mapping[str, Entry]
    lists: Mapping[str, SplitList]
    class_order: tuple[str, ...] | None = None
    years: tuple[str, ...] = ()
    unlabelled: tuple[Path, ...] = ()
    unmatched_labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def name(self, path: Path) -> str:
        """A path for messages, relative to the data folder."""
        return path.relative_to(self.root).as_posix()

    def is_human_labelled(self, image_id: str) -> bool:
        """Whether people drew the labels of an entry; a format that cannot tell says yes."""
        return image_id in self.entries
