"""The label formats, and which of them a folder has: ``find_layout``, ``read_annotations``.

A format is a module with

- ``NAME``: what ``Layout.format`` says, and ``TITLE``, the same for people;
- ``LOOKS_FOR``: in words, what a folder of this format holds;
- ``OWN_FILES``: whether the labels of a photo depend on nothing but its own label file;
- ``find_layout(root)``: the ``Layout``, None where the folder holds nothing of the format, and
  ``UserError`` where it holds something but nothing that can be used;
- ``read_annotations(layout)``: for each entry, in order, its image id and its ``Annotation``, or
  an ``AnnotationError`` where none of its labels can be read. (More than ``MAX_OBJECTS`` of a
  photo are refused here, for all formats.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from utils.data.annotations import MAX_OBJECTS, Annotation, AnnotationError, Layout
from utils.data.folder.file_scan import FileScan, real_folder
from utils.data.formats import coco, label_studio, voc, yolo
from utils.data.formats.encoding import decoded
from utils.data.formats.foreign import foreign_labels
from utils.data.formats.naming import first_problems, formatted
from utils.data.formats.yolo_txt import MAX_BYTES
from utils.errors import UserError
from utils.files import read_limited
from utils.image_kinds import photo_stem
from utils.text import counted

# In the order in which they are looked for. A YOLO folder often also holds the COCO JSON of its
# validation photos, so YOLO comes first.
FORMATS = (voc, yolo, coco, label_studio)
_FULLER = 2  # times as many photos, from which a later format replaces an earlier one


def find_layout(data: str | Path) -> Layout:
    """Look through a data folder; the formats that do not count get a note.

    The first usable format in ``FORMATS`` counts. A later one replaces it if people drew its
    labels, for more than ``_FULLER`` times as many photos and for at least half of the first one's.
    Of several such, the one with the most photos counts. So a stray XML makes no VOC folder of a
    YOLO folder, and another data set below it does not take its place.

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
        layout, also, unlabelled = _chosen(layouts)
        ignored = (f"ignored: {failure}" for failure in failures)
        return replace(layout, unlabelled=unlabelled, notes=(*layout.notes, *also, *ignored))
    if failures:
        raise failures[0]
    raise UserError(_nothing_found(data, root))


def read_annotations(layout: Layout) -> Iterator[tuple[str, Annotation | AnnotationError]]:
    """The labels of every entry of a layout, in order; none where they are too many for a photo."""
    for image_id, found in _format(layout).read_annotations(layout):
        yield image_id, _crowded(found) or found


def _crowded(found: Annotation | AnnotationError) -> AnnotationError | None:
    if isinstance(found, AnnotationError) or len(found.names) <= MAX_OBJECTS:
        return None
    return AnnotationError(
        "crowded", f"{len(found.names):,} objects, and a photo may have {MAX_OBJECTS:,}"
    )


def labels_depend_on_own_file(layout: Layout) -> bool:
    """Whether the labels of a photo depend on nothing but its own label file."""
    return _format(layout).OWN_FILES


def _format(layout: Layout):
    (form,) = (form for form in FORMATS if layout.format == form.NAME)
    return form


def _chosen(layouts: list[Layout]) -> tuple[Layout, list[str], tuple[Path, ...]]:
    """The layout that counts, notes on the others, and the photos that none of them labels."""
    if len(layouts) == 1:
        return layouts[0], [], layouts[0].unlabelled
    # The first format keeps its place against fewer labels, whoever drew them.
    labelled = [_labelled(layouts[0]), *map(_human_labelled, layouts[1:])]
    first = labelled[0]
    rivals = [i for i, own in enumerate(labelled) if 2 * len(own & first) >= len(first)]
    fullest = max(rivals, key=lambda i: len(labelled[i]))
    chosen = fullest if len(labelled[fullest]) > _FULLER * len(first) else 0
    layout, own = layouts[chosen], labelled[chosen]
    title, notes = _format(layout).TITLE, []
    for other, theirs in zip(layouts, labelled, strict=True):
        if other is layout:
            continue
        without = len(theirs - own)
        notes.append(
            f"the folder has {_format(other).TITLE} labels of "
            f"{counted(len(other.entries), 'photo')} as well"
            + (f", {without} of them without {title} labels" if without else "")
            + f"; those in {title} format are used"
        )
    everywhere = set().union(*labelled)
    return layout, notes, tuple(photo for photo in layout.unlabelled if photo not in everywhere)


def _labelled(layout: Layout) -> set[Path]:
    """The photos with labels."""
    return {entry.image for entry in layout.entries.values() if entry.label is not None}


def _human_labelled(layout: Layout) -> set[Path]:
    """The photos that people labelled, as far as the layout tells."""
    return {
        entry.image
        for image_id, entry in layout.entries.items()
        if entry.label is not None and layout.is_human_labelled(image_id)
    }


def _no_label(scan: FileScan, photos: list[Path]) -> str:
    """A sentence on a text file with the name of a photo that holds no labels; "" without any."""
    by_stem = {photo_stem(photo): photo for photo in reversed(photos)}
    texts = [text for text in scan.files(scan.root, (".txt",)) if text.stem in by_stem]
    if not texts:
        return ""
    text = min(texts, key=lambda text: (not text.stat().st_size, text))
    try:
        lines = [
            line for line in decoded(read_limited(text, MAX_BYTES)).splitlines() if line.strip()
        ]
        what = f"begins with {formatted(lines[0])!r}, which is no label" if lines else "is empty"
    except ValueError as error:
        what = f"cannot be read: {error}"
    return (
        f" {scan.name(text)}, for example, has the name of {scan.name(by_stem[text.stem])}, but "
        f"{what}. A YOLO label is the number of the class, and the box in fractions of the photo, "
        "such as 0 0.5 0.5 0.2 0.3."
    )


def _nothing_found(data: str | Path, root: Path) -> str:
    scan = FileScan(root)
    found = scan.photos(root)
    photos = len(found)
    others = Counter(
        path.suffix.lower()
        for path in scan.files(root, (".xml", ".json", ".txt", ".csv", ".yaml", ".yml"))
    )
    also = "".join(f", {count} {suffix}" for suffix, count in sorted(others.items()))
    nothing = f"{data}: no annotated photos ({photos} photos{also} found). "
    if foreign := foreign_labels(scan):
        return f"{nothing}{foreign}"
    example = _no_label(scan, found)
    if found and not example:
        name, stem = scan.name(found[0]), photo_stem(found[0])
        example = (
            f" For {name}, for example, {stem}.xml and {stem}.txt were looked for beside it and in "
            "all other folders, and its name in every JSON of COCO or Label Studio."
        )
    return (
        f"{nothing}Formats that can be read: "
        + "; ".join(form.LOOKS_FOR for form in FORMATS)
        + "."
        + example
        + first_problems(scan.notes).removeprefix(".")
    )
