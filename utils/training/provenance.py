"""What the checkpoints of a run record: how it was trained, and on which photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nets.yolo import YOLOv3
from utils.cli import to_mapping
from utils.data.datasets import SplitInfo
from utils.data.duplicates.hashes import content_hashes
from utils.data.records import Dataset
from utils.data.splits.known import SPLIT_NAMES
from utils.data.splits.stratified import write_split
from utils.data.trained_sizes import trained_sizes
from utils.pixel_range import METADATA, PixelRanges
from utils.tiling import SIZES_KEY
from utils.training.choices.start import origins
from utils.training.choices.tile import tile_facts
from utils.training.config import TrainConfig
from utils.training.inputs import Inputs
from utils.training.run_parts import TrainingRun


def checkpoint_metadata(inputs: Inputs, run: TrainingRun) -> dict[str, Any]:
    """The metadata of the run's checkpoints. Writes the split to the run directory."""
    config, model = run.config, run.trainer.model
    split_file = run.directory.split if run.cluster.chief else None
    unlabelled = inputs.kept.unlabelled if inputs.kept else ()
    chosen = ("input size", "batch size", "epochs", "learning rate", "backbone rate")
    classes, checkpoint_ids = inputs.train.classes, inputs.checkpoint_ids
    sizes = trained_sizes(inputs.train, inputs.input_size, inputs.tile)
    return {
        "training": to_mapping(config),
        "chosen": {name: run.choices[name] for name in chosen},
        **tile_facts(inputs.tile),
        **pixel_range_facts(inputs.checkpoint, inputs.train),
        **({SIZES_KEY: sizes.to_metadata()} if sizes else {}),
        "class_origins": origins(config, inputs.checkpoint, classes, checkpoint_ids),
        "pseudo_labelled": [model.classes[i] for i in unlabelled],
        **inherited(
            inputs.checkpoint,
            write_provenance(split_file, config, inputs.train, inputs.val, inputs.split),
        ),
    }


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
    photos["test"] = dict(info.test)
    hashes = content_hashes(photos["train"] | photos["val"] | photos["test"])
    return {
        "data": str(config.data),
        "split": {"train": info.train, "val": info.val, "generated": info.generated},
        "splits": {name: list(image_ids) for name, image_ids in info.splits.items()},
        "hashes": {
            name: {image_id: hashes[image_id] for image_id in image_ids if image_id in hashes}
            for name, image_ids in photos.items()
        },
    }


def pixel_range_facts(checkpoint: YOLOv3 | None, train: Dataset) -> dict[str, Any]:
    """The pixel ranges that checkpoints record; of kinds that these photos lack, what the earlier
    checkpoint says."""
    before = PixelRanges.from_metadata(checkpoint.metadata if checkpoint else {}).content()
    found = {**before, **train.pixel_ranges.content()}
    return {METADATA: found} if found else {}


def inherited(checkpoint: YOLOv3 | None, facts: dict[str, Any]) -> dict[str, Any]:
    """Add the photos that earlier runs used to what the new one records.

    Their image ids get a prefix, as other photos may have the same names. A photo that was in two
    parts is in the first of train, val and test: once trained on, always trained on.
    """
    before = checkpoint.metadata.get("hashes", {}) if checkpoint else {}
    own = facts["hashes"]
    placed: set[str] = set()  # hashes
    hashes = {}
    for part in SPLIT_NAMES:
        mine = set(own[part].values())
        earlier = {
            f"earlier/{image_id}": digest
            for image_id, digest in before.get(part, {}).items()
            if digest not in placed and digest not in mine
        }
        hashes[part] = {**earlier, **own[part]}
        placed |= {*earlier.values(), *mine}
    return {**facts, "hashes": hashes}
