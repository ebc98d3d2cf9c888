"""The label formats, and which of them a folder has: ``find_layout``, ``read_annotations``.

A format is a module with

- ``NAME``: what ``Layout.format`` says;
- ``LOOKS_FOR``: in words, what a folder of this format holds;
- ``OWN_FILES``: whether the labels of a photo depend on nothing but its own label file;
- ``find_layout(root)``: the ``Layout``, None where the folder holds nothing of the format, and
  ``UserError`` where it holds something but nothing that can be used;
- ``read_annotations(layout)``: for each entry, in order, its image id and its ``Annotation``, or
  an ``AnnotationError`` where none of its labels can be read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from utils.data.annotations import Annotation, AnnotationError, Layout
from utils.data.folder.file_scan import FileScan, real_folder
from utils.data.formats import coco, voc, yolo
from utils.data.formats.naming import first_problems
from utils.errors import UserError
from utils.image_kinds import photo_stem

# In the order in which they are looked for. A YOLO folder often also holds the COCO JSON of its
# validation photos, so YOLO comes first.
FORMATS = (voc, yolo, coco)


def find_layout(data: str | Path) -> Layout:
    """Look through a data folder. The first format that can be used counts; others get a note.

    Raises:
        UserError: no such folder, or nothing in it that can be used.
    """
    root = real_folder(data)
    found, failures = [], []
    for form in FORMATS:
        try:
            found.append(form.find_layout(root))
        except UserError as error:
            failures.append(error)
    layouts = [layout for layout in found if layout is not None]
    if layouts:
        layout, *others = layouts
        also = (*_also(layout, others), *(f"ignored: {failure}" for failure in failures))
        return replace(layout, notes=(*layout.notes, *also))
    if failures:
        raise failures[0]
    raise UserError(_nothing_found(data, root))


def read_annotations(layout: Layout) -> Iterator[tuple[str, Annotation | AnnotationError]]:
    """The labels of every entry of a layout, in order."""
    return _format(layout).read_annotations(layout)


def labels_depend_on_own_file(layout: Layout) -> bool:
    """Whether the labels of a photo depend on nothing but its own label file."""
    return _format(layout).OWN_FILES


def _format(layout: Layout):
    (form,) = (form for form in FORMATS if layout.format == form.NAME)
    return form


def _also(layout: Layout, others: list[Layout]) -> Iterator[str]:
    for other in others:
        yield (
            f"the folder has {other.format.upper()} labels of {len(other.entries)} photos as well; "
            f"those in {layout.format.upper()} format are used"
        )


def _nothing_found(data: str | Path, root: Path) -> str:
    scan = FileScan(root)
    found = scan.photos(root)
    photos = len(found)
    example = ""
    if found:
        name, stem = scan.name(found[0]), photo_stem(found[0])
        example = (
            f" For {name}, for example, {stem}.xml and {stem}.txt were looked for beside it and in "
            "all other folders, and its name in every JSON."
        )
    others = Counter(
        path.suffix.lower()
        for path in scan.files(root, (".xml", ".json", ".txt", ".csv", ".yaml", ".yml"))
    )
    also = "".join(f", {count} {suffix}" for suffix, count in sorted(others.items()))
    return (
        f"{data}: no annotated photos ({photos} photos{also} found). Formats that can be read: "
        + "; ".join(form.LOOKS_FOR for form in FORMATS)
        + "."
        + example
        + first_problems(scan.notes).removeprefix(".")
    )
