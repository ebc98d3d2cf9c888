"""What a ``.keras`` checkpoint may hold, checked before Keras opens it.

Keras builds whatever objects a file names. Here only one is allowed, this project's detector, with
values that training can give it; and weights that are numbers within the file.
"""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.json_memory import parsed_size
from utils.metadata_checks import (
    check_anchors,
    check_classes,
    check_input_size,
    check_metadata,
    is_positive,
    require,
)

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_PARTS = {CONFIG, WEIGHTS, "metadata.json"}
_MAX_BYTES = {CONFIG: 256 << 20, WEIGHTS: 2 << 30, "metadata.json": 1 << 20}  # a million photos
MAX_PARSED = 1 << 30  # bytes of memory; what is said of a million photos takes a fifth
_MAX_EXPANSION = 100  # times; weights shrink by a tenth, text to a tenth

_REGISTERED = "efficient_yolo3>YOLOv3"
_KEYS = {"module", "class_name", "config", "registered_name", "compile_config", "build_config"}
_DETECTOR_KEYS = {
    "backbone", "backbone_options", "classes", "input_size", "anchors", "metadata", "name", "dtype",
    "neck",
}  # fmt: skip
_OPTIONS = {"width": 4, "depth": 6, "stochastic_depth": 1, "se_ratio": 1}  # the highest values
_NECKS = {"yolov3", "pan"}  # ``nets.necks``, which cannot be imported without TensorFlow
_POLICIES = {"float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16"}


class OtherModelError(ValueError):
    """A Keras model, but no detector of this project."""


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, once the names and sizes of its parts are validated.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: it is not what training writes.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe waits for a writer
        raise ValueError("not an ordinary file")
    with zipfile.ZipFile(path) as archive:
        items = archive.infolist()
        names = [item.filename for item in items]
        if len(names) > len(_PARTS) or len(set(names)) < len(names) or set(names) - _PARTS:
            raise ValueError("it has other parts than a checkpoint")
        for item in items:
            most = min(_MAX_BYTES[item.filename], _MAX_EXPANSION * item.compress_size + 4096)
            if item.file_size > most:
                raise ValueError(f"{item.filename} would become too large")
        yield archive


def read_config(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The arguments of ``nets.yolo.YOLOv3``, checked.

    Raises:
        OtherModelError: another Keras model.
        ValueError, KeyError, TypeError: damaged.
    """
    saved = config_json(archive)
    require(isinstance(saved, dict), CONFIG)
    if saved.get("registered_name") != _REGISTERED or saved.get("class_name") != "YOLOv3":
        raise OtherModelError("another Keras model")
    # With these, Keras would build the model for any shape, and optimisers and losses by name.
    odd = saved.get("build_config") or saved.get("compile_config")
    require(not saved.keys() - _KEYS and not odd, CONFIG)
    config = saved["config"]
    require(isinstance(config, dict) and not config.keys() - _DETECTOR_KEYS, "config")
    options = config.get("backbone_options", {})
    require(
        isinstance(options, dict)
        and all(
            name in _OPTIONS and (value == 0 or (is_positive(value) and value <= _OPTIONS[name]))
            for name, value in options.items()
        ),
        "backbone_options",
    )
    require(isinstance(config["backbone"], str), "backbone")
    require(isinstance(config.get("name", ""), str), "name")
    require(config.get("neck", "yolov3") in _NECKS, "neck")
    policy = config["dtype"]["config"]["name"]
    whole = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": policy},
             "registered_name": None}  # fmt: skip
    require(isinstance(policy, str) and policy in _POLICIES and config["dtype"] == whole, "dtype")
    check_classes(config["classes"])
    check_anchors(config["anchors"])
    check_input_size(config["input_size"])
    check_metadata(config["metadata"])
    return config


def config_json(archive: zipfile.ZipFile) -> Any:
    """The content of ``config.json``, not checked.

    Raises:
        ValueError: no JSON, or its values would fill the memory.
    """
    data = archive.read(CONFIG)
    if parsed_size(data) > MAX_PARSED:
        raise ValueError(f"the values in {CONFIG} would fill the memory")
    return json.loads(data)


def check_weights(archive: zipfile.ZipFile) -> None:
    """Refuse weights in other files, and arrays that are larger than the file.

    Raises:
        OSError, ValueError, KeyError: of a damaged or hostile file.
    """
    import h5py  # slow, and not needed where no weights are read

    data = archive.read(WEIGHTS)
    with h5py.File(io.BytesIO(data)) as file:
        waiting, seen, size = [file], 0, 0
        while waiting:
            group = waiting.pop()
            for name in group:
                seen += 1
                require(seen < 100_000 and len(group.name) < 1000, "the tree of weights")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name} is a link")
                item = group[name]
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                    continue
                if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                    raise ValueError(f"{name} is not in the file")
                require(item.dtype.kind in "fiuV" and not item.dtype.hasobject, name)
                size += item.size * item.dtype.itemsize
                if item.chunks or size > len(data):
                    raise ValueError(f"{name} is larger than the file")
