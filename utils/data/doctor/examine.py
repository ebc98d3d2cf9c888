"""Reading a dataset for the checks: ``examine`` takes the index and decodes every photo.

Labels, sizes and records are those of training. A few threads decode the photos, huge ones one at
a time, and keep only what the checks need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from utils.cores import available_cores
from utils.data.annotations import Annotation, SplitList
from utils.data.doctor.checked import CheckedFolder, CheckedPhoto, FileContent
from utils.data.duplicates.groups import find_duplicates
from utils.data.folder.index import Index, open_index
from utils.data.folder.reasons import class_id_shift_warning
from utils.data.folder.tables import EntryTable, LabelTable, PhotoTable
from utils.data.input_size import DEFAULT_SIZE, input_size_for_objects
from utils.data.record_maker import RecordMaker, labels_as_stored
from utils.data.splits.names import Splits, usable_lists
from utils.errors import UserError
from utils.images import FORMATS, HUGE, ImageInfo, image_size, read_image
from utils.progress import progress

_WORKERS = 4  # decoding releases Python's lock


def examine(
    data: str | Path, *, split: str | None = None, input_size: int | None = None
) -> CheckedFolder:
    """Everything that the checks need to know about a data folder; shows its progress on stderr.

    Args:
        data: the folder.
        split: look only at the photos of these lists, such as ``train`` or
            ``2007:trainval,2012:trainval``.
        input_size: side of the network input in pixels; default: what training would choose.

    Raises:
        UserError: no such folder, nothing in it that can be used, or no such list.
    """
    index = open_index(data)
    layout = index.layout
    lists = usable_lists(layout.lists, index.readable_ids())
    if split:
        chosen = _image_ids(index, lists or layout.lists, split)
        # The notes are about the whole folder.
        lists, layout = {}, replace(layout, unlabelled=(), unmatched_labels=(), notes=())
        rows = [row for row, image_id in enumerate(index.entries.image_ids) if image_id in chosen]
    else:
        rows = range(len(index.entries))
    contents = _look_at_all([index.entries.image(row) for row in rows])
    as_stored = labels_as_stored(index)
    photos = tuple(_checked_photos(index, rows, contents, as_stored))
    folder = CheckedFolder(
        name=str(data),
        layout=layout,
        input_size=input_size or DEFAULT_SIZE,
        photos=photos,
        lists={name: found.image_ids for name, found in lists.items()},
        missing=_missing(lists),
        duplicates=find_duplicates(
            {photo.image_id: photo.entry.image for photo in photos if not photo.content.error}
        ),
        split=split or "",
        labels_as_stored=as_stored,
        class_id_shift_warning=class_id_shift_warning(index),
    )
    return folder if input_size else _with_chosen_size(folder)


def with_labels(photo: CheckedPhoto, labels: Annotation, folder: CheckedFolder) -> CheckedPhoto:
    """The photo with other labels, read as those of the rest of the folder are."""
    root = folder.layout.root
    index = Index(
        layout=folder.layout,
        entries=EntryTable.of(root, {photo.image_id: photo.entry}),
        labels=LabelTable.of([labels]),
        photos=PhotoTable.of(
            [ImageInfo(photo.content.size) if photo.content.size else photo.content.error]
        ),
        misnamed=(),
        stamps=np.zeros((1, 2, 3), np.int64),
        state_hash="",
        cacheable=False,
    )
    (changed,) = _checked_photos(index, [0], [photo.content], folder.labels_as_stored)
    return changed


def _checked_photos(
    index: Index, rows: Sequence[int], contents: Sequence[FileContent], as_stored: bool
) -> Iterator[CheckedPhoto]:
    """The photos of these rows, rising, whose files have these contents."""
    name = index.layout.name
    readable = [row for row in rows if row not in index.labels.unreadable]
    maker = RecordMaker(index, readable, index.labels.names, as_stored)
    records = maker.records()
    index_of = {row: i for i, row in enumerate(maker.rows.tolist())}
    for row, found in zip(rows, contents, strict=True):
        entry, labels = index.entries.at(row), index.labels[row]
        known = isinstance(labels, Annotation)
        i = index_of.get(row)
        orientation_unclear = False
        if i is not None:
            boxes = maker.boxes[slice(*maker.first[i : i + 2])]
            labels = replace(labels, boxes=boxes)
            orientation_unclear = bool(maker.orientation_unclear[i] and len(boxes))
        yield CheckedPhoto(
            entry=entry,
            name=name(entry.image),
            where=labels.where if known else name(entry.label) if entry.label else "",
            annotation=labels if known else None,
            label_error="" if known else labels.message,
            content=found,
            record=None if i is None or found.error else records[i],
            orientation_unclear=orientation_unclear,
        )


def _with_chosen_size(folder: CheckedFolder) -> CheckedFolder:
    """The folder, judged at the input size that training would choose for it."""
    dataset = folder.training_records()
    if not dataset.photos_with_objects:
        return folder
    size, note = input_size_for_objects(dataset)
    return replace(folder, input_size=size, size_note=note)


def look_at(path: Path) -> FileContent:
    """Open one photo and decode it to the end."""
    try:
        length = path.stat().st_size
    except OSError as error:
        return FileContent(None, error.strerror or str(error))
    if not length:
        return FileContent(None, "the file has no content", length=0)
    size, form = None, ""
    try:
        size = image_size(path)
        read_image(path)
        form, unusual = _format(path)
    except UserError as error:
        return FileContent(size, str(error).removeprefix(f"{path}: "), form, length=length)
    return FileContent(size, "", form, unusual, length)


def _format(path: Path) -> tuple[str, str]:
    """The format of a photo that can be read, and what is unusual about its pixels.

    Raises:
        UserError: Pillow stumbles over it, which decoders do in many ways.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.format or "", _unusual(image)
    except Exception as error:
        raise UserError(f"cannot be inspected ({error or type(error).__name__})") from error


def _unusual(image: Image.Image) -> str:
    if image.mode in ("CMYK", "LAB", "HSV"):
        return f"{image.mode} colours"
    if image.mode == "F":
        return "floating-point pixels"
    if image.mode.startswith("I"):
        return "16-bit or deeper grey"
    if any(";16" in str(tile[3]) for tile in image.tile):  # the layout in the file
        return "16 bits a channel"
    return "transparent parts" if _transparent(image) else ""


def _transparent(image: Image.Image) -> bool:
    """Whether anything shows through; most pictures with an alpha channel make no use of it."""
    if not image.has_transparency_data or image.width * image.height > HUGE:
        return False
    return image.convert("RGBA").getchannel("A").getextrema()[0] < 255


def _look_at_all(paths: Sequence[Path]) -> list[FileContent]:
    workers = min(_WORKERS, available_cores())
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(look_at, paths)
        try:
            return list(progress(found, "reading photos", len(paths)))
        except BaseException:  # Ctrl-C does not wait for the photos still to come
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _image_ids(index: Index, lists: Mapping[str, SplitList], split: str) -> set[str]:
    """The image ids of the lists that a split names.

    Without lists the split that training makes depends on its seed, so there is none here.
    """
    root = index.layout.root
    if not lists:
        raise UserError(f"{root}: there are no split lists; without --split all photos are checked")
    return Splits(root, lists, frozenset(index.entries.image_ids)).image_ids(split)


def _missing(lists: Mapping[str, SplitList]) -> tuple[str, ...]:
    """Notes on missing photos, once each: a devkit has its lists with and without the year."""
    notes = (note for found in lists.values() for note in found.notes)
    return tuple(dict.fromkeys(note.removesuffix("; left out") for note in notes))
