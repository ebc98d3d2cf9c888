"""The image and category ids of a dataset's own COCO JSON.

An evaluation numbers photos and classes anew (``utils.evaluation.coco_files.ground_truth``).
Detections that were made for the dataset's own JSON use the numbers of that file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from utils.data.folder.index import open_index
from utils.data.formats.json_files import load_json
from utils.data.records import Record
from utils.evaluation.class_lookup import ClassLookup
from utils.evaluation.image_names import ImageNames
from utils.evaluation.tables import class_names

_USED = {"images", "categories", "id", "file_name", "name"}


def own_ids(labels: Iterable[Path], ground_truth: dict) -> tuple[dict[int, int], dict[int, int]]:
    """The dataset's own numbers for images and categories → those of ``ground_truth``.

    A number that means different things in two files is left out.

    Args:
        labels: the JSON files that hold the labels; files that are not COCO JSON are ignored.
        ground_truth: as ``utils.evaluation.coco_files.ground_truth`` makes it.
    """
    names = ImageNames(ground_truth)
    classes = ClassLookup(class_names(ground_truth))
    images: dict[int, set[int]] = {}
    categories: dict[int, set[int]] = {}
    for path in sorted(set(labels)):
        try:
            content = load_json(path, _ids_and_names, dropped="segmentation")
            image_ids = [(i["id"], names.find(str(i["file_name"]))) for i in content["images"]]
            category_ids = [
                (c["id"], classes.find(c["name"]))
                for c in content["categories"]
                if isinstance(c["name"], str)
            ]
        except (ValueError, KeyError, TypeError):
            continue
        _add(images, image_ids)
        _add(categories, category_ids)
    return _unique(images), _unique(categories)


def json_label_files(data: Path, records: Iterable[Record]) -> set[Path]:
    """The JSON files of a data folder that hold the labels of the records."""
    entries = open_index(data).layout.entries
    labels = (entries[record.image_id].label for record in records if record.image_id in entries)
    return {label for label in labels if label is not None and label.suffix.lower() == ".json"}


def _ids_and_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is used of an object; labels, the most of a file, become empty ones."""
    return {key: value for key, value in pairs if key in _USED}


def _add(meanings: dict[int, set[int]], pairs: Iterable[tuple[Any, int | None]]) -> None:
    for own, meaning in pairs:
        if isinstance(own, int) and not isinstance(own, bool) and meaning is not None:
            meanings.setdefault(own, set()).add(meaning)


def _unique(meanings: dict[int, set[int]]) -> dict[int, int]:
    return {own: next(iter(found)) for own, found in meanings.items() if len(found) == 1}
