"""What is to be exported, as one value that travels to the converting process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

PRECISIONS = {
    "onnx": ("float32", "int8"),
    "openvino": ("float32", "float16", "int8"),
    "litert": ("float32", "float16", "int8"),
    "saved_model": ("float32",),
}
SUPPRESSING = ("onnx", "saved_model")  # formats whose graphs can hold non-maximum suppression


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression inside the graph.

    Attributes:
        conf: lowest score that is kept, 0 to 1.
        iou: IoU above which the weaker of two boxes of a class is dropped, 0 to 1.
        max_det: most boxes a picture.
    """

    conf: float = 0.25
    iou: float = 0.45
    max_det: int = 300


@dataclass(frozen=True)
class ExportRequest:
    """One export.

    Attributes:
        weights: the ``.keras`` checkpoint.
        format: a key of ``PRECISIONS``.
        target: the file or folder to write.
        precision: one of ``PRECISIONS[format]``; ``float16`` stores the weights so, ``int8`` also
            computes so.
        outputs: as in ``utils.runtime.facts.OUTPUTS``.
        suppression: for ``suppressed`` outputs.
        calibration: for ``int8``, an ``.npz`` of network inputs, uint8 (H, W, 3).
    """

    weights: Path
    format: str
    target: Path
    precision: str = "float32"
    outputs: str = "decoded"
    suppression: Suppression | None = None
    calibration: Path | None = None

    def calibration_inputs(self) -> list[np.ndarray]:
        """The network inputs to measure activations on."""
        with np.load(self.calibration) as arrays:
            return [arrays[name] for name in arrays.files]

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> ExportRequest:
        values = json.loads(text)
        suppression, calibration = values.pop("suppression"), values.pop("calibration")
        return cls(
            weights=Path(values.pop("weights")),
            target=Path(values.pop("target")),
            suppression=suppression and Suppression(**suppression),
            calibration=calibration and Path(calibration),
            **values,
        )
