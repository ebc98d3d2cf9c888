"""The numbers that labels in COCO format give their photos and classes themselves.

An evaluation numbers photos and classes afresh (``utils.evaluation.coco_files.ground_truth``).
Results that somebody made for the JSON of the data go by its own ids instead: read with the wrong
numbers they would score next to nothing, and nobody would know why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from utils.evaluation.tables import class_names


def own_ids_differ(labels: Iterable[Path], ground_truth: dict) -> tuple[bool, bool]:
    """Whether the data's own ids of photos, and those of classes, are other than those here.

    Args:
        labels: the JSON files that the labels came from; files that are no COCO JSON say nothing.
        ground_truth: as ``utils.evaluation.coco_files.ground_truth`` makes it.
    """
    images = {image["file_name"]: image["id"] for image in ground_truth["images"]}
    classes = {name: i for i, name in enumerate(class_names(ground_truth))}
    photos_differ = classes_differ = False
    for path in sorted(set(labels)):
        try:
            content = json.loads(path.read_bytes())
            theirs = [
                (PurePosixPath(str(image["file_name"]).replace("\\", "/")).name, image["id"])
                for image in content["images"]
            ]
            named = [(category["name"], category["id"]) for category in content["categories"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        photos_differ |= any(images.get(name, own) != own for name, own in theirs)
        classes_differ |= any(classes.get(name, own) != own for name, own in named)
    return photos_differ, classes_differ


def warn_of_own_ids(
    name: str, items: Iterable[dict], labels: Iterable[Path], ground_truth: dict
) -> list[str]:
    """A warning where a file of detections gives numbers that may mean the data's own ids.

    Args:
        name: what the file is called.
        items: what it holds, as it stands there.
        labels, ground_truth: as for ``own_ids_differ``.
    """
    photos = classes = False
    for item in items:
        photos |= not isinstance(item["image_id"], str)
        classes |= "category_id" in item
    photos_differ, classes_differ = (
        own_ids_differ(labels, ground_truth) if photos or classes else (False, False)
    )
    wrong = [
        what
        for what, there in (("image_id", photos_differ), ("category_id", classes_differ))
        if there and (photos if what == "image_id" else classes)
    ]
    if not wrong:
        return []
    return [
        f"{name}: numbers for {' and '.join(wrong)} are read as those of ground_truth.json, and "
        "the data's own ids are others; if the file goes by those, its scores are meaningless: "
        "give file stems for image_id and class names as category"
    ]
