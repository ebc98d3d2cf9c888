"""A detector in OpenVINO, on the CPU or on an Intel GPU."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.cores import available_cores
from utils.errors import UnreadableFileError, UserError
from utils.runtime.device_option import gpu_number
from utils.runtime.facts import KEY, Facts
from utils.runtime.opening import (
    import_library,
    output_names,
    refuse_built_in_nms,
    refuse_other_network,
    unreadable,
)
from utils.runtime.openvino_check import check_openvino
from utils.runtime.runtime import Runtime

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_MAX_SHAPES = 4  # that get a compiled network of their own, of dozens of megabytes each
_OFTEN = 30  # batches of a shape
_BATCH_OF_A_COPY = 2  # less time a picture than one at a time; four gain no more


def open_openvino(
    weights: str | Path,
    *,
    device: object = None,
    batch_size: int | None = None,
    option: str = "--weights",
    precision: str | None = None,
    threads: int | None = None,
) -> Runtime:
    """A folder that ``export.py`` wrote, or the ``.xml`` in it.

    A network is compiled for each shape that comes often, and one for any other shape.

    Args:
        weights, device, batch_size, option: as for ``utils.runtime.runtime.open_runtime``.
        precision: of the arithmetic, ``float32`` or ``bfloat16``; None for float32, in files with
            8-bit integers for the faster one.
        threads: None for all cores.
    """
    where = f"{option} {weights}"
    openvino = import_library("openvino", "openvino", where)
    path = Path(weights)
    path = path / "model.xml" if path.is_dir() else path
    if not path.is_file() or not path.with_suffix(".bin").is_file():
        raise UnreadableFileError(
            f"{where}: not an OpenVINO export: {path.stem}.xml or .bin is missing"
        )
    core = openvino.Core()
    try:
        check_openvino(path)
        network = core.read_model(path)
        text = network.get_rt_info([KEY]).astype(str) if network.has_rt_info([KEY]) else None
        inputs = [one.get_any_name() for one in network.inputs]
        outputs = {
            one.get_any_name(): [n.get_length() if n.is_static else None for n in one.partial_shape]
            for one in network.outputs
        }
    except Exception as error:  # damage raises any of many kinds
        raise unreadable(where, "an OpenVINO network", error) from None
    facts = Facts.from_json(text, where)
    refuse_built_in_nms(where, facts)
    refuse_other_network(where, facts, inputs, outputs)
    if precision not in (None, *_HINTS):
        raise UserError(f"{where}: OpenVINO runs it in float32 or bfloat16, not {precision}")
    name = _device(core, device)
    if precision is None and facts.precision == "int8" and _has_bfloat16(core, name):
        precision = "bfloat16"  # of the part that is not in 8-bit integers
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision or "float32"],
        "PERFORMANCE_HINT": "LATENCY",
    }
    if name == "CPU":
        settings["INFERENCE_NUM_THREADS"] = threads or available_cores()
        if threads:  # pinned to cores, the threads of several copies would share the same ones
            settings["ENABLE_CPU_PINNING"] = False
    compiled = NetworksByShape(core, network, name, settings)
    names = output_names(facts)

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        with compiled.request(images.shape) as request:
            results = request.infer({"images": images})
            return tuple(np.array(results[name]) for name in names)

    said = facts.precision if facts.precision == "int8" else precision or "float32"
    return Runtime(
        infer,
        facts.class_names,
        facts.input_size,
        batch_size or (_BATCH_OF_A_COPY if threads else 1),
        f"OpenVINO {openvino.__version__.split('-')[0]}, {said}, {name}",
        facts.metadata,
        any_shape=True,
        decoding_params=facts.decoding_params,
    )


def _has_bfloat16(core: Any, device: str) -> bool:
    return "BF16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")


class _Compiled(NamedTuple):
    """A compiled network, and its inference requests that nobody uses."""

    network: Any
    idle: list[Any]


class NetworksByShape:
    """Compiled networks by the shape of a batch, and one for all other shapes.

    Compiling takes as long as dozens of pictures, and a network for any shape needs about a
    twentieth more time for each. So the first shape gets a network of its own at once, others when
    they have come often.

    Threads may call it at the same time; each gets an inference request of its own.
    """

    def __init__(self, core: Any, network: Any, device: str, settings: dict[str, Any]) -> None:
        self._core, self._network = core, network
        self._device, self._settings = device, settings
        self._compiled: dict[tuple[int, ...] | None, _Compiled] = {}  # None: for any shape
        self._times: Counter[tuple[int, ...]] = Counter()  # that a shape came
        self._lock = threading.Lock()

    @contextmanager
    def request(self, shape: tuple[int, ...]) -> Iterator[Any]:
        """An inference request for this shape, for the time of the block."""
        with self._lock:
            self._times[shape] += 1
            if shape not in self._compiled and not self._deserves_its_own(shape):
                shape = None
            if shape not in self._compiled:
                self._compiled[shape] = self._compile(shape)
            compiled = self._compiled[shape]
            request = (
                compiled.idle.pop() if compiled.idle else compiled.network.create_infer_request()
            )
        yield request
        with self._lock:
            compiled.idle.append(request)

    def _deserves_its_own(self, shape: tuple[int, ...]) -> bool:
        often = self._times[shape] > _OFTEN and len(self._compiled) <= _MAX_SHAPES
        return often or not self._compiled

    def _compile(self, shape: tuple[int, ...] | None) -> _Compiled:
        network = self._network.clone()
        if shape:
            network.reshape({"images": list(shape)})
        return _Compiled(self._core.compile_model(network, self._device, self._settings), [])


def _device(core: Any, device: object) -> str:
    """OpenVINO's name of a device; ``auto`` is the CPU, as OpenVINO sees Intel's GPUs only."""
    gpu = gpu_number(device)
    if gpu is None:
        return "CPU"
    there = [name for name in core.available_devices if name.startswith("GPU")]
    if gpu >= len(there):
        raise UserError(
            f"--device {device}: OpenVINO sees no such GPU here, as it knows Intel's only; use "
            "--device cpu"
        )
    return there[gpu]
