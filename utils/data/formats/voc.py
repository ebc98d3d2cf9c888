"""The VOC format: one XML a photo (``voc_xml``) in folders of several layouts (``voc_layout``)."""

from __future__ import annotations

from collections.abc import Iterator

from utils.data.annotations import Annotation, AnnotationError, Layout
from utils.data.formats.voc_layout import find_layout
from utils.data.formats.voc_xml import read_annotation

__all__ = ["LOOKS_FOR", "NAME", "OWN_FILES", "TITLE", "find_layout", "read_annotations"]

NAME = "voc"
TITLE = "VOC"
OWN_FILES = True
LOOKS_FOR = (
    "a VOC folder (Annotations/ and JPEGImages/), a VOCdevkit with a VOC folder for each year, "
    "and photos with VOC XML side by side or in folders such as images/ and annotations/"
)


def read_annotations(layout: Layout) -> Iterator[tuple[str, Annotation | AnnotationError]]:
    """Read the XML of every entry, in order."""
    for image_id, entry in layout.entries.items():
        try:
            yield image_id, read_annotation(entry.label, layout.name(entry.label))
        except ValueError as error:
            yield image_id, AnnotationError("unreadable", str(error))
