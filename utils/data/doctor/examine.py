"""Reading a dataset for the checks: ``examine`` looks at every label file and decodes every photo.

The one place that knows how the formats are read. Photos are decoded by a few threads, one at a
time where they are huge, and only what the checks need is kept of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from utils.cores import available_cores
from utils.data.annotations import Annotation, AnnotationError, Layout, SplitList
from utils.data.doctor.photos import Folder, Photo, Pixels
from utils.data.duplicates.groups import find_duplicates
from utils.data.formats import find_layout, read_annotations
from utils.data.input_size import input_size_for_objects
from utils.data.records import Dataset, Record
from utils.data.splits.names import Splits, usable_lists
from utils.errors import UserError
from utils.images import HUGE, ImageSize, image_size, orient_boxes, read_image

_WORKERS = 4  # decoding releases Python's lock
_USUAL_SIZE = 416  # where there is no object to choose the input size by
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")


def examine(data: str | Path, *, split: str | None = None, input_size: int | None = None) -> Folder:
    """Everything that the checks need to know about a data folder; shows its progress on stderr.

    Args:
        data: the folder.
        split: look only at the photos of these lists, such as ``train`` or
            ``2007:trainval,2012:trainval``.
        input_size: side of the network input in pixels; the one that training would choose when
            None.

    Raises:
        UserError: no such folder, nothing in it that can be used, or no such list.
    """
    layout = find_layout(data)
    chosen = _chosen(layout, split)
    labels = {
        image_id: found
        for image_id, found in progress(
            read_annotations(layout), len(layout.entries), "reading labels"
        )
        if image_id in chosen
    }
    paths = {image_id: layout.entries[image_id].image for image_id in labels}
    pixels = _look_at_all(paths)
    as_stored = _labels_as_stored(labels, pixels)
    photos = _photos(layout, labels, pixels, as_stored)
    readable = {photo.image_id: photo.path for photo in photos if not photo.pixels.error}
    duplicates = find_duplicates(readable)
    lists = {} if split else usable_lists(layout.lists)
    folder = Folder(
        name=str(data),
        format=layout.format,
        input_size=input_size or _USUAL_SIZE,
        photos=photos,
        unlabelled=() if split else tuple(layout.name(path) for path in layout.unlabelled),
        unmatched_labels=() if split else layout.unmatched_labels,
        lists={name: found.image_ids for name, found in lists.items()},
        missing=_missing(lists),
        copies=duplicates.exact,
        alike={
            image_id: f
            for image_id, f in duplicates.near.items()
            if image_id not in duplicates.exact
        },
        pairs=duplicates.pairs,
        split=split or "",
        notes=() if split else layout.notes,
        class_order=layout.class_order or (),
        as_stored=as_stored,
    )
    return folder if input_size else _with_chosen_size(folder)


def _with_chosen_size(folder: Folder) -> Folder:
    """The folder, judged at the input size that training would choose for it."""
    train = folder.parts().get("train")
    photos = [p for p in folder.usable() if train is None or p.image_id in train]
    records = []
    for photo in photos:
        boxes = photo.clipped()
        area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # training leaves out the others
        records.append(
            Record(
                image_id=photo.image_id,
                image=photo.path,
                width=photo.size.width,
                height=photo.size.height,
                boxes=boxes[area],
                class_ids=np.zeros(int(area.sum()), np.int32),  # the size does not depend on them
                difficult=photo.annotation.difficult[area],
            )
        )
    if not any((~record.difficult).any() for record in records):
        return folder
    size, note = input_size_for_objects(Dataset(records, ()))
    return replace(folder, input_size=size, size_note=note)


def look_at(path: Path) -> Pixels:
    """Open one photo and decode it to the end."""
    try:
        length = path.stat().st_size
    except OSError as error:
        return Pixels(None, error.strerror or str(error))
    if not length:
        return Pixels(None, "the file has no content", length=0)
    size, form = None, ""
    try:
        size = image_size(path)
        read_image(path)
        form, unusual = _format(path)
    except UserError as error:
        return Pixels(size, str(error).removeprefix(f"{path}: "), form, length=length)
    return Pixels(size, "", form, unusual, length)


def upright(found: Annotation, size: ImageSize | None, as_stored: bool) -> tuple[np.ndarray, bool]:
    """The boxes in the upright photo, and whether that was a guess; as training reads them."""
    if size is None or size.orientation == 1 or found.upright:
        return found.boxes, False
    if found.size is None:
        return found.boxes, bool(len(found.boxes))
    turn, unsure = found.size == size.stored, False
    if size.stored == size[:2] and turn:  # by 180°, mirrored, or square: the size does not tell
        turn, unsure = as_stored, bool(len(found.boxes))
    return (orient_boxes(found.boxes, size).astype(np.float32) if turn else found.boxes), unsure


def _format(path: Path) -> tuple[str, str]:
    """The format of a photo that can be read, and what is unusual about its pixels.

    Raises:
        UserError: Pillow stumbles over it, which decoders do in many ways.
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
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


def _look_at_all(paths: Mapping[str, Path]) -> dict[str, Pixels]:
    workers = min(_WORKERS, available_cores())
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(look_at, paths.values())
        try:
            return dict(zip(paths, progress(found, len(paths), "reading photos"), strict=True))
        except BaseException:  # Ctrl-C does not wait for the photos still to come
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _photos(
    layout: Layout,
    labels: Mapping[str, Annotation | AnnotationError],
    pixels: Mapping[str, Pixels],
    as_stored: bool,
) -> tuple[Photo, ...]:
    photos = []
    for image_id, found in sorted(labels.items()):
        entry = layout.entries[image_id]
        known = isinstance(found, Annotation)
        boxes, unsure = np.zeros((0, 4), np.float32), False
        if known:
            boxes, unsure = upright(found, pixels[image_id].size, as_stored)
        label = layout.name(entry.label) if entry.label else ""
        photos.append(
            Photo(
                image_id=image_id,
                path=entry.image,
                name=layout.name(entry.image),
                label=entry.label,
                where=found.where if known else label,
                annotation=found if known else None,
                label_error="" if known else found.message,
                pixels=pixels[image_id],
                boxes=boxes,
                unsure=unsure,
            )
        )
    return tuple(photos)


def _labels_as_stored(
    labels: Mapping[str, Annotation | AnnotationError], pixels: Mapping[str, Pixels]
) -> bool:
    """Whether labels belong to photos as stored, by those that lie on their side."""
    votes = 0
    for image_id, found in labels.items():
        size = pixels[image_id].size
        if isinstance(found, Annotation) and size and size.stored != size[:2]:
            votes += (found.size == size.stored) - (found.size == size[:2])
    return votes >= 0


def _chosen(layout: Layout, split: str | None) -> set[str]:
    """The image ids of the lists that a split names; of all photos when None.

    Without lists the split that training makes depends on its seed, so there is none here.
    """
    everything = frozenset(layout.entries)
    lists = usable_lists(layout.lists)
    if split is None:
        return set(everything)
    if not lists:
        raise UserError(f"{layout.root}: there are no split lists; leave --split out")
    return Splits(layout.root, lists, everything).image_ids(split)


def _missing(lists: Mapping[str, SplitList]) -> tuple[str, ...]:
    """What lists name in vain; a devkit's lists are there with and without their year."""
    notes = (note for found in lists.values() for note in found.notes)
    return tuple(dict.fromkeys(note.removesuffix("; left out") for note in notes))


def progress(items: Iterable, total: int, what: str) -> Iterable:
    """``items``, with a bar on a terminal where they take longer than a moment."""
    return tqdm(
        items, total=total, desc=what, unit="", leave=False, delay=0.5,
        disable=None, file=sys.stderr,
    )  # fmt: skip
