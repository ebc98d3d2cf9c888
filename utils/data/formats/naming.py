"""Names in label files, lists and folders, by one set of rules for all formats.

How they are spelt, which folders only say what is in them, and the image ids of photos.
``split_folders`` knows the folders of splits, and ``pairing`` finds the photos that names mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from utils.data.splits.names import split_name
from utils.image_kinds import photo_stem
from utils.text import MAX_NAME_LENGTH, is_control, listed, nfc

NAME_LIMIT = f"or one of more than {MAX_NAME_LENGTH:,} characters"  # for messages on missing names
Key = tuple[str, ...]  # folders, and a file name or its stem

# Folders whose names only say what is in them, in lower case.
IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "photos", "pictures", "pics")
_LABEL_FOLDERS = ("annotations", "annotation", "annots", "anns", "labels", "label")
XML_FOLDERS = (*_LABEL_FOLDERS, "xmls", "xml")
TEXT_FOLDERS = (*_LABEL_FOLDERS, "txt", "txts")
CONTENT_FOLDERS = frozenset(IMAGE_FOLDERS + XML_FOLDERS + TEXT_FOLDERS)


def class_name(text: str) -> str:
    """A class name on one line and in one spelling of its letters: runs of white space become a
    space, control characters vanish. "" for a text that is too long to be a name."""
    text = nfc(text)
    name = "".join(sign for sign in " ".join(text.split()) if not is_control(sign)).strip()
    return name if len(name) <= MAX_NAME_LENGTH else ""


def formatted(value: object, most: int = 80) -> str:
    """A value from a stranger's file for a message: on one line, and cut where it is long."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def first_problems(notes: Sequence[str], most: int = 2) -> str:
    """The end of an error: the first of the things that were left out; "" where there are none."""
    return f". First problems: {'; '.join(notes[:most])}" if notes else ""


def list_note(where: str, names: Sequence[str], one: str, many: str) -> str:
    """A note on names in a list or JSON: ``train.txt names 7.jpg and 8.jpg, which MANY``."""
    return f"{where} names {listed(names)}, which {one if len(names) == 1 else many}"


def unclear_note(
    where: str, photos: Mapping[str, Sequence[Path]], shown_as: Callable[[Path], str]
) -> str:
    """A note on names in a list that several photos have; ``photos``: name → these photos."""
    first, meant = next(iter(photos.items()))
    return (
        f"{where} names {listed([*map(formatted, photos)])}, but several photos are called so "
        f"({formatted(first)} may mean {listed([*map(shown_as, meant)])}); left out, write the "
        "folder before the name"
    )


def name_parts(name: str) -> Key:
    """The folders and the file that a name in a label file means, in either system's spelling.

    A leading ``/``, ``C:`` or ``..`` is dropped: the name is only compared with the endings of
    paths that were found.
    """
    parts: list[str] = []
    for part in nfc(name).replace("\\", "/").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", ".") and not (not parts and re.fullmatch("[A-Za-z]:", part)):
            parts.append(part)
    return tuple(parts)


def names_photo(filename: str, photo: str) -> bool:
    """Whether the file name that a label file gives means the photo of that file name."""
    if filename == photo:
        return True
    filename, photo = filename.casefold(), photo.casefold()  # capitals are not told apart
    named, stem = PurePosixPath(filename.replace("\\", "/")), photo_stem(photo)
    # A name without a usual suffix may well hold other dots.
    return stem in (named.name, named.stem if len(named.suffix) in (4, 5) else named.name)


def unique_image_ids(root: Path, paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each photo: its file stem, with as many folders and suffixes as tell it apart."""
    waiting = [(path, path.relative_to(root)) for path in paths]
    image_ids: dict[Path, str] = {}
    for name in (_stem, _without_split_folders, _without_image_folders, _whole, _with_suffix):
        names = [(path, below, nfc(name(below))) for path, below in waiting]
        count = Counter(image_id for _, _, image_id in names)
        count.update(image_ids.values())
        image_ids |= {path: image_id for path, _, image_id in names if count[image_id] == 1}
        waiting = [(path, below) for path, below, image_id in names if count[image_id] > 1]
    for path, below in waiting:  # the same letters, spelt in two ways by the file system
        image_ids[path] = below.as_posix()
    return image_ids


def _stem(path: Path) -> str:
    return photo_stem(path)


def _without_split_folders(path: Path) -> str:
    *folders, stem = _without_image_folders(path).split("/")
    return "/".join([*(name for name in folders if not split_name(name)), stem])


def _without_image_folders(path: Path) -> str:
    folders = [name for name in path.parts[:-1] if name.lower() not in IMAGE_FOLDERS]
    return "/".join([*folders, photo_stem(path)])


def _whole(path: Path) -> str:
    return path.with_name(photo_stem(path)).as_posix()


def _with_suffix(path: Path) -> str:
    return path.as_posix()
