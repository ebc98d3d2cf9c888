"""Which photo of an evaluation a file name means."""

from __future__ import annotations

from pathlib import PurePosixPath

from utils.data.formats.naming import CONTENT_FOLDERS, Key, name_parts
from utils.data.splits.names import split_name
from utils.image_kinds import photo_stem, without_picture_suffix


class ImageNames:
    """The photos of ``ground_truth.json`` by their names.

    Args:
        ground_truth: as ``utils.evaluation.coco_files.ground_truth`` makes it.
    """

    def __init__(self, ground_truth: dict) -> None:
        self._by_image_id = {image["stem"]: image["id"] for image in ground_truth["images"]}
        self._by_name: dict[str, list[tuple[Key, int]]] = {}
        for image in ground_truth["images"]:
            parts = name_parts(file_path(image))
            for name in {parts[-1], photo_stem(parts[-1])}:
                self._by_name.setdefault(name, []).append((parts, image["id"]))

    def find(self, name: str) -> int | None:
        """The COCO id for a file name, which may have folders before it; None for no photo.

        The suffix may be missing, or that of another kind of picture. Where several photos have the
        name, the folders before it decide.
        """
        found = self.candidates(name)
        return found[0] if len(found) == 1 else None

    def candidates(self, name: str) -> list[int]:
        """All COCO ids that a file name can mean."""
        if name in self._by_image_id:
            return [self._by_image_id[name]]
        parts = name_parts(name)
        if not parts:
            return []
        last = parts[-1]
        photos = self._by_name.get(last) or self._by_name.get(without_picture_suffix(last)) or []
        folders = _telling_folders(parts)
        shared = [_shared(folders, _telling_folders(photo)) for photo, _ in photos]
        most = max(shared, default=-1)
        return [i for (_, i), n in zip(photos, shared, strict=True) if n == most >= 0]

    def find_image_id(self, name: str) -> int | None:
        """The COCO id for an image id, or for a file name that is spelt as the photo's own."""
        if name in self._by_image_id:
            return self._by_image_id[name]
        parts = name_parts(name)
        if not parts or parts[-1] not in self._by_name:
            return None
        return self.find(name)


def file_path(image: dict) -> str:
    """The file name of a photo of ``ground_truth.json``, with the folders that tell it apart."""
    stem, name = PurePosixPath(image["stem"]), image["file_name"]
    if stem.name in (name, PurePosixPath(name).stem):
        return str(stem.with_name(name))
    return name


def _telling_folders(parts: Key) -> list[str]:
    """The folders that neither say only what is in them nor are a split, the last one first."""
    folders = parts[-2::-1] if len(parts) > 1 else ()
    return [f for f in folders if f.lower() not in CONTENT_FOLDERS and not split_name(f)]


def _shared(a: list[str], b: list[str]) -> int:
    """How many folders are the same, from the last on; −1 if both have some and none agrees."""
    count = 0
    for one, other in zip(a, b, strict=False):
        if one != other:
            break
        count += 1
    return count if count or not (a and b) else -1
