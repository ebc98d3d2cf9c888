"""The YOLO format: a text file for each photo (``yolo_txt``), in folders of several layouts
(``yolo_layout``), with a YAML (``yolo_yaml``) or text files (``yolo_names``) that name the classes.

Boxes are fractions of the photo as YOLO tools show it: after EXIF orientation. The photo's header
is read for the size in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from utils.data.annotations import Annotation, AnnotationError, Entry, NamedIds
from utils.data.formats.yolo_layout import YoloLayout, find_layout
from utils.data.formats.yolo_txt import YoloLabels, read_labels
from utils.errors import UserError
from utils.images import image_size

__all__ = ["LOOKS_FOR", "NAME", "OWN_FILES", "TITLE", "find_layout", "read_annotations"]

NAME = "yolo"
TITLE = "YOLO"
OWN_FILES = False  # labels depend on the size of the photo and on the YAML, too
LOOKS_FOR = (
    "YOLO labels (images/ and labels/ with one text file a photo, and a data.yaml or classes.txt "
    "that names the classes)"
)
_NOTHING = YoloLabels((), np.zeros((0, 4)), (), ())


def read_annotations(layout: YoloLayout) -> Iterator[tuple[str, Annotation | AnnotationError]]:
    """The labels of every entry, in order."""
    every = NamedIds.of(layout.classes)
    by_folder = {
        folder: (names, NamedIds.of(names)) for folder, names in layout.folder_classes.items()
    }
    for image_id, entry in layout.entries.items():
        folder = entry.label.parent if entry.label else None
        classes, named = by_folder.get(folder, (layout.classes, every))
        try:
            yield image_id, _annotation(layout, entry, classes, named)
        except ValueError as error:
            yield image_id, AnnotationError("unreadable", str(error))
        except UserError as error:
            yield (
                image_id,
                AnnotationError("unreadable", f"the size of its photo is not known: {error}"),
            )


def _annotation(
    layout: YoloLayout, entry: Entry, classes: Mapping[int, str], named: NamedIds
) -> Annotation:
    labels = _NOTHING
    if entry.label is not None:
        labels = read_labels(entry.label, classes, pose=layout.pose, named=named)
    boxes = labels.boxes.astype(np.float32)
    if len(boxes):
        size = image_size(entry.image)
        boxes = (labels.boxes * ([size.width, size.height] * 2)).astype(np.float32)
    # A tiny box far from the corner can have no area in float32.
    area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    kept = np.flatnonzero(area).tolist()
    lost = [labels.numbers[row] for row in np.flatnonzero(~area)]
    return Annotation(
        where=layout.name(entry.label or entry.image),
        filename="",
        size=None,
        names=tuple(labels.names[row] for row in kept),
        boxes=boxes[area],
        difficult=np.zeros(len(kept), bool),
        upright=True,
        numbers=tuple(labels.numbers[row] for row in kept),
        errors=(
            *labels.errors,
            *(AnnotationError("empty-box", "the box has no area", n) for n in lost),
        ),
        outlines=labels.outlines,
        scores=None if labels.scores is None else labels.scores[area],
    )
