"""A detector in ONNX Runtime, on the CPU or on a GPU with CUDA."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.cores import available_cores
from utils.errors import UserError
from utils.runtime.facts import KEY, Facts
from utils.runtime.opening import (
    gpu_number,
    import_library,
    refuse_other_network,
    unreadable,
)
from utils.runtime.runtime import Runtime

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
    ort = import_library("onnxruntime", "onnxruntime", where)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 3  # errors; they are raised, too
    providers, on_device = _providers(ort, device)
    try:
        session = ort.InferenceSession(str(weights), options, providers)
        facts_text = session.get_modelmeta().custom_metadata_map.get(KEY)
    except Exception as error:  # its errors have no common class
        raise unreadable(where, "an ONNX file", error) from None
    facts = Facts.from_json(facts_text, where)
    outputs = {output.name: output.shape for output in session.get_outputs()}
    refuse_other_network(where, facts, [one.name for one in session.get_inputs()], outputs)
    if precision not in (None, facts.precision):
        raise UserError(f"{where}: ONNX Runtime runs it in {facts.precision}, not {precision}")
    names = [name for name in ("boxes", "scores", "head8", "head16", "head32") if name in outputs]

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(session.run(names, {"images": images}))

    return Runtime(
        infer,
        facts.class_names,
        facts.input_size,
        batch_size or (8 if on_device != "CPU" else 1),
        f"ONNX Runtime {ort.__version__}, {facts.precision}, {on_device}",
        facts.metadata,
        any_shape=True,
        heads=facts.heads,
    )


def _providers(ort: object, device: object) -> tuple[list, str]:
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
