"""``.keras`` archives: what is looked at before Keras opens them."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache

import h5py
import numpy as np

from tests.fuzz.target import Target, require, written
from tests.fuzz.targets.description import ANCHORS
from utils.checkpoint_archive import CONFIG, WEIGHTS, check_weights, open_archive
from utils.errors import UserError
from utils.runtime.facts import Facts

_CONFIG = {
    "module": "nets.yolo", "class_name": "YOLOv3", "registered_name": "efficient_yolo3>YOLOv3",
    "config": {
        "backbone": "mobilenet_v3_small", "backbone_options": {"width": 0.1}, "classes": ["cat"],
        "input_size": 64, "anchors": ANCHORS, "metadata": {"split": {}}, "name": "yolo",
        "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
                  "registered_name": None},
    },
}  # fmt: skip


@cache
def _sound(packed: int) -> bytes:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3), np.float32)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr(CONFIG, json.dumps(_CONFIG))
        archive.writestr(WEIGHTS, weights.getvalue())
    return buffer.getvalue()


def _run(data: bytes) -> None:
    path = written(data, "fuzz.keras")
    found = Facts.of_checkpoint(path)
    require(found.class_names and len(found.anchors) == 9, "a detector")
    with open_archive(path) as archive:
        check_weights(archive)


def _seeds():
    stored, packed = _sound(zipfile.ZIP_STORED), _sound(zipfile.ZIP_DEFLATED)
    yield from (stored, packed, stored[:-1], stored[:500], stored + b"x", b"x" + stored)
    yield stored.replace(b"layers/", b"layer\0/")


TARGET = Target(
    name="checkpoint",
    run=_run,
    seeds=_seeds,
    # Those that open_archive and check_weights document; RuntimeError and OSError are HDF5's.
    refusals=(UserError, OSError, ValueError, KeyError, RuntimeError),
    words=(b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"config.json", b"model.weights.h5",
           b"\x89HDF\r\n\x1a\n", b"OHDR", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"\xff" * 8),
    most_bytes=16_384,
)  # fmt: skip
