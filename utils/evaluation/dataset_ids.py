"""Warnings about COCO results that use the dataset's own image and category ids.

An evaluation numbers photos and classes anew (``utils.evaluation.coco_files.ground_truth``).
Results made for the dataset's own JSON use other numbers. Read with the new numbers they would get
very low scores for no visible reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from utils.data.folder.index import open_index
from utils.data.records import Record
from utils.evaluation.tables import class_names


def warn_of_dataset_ids(
    name: str, items: Iterable[dict], labels: Iterable[Path], ground_truth: dict
) -> list[str]:
    """A warning if a file of detections gives numbers that may be the dataset's own ids.

    Args:
        name: of the file, for the message.
        items: what the file holds.
        labels, ground_truth: as for ``dataset_ids_differ``.
    """
    items = list(items)
    uses_numbers = (
        any(not isinstance(item["image_id"], str) for item in items),
        any("category_id" in item for item in items),
    )
    differ = dataset_ids_differ(labels, ground_truth) if any(uses_numbers) else (False, False)
    wrong = [
        key
        for key, used, other in zip(("image_id", "category_id"), uses_numbers, differ, strict=True)
        if used and other
    ]
    if not wrong:
        return []
    return [
        f"{name}: the numbers for {' and '.join(wrong)} are read as those of ground_truth.json, "
        "but the dataset's own ids differ. If the file uses those, its scores are meaningless: "
        "give file stems for image_id and class names as category"
    ]


def dataset_ids_differ(labels: Iterable[Path], ground_truth: dict) -> tuple[bool, bool]:
    """Whether the dataset's own image ids and category ids differ from those here.

    Args:
        labels: the JSON files that hold the labels; files that are not COCO JSON are ignored.
        ground_truth: as ``utils.evaluation.coco_files.ground_truth`` makes it.
    """
    images = {image["file_name"]: image["id"] for image in ground_truth["images"]}
    classes = {name: i for i, name in enumerate(class_names(ground_truth))}
    images_differ = classes_differ = False
    for path in sorted(set(labels)):
        try:
            content = json.loads(path.read_bytes())
            image_ids = [
                (PurePosixPath(str(image["file_name"]).replace("\\", "/")).name, image["id"])
                for image in content["images"]
            ]
            category_ids = [(c["name"], c["id"]) for c in content["categories"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        images_differ |= any(images.get(name, own) != own for name, own in image_ids)
        classes_differ |= any(classes.get(name, own) != own for name, own in category_ids)
    return images_differ, classes_differ


def json_label_files(data: Path, records: Iterable[Record]) -> set[Path]:
    """The JSON files of a data folder that hold the labels of the records."""
    entries = open_index(data).layout.entries
    labels = (entries[record.image_id].label for record in records if record.image_id in entries)
    return {label for label in labels if label is not None and label.suffix.lower() == ".json"}
