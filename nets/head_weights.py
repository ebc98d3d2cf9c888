"""Weights that a feature pyramid and heads start from.

ImageNet teaches a backbone classes. Where objects are and how large must be learned by a feature
pyramid and heads, from a user's few photos if they start from random weights. Those of the files
named here were pretrained on synthetic pictures and photos (model_data/README.md), on top of the
backbone with its ImageNet weights. Classes differ from dataset to dataset, so the channels of the
class scores start from random weights.

``transfer_weights`` starts a detector from another one, and keeps the classes that both know.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np

from nets.head_channels import OUTPUTS, merged, size_shifts, with_shift, without_classes
from nets.necks import NECKS
from nets.yolo import YOLOv3, build_head

_FOLDER = Path(__file__).resolve().parents[1] / "model_data"
BUNDLED_NECK = "pan"  # of the files
BUNDLED = {
    name: _FOLDER / f"{name}_pan_heads.npz" for name in ("efficientnet_lite0", "efficientnet_lite2")
}
_HEADERS = 1 << 20  # bytes, for the headers of all arrays, and for the anchors
_READ_ERRORS = (OSError, ValueError, EOFError, KeyError, TypeError, RuntimeError, zlib.error,
                zipfile.BadZipFile)  # fmt: skip


def bundled_heads(backbone: str, neck: str) -> Path | None:
    """The file for a backbone and a neck; None where this project has none for them."""
    return BUNDLED.get(backbone) if neck == BUNDLED_NECK else None


def save_head_weights(model: YOLOv3, path: Path | BinaryIO) -> None:
    """Write float16 arrays by name, without those of the classes, and the anchors."""
    arrays = {"anchors": np.asarray(model.anchors, np.float32)}
    for name, variable in _variables(model.head).items():
        value = np.asarray(variable.value)
        arrays[name] = (without_classes(value) if _is_output(name) else value).astype(np.float16)
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name}: too large for float16")
    np.savez_compressed(path, **arrays)


def load_head_weights(model: YOLOv3, path: Path) -> None:
    """Give a detector's pyramid and heads the weights of a file; class scores stay as they are.

    Raises:
        ValueError: the file is damaged or belongs to another network, which the message names if
            it is this one with another neck; nothing has changed.
    """
    variables = _variables(model.head)
    expected = {"anchors", *variables}
    most = sum(4 * math.prod(variable.shape) for variable in variables.values()) + _HEADERS
    if not path.is_file():  # a pipe would wait for a writer
        raise ValueError(f"there is no file {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
            names = {item.filename.removesuffix(".npy") for item in archive.infolist()}
            neck = _other_neck(archive, names, model) if names != expected else None
        if size > most and not neck:
            raise ValueError(f"{size / 1e6:.0f} MB are those of another network")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {} if neck else {name: archive[name] for name in archive.files}
    except _READ_ERRORS as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    if neck:
        raise ValueError(
            f"{path} holds heads for the neck {neck}, and this network has the neck {model.neck}; "
            f"--neck {neck} takes them"
        )
    if arrays.keys() != expected:
        raise ValueError(f"{path} holds the heads of another network")
    anchors = arrays.pop("anchors")
    sound = all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays.values())
    if not sound or anchors.shape != (9, 2) or not (np.isfinite(anchors) & (anchors > 0)).all():
        raise ValueError(f"{path} holds values that are no weights or no anchors")
    shifts = size_shifts(anchors, model.anchors)
    no_classes = (None,) * len(model.classes)
    values = {}
    for name, variable in variables.items():
        value = arrays[name].astype(np.float32)
        if _is_output(name):
            if name.endswith("bias"):
                value = with_shift(value, shifts, _layer(name))
            value = merged(np.array(variable.value), value, no_classes)
        if value.shape != tuple(variable.shape):
            raise ValueError(f"{path}: {name} has shape {value.shape}, not {variable.shape}")
        values[name] = value
    for name, value in values.items():
        variables[name].assign(value)


def transfer_weights(
    old: YOLOv3, new: YOLOv3, old_ids: Sequence[int | None], old_anchors: np.ndarray
) -> None:
    """Give a new detector the weights of another one with the same backbone.

    Args:
        old, new: the detectors.
        old_ids: for each class of ``new`` its index in ``old``; None for a class that ``old`` does
            not know, whose channels stay as they are.
        old_anchors: those of ``old`` in pixels of ``new``'s network input, (9, 2).
    """
    new.backbone.set_weights(old.backbone.get_weights())
    shifts = size_shifts(old_anchors, new.anchors)
    given = _variables(old.head)
    for name, variable in _variables(new.head).items():
        value = np.array(given[name].value)
        if _is_output(name):
            if name.endswith("bias") and shifts.any():
                value = with_shift(value, shifts, _layer(name))
            value = merged(np.array(variable.value), value, old_ids)
        variable.assign(value)


def _other_neck(archive: zipfile.ZipFile, names: set[str], model: YOLOv3) -> str | None:
    """The neck with which the model's backbone would have heads as in the file, if any."""
    for neck in NECKS:
        if neck == model.neck:
            continue
        head = build_head(model.backbone.output_shape, len(model.classes), neck)
        expected = {
            name: without_classes(np.empty(v.shape)).shape if _is_output(name) else tuple(v.shape)
            for name, v in _variables(head).items()
        }
        if names == {"anchors", *expected} and all(
            _shape(archive, name) == shape for name, shape in expected.items()
        ):
            return neck
    return None


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...] | None:
    """Of an array in the file, without reading its values; None where they cannot be read."""
    with archive.open(f"{name}.npy") as file:
        if np.lib.format.read_magic(file) != (1, 0):
            return None
        return np.lib.format.read_array_header_1_0(file)[0]


def _variables(head: keras.Model) -> dict[str, object]:
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in head.layers
        for variable in layer.weights
    }


def _layer(name: str) -> str:
    return name.split("/")[0]


def _is_output(name: str) -> bool:
    return _layer(name) in OUTPUTS
