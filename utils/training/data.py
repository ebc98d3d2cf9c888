"""The photos of a run: training and validation split, and warnings about leaks between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nets.yolo import YOLOv3
from utils.data.classes import read_classes
from utils.data.datasets import SplitInfo, load_datasets
from utils.data.records import Dataset
from utils.data.splits.known import known_splits
from utils.text import counted, listed
from utils.training.choices.classes import CheckpointIds, in_order_of_checkpoint, match_classes
from utils.training.choices.kept_classes import KeptClasses, keep_all_classes
from utils.training.config import TrainConfig


def load_training_data(
    config: TrainConfig, checkpoint: YOLOv3 | None
) -> tuple[Dataset, Dataset, SplitInfo]:
    """The training and validation photos of a run, and how they were chosen.

    Classes come from ``--classes``, in that order. Otherwise they come from the data; where the run
    starts from a checkpoint, first those that it knows, in its order. Photos that the checkpoint
    knows stay in their part of a new split.

    Raises:
        UserError: see ``utils.data.datasets.load_datasets``, and ``match_classes``.
    """
    classes = read_classes(config.classes) if config.classes else None
    options = {
        "split": config.split,
        "val_split": config.val_split,
        "only_listed": config.only_listed,
        "seed": config.seed,
        "known": known_splits(checkpoint.metadata.get("hashes", {})) if checkpoint else None,
    }
    train, val, info = load_datasets(config.data, classes=classes, **options)
    if checkpoint and classes is None:
        checkpoint_ids = match_classes(checkpoint.classes, train.classes, config.rename)
        order = in_order_of_checkpoint(train.classes, checkpoint_ids)
        if order != train.classes:
            train, val, info = load_datasets(config.data, classes=order, **options)
    return train, val, info


def with_kept_classes(
    config: TrainConfig,
    checkpoint: YOLOv3,
    train: Dataset,
    val: Dataset,
    checkpoint_ids: CheckpointIds,
) -> tuple[Dataset, Dataset, KeptClasses]:
    """``--keep-classes``: the same photos, with class ids of a run that keeps all classes.

    A class is labelled where ``--classes`` names it or, without that option, where a training
    photo has an object of it.

    Args:
        config: the options.
        checkpoint: that the run starts from.
        train, val: the photos.
        checkpoint_ids: for each of their classes its index in the checkpoint, or None.

    Raises:
        UserError: two classes would have the same name.
    """
    labelled = range(len(train.classes)) if config.classes else np.unique(train.records.class_ids)
    kept = keep_all_classes(
        checkpoint.classes,
        train.classes,
        checkpoint_ids,
        set(map(int, labelled)),
        in_given_order=config.classes is not None,
    )
    train, val = (
        replace(dataset, records=dataset.records.with_class_ids(kept.ids), classes=kept.classes)
        for dataset in (train, val)
    )
    return train, val, kept


def leak_warnings(checkpoint: YOLOv3 | None, info: SplitInfo, photos: int) -> list[str]:
    """Warnings about photos to be scored that the checkpoint was trained on.

    Args:
        checkpoint: that the run starts from.
        info: how the photos were chosen.
        photos: number of validation photos.
    """
    if checkpoint is None:
        return []
    if not checkpoint.metadata.get("hashes", {}).get("train"):
        return [
            "the checkpoint of --weights does not say which photos it was trained on; if they are "
            "among the validation photos, AP is higher than it would be on new photos"
        ]
    warnings = []
    if seen := info.trained_before.get("val"):
        warnings.append(
            f"{len(seen)} of {counted(photos, 'validation photo')} were trained on by the "
            f"checkpoint of --weights, or look like such a photo ({listed(seen)}); validation AP "
            "is higher than it would be on new photos"
        )
    if seen := info.trained_before.get("test"):
        warnings.append(
            f"{len(seen)} of the test photos were trained on by the checkpoint of --weights, "
            f"or look like such a photo ({listed(seen)}); test scores will be too good"
        )
    return warnings
