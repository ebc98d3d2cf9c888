"""What a run learns from: the two splits, the anchors, and the record of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nets.yolo import YOLOv3
from utils.data.anchors import choose_anchors, object_sizes, read_anchors
from utils.data.classes import read_classes
from utils.data.datasets import SplitInfo, load_datasets
from utils.data.duplicates.hashes import content_hashes
from utils.data.records import Dataset
from utils.data.splits.stratified import write_split
from utils.training.build import check_classes
from utils.training.config import TrainConfig


def load_training_data(
    config: TrainConfig, checkpoint: YOLOv3 | None
) -> tuple[Dataset, Dataset, SplitInfo]:
    """The training and validation photos of a run, and how they were chosen.

    Classes come from ``--classes``; else from the data, in the checkpoint's order when there is
    one and it knows the same classes.

    Raises:
        UserError: see ``utils.data.datasets.load_datasets``; or the data's classes are not the
            checkpoint's.
    """
    classes = read_classes(config.classes) if config.classes else None
    options = {
        "split": config.split,
        "val_split": config.val_split,
        "only_listed": config.only_listed,
        "seed": config.seed,
    }
    train, val, info = load_datasets(config.data, classes=classes, **options)
    if checkpoint:
        check_classes(checkpoint, train.classes, config.weights)
        if train.classes != checkpoint.classes:
            train, val, info = load_datasets(config.data, classes=checkpoint.classes, **options)
    return train, val, info


def anchors_for(asked: str, train: Dataset, input_size: int, seed: int) -> tuple[np.ndarray, str]:
    """Nine anchors (9, 2) in pixels of the network input, and a sentence on where they are from.

    Raises:
        UserError: the anchors file is missing or wrong.
    """
    if asked != "auto":
        return read_anchors(Path(asked)), f"anchors: from {asked}"
    choice = choose_anchors(object_sizes(train, input_size), input_size, seed)
    return choice.anchors, f"anchors: {choice.note}"


def write_provenance(
    path: Path | None, config: TrainConfig, train: Dataset, val: Dataset, info: SplitInfo
) -> dict[str, Any]:
    """Write the split to ``path``, unless None; returns what the checkpoint tells about its data.

    The content hash of each photo lets an evaluation notice that it scores photos that were
    trained on, whatever their names are by then.
    """
    if path is not None:
        write_split(path, info.splits)
    photos = {
        name: {record.image_id: record.image for record in dataset.records}
        for name, dataset in (("train", train), ("val", val))
    }
    hashes = content_hashes(photos["train"] | photos["val"])
    return {
        "data": str(config.data),
        "split": {"train": info.train, "val": info.val, "generated": info.generated},
        "splits": {name: list(image_ids) for name, image_ids in info.splits.items()},
        "hashes": {
            name: {image_id: hashes[image_id] for image_id in image_ids if image_id in hashes}
            for name, image_ids in photos.items()
        },
    }


def inherited(checkpoint: YOLOv3 | None, facts: dict[str, Any]) -> dict[str, Any]:
    """Add the photos that a checkpoint was trained on before to what the new one tells.

    Their image ids are prefixed: other photos may have the same names.
    """
    before = checkpoint.metadata.get("hashes", {}).get("train", {}) if checkpoint else {}
    earlier = {f"earlier/{image_id}": digest for image_id, digest in before.items()}
    facts["hashes"]["train"] = {**earlier, **facts["hashes"]["train"]}
    return facts
