"""Notes the sizes of its training objects in the bundled detector, which is older than that note.

    python -m bench.pretraining.note_sizes model_data/signs_lite0.keras

The sizes are those of the planned signs of the same generated scenes. Training notes them today.
The weights stay as they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from utils.checkpoint import load_checkpoint, update_metadata
from utils.data.records import Dataset, Record
from utils.data.synthetic import scenes
from utils.data.trained_sizes import trained_sizes
from utils.tiling import SIZES_KEY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the training scenes")
    options = parser.parse_args()
    model = load_checkpoint(options.weights)
    photos = len(model.metadata["splits"]["train"])
    records = [planned(options.seed, index) for index in range(photos)]
    dataset = Dataset(records, tuple(model.classes))
    sizes = trained_sizes(dataset, model.input_size).to_metadata()
    update_metadata(options.weights, {SIZES_KEY: sizes})
    print(f"{options.weights}: {photos} scenes, {sizes}")


def planned(seed: int, index: int) -> Record:
    """A training scene without its picture."""
    plan = scenes.plan(seed, "train", index)
    count = len(plan.boxes)
    return Record(
        str(index), Path(), plan.width, plan.height, plan.boxes,
        np.zeros(count, np.int32), np.zeros(count, bool),
    )  # fmt: skip


if __name__ == "__main__":
    main()
