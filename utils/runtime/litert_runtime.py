"""A detector in LiteRT (TensorFlow Lite), on the CPU."""

from __future__ import annotations

import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from utils.cores import available_cores
from utils.errors import UserError
from utils.files import read_limited
from utils.quiet import silent_stderr
from utils.runtime.device_option import gpu_number
from utils.runtime.facts import KEY, Facts
from utils.runtime.litert_check import check_litert
from utils.runtime.opening import (
    import_library,
    output_names,
    refuse_built_in_nms,
    refuse_other_network,
    unreadable,
)
from utils.runtime.runtime import Runtime

_MAX_TEXT_BYTES = 256 << 20  # bytes
_MAX_BYTES = 2 << 30


def open_litert(
    weights: str | Path,
    *,
    device: object = None,
    batch_size: int | None = None,
    option: str = "--weights",
    precision: str | None = None,
    threads: int | None = None,
) -> Runtime:
    """A ``.tflite`` file that ``export.py`` wrote; see ``utils.runtime.runtime.open_runtime``.

    Args:
        weights, device, option: as for ``open_runtime``.
        batch_size: 1 is the only one.
        precision: the file's own is the only one.
        threads: None for all cores.
    """
    where = f"{option} {weights}"
    litert = import_library("ai_edge_litert.interpreter", "ai-edge-litert", where)
    if gpu_number(device) is not None:
        raise UserError(f"--device {device}: LiteRT runs on the CPU here; use --device cpu")
    # First the archive at the end of the file: with it, the file is whole.
    facts = Facts.from_json(_facts_text(Path(weights), where), where)
    refuse_built_in_nms(where, facts)
    if precision not in (None, facts.precision):
        raise UserError(f"{where}: LiteRT runs it in {facts.precision}, not {precision}")
    try:
        check_litert(read_limited(weights, _MAX_BYTES))
        with silent_stderr():  # it tells that it found its kernels
            interpreter = litert.Interpreter(str(weights), num_threads=threads or available_cores())
        runner = interpreter.get_signature_runner("serving_default")
        inputs = runner.get_input_details()
        outputs = {
            name: [int(n) for n in one["shape"]]
            for name, one in runner.get_output_details().items()
        }
    except Exception as error:  # damage raises any of many kinds
        raise unreadable(where, "a LiteRT file", error) from None
    refuse_other_network(where, facts, inputs, outputs)
    names = output_names(facts)

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        found = runner(images=images)
        return tuple(found[name] for name in names)

    return Runtime(
        infer,
        facts.class_names,
        facts.input_size,
        1,
        f"LiteRT {version('ai-edge-litert')}, {facts.precision}, CPU",
        facts.metadata,
        decoding_params=facts.decoding_params,
    )


def _facts_text(path: Path, where: str) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(f"{KEY}.json").file_size > _MAX_TEXT_BYTES:
                raise UserError(f"{where}: its description of the detector is too large")
            return archive.read(f"{KEY}.json")
    except UserError:
        raise
    except Exception:  # damage raises any of many kinds; without the description it is no detector
        return None
