"""A checkpoint of half the size.

    python -m bench.pretraining.bundle_checkpoint IN.keras OUT.keras

Weights are stored as float16 in the same Keras archive; Keras casts them back on loading. The
command opens the result, compares its output with the original's on generated road scenes, and
refuses a file whose scores differ by more than 0.01.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

from utils.checkpoint import load_checkpoint
from utils.data.synthetic import draw_scene
from utils.files import atomic_write
from utils.letterbox import Letterbox
from utils.runtime.tensorflow_runtime import compile_inference

WEIGHTS, CONFIG = "model.weights.h5", "config.json"
LIMIT = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()

    with zipfile.ZipFile(options.source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[WEIGHTS] = in_half_precision(members[WEIGHTS])
    members[CONFIG] = without_paths(members[CONFIG])
    with (
        atomic_write(options.target, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in members.items():
            archive.writestr(name, content)

    moved = difference(options.source, options.target)
    print(
        f"{options.target}: {options.target.stat().st_size / 1e6:.1f} MB, scores within {moved:.5f}"
    )
    if not moved < LIMIT:
        options.target.unlink()
        print(f"that is more than {LIMIT}; removed", file=sys.stderr)
        return 1
    return 0


def without_paths(content: bytes) -> bytes:
    """The model's configuration without the places where its data lay."""
    config = json.loads(content)
    metadata = config["config"]["metadata"]
    metadata["data"] = metadata["training"]["data"] = "generated road scenes"
    metadata["training"]["out"] = None
    return json.dumps(config).encode()


def in_half_precision(weights: bytes) -> bytes:
    """An HDF5 file with every float32 array as float16."""
    result = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(result, "w") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                value = item[()]
                if value.dtype == np.float32:
                    value = value.astype(np.float16)
                    if not np.isfinite(value).all():
                        raise ValueError(f"{name}: too large for float16")
                copied = target.create_dataset(name, data=value)
            else:
                copied = target.require_group(name)
            copied.attrs.update(item.attrs)

        source.visititems(copy)
        target.attrs.update(source.attrs)
    return result.getvalue()


def difference(a: Path, b: Path) -> float:
    """Largest difference of the two detectors' scores on eight road scenes."""
    first, second = load_checkpoint(a), load_checkpoint(b)
    size = first.input_size
    scenes = [draw_scene(7, "test", i).image for i in range(8)]
    boxes = [Letterbox(s.shape[1], s.shape[0], size, size) for s in scenes]
    images = np.stack([box.apply(s) for box, s in zip(boxes, scenes, strict=True)])
    scores = [compile_inference(model)(images)[1] for model in (first, second)]
    return float(np.abs(scores[0] - scores[1]).max())


if __name__ == "__main__":
    sys.exit(main())
