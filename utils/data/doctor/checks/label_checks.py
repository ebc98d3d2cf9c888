"""Checks of the label files: can they be read, and do they belong to their photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from utils.data.doctor.checked import CheckedFolder, CheckedPhoto
from utils.data.doctor.findings import Finding
from utils.data.formats.naming import names_photo
from utils.text import counted

_KINDS = {  # of the readers' errors
    "no-class": "object-no-class",
    "no-id": "object-no-id",
    "no-name": "object-no-name",
    "after-last": "object-no-name",
    "before-first": "object-no-name",
    "no-box": "object-no-box",
    "not-a-number": "box-not-a-number",
    "empty-box": "box-empty",
}


def check_labels(folder: CheckedFolder) -> Iterator[Finding]:
    """Unreadable files, labels without a photo, and labels made for another photo."""
    for photo in folder.photos:
        if photo.annotation is None:
            yield Finding("labels-unreadable", photo.label_error, photo.image_id, photo.where)
            continue
        for kind, message in (*_size(photo, folder.layout.format), *_filename(photo)):
            boxes = tuple(map(tuple, photo.boxes.tolist())) if kind in _WITH_BOXES else ()
            yield Finding(kind, message, photo.image_id, photo.where, boxes=boxes)
    for name in folder.layout.unmatched_labels:
        yield Finding("labels-no-photo", "there is no photo for it", where=name)
    for note in folder.layout.notes:
        yield Finding("folder", note)


_WITH_BOXES = ("labels-size", "photo-turned")


def check_objects(folder: CheckedFolder) -> Iterator[Finding]:
    """Objects that cannot be read, and how many are outlines."""
    outlined = [photo for photo in folder.photos if photo.annotation and photo.annotation.outlines]
    if outlined:
        count = sum(photo.annotation.outlines for photo in outlined)
        photos = counted(len(outlined), "photo")
        message = f"{counted(count, 'object')} in {photos}, the first in {outlined[0].where}"
        yield Finding("object-outline", message)
    for photo in folder.photos:
        for error in photo.annotation.errors if photo.annotation else ():
            kind = _KINDS.get(error.kind, "object-no-box")
            yield Finding(kind, error.message, photo.image_id, photo.where, error.number)


def _size(photo: CheckedPhoto, form: str) -> Iterator[tuple[str, str]]:
    size, made_for = photo.content.size, photo.annotation.size
    if size is None:
        return
    if made_for is None:
        if form == "voc":  # other formats need not say it
            yield "labels-no-size", "has no usable size element"
    elif made_for not in (size[:2], size.stored):
        words = (
            f"made for {made_for[0]}×{made_for[1]} pixels; the photo has {size.width}×{size.height}"
        )
        yield "labels-size", words + (", turned" if made_for == size[1::-1] else "")
    if photo.orientation_unclear:
        yield "photo-turned", f"EXIF orientation {size.orientation}"


def _filename(photo: CheckedPhoto) -> Iterator[tuple[str, str]]:
    named, image = photo.annotation.filename, photo.entry.image.name
    if named and not names_photo(named, image):
        name = PurePosixPath(named.replace("\\", "/")).name
        yield "labels-filename", f"names {name}, but belongs to {image}"
