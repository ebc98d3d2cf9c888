"""What the checks look at: ``Photo``, one labelled photo, and ``Folder``, all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.data.annotations import Annotation
from utils.images import ImageSize


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a photo's file turned out to hold.

    Attributes:
        size: of the upright photo, with its EXIF orientation; None where the file cannot be
            opened.
        error: why it cannot be opened or read to the end, "" where it can.
        format: as Pillow calls it, such as ``JPEG``; "" where it cannot be opened.
        unusual: what is special about its pixels, in words, "" for 8-bit grey, palette or RGB.
        length: of the file in bytes.
    """

    size: ImageSize | None
    error: str = ""
    format: str = ""
    unusual: str = ""
    length: int = 1


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo that has labels.

    Attributes:
        image_id: the name that identifies it in split lists; unique in the folder.
        path: its file.
        name: its file relative to the folder, for messages.
        label: the file of its labels, None where there is none of its own.
        where: its labels, for messages: ``Annotations/7.xml``.
        annotation: the labels; None where they cannot be read.
        label_error: why they cannot be read.
        pixels: what its file holds.
        boxes: float32 (N, 4), ``x0, y0, x1, y1`` in pixels of the upright photo, not clipped; as
            labelled where the photo cannot be opened.
        unsure: whether the photo is turned by EXIF and the labels do not tell whether they are.
    """

    image_id: str
    path: Path
    name: str
    label: Path | None
    where: str
    annotation: Annotation | None
    label_error: str
    pixels: Pixels
    boxes: np.ndarray
    unsure: bool = False

    @property
    def readable(self) -> bool:
        """Whether both photo and labels can be used."""
        return self.annotation is not None and not self.pixels.error

    @property
    def size(self) -> ImageSize:
        """Of a photo that is known to open."""
        assert self.pixels.size is not None
        return self.pixels.size

    def objects(self) -> Iterator[tuple[int, str, np.ndarray]]:
        """For each object: its number among those of the photo, its class, its (4,) box."""
        if self.annotation is not None:
            yield from zip(self.annotation.numbers, self.annotation.names, self.boxes, strict=True)

    def clipped(self) -> np.ndarray:
        """float32 (N, 4), the boxes inside the photo; some may have no area."""
        return np.clip(self.boxes, 0, np.array([*self.size[:2], *self.size[:2]], np.float32))


@dataclass(frozen=True)
class Folder:
    """Everything the checks know about a dataset.

    Attributes:
        name: the data folder, as the user wrote it.
        format: ``voc``, ``coco`` or ``yolo``.
        input_size: side of the network input in pixels.
        photos: the labelled photos, sorted by image id.
        unlabelled: photos without labels, relative to the folder.
        unmatched_labels: labels without a photo, likewise.
        lists: the folder's split lists by name; empty where it has none that divide it.
        missing: sentences about what the lists name in vain.
        copies: image id → the first image id whose file has the same content.
        alike: image id → the first image id that looks nearly the same; copies are not in it.
        pairs: all two image ids that look nearly the same, those of different families too.
        split: the lists that were asked for, in words; "" for the whole folder.
        notes: what the reader of the format says about the folder.
        class_order: class names in the order in which the folder declares them; empty where it
            declares none.
        as_stored: whether labels belong to photos as stored where nothing tells, rather than as
            turned upright by EXIF.
        size_note: why ``input_size`` was chosen, in words; "" where it was given.
    """

    name: str
    format: str
    input_size: int
    photos: tuple[Photo, ...]
    unlabelled: tuple[str, ...] = ()
    unmatched_labels: tuple[str, ...] = ()
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    alike: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    split: str = ""
    notes: tuple[str, ...] = ()
    class_order: tuple[str, ...] = ()
    as_stored: bool = True
    size_note: str = ""

    def usable(self) -> Iterator[Photo]:
        """The photos that training would take."""
        return (photo for photo in self.photos if photo.readable)

    def class_counts(self, image_ids: frozenset[str] | None = None) -> Counter[str]:
        """Objects by class in the usable photos; only those of ``image_ids`` where given.

        Difficult objects make their class known but do not count.
        """
        found: Counter[str] = Counter()
        for photo in self.usable():
            if image_ids is None or photo.image_id in image_ids:
                for name, hard in zip(
                    photo.annotation.names, photo.annotation.difficult, strict=True
                ):
                    found[name] += not hard
        return found

    def parts(self) -> dict[str, frozenset[str]]:
        """The lists that divide the dataset: train, val and test, as far as there are any.

        What ``trainval`` holds beyond ``val`` stands in for ``train`` where that is missing.
        """
        parts = {
            name: frozenset(self.lists[name])
            for name in ("train", "val", "test")
            if name in self.lists
        }
        if "train" not in parts and "trainval" in self.lists:
            rest = frozenset(self.lists["trainval"]) - parts.get("val", frozenset())
            parts = {"train": rest, **parts}
        return parts
