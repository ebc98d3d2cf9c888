"""``export``: a checkpoint → a file or folder for another runtime, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.files import RemovedError, check_clock, check_writable
from utils.runtime.export.earlier import holds_export, other_files
from utils.runtime.export.process import ModuleFailedError, run_module
from utils.runtime.export.request import NMS_FORMATS, PRECISIONS, ExportRequest
from utils.runtime.export.scratch import put_in_place, restore_abandoned, scratch_folder
from utils.runtime.facts import OUTPUTS, Facts
from utils.text import listed
from utils.thresholds import Thresholds

_SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
_MODULES = {  # that writing and checking a format needs, beside TensorFlow
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("onnx", "openvino"),
    "litert": ("ai_edge_litert",),
    "saved_model": (),
}
_INT8_MODULES = {"onnx": (), "openvino": ("nncf",), "litert": ("ai_edge_quantizer",)}


def export(
    weights: str | Path,
    format: str,
    out: str | Path | None = None,
    *,
    precision: str = "float32",
    outputs: str = "decoded",
    nms: Thresholds | None = None,
    calibration: Sequence[np.ndarray] = (),
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Write a checkpoint for another runtime.

    Args:
        weights: a ``.keras`` file that ``train.py`` wrote.
        format: ``onnx``, ``openvino``, ``litert`` or ``saved_model``.
        out: file or folder; None for a name beside the checkpoint. An earlier export there is
            replaced; anything else is an error.
        precision: of the stored weights, one of ``PRECISIONS[format]``.
        outputs: ``decoded``; ``heads``, which ``utils.detector`` decodes; or ``suppressed`` (ONNX
            and SavedModel).
        nms: thresholds of ``suppressed`` outputs; None for the usual ones.
        calibration: for the precision ``int8``, network inputs to measure activations on: uint8
            (H, W, 3), for LiteRT of the checkpoint's own size.
        check: called with the finished file before it gets its name. What it raises is passed on,
            and the file removed.

    Returns:
        Where it is.

    Raises:
        UserError: no checkpoint, a missing package, an impossible combination, or no memory.
        ValueError: ``int8`` without ``calibration``.
    """
    check_clock()
    weights = Path(weights)
    refuse_impossible(format, precision, outputs)
    out = Path(out) if out else default_out(weights, format)
    restore_abandoned(out)
    Facts.of_checkpoint(weights)  # an error in the file comes before the long run
    refuse_missing_packages(format, precision)
    if precision == "int8" and not len(calibration):
        raise ValueError("int8 needs network inputs to measure activations on")
    _refuse_foreign(out, format)
    with scratch_folder(out) as beside:
        try:
            target = beside / f"export{_SUFFIXES.get(format, '')}"
            if outputs == "suppressed":
                nms = nms or Thresholds()
            request = ExportRequest(weights, format, target, precision, outputs, nms)
            if precision == "int8":
                request = replace(request, calibration=beside / "calibration.npz")
                np.savez(request.calibration, *calibration)
            run_module(
                "utils.runtime.export.worker", request.to_json(), f"the conversion to {format}"
            )
            if check:
                check(target)
            put_in_place(beside, target, out)
        except (FileNotFoundError, ModuleFailedError):
            if beside.exists():
                raise
            raise RemovedError(
                f"{out}: its folder was removed while the file was written; start again"
            ) from None
    return out


def default_out(weights: Path, format: str) -> Path:
    """``best.onnx``, ``best.tflite``, ``best_openvino/``, ``best_saved_model/``."""
    if format in _SUFFIXES:
        return weights.with_suffix(_SUFFIXES[format])
    return weights.with_name(f"{weights.stem}_{format}")


def refuse_impossible(format: str, precision: str, outputs: str) -> None:
    """
    Raises:
        UserError: an unknown format, or one that cannot have this precision or these outputs.
    """
    if format not in PRECISIONS:
        raise UserError(f"there is no format {format!r}; choose {listed(list(PRECISIONS), 4)}")
    if precision not in PRECISIONS[format]:
        raise UserError(f"--format {format} can have {listed(PRECISIONS[format])}, not {precision}")
    if outputs not in OUTPUTS:
        raise UserError(f"there are no outputs {outputs!r}; choose {listed(OUTPUTS)}")
    if outputs == "suppressed" and format not in NMS_FORMATS:
        raise UserError(
            f"--nms: {listed(NMS_FORMATS)} can hold suppression, and {format} cannot; leave --nms "
            "out, and suppress what the network returns"
        )


def refuse_missing_packages(format: str, precision: str) -> None:
    """
    Raises:
        UserError: a package that writing or checking the format needs is not installed.
    """
    int8 = precision == "int8"
    needed = _MODULES[format] + (_INT8_MODULES[format] if int8 else ())
    if missing := [name for name in needed if find_spec(name) is None]:
        raise UserError(
            f"--format {format}{' --int8' if int8 else ''} needs {listed(missing)}; in the "
            "project's folder, install with: "
            f'pip install -e ".[{format}{",int8" if int8 else ""}]"'
        )


def _refuse_foreign(out: Path, format: str) -> None:
    """Never replace what is no export of this format; find a folder that takes no files early."""
    check_writable(out, f"--out {out}")
    if format in _SUFFIXES:
        if out.is_dir():
            raise UserError(f"--out {out}: is a folder; give the name of a {format} file")
        if out.suffix != _SUFFIXES[format]:
            raise UserError(f"--out {out}: the name must end in {_SUFFIXES[format]}")
    elif out.exists() and not out.is_dir():
        raise UserError(f"--out {out}: is a file; {format} needs the name of a folder")
    elif out.is_dir() and (others := other_files(out, format)):
        raise UserError(
            f"--out {out}: has other files ({listed(others)}); name a folder that does not exist "
            "yet, or move them away"
        )
    empty = not any(out.iterdir()) if out.is_dir() else out.is_file() and not out.stat().st_size
    if os.path.lexists(out) and not empty and not holds_export(out, format):
        raise UserError(
            f"--out {out}: is there already, and is no {format} export of this project, or a "
            "damaged one; give another --out, or remove it first"
        )
