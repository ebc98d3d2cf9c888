"""A small detector and its exports, written in this process, for the tests of runtimes."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import keras
import numpy as np

from nets.yolo import YOLOv3
from utils.runtime.export.export import default_out
from utils.runtime.export.request import ExportRequest
from utils.runtime.facts import Facts
from utils.thresholds import Thresholds

METADATA = {"operating_point": {"conf": 0.3, "iou": 0.5}, "note": 'größer "quoted" <&>'}
NMS_THRESHOLDS = Thresholds(conf=0.02, iou=0.4, max_det=20)


def small_detector() -> YOLOv3:
    """64 × 64 pixels, two classes; its batch norms change something, as trained ones do.

    Its weights are the same every time: with some, an activation lies so near its kink
    that no difference shows its slope.
    """
    keras.utils.set_random_seed(5)
    model = YOLOv3("mobilenet_v3_small", ["ĥundo", "kat"], input_size=64, metadata=METADATA)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.8, 1.2, variable.shape))
        elif variable.name in ("moving_mean", "beta"):
            variable.assign(rng.uniform(-0.1, 0.1, variable.shape))
    for level in (3, 4, 5):  # scores that differ
        layer = model.head.get_layer(f"head{level}_out")
        kernel, bias = layer.get_weights()
        layer.set_weights([rng.normal(0, 0.2, kernel.shape), bias + 2])
    return model


def write_export(
    model: YOLOv3,
    folder: Path,
    format: str,
    *,
    precision: str = "float32",
    outputs: str = "decoded",
    name: str = "",
    calibration: Sequence[np.ndarray] = (),
) -> Path:
    """Export a detector without a process of its own."""
    weights = folder / "small.keras"
    if not weights.exists():
        model.save(weights)
    target = default_out(folder / f"{name or f'{outputs}_{precision}'}.keras", format)
    nms = NMS_THRESHOLDS if outputs == "suppressed" else None
    ranges = folder / "calibration.npz" if len(calibration) else None
    if ranges:
        np.savez(ranges, *calibration)
    request = ExportRequest(weights, format, target, precision, outputs, nms, ranges)
    facts = replace(Facts.of_checkpoint(weights), outputs=outputs, precision=precision)
    import_module(f"utils.runtime.export.to_{format}").write(model, facts, request)
    return target


def pictures(*shape: int) -> np.ndarray:
    """Random pixels, uint8 (…, 3)."""
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
