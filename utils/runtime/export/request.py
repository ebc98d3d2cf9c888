"""What is to be exported, as one value that travels to the converting process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from utils.thresholds import Thresholds

PRECISIONS = {
    "onnx": ("float32", "int8"),
    "openvino": ("float32", "float16", "int8"),
    "litert": ("float32", "float16", "int8"),
    "saved_model": ("float32",),
}
NMS_FORMATS = ("onnx", "saved_model")  # formats that can hold non-maximum suppression


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
        nms: thresholds of ``suppressed`` outputs.
        calibration: for ``int8``, an ``.npz`` of network inputs, uint8 (H, W, 3).
    """

    weights: Path
    format: str
    target: Path
    precision: str = "float32"
    outputs: str = "decoded"
    nms: Thresholds | None = None
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
        nms, calibration = values.pop("nms"), values.pop("calibration")
        return cls(
            weights=Path(values.pop("weights")),
            target=Path(values.pop("target")),
            nms=nms and Thresholds(**nms),
            calibration=calibration and Path(calibration),
            **values,
        )
