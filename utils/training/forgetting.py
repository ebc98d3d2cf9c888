"""Catastrophic forgetting: scores of a checkpoint's classes, apart from those of new classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from utils.data.records import Dataset, RecordTable
from utils.text import listed
from utils.training.choices.classes import CheckpointIds

OLD, NEW = "AP_old", "AP_new"  # columns: mean AP of the classes with validation objects


def old_classes(classes: Sequence[str], checkpoint_ids: CheckpointIds) -> tuple[str, ...]:
    """The classes that the checkpoint knows; none where there is no new class beside them."""
    known = [
        name for name, old_id in zip(classes, checkpoint_ids, strict=True) if old_id is not None
    ]
    return tuple(known) if len(known) < len(classes) else ()


def group_scores(by_class: Mapping[str, float | None], old: Collection[str]) -> dict[str, float]:
    """Mean AP of old and of new classes.

    Args:
        by_class: AP by class name; None for a class without validation objects.
        old: names of the old classes; without any there is nothing to tell apart.

    Returns:
        ``AP_old`` and ``AP_new``; a group without validation objects is left out.
    """
    scores = {}
    for column, is_old in ((OLD, True), (NEW, False)):
        group = [ap for name, ap in by_class.items() if (name in old) == is_old and ap is not None]
        if old and group:
            scores[column] = float(np.mean(group))
    return scores


def scores_text(row: Mapping[str, float]) -> str:
    """`` (old classes 0.61, new ones 0.42)`` beside an AP; "" without old classes."""
    parts = [
        f"{words} {row[column]:.3f}"
        for column, words in ((OLD, "old classes"), (NEW, "new ones"))
        if column in row
    ]
    return f" ({', '.join(parts)})" if parts else ""


def measured_classes(dataset: Dataset) -> set[str]:
    """Names of the classes with objects that count."""
    records = dataset.records
    if isinstance(records, RecordTable):  # to make a record of each photo takes seconds
        ids = np.unique(records.class_ids[~records.difficult]).tolist()
    else:
        ids = {i for record in records for i in record.class_ids[~record.difficult].tolist()}
    return {dataset.classes[i] for i in ids}


def not_trained_text(train: Dataset, val: Dataset) -> str:
    """A warning of classes with validation objects but none to train on; "" without any.

    ``--check`` calls that an error (``class-not-trained``).
    """
    missing = measured_classes(val) - measured_classes(train)
    if not missing:
        return ""
    names = listed([name for name in val.classes if name in missing], 8)
    return (
        f"no training photo has an object of {names}, but validation photos do: what is not "
        "learned lowers the AP that chooses best.keras; move some of these photos to the training "
        "list, or leave such classes out with --classes and --only-listed"
    )


def not_measured_text(val: Dataset, checkpoint_ids: CheckpointIds) -> str:
    """Which of the checkpoint's classes have no validation objects; "" if all have."""
    measured = measured_classes(val)
    missing = [
        name
        for name, old_id in zip(val.classes, checkpoint_ids, strict=True)
        if old_id is not None and name not in measured
    ]
    if not missing:
        return ""
    return (
        f"no validation objects of {listed(missing, 8)}: whether the detector forgets them is not "
        "measured here (get_map.py on photos with their labels does that)"
    )
