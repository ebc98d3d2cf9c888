"""Weights that a feature pyramid and heads start from.

ImageNet teaches a backbone classes. Where objects are and how large must be learned by a feature
pyramid and heads, from a user's few photos if they start from random weights. Those of the files
named here were pretrained on synthetic pictures (model_data/README.md), on top of the backbone with
its ImageNet weights. Classes differ from dataset to dataset, so the channels of the class scores
start from random weights.

A head predicts width and height as factors on its anchor. Where the anchors differ from those of
the file, the logarithm of their ratio is added to the biases, and the boxes are the same. This is
done up to a factor of two. Where the ratio is larger, as on photos of tiny objects, boxes must
start near their anchors, or training would take long to get there.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nets.yolo import ANCHORS_PER_LEVEL, YOLOv3

BUNDLED = {
    "efficientnet_lite0": Path(__file__).resolve().parents[1]
    / "model_data"
    / "efficientnet_lite0_pretrained_heads.npz",
}
OUTPUTS = ("head3_out", "head4_out", "head5_out")
LARGEST_SHIFT = float(np.log(2))
_READ_ERRORS = (OSError, ValueError, EOFError, KeyError, TypeError, zlib.error, zipfile.BadZipFile)
_NOT_CLASSES = 5  # channels of an anchor before those of its classes: x, y, w, h, objectness


def bundled_heads(backbone: str) -> Path | None:
    """The file for a backbone; None where there is none."""
    path = BUNDLED.get(backbone)
    return path if path and path.exists() else None


def save_head_weights(model: YOLOv3, path: Path | BinaryIO) -> None:
    """Write float16 arrays by name, without those of the classes, and the anchors."""
    arrays = {"anchors": np.asarray(model.anchors, np.float32)}
    for name, variable in _variables(model).items():
        value = np.asarray(variable.value)
        arrays[name] = (_without_classes(value) if _is_output(name) else value).astype(np.float16)
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: too large for float16")
    np.savez_compressed(path, **arrays)


def load_head_weights(model: YOLOv3, path: Path) -> None:
    """Give a detector's pyramid and heads the weights of a file; class scores stay as they are.

    Raises:
        ValueError: the file is damaged or belongs to another network; nothing has changed.
    """
    variables = _variables(model)
    try:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _READ_ERRORS as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    if arrays.keys() != {"anchors", *variables}:
        raise ValueError(f"{path} holds the heads of another network")
    anchors = arrays.pop("anchors")
    sound = all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays.values())
    if not sound or anchors.shape != (9, 2) or not (np.isfinite(anchors) & (anchors > 0)).all():
        raise ValueError(f"{path} holds values that are no weights or no anchors")
    shifts = np.log(anchors / np.asarray(model.anchors, np.float32))
    shifts = np.clip(shifts, -LARGEST_SHIFT, LARGEST_SHIFT)
    values = {}
    for name, variable in variables.items():
        value = arrays[name].astype(np.float32)
        if _is_output(name):
            if name.endswith("bias"):
                value = _with_shift(value, shifts, name)
            value = _with_classes_of(np.array(variable.value), value)
        if value.shape != tuple(variable.shape):
            raise ValueError(f"{path}: {name} has shape {value.shape}, not {variable.shape}")
        values[name] = value
    for name, value in values.items():
        variables[name].assign(value)


def _variables(model: YOLOv3) -> dict[str, object]:
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.head.layers
        for variable in layer.weights
    }


def _is_output(name: str) -> bool:
    return name.split("/")[0] in OUTPUTS


def _by_anchor(value: np.ndarray) -> np.ndarray:
    """(..., 3·(5 + classes)) → (..., 3, 5 + classes)."""
    return value.reshape(*value.shape[:-1], ANCHORS_PER_LEVEL, -1)


def _without_classes(value: np.ndarray) -> np.ndarray:
    return _by_anchor(value)[..., :_NOT_CLASSES].reshape(*value.shape[:-1], -1)


def _with_classes_of(own: np.ndarray, common: np.ndarray) -> np.ndarray:
    merged = _by_anchor(own).copy()
    merged[..., :_NOT_CLASSES] = _by_anchor(common)
    return merged.reshape(own.shape)


def _with_shift(bias: np.ndarray, shifts: np.ndarray, name: str) -> np.ndarray:
    level = OUTPUTS.index(name.split("/")[0])
    shifted = _by_anchor(bias).copy()
    shifted[..., 2:4] += shifts[level * ANCHORS_PER_LEVEL : (level + 1) * ANCHORS_PER_LEVEL]
    return shifted.reshape(bias.shape)
