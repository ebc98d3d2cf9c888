"""What the checks look at: ``CheckedFolder``, and each labelled photo in it, ``CheckedPhoto``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from utils.data.annotations import Annotation, Entry, Layout
from utils.data.duplicates.groups import Duplicates
from utils.data.records import Dataset, Record
from utils.images import ImageSize


@dataclass(frozen=True, slots=True)
class FileContent:
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
class CheckedPhoto:
    """One photo that has labels.

    Attributes:
        entry: its image id, its file and the file of its labels.
        name: its file relative to the folder, for messages.
        where: its labels, for messages: ``Annotations/7.xml``.
        annotation: the labels, with boxes of the upright photo, not clipped; as labelled where the
            photo cannot be opened. None where the labels cannot be read.
        label_error: why the labels cannot be read, "" where they can.
        content: what its file holds.
        record: what training makes of it; None where photo or labels cannot be read.
        orientation_unclear: whether the photo is turned by EXIF and the labels do not tell whether
            they are.
    """

    entry: Entry
    name: str
    where: str
    annotation: Annotation | None
    label_error: str
    content: FileContent
    record: Record | None
    orientation_unclear: bool = False

    @property
    def image_id(self) -> str:
        return self.entry.image_id

    @property
    def size(self) -> ImageSize:
        """Of a photo that is known to open."""
        assert self.content.size is not None
        return self.content.size

    @property
    def boxes(self) -> np.ndarray:
        """float32 (N, 4), those of the annotation; none where it cannot be read."""
        return np.zeros((0, 4), np.float32) if self.annotation is None else self.annotation.boxes

    def objects(self) -> Iterator[tuple[int, str, np.ndarray]]:
        """For each object: its number among those of the photo, its class, its (4,) box."""
        if self.annotation is not None:
            yield from zip(self.annotation.numbers, self.annotation.names, self.boxes, strict=True)

    def clipped(self) -> np.ndarray:
        """float32 (N, 4), the boxes inside the photo; some may have no area."""
        return np.clip(self.boxes, 0, np.array([*self.size[:2], *self.size[:2]], np.float32))


@dataclass(frozen=True)
class CheckedFolder:
    """Everything the checks know about a dataset.

    Attributes:
        name: the data folder, as the user wrote it.
        layout: what the folder holds; of a split only what concerns it.
        input_size: side of the network input in pixels.
        photos: the labelled photos, sorted by image id.
        lists: the folder's split lists by name; empty where it has none that divide it.
        missing: sentences about photos that the lists name but the folder lacks.
        duplicates: which photos show the same picture.
        split: the lists that were asked for, in words; "" for the whole folder.
        labels_as_stored: whether labels belong to photos as stored where nothing tells, rather than
            as turned upright by EXIF.
        class_id_shift_warning: a sentence where class ids seem to be one off; otherwise "".
        size_note: why ``input_size`` was chosen, in words; "" where it was given.
    """

    name: str
    layout: Layout
    input_size: int
    photos: tuple[CheckedPhoto, ...]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    duplicates: Duplicates = field(default_factory=lambda: Duplicates({}, {}))
    split: str = ""
    labels_as_stored: bool = True
    class_id_shift_warning: str = ""
    size_note: str = ""

    def usable(self) -> Iterator[CheckedPhoto]:
        """The photos that training would take."""
        return (photo for photo in self.photos if photo.record is not None)

    def training_records(self) -> Dataset:
        """What would be trained on: the usable photos of the training list, or all without lists.

        Class ids mean nothing here.
        """
        train = self.splits().get("train")
        records = [
            photo.record for photo in self.usable() if train is None or photo.image_id in train
        ]
        return Dataset(records, ())

    def class_counts(self, image_ids: frozenset[str] | None = None) -> Counter[str]:
        """Objects by class in the usable photos; only those of ``image_ids`` where given.

        Difficult objects make their class known but do not count.
        """
        found: Counter[str] = Counter()
        for photo in self.usable():
            if image_ids is None or photo.image_id in image_ids:
                for name, difficult in zip(
                    photo.annotation.names, photo.annotation.difficult, strict=True
                ):
                    found[name] += not difficult
        return found

    def splits(self) -> dict[str, frozenset[str]]:
        """The lists that divide the dataset: train, val and test, as far as there are any.

        Without a list ``train``, what ``trainval`` holds beyond ``val`` is trained on.
        """
        splits = {
            name: frozenset(self.lists[name])
            for name in ("train", "val", "test")
            if name in self.lists
        }
        if "train" not in splits and "trainval" in self.lists:
            rest = frozenset(self.lists["trainval"]) - splits.get("val", frozenset())
            splits = {"train": rest, **splits}
        return splits
