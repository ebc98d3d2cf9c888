"""Bad ``.keras`` checkpoints: damaged archives, hostile configurations, hostile HDF5."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .case import Case, content
from .images import zeros

FILE = "odd-one.keras"
_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LAMBDA = base64.b64encode(marshal.dumps((lambda x: __import__("os").mkdir("canary")).__code__))


class _Payload:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, ("canary",)


PICKLE = pickle.dumps(_Payload())


# What passes the first look, or is sound: the commands go on to import TensorFlow.
_IN_TENSORFLOW = ("hdf5", "backbone-unknown", "backbone-path", "metadata-thresholds",
                  "metadata-sizes", "metadata-large")  # fmt: skip


def checkpoints(sound: Path) -> Iterator[Case]:
    """``sound``: a whole checkpoint."""
    data = sound.read_bytes()
    with zipfile.ZipFile(sound) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts[_CONFIG])
    bad = {**not_weights(data), **_archives(parts), **_configurations(config), **_hdf5(parts)}
    for name, text in bad.items():
        file = {_CONFIG: text} if isinstance(text, str) else text
        made = file if isinstance(file, bytes) else archived({**parts, **file})
        yield Case(_kind(name), f"keras-{name}", content(made, FILE), (FILE,), stops=True)
    for name, change in _odd_metadata().items():
        made = archived({**parts, _CONFIG: _changed(config, metadata=change)})
        yield Case(_kind(name), f"keras-{name}", content(made, FILE), stops=None)
    for name, write in special_files(FILE).items():
        yield Case("weights", f"keras-{name}", write, (FILE,), stops=True)


def _kind(name: str) -> str:
    return "tensorflow-weights" if name.startswith(_IN_TENSORFLOW) else "weights"


def not_weights(data: bytes) -> dict[str, bytes]:
    """What can be wrong with any file: cut, empty, of another kind, bytes changed inside."""
    noise = np.random.default_rng(0)
    found = {f"cut-{tenth}-tenths": data[: len(data) * tenth // 10] for tenth in (1, 5, 9)}
    found["cut-last-byte"] = data[:-1]
    for number in range(4):
        changed = np.frombuffer(data, np.uint8).copy()
        changed[noise.integers(0, len(data), max(8, len(data) // 200))] ^= 0xFF
        found[f"noise-{number}"] = changed.tobytes()
    return {
        **found,
        "empty": b"",
        "text": b"no weights\n",
        "pickle": PICKLE,
        "zeros": bytes(100_000),
        "empty-zip": archived({}),
        "zip-of-a-pickle": archived({"data.pkl": PICKLE}),
        "numpy-pickle": _numpy_pickle(),
    }


def special_files(name: str) -> dict[str, Callable[[Path], None]]:
    """What is no ordinary file."""
    return {
        "folder": lambda folder: (folder / name).mkdir(),
        "named-pipe": lambda folder: os.mkfifo(folder / name),
        "device": lambda folder: (folder / name).symlink_to("/dev/zero"),
        "dangling-link": lambda folder: (folder / name).symlink_to("nowhere"),
        "looping-link": lambda folder: (folder / name).symlink_to(name),
    }


def archived(parts: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _numpy_pickle() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Payload()], object), allow_pickle=True)
    return archived({"weights.npy": buffer.getvalue()})


def _changed(config: dict[str, Any], top: dict[str, Any] | None = None, **values: Any) -> str:
    inner = {**config["config"], **values}
    return json.dumps({**config, "config": inner, **(top or {})}, ensure_ascii=True)


def _bomb(parts: dict[str, bytes], name: str) -> bytes:
    """An archive whose member would be 6 GB of zeros."""
    count = 6 << 30
    packed = zeros(count)[2:-4]  # deflate without zlib's frame
    rest = archived({other: data for other, data in parts.items() if other != name})
    with zipfile.ZipFile(io.BytesIO(rest)) as archive:
        start = archive.start_dir
    entries = rest[start:-22]
    head = struct.pack("<HHHHHI", 45, 0, 8, 0, 0, 0)
    sizes = struct.pack("<II", len(packed), 0xFFFFFFFF)
    extra = struct.pack("<HHQ", 1, 8, count)
    local = b"PK\3\4" + head + sizes + struct.pack("<HH", len(name), 0) + name.encode()
    entry = (
        b"PK\1\2" + struct.pack("<H", 45) + head + sizes
        + struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, start) + name.encode() + extra
    )  # fmt: skip
    body = rest[:start] + local + packed
    number = len(parts) if name in parts else len(parts) + 1
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, number, number,
                      len(entries + entry), len(body), 0)  # fmt: skip
    return body + entries + entry + end


def _archives(parts: dict[str, bytes]) -> dict[str, bytes | dict[str, bytes]]:
    def without(name: str) -> bytes:
        return archived({other: data for other, data in parts.items() if other != name})

    def twice() -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in (*parts.items(), (_CONFIG, b"{}")):
                archive.writestr(name, data)
        return buffer.getvalue()

    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
        archive.writestr(link, "/etc")
        archive.writestr("assets/link/canary", "canary")
    return {
        "no-configuration": without(_CONFIG),
        "no-weights": without(_WEIGHTS),
        "configuration-twice": twice(),
        "name-up": {"../canary": b"canary"},
        "name-up-in-assets": {"assets/../../canary": b"canary"},
        "name-absolute": {f"{os.sep}tmp/canary": b"canary"},
        "link-in-assets": buffer.getvalue(),
        "weights-as-numpy": archived(
            {_CONFIG: parts[_CONFIG], "model.weights.npz": _numpy_pickle()}
        ),
        "bomb-weights": _bomb(parts, _WEIGHTS),
        "bomb-configuration": _bomb(parts, _CONFIG),
        "bomb-in-assets": _bomb(parts, "assets/a"),
        "many-members": {f"assets/{number}": b"" for number in range(50_000)},
    }


def _configurations(config: dict[str, Any]) -> dict[str, str]:
    text = json.dumps(config)
    lambda_layer = {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {"name": "run", "function": {"class_name": "__lambda__", "config":
                   {"code": _LAMBDA.decode(), "defaults": None, "closure": None}}},
    }  # fmt: skip
    sequential = {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "s", "layers": [lambda_layer]},
    }  # fmt: skip

    def function(module: str, name: str, *arguments: object) -> dict[str, Any]:
        return {
            "module": module, "class_name": name, "config": {"args": arguments},
            "registered_name": None,
        }  # fmt: skip

    runs = {
        "module": "os", "class_name": "function", "config": "mkdir", "registered_name": "mkdir",
    }  # fmt: skip
    values: dict[str, dict[str, Any]] = {
        "backbone-a-layer": {"backbone": lambda_layer},
        "backbone-unknown": {"backbone": "resnet9000"},
        "backbone-path": {"backbone": "../../canary"},
        "backbone-number": {"backbone": 7},
        "backbone-weights-file": {"backbone_weights": "/etc/hostname"},
        "backbone-weights-endless": {"backbone_weights": "/dev/zero"},
        "backbone-weights-by-name": {"backbone_weights": "imagenet"},
        "unknown-key": {"activity_regularizer": lambda_layer},
        "options-huge-width": {"backbone_options": {"width": 1e6}},
        "options-huge-depth": {"backbone_options": {"depth": 1e6}},
        "options-nan": {"backbone_options": {"width": float("nan")}},
        "options-text": {"backbone_options": {"width": "wide"}},
        "options-list": {"backbone_options": [1]},
        "options-unknown": {"backbone_options": {"classes": 10**9}},
        "classes-none": {"classes": []},
        "classes-twice": {"classes": ["cat", "cat"]},
        "classes-numbers": {"classes": [1, 2]},
        "classes-text": {"classes": "cat"},
        "classes-3-million": {"classes": [str(number) for number in range(3_000_000)]},
        "size-0": {"input_size": 0},
        "size-33": {"input_size": 33},
        "size-huge": {"input_size": 1 << 30},
        "size-65536": {"input_size": 65536},
        "size-fraction": {"input_size": 64.5},
        "size-text": {"input_size": "64"},
        "size-nan": {"input_size": float("nan")},
        "anchors-8": {"anchors": [[4, 4]] * 8},
        "anchors-nan": {"anchors": [[float("nan"), 4]] * 9},
        "anchors-negative": {"anchors": [[-4, 4]] * 9},
        "anchors-huge": {"anchors": [[1e39, 4]] * 9},
        "anchors-text": {"anchors": "anchors"},
        "dtype-a-layer": {"dtype": lambda_layer},
        "dtype-unknown": {"dtype": {**config["config"]["dtype"], "config": {"name": "float3"}}},
        "dtype-integers": {"dtype": {**config["config"]["dtype"], "config": {"name": "int8"}}},
        "name-a-list": {"name": ["a"] * 1000},
        "metadata-list": {"metadata": [1]},
        "metadata-text": {"metadata": "text"},
    }
    deep = text.replace('"metadata": {}', '"metadata": {"deep": %s}', 1)
    return {
        "configuration-cut": text[: len(text) // 2],
        "configuration-list": "[]",
        "configuration-number": "7",
        "configuration-deep": "[" * 100_000,
        "configuration-twice-the-key": text[:-1] + ', "config": {}}',
        "model-with-lambda": json.dumps(sequential),
        "model-of-another-project": json.dumps({**sequential, "registered_name": "x>Y"}),
        "custom-object": json.dumps(function("os", "system", "touch canary")),
        "custom-object-of-ours": json.dumps(
            {**function("subprocess", "run", "touch canary"), "registered_name":
             "efficient_yolo3>HeadBias"}
        ),
        "download": json.dumps(function("keras.utils", "get_file", "canary", "file:///etc/hosts")),
        "torch-module": json.dumps(
            {"module": "keras.layers", "class_name": "TorchModuleWrapper",
             "config": {"module": PICKLE.hex()}, "registered_name": None}
        ),
        "vocabulary-file": json.dumps(
            {"module": "keras.layers", "class_name": "StringLookup",
             "config": {"vocabulary": "/etc/hosts"}, "registered_name": None}
        ),
        "optimizer-that-runs": _changed(config, {"compile_config": {"optimizer": runs,
                                                                    "loss": runs}}),
        "shape-huge": _changed(config, {"build_config": {"input_shape": [1, 1 << 20, 1 << 20, 3]}}),
        "metadata-deep-900": deep.replace("%s", "[" * 900 + "]" * 900),
        "metadata-deep-100000": deep.replace("%s", "[" * 100_000 + "]" * 100_000),
        "metadata-huge-number": deep.replace("%s", "9" * 100_000),
        **{name: _changed(config, **changes) for name, changes in values.items()},
    }  # fmt: skip


def _odd_metadata() -> dict[str, dict[str, Any]]:
    """What prediction, scoring and training read in ``metadata``, of wrong types."""
    nan, deep = float("nan"), {}
    for _ in range(100):
        deep = {"a": deep}
    odd = [7, "text", [1], {"train": 7}, {"train": {"a": ["b"]}}, {"train": [["a"]]}, None, deep]
    keys = ("hashes", "splits", "split", "training", "class_origins", "object_sizes",
            "operating_point", "history", "chosen", "tile", "pixel_ranges")  # fmt: skip
    return {
        **{
            f"metadata-all-{number}": dict.fromkeys(keys, value) for number, value in enumerate(odd)
        },
        "metadata-thresholds-nan": {"operating_point": {"conf": nan, "iou": float("inf")}},
        "metadata-thresholds-odd": {"operating_point": {"conf": True, "iou": "0.5"}},
        "metadata-sizes-nan": {"object_sizes": {"photo": [nan] * 3, "input": [1, 2, 3]}},
        "metadata-sizes-huge": {"object_sizes": {"photo": [10**400] * 3, "input": [1, 2, 3]}},
        "metadata-sizes-far-apart": {"object_sizes": {"photo": [1e308] * 3, "input": [1e-300] * 3}},
        "metadata-sizes-of-no-photo": {"object_sizes": {"photo": [1e306] * 3, "input": [1e-5] * 3}},
        "metadata-ranges-huge": {"pixel_ranges": {"whole": [0, 10**400]}},
        "metadata-large": {"note": "x" * 20_000_000},
    }


def _hdf5(parts: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Archives whose weights reach for other files, or are more than they seem."""

    def edited(change: Callable[[h5py.File, str], None]) -> dict[str, bytes]:
        buffer = io.BytesIO(parts[_WEIGHTS])
        with h5py.File(buffer, "r+") as file:
            first: list[str] = []
            file.visititems(lambda name, item: first.append(name)
                            if isinstance(item, h5py.Dataset) else None)  # fmt: skip
            change(file, first[0])
        return {_WEIGHTS: buffer.getvalue()}

    def replaced(make: Callable[[h5py.Group, str, tuple[int, ...]], None]) -> dict[str, bytes]:
        def change(file: h5py.File, name: str) -> None:
            shape = file[name].shape
            del file[name]
            make(file, name, shape)

        return edited(change)

    def links(link: Any) -> dict[str, bytes]:
        return replaced(lambda file, name, shape: file.__setitem__(name, link))

    def virtual(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        layout = h5py.VirtualLayout(shape, np.float32)
        layout[...] = h5py.VirtualSource("/etc/hostname", "x", shape)
        file.create_virtual_dataset(name, layout)

    def outside(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        size = int(np.prod(shape)) * 4
        file.create_dataset(name, shape, np.float32, external=[("/etc/hostname", 0, size)])

    def packed(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        made = file.create_dataset(
            name, (1 << 30,), np.float32, chunks=(1 << 28,), compression="gzip"
        )
        made.id.write_direct_chunk((0,), zlib.compress(b"\0" * 1000))

    def unwritten(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        file.create_dataset(name, (1 << 44,), np.float32, chunks=(1 << 20,))

    def texts(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        file.create_dataset(name, shape, h5py.string_dtype())

    def loop(file: h5py.File, name: str) -> None:
        file[name.rpartition("/")[0]]["again"] = file["/"]

    def other_shape(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        file[name] = np.zeros((3, 3), np.float32)

    def none(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
        pass

    damaged = not_weights(parts[_WEIGHTS])
    noise = {f"hdf5-{name}": {_WEIGHTS: data} for name, data in damaged.items()}
    return {
        **noise,
        "hdf5-external-link": links(h5py.ExternalLink("other.h5", "/x")),
        "hdf5-soft-link-to-nothing": links(h5py.SoftLink("/nowhere")),
        "hdf5-external-data": replaced(outside),
        "hdf5-virtual": replaced(virtual),
        "hdf5-packed-bomb": replaced(packed),
        "hdf5-64-terabytes": replaced(unwritten),
        "hdf5-texts": replaced(texts),
        "hdf5-loop": edited(loop),
        "hdf5-other-shape": replaced(other_shape),
        "hdf5-one-missing": replaced(none),
    }
