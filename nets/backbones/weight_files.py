"""Weights files read into one form: layers in network order with their arrays, nothing assigned.

Three formats: our ``.npz`` with entries ``layer/weight``, Keras' older ``.h5`` (layers listed in
order; keras.applications publishes these) and Keras 3's ``.weights.h5`` (layers counted by
class). Files are data from anywhere: sizes are checked before anything is read, no pickle is
opened, and links to other files are not followed.
"""

import itertools
import re
import zipfile
from collections.abc import Collection
from pathlib import Path

import h5py
import keras
import numpy as np

from nets.backbones.official import WeightsError

Entry = tuple[str, list[np.ndarray]]  # a layer's name in the file, its arrays in Keras' order


def read_entries(path: Path, layers: list[keras.Layer], limit: int) -> list[Entry]:
    """The layers that ``path`` holds, in the order of ``layers``, the network's own.

    ``limit`` is the number of bytes above which the file cannot be meant.
    """
    if not path.is_file():  # a pipe would wait for a writer
        raise WeightsError(f"There is no weights file {path}.")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return _read_h5(path, file, layers, limit)
        if zipfile.is_zipfile(path):
            return _read_npz(path, layers, limit)
    except WeightsError:
        raise
    except Exception as error:  # h5py, zipfile and NumPy each have their own ways to fail
        raise WeightsError(f"{path} is damaged or cut short: {error}.") from error
    raise WeightsError(f"{path} is no whole .npz or .h5 weights file; was its download cut short?")


def _read_npz(path: Path, layers: list[keras.Layer], limit: int) -> list[Entry]:
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(item.file_size for item in archive.infolist()), limit)
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    entries = []
    for layer in layers:
        keys = [f"{layer.name}/{weight.name}" for weight in layer.weights]
        found = [arrays.pop(key) for key in keys if key in arrays]
        if len(found) == len(keys):
            entries.append((layer.name, found))
        elif found:
            raise WeightsError(f"{path} holds only part of the layer {layer.name}.")
    _check_leftovers(path, arrays)
    return entries


def _read_h5(path: Path, file: h5py.File, layers: list[keras.Layer], limit: int) -> list[Entry]:
    items = {}
    file.visititems(lambda key, item: items.update({key: item}))  # follows no link out of the file
    datasets = {key: item for key, item in items.items() if isinstance(item, h5py.Dataset)}
    for key, dataset in datasets.items():
        if dataset.external or dataset.is_virtual:
            raise WeightsError(f"{path} keeps {key} in another file, which is not read.")
    _check_size(path, sum(item.size * item.dtype.itemsize for item in datasets.values()), limit)
    if "layers" in items:
        return _read_counted_h5(path, datasets, layers)
    if "model_weights" in items:  # a whole model's file
        return _read_listed_h5(path, items["model_weights"], items, "model_weights/")
    return _read_listed_h5(path, file, items, "")


def _read_listed_h5(path: Path, root: h5py.Group, items: dict, prefix: str) -> list[Entry]:
    names = _attribute(root, "layer_names")
    if not names:
        raise WeightsError(f"{path} lists no layers, so it is no weights file of Keras.")
    weights = {name: _attribute(items[prefix + name], "weight_names") for name in names}
    return [
        (name, [items[f"{prefix}{name}/{key}"][()] for key in keys])
        for name, keys in weights.items()
        if keys
    ]


def _read_counted_h5(path: Path, datasets: dict, layers: list[keras.Layer]) -> list[Entry]:
    """``layers/conv2d_7/vars/0`` is the first weight of the eighth convolution."""
    entries, counts = [], {}
    normalization = _take_vars(datasets, "normalization")
    if normalization:
        entries.append(("normalization", normalization))
    has_dense = any(key.startswith("layers/dense/") for key in datasets)
    for layer in layers:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        if kind == "dense" and not has_dense:
            kind = "conv2d"  # keras.applications stores MobileNetV3's dense layers so
        number = counts[kind] = counts.get(kind, -1) + 1
        group = f"{kind}_{number}" if number else kind
        arrays = _take_vars(datasets, group)
        if arrays:
            entries.append((group, arrays))
    _check_leftovers(path, [key for key in datasets if "/seed_generator/" not in key])
    return entries


def _take_vars(datasets: dict, group: str) -> list[np.ndarray]:
    arrays = []
    while f"layers/{group}/vars/{len(arrays)}" in datasets:
        arrays.append(datasets.pop(f"layers/{group}/vars/{len(arrays)}")[()])
    return arrays


def _attribute(group: h5py.Group, name: str) -> list[str]:
    """A list attribute, which Keras splits into name0, name1 ... when it is long."""
    if name in group.attrs:
        values = list(group.attrs[name])
    else:
        parts = itertools.takewhile(
            group.attrs.__contains__, (f"{name}{i}" for i in itertools.count())
        )
        values = [value for part in parts for value in group.attrs[part]]
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _check_size(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise WeightsError(
            f"{path} holds {size / 1e6:.0f} MB of data, more than this network could take."
        )


def _check_leftovers(path: Path, keys: Collection[str]) -> None:
    if keys:
        raise WeightsError(f"{path} holds {next(iter(keys))}, which this network does not have.")
