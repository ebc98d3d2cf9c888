"""Checks of the photos themselves: can they be read, and are they fit to train on."""

from __future__ import annotations

from collections.abc import Iterator

from utils.data.doctor.checked import CheckedFolder, CheckedPhoto
from utils.data.doctor.findings import Finding
from utils.image_kinds import FORMAT_SUFFIXES

SMALL = 4  # times that a photo is enlarged to fill the input
LARGE = 40_000_000  # pixels; phones deliver 12 million, some 50
LONG = 4  # times longer than wide
ON_PURPOSE = 0.03  # share of photos without objects from which they are meant to be there


def check_photos(folder: CheckedFolder) -> Iterator[Finding]:
    """Unreadable, misnamed and odd photos, and those without labels or objects."""
    for photo in folder.photos:
        if problem := _unreadable(photo):
            kind, message = problem
            yield Finding(kind, message, photo.image_id, photo.name)
        else:
            for kind, message in _odd(photo, folder.input_size):
                yield Finding(kind, message, photo.image_id, photo.name)
    nothing = [photo for photo in folder.photos if has_no_object(photo)]
    if len(nothing) < ON_PURPOSE * len(folder.photos):
        for photo in nothing:
            yield Finding("photo-no-objects", "no object is labelled", photo.image_id, photo.where)
    for path in folder.layout.unlabelled:
        yield Finding("photo-no-labels", "has no labels", where=folder.layout.name(path))


def has_no_object(photo: CheckedPhoto) -> bool:
    """Whether its labels can be read and have no object."""
    return photo.annotation is not None and not (photo.annotation.names or photo.annotation.errors)


def right_suffix(photo: CheckedPhoto) -> str:
    """The suffix of a readable photo where it fits its format, otherwise the usual one."""
    fitting = FORMAT_SUFFIXES.get(photo.content.format, (photo.entry.image.suffix.lower(),))
    return photo.entry.image.suffix if photo.entry.image.suffix.lower() in fitting else fitting[0]


def _unreadable(photo: CheckedPhoto) -> tuple[str, str] | None:
    content = photo.content
    if not content.error:
        return None
    if content.length == 0:
        return "photo-empty", "the file has no content"
    return ("photo-unreadable" if content.size is None else "photo-damaged"), content.error


def _odd(photo: CheckedPhoto, input_size: int) -> Iterator[tuple[str, str]]:
    content, size = photo.content, photo.size
    if right_suffix(photo) != photo.entry.image.suffix:
        yield (
            "photo-suffix",
            f"is a {content.format} file, named {photo.entry.image.suffix or 'without a suffix'}",
        )
    if content.unusual:
        yield "photo-pixels", content.unusual
    short, long = sorted(size[:2])
    words = f"{size.width}×{size.height} pixels"
    if long * SMALL <= input_size:
        yield "photo-small", f"{words}, enlarged {input_size / long:.0f} times"
    if size.width * size.height > LARGE:
        yield "photo-large", f"{words}, {long / input_size:.0f} times the input size"
    if long >= LONG * short:
        yield "photo-shape", f"{words}: {long / short:.1f} times longer than wide"
