"""Pretrained weights: found, read, checked as a whole, and only then assigned; never in part."""

import math
import os
from pathlib import Path

import keras
import numpy as np

from nets.backbones.official import WeightsError, WeightsUnavailable, find_imagenet
from nets.backbones.spec import BackboneSpec, Family
from nets.backbones.tables import BACKBONES, BASES, DEVIATION
from nets.backbones.weight_files import Entry, read_entries


def find_weights(
    name: str, spec: BackboneSpec, weights: str | os.PathLike, *, classifier: bool
) -> Path:
    """The file that ``weights`` means: "imagenet" for the published one, or a path.

    Raises:
        WeightsUnavailable: the published weights are not to be had here.
    """
    if weights == "imagenet":
        return find_imagenet(_published_name(name, spec), classifier=classifier)
    return Path(weights)


def load_weights(
    model: keras.Model, name: str, spec: BackboneSpec, path: Path, *, classifier: bool
) -> None:
    """Loads a file into a whole classifier.

    With ``classifier`` False only stem and stages are needed: the file may lack the top, or hold
    one of another number of classes, and what it has of it is left aside.

    Raises:
        WeightsError: the file is not one for this network; no variable has changed.
    """
    layers = [layer for layer in model.layers if layer.weights]  # in network order
    size = sum(4 * math.prod(weight.shape) for weight in model.weights)
    entries = read_entries(path, layers, limit=2 * size + 2**28)
    try:
        entries = _without_normalization(entries, spec.family)
        assignments = _match(entries, layers, classifier=classifier)
    except WeightsError as error:
        raise WeightsError(f"{path} is no weights file for {name}: {error}") from None
    for variable, array in assignments:
        variable.assign(array)


def _published_name(name: str, spec: BackboneSpec) -> str:
    member = BASES.get(name, name)
    row = BACKBONES[member]
    if (spec.width, spec.depth, spec.se_ratio) != (row.width, row.depth, row.se_ratio):
        raise WeightsUnavailable(
            f"No ImageNet weights are published for {name} with width {spec.width:g}, depth "
            f"{spec.depth:g} or another squeeze-excite ratio; use random weights."
        )
    return member


def _match(entries: list[Entry], layers: list[keras.Layer], *, classifier: bool) -> list[tuple]:
    """(variable, array) of every weight; the k-th layer of the file is the network's k-th.

    Order is what Keras itself goes by: its published files bear the names of other versions.
    """
    body = [layer for layer in layers if not layer.name.startswith("top_")]
    top = layers[len(body) :]
    allowed = {len(layers)}
    if not classifier:  # no top; its convolution and batch norm only; all of it
        allowed |= {len(body), len(body) + 2}
    if len(entries) not in allowed:
        raise WeightsError(f"it has {len(entries)} layers with weights, not {max(allowed)}.")
    assignments = []
    for (name, arrays), layer in zip(entries, layers, strict=False):
        unused = not classifier and layer in top
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if unused and layer is top[-1] and arrays[-1].ndim:  # any number of classes
            shapes = [(*shape[:-1], arrays[-1].shape[-1]) for shape in shapes]
        if len(shapes[0]) == 2:  # a dense layer, which may be stored as a 1x1 convolution
            arrays = [array[0, 0] if array.ndim == 4 else array for array in arrays]
        found = [array.shape for array in arrays]
        if found != shapes:
            raise WeightsError(f"{name} has shapes {found} where {layer.name} has {shapes}.")
        _check_values(name, layer, arrays)
        if not unused:
            assignments += zip(layer.weights, arrays, strict=True)
    return assignments


def _check_values(name: str, layer: keras.Layer, arrays: list[np.ndarray]) -> None:
    for weight, array in zip(layer.weights, arrays, strict=True):
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise WeightsError(f"{name} holds values that are not finite numbers.")
        if weight.name == "moving_variance" and (array < 0).any():
            raise WeightsError(f"{name} holds a negative variance.")


def _without_normalization(entries: list[Entry], family: Family) -> list[Entry]:
    """Drops keras.applications' input normalisation, once it is known to be the family's.

    EfficientNet's published files hold ImageNet's *deviation* as the layer's variance, and
    keras.applications divides by the deviation's root once more when they are loaded; files
    with the true variance mean the same network.
    """
    if not entries or [array.shape for array in entries[0][1][:2]] != [(3,), (3,)]:
        return entries
    mean, variance = (array.astype(np.float64) for array in entries[0][1][:2])
    for deviation in (np.sqrt(np.abs(variance)), np.sqrt(np.abs(variance) * DEVIATION)):
        with np.errstate(divide="ignore", invalid="ignore"):
            scale, offset = 1 / (255 * deviation), -mean / deviation
        if np.allclose(scale, family.scale, rtol=1e-3) and np.allclose(offset, family.offset, 1e-3):
            return entries[1:]
    raise WeightsError(
        f"it was trained with another input normalisation (mean {mean}, variance {variance})."
    )
