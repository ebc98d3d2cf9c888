"""A detector in ONNX Runtime, on the CPU or on a GPU with CUDA."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from utils.cores import available_cores
from utils.errors import UserError
from utils.runtime.device_option import gpu_number
from utils.runtime.facts import KEY, Facts
from utils.runtime.onnx_check import check_onnx
from utils.runtime.opening import (
    import_library,
    output_names,
    refuse_built_in_nms,
    refuse_other_network,
    unreadable,
)
from utils.runtime.runtime import Infer, Runtime

CUDA = "CUDAExecutionProvider"


def open_onnx(
    weights: str | Path,
    *,
    device: object = None,
    batch_size: int | None = None,
    option: str = "--weights",
    precision: str | None = None,
    threads: int | None = None,
) -> Runtime:
    """An ``.onnx`` file that ``export.py`` wrote; see ``utils.runtime.runtime.open_runtime``.

    Args:
        weights, device, batch_size, option: as for ``open_runtime``.
        precision: the file's own is the only one.
        threads: None for all cores.
    """
    where = f"{option} {weights}"
    infer, facts, place = load_onnx(weights, where, device, threads)
    refuse_built_in_nms(where, facts)
    if precision not in (None, facts.precision):
        raise UserError(f"{where}: ONNX Runtime runs it in {facts.precision}, not {precision}")
    return Runtime(
        infer,
        facts.class_names,
        facts.input_size,
        batch_size or (1 if place == "CPU" else 8),
        f"ONNX Runtime {version('onnxruntime')}, {facts.precision}, {place}",
        facts.metadata,
        any_shape=True,
        decoding_params=facts.decoding_params,
        on_gpu=place != "CPU",
    )


def load_onnx(
    weights: str | Path, where: str, device: object = None, threads: int | None = None
) -> tuple[Infer, Facts, str]:
    """What runs a file, its facts, and the device in words; also with NMS in its graph.

    Raises:
        UserError: no ONNX Runtime, no such device, or another file; begins with ``where``.
    """
    ort = import_library("onnxruntime", "onnxruntime", where)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 3  # errors; they are raised, too
    providers, place = _providers(ort, device)
    try:
        check_onnx(Path(weights))
        session = ort.InferenceSession(str(weights), options, providers)
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
    except Exception as error:  # its errors have no common class
        raise unreadable(where, "an ONNX file", error) from None
    if place != "CPU" and CUDA not in session.get_providers():  # it only logs that
        if gpu_number(device) is not None:
            raise UserError(
                f"--device {device}: ONNX Runtime cannot use this GPU; install the CUDA and cuDNN "
                "that onnxruntime-gpu names, or use --device cpu"
            )
        place = "CPU"
    facts = Facts.from_json(text, where)
    shapes = {output.name: output.shape for output in session.get_outputs()}
    refuse_other_network(where, facts, [one.name for one in session.get_inputs()], shapes)
    names = output_names(facts)

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(session.run(names, {"images": images}))

    return infer, facts, place


def _providers(ort: Any, device: object) -> tuple[list[Any], str]:
    """What runs the network, for ONNX Runtime and in words."""
    gpu = gpu_number(device)
    there = CUDA in ort.get_available_providers()
    if gpu is not None and not there:
        raise UserError(
            f"--device {device}: this ONNX Runtime has no CUDA; use --device cpu, or install "
            "onnxruntime-gpu in place of onnxruntime"
        )
    if there and device != "cpu":
        gpu = gpu or 0
        return [(CUDA, {"device_id": gpu}), "CPUExecutionProvider"], f"GPU {gpu}"
    return ["CPUExecutionProvider"], "CPU"
