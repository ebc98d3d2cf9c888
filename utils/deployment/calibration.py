"""Photos to measure activations on, for 8-bit integers: training photos, none that is scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.data.duplicates.hashes import content_hashes
from utils.data.records import Dataset, Record
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation.leaks import find_leaks, load_evaluation_split
from utils.runtime.facts import Facts
from utils.runtime.runtime import Runtime

PHOTOS = 200


def calibration_inputs(
    data: Path,
    facts: Facts,
    scored: Dataset,
    *,
    any_shape: bool,
    photos: int = PHOTOS,
    seed: int = 0,
) -> list[np.ndarray]:
    """Network inputs of training photos, uint8 (H, W, 3), as prediction makes them.

    Args:
        data: a data folder, as for training.
        facts: of the checkpoint. If it was trained on this folder, its training split is taken.
        scored: photos that will be scored; copies of them are left out, and so are copies of what
            the checkpoint was validated or tested on.
        any_shape: each at the photo's own shape; otherwise all of ``facts.input_size``.
        photos: how many; all training photos where there are fewer.
        seed: of their choice.

    Raises:
        UserError: there is no training list, or none of its photos can be used.
    """
    runtime = Runtime(
        _no_network, facts.class_names, facts.input_size, metadata=facts.metadata,
        any_shape=any_shape,
    )  # fmt: skip
    detector = Detector(runtime)
    inputs: list[np.ndarray] = []
    for record in _training_records(data, facts, scored, most=2 * photos, seed=seed):
        try:
            inputs.append(detector.preprocess(detector.read(record.image)).pixels)
        except UserError:  # one of many that cannot be read
            continue
        if len(inputs) == photos:
            break
    if not inputs:
        raise UserError(
            f"--data {data}: no photo of 'train' can be used to measure the range of activations"
        )
    return inputs


def _training_records(
    data: Path, facts: Facts, scored: Dataset, *, most: int, seed: int
) -> list[Record]:
    """Some training photos in random order, without copies of those that are held out.

    Raises:
        UserError: nothing is left, because they are scored.
    """
    records = load_evaluation_split(
        data, "train", facts.metadata, classes=facts.class_names, only_listed=True
    ).records
    order = np.random.default_rng(seed).permutation(len(records))[:most]
    chosen = [records[int(row)] for row in order]
    known = facts.metadata.get("hashes", {})
    scored_hashes = content_hashes({record.image_id: record.image for record in scored.records})
    now_scored = set(find_leaks(chosen, {"val": scored_hashes})["val"])
    copies = set(now_scored)
    for held_out in (known.get("val", {}), known.get("test", {})):
        copies.update(find_leaks(chosen, {"val": held_out})["val"])
    usable = [record for record in chosen if record.image_id not in copies]
    if chosen and not usable and now_scored:
        raise UserError(
            f"--data {data}: no photo of 'train' can be used to measure the range of activations, "
            "as all are scored or were held out of training; name other photos to score with "
            "--split"
        )
    return usable


def _no_network(images: np.ndarray) -> tuple[np.ndarray, ...]:
    raise NotImplementedError("only photos are prepared")
