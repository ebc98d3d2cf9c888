"""Names in a folder that is written: of photos (``output_names``) and lists (``list_names``).

A name stays as it is where its reader gives it back; otherwise a plain one takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, count

from utils.data.formats.coco import list_name
from utils.data.formats.naming import CONTENT_FOLDERS
from utils.data.formats.yolo_yaml import NO_SPLITS
from utils.data.splits.names import is_split_name
from utils.images import IMAGE_SUFFIXES
from utils.text import is_control

UNLISTED = "unlisted"  # where photos go that no list names
_CLASSES_FILES = ("classes", "predefined_classes")  # a label file so called would name classes
_NO_YOLO_LISTS = {*NO_SPLITS, UNLISTED, *_CLASSES_FILES, *CONTENT_FOLDERS}


def output_names(image_ids: Iterable[str]) -> dict[str, str]:
    """A name to write each image id under: itself, unless lists, XML or readers cannot hold it."""
    names: dict[str, str] = {}
    used: set[str] = set()
    # Those that may stay as they are first: another must not take their name.
    for image_id in sorted(image_ids, key=lambda name: (_plain_name(name) != name, name)):
        name, number = _plain_name(image_id), 2
        while name in used:
            name, number = f"{_plain_name(image_id)}-{number}", number + 1
        names[image_id] = name
        used.add(name)
    return names


def _plain_name(image_id: str) -> str:
    """No control characters, no hidden folders, none that readers take for ``images/``."""
    parts = []
    for part in image_id.split("/"):
        part = "".join("_" if is_control(c) or c in "\\:" else c for c in part).strip()
        parts.append("_" + part if part[:1] in ("", ".") or part == "__MACOSX" else part)
    *folders, name = parts
    folders = ["_" + folder if folder.lower() in CONTENT_FOLDERS else folder for folder in folders]
    if name.lower().endswith(IMAGE_SUFFIXES):  # the end of a name in a list is taken for a suffix
        name = "_".join(name.rsplit(".", 1))
    return "/".join([*folders, name + "_" if name.lower() in _CLASSES_FILES else name])


def list_names(lists: Iterable[str], to: str) -> dict[str, str]:
    """A name to write each list under: its own, unless its reader would not give that back.

    No two lists get one name, also where case does not count. No list becomes ``train``, ``val``
    or ``test`` that was none.

    Args:
        lists: names of lists; a year stands before a colon.
        to: the format, ``voc``, ``coco`` or ``yolo``.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()

    def rank(name: str) -> tuple:
        """Those that may stay as they are first, and ``train`` before ``Train``."""
        return _list_as_read(_plain_list(name), to) != name, name.casefold() != name, name

    for name in sorted(lists, key=rank):
        plain = _plain_list(name)
        for spelling in chain([plain], (f"{plain}{number}" for number in count(2))):
            written = _list_as_read(spelling, to)
            free = written and written.casefold() not in taken
            if free and (is_split_name(plain) or not is_split_name(written)):
                break
        names[name] = written
        taken.add(written.casefold())
    return names


def _plain_list(name: str) -> str:
    return _plain_name(name.replace(":", "_")).replace("/", "_")


def _list_as_read(name: str, to: str) -> str:
    """What the reader of a format makes of the name of a list; "" where it takes it for none."""
    if to == "coco":
        return list_name(f"instances_{name}")
    return "" if to == "yolo" and name.lower() in _NO_YOLO_LISTS else name
