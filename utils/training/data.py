"""The photos of a run: training and validation split, and what checkpoints record of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nets.yolo import YOLOv3
from utils.data.classes import read_classes
from utils.data.datasets import SplitInfo, load_datasets
from utils.data.duplicates.hashes import content_hashes
from utils.data.records import Dataset
from utils.data.splits.stratified import write_split
from utils.errors import UserError
from utils.text import counted, listed
from utils.training.config import TrainConfig


def load_training_data(
    config: TrainConfig, checkpoint: YOLOv3 | None
) -> tuple[Dataset, Dataset, SplitInfo]:
    """The training and validation photos of a run, and how they were chosen.

    Classes come from ``--classes``, otherwise from the data. Their order is the checkpoint's where
    the run starts from one.

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
        _check_classes(checkpoint, train.classes, config.weights)
        if train.classes != checkpoint.classes:
            train, val, info = load_datasets(config.data, classes=checkpoint.classes, **options)
    return train, val, info


def _check_classes(model: YOLOv3, classes: Sequence[str], path: Path) -> None:
    """
    Raises:
        UserError: the data's classes are not the checkpoint's.
    """
    if set(classes) != set(model.classes):
        has = f"{counted(len(model.classes), 'class', 'classes')} ({listed(model.classes, 5)})"
        raise UserError(
            f"--weights {path}: the checkpoint has {has}, the data has {len(classes)} "
            f"({listed(classes, 5)}); "
            "leave --weights out to train new heads, or give matching data"
        )


def write_provenance(
    path: Path | None, config: TrainConfig, train: Dataset, val: Dataset, info: SplitInfo
) -> dict[str, Any]:
    """Write the split to ``path``, unless None. Returns what checkpoints record of their data.

    By the content hash of each photo an evaluation notices photos that were trained on, also under
    other names.
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
    """Add the photos that an earlier run trained the checkpoint on to what the new one records.

    Their image ids get a prefix, as other photos may have the same names.
    """
    before = checkpoint.metadata.get("hashes", {}).get("train", {}) if checkpoint else {}
    earlier = {f"earlier/{image_id}": digest for image_id, digest in before.items()}
    facts["hashes"]["train"] = {**earlier, **facts["hashes"]["train"]}
    return facts
